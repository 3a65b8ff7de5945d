//! Warp specialisation with mbarriers: one warp loads the data, four compute.

use hidet::prelude::*;

kernel! {
    /// y = x * factor.
    #[launch(grid = n.div_ceil(4096), block = 160)]
    pub fn pipelined_scale(x: In<f32, [n]>, y: Out<f32, [n]>, factor: f32) {
        let buffer = shared::<f32>([2, 128]);
        let (full, empty) = (mbarriers(2), mbarriers(2));
        if thread_id() == 0 {
            for s in unroll(0..2) {
                full.init(s, 32);
                empty.init(s, 128);
            }
        }
        sync_threads();
        let start = block_idx().x * 4096;
        #[threads(128..160)]
        {
            for step in 0..32 {
                let s = step % 2;
                if step >= 2 {
                    empty.wait(s, (step / 2 - 1) % 2);
                }
                for q in unroll(0..4) {
                    let at = lane_id() * 4 + q;
                    buffer[[s, at]] = x.get((start + step * 128 + at,));
                }
                full.arrive(s);
            }
        }
        #[threads(0..128)]
        {
            for step in 0..32 {
                let s = step % 2;
                full.wait(s, step / 2 % 2);
                let v = buffer[[s, thread_id()]] * factor;
                empty.arrive(s);
                y.set((start + step * 128 + thread_id(),), v);
            }
        }
    }
}

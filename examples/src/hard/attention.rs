//! Flash attention: online softmax over tiles of keys, causal or not as chosen while building.

use hidet::prelude::*;

kernel! {
    /// o = softmax(q * transposed k / sqrt(D)) * v for each head, one thread per row of q.
    #[launch(grid = (seq.div_ceil(64), heads), block = 64)]
    pub fn attention<const D: i32>(
        #[meta] causal: bool,
        q: In<f32, [heads, seq, D]>,
        k: In<f32, [heads, seq, D]>,
        v: In<f32, [heads, seq, D]>,
        o: Out<f32, [heads, seq, D]>,
    ) {
        let (k_tile, v_tile) = (shared::<f32>([32, D]), shared::<f32>([32, D]));
        let (q_row, sums) = (registers::<f32>([D]), registers::<f32>([D]));
        let head = block_idx().y;
        let row = block_idx().x * 64 + thread_id();
        let scale = 1.0 / (D as f32).sqrt();
        for d in unroll(0..D) {
            q_row[[d]] = q.get((head, row, d)) * scale;
            sums[[d]] = 0.0;
        }
        let mut top = f32::NEG_INFINITY;
        let mut total = 0.0;
        let end = if causal { seq.min(block_idx().x * 64 + 64) } else { seq };
        for key0 in (0..end).step_by(32) {
            for (j, d) in auto_map([32, D as u32], 64).on(thread_id()) {
                k_tile[[j, d]] = k.get((head, key0 + j, d));
                v_tile[[j, d]] = v.get((head, key0 + j, d));
            }
            sync_threads();
            'keys: for j in 0..32 {
                let key = key0 + j;
                if key >= seq {
                    break;
                }
                if causal {
                    if key > row {
                        continue 'keys;
                    }
                }
                let mut s = 0.0;
                for d in unroll(0..D) {
                    s += q_row[[d]] * k_tile[[j, d]];
                }
                let new_top = top.max(s);
                let shrink = (top - new_top).exp();
                let p = (s - new_top).exp();
                total = total * shrink + p;
                for d in unroll(0..D) {
                    sums[[d]] = sums[[d]] * shrink + p * v_tile[[j, d]];
                }
                top = new_top;
            }
            sync_threads();
        }
        for d in unroll(0..D) {
            o.set((head, row, d), sums[[d]] / total);
        }
    }
}

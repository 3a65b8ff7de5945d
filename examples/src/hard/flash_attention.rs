//! Flash attention on tensor cores of warp groups (sm_90a), made of block-level parts.
//!
//! A block computes 128 rows: one thread loads tiles of keys and values, and each of two warp groups attends to them with
//! 64 rows.

use hidet::blocks::{OnlineSoftmax, Pipeline, StagedInput, TiledOutput, Visible, attend, scale_rows};
use hidet::prelude::*;

kernel! {
    /// o = softmax(scale * q * transposed k) * v for each head; in causal attention row i sees the keys up to i. `D`, the
    /// extent of a head, is 64 or 128.
    #[launch(grid = (len.div_ceil(128), heads), block = 384, min_blocks = 1)]
    pub fn flash_attention<T: Float, const D: i32>(
        #[meta] causal: bool,
        q: In<T, [heads, len, D]>,
        k: In<T, [heads, keys, D]>,
        v: In<T, [heads, keys, D]>,
        scale: f32,
        o: Out<T, [heads, len, D]>,
    ) {
        let q = StagedInput::new(q, 1, [128, D]);
        let [k, v] = [k, v].map(|input| StagedInput::new(input, 2, [128, D]));
        let o = TiledOutput::<T, T, 3>::of_boxes(o, 2, D, [1, 64, 64]);
        let (head, first) = (block_idx().y, block_idx().x * 128);
        let visible = Visible::keys(keys, causal.then_some(first), 128);
        let [q_at, k_at, v_at] = [1, 2, 2].map(|stages| Pipeline::new(stages, 2, 1).start());
        #[warp_group(0)]
        {
            set_max_registers(24);
            if thread_id() == 0 {
                q.fill(&q_at, (head, first, 0));
                for tile in 0..visible.tiles() {
                    k.fill(&k_at, (head, visible.first(tile), 0));
                    v.fill(&v_at, (head, visible.first(tile), 0));
                }
            }
        }
        #[warp_group(1..3)]
        {
            set_max_registers(240);
            let (group, sums) = (warp_id() / 4 - 1, registers::<f32>([D / 2]));
            let softmax = OnlineSoftmax::new(scale);
            sums.fill(0.0);
            let row = (&q, &q_at, group * 64);
            attend((sums, &softmax), row, (&k, &k_at), (&v, &v_at), visible);
            scale_rows(sums, D / 2, softmax.finish());
            o.store_box(sums, group, (head, first + group * 64, 0));
            o.finish();
        }
    }
}

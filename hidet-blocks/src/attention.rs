//! Attention of a warp group to keys and values that arrive in tiles.

use crate::pipeline::Position;
use crate::product::{issue, issue_left_by_rows};
use crate::softmax::{MASKED, OnlineSoftmax, scale_rows};
use crate::staged::StagedInput;
use hidet_core::dsl::intrinsics::{lane_id, require, thread_id, warp_id, wgmma_wait};
use hidet_core::dsl::{Expr, View, registers, unroll};
use hidet_core::types::Element;
use hidet_macros::device;

/// Which keys the rows of a block see.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// The number of keys.
    pub keys: Expr<i32>,
    /// In causal attention the number of the block's first row, which sees the keys up to that number, the next row one
    /// more, and so on.
    pub causal_row: Option<Expr<i32>>,
}

impl Mask {
    /// Returns the number of tiles of so many keys that `rows` rows see. Requires that there is a key, since attention to none has no result.
    #[device(crate = hidet_core)]
    pub fn tiles(self, rows: i32, keys: i32) -> Expr<i32> {
        require(self.keys >= 1, "attention to no keys has no result");
        let seen = match self.causal_row {
            Some(row) => self.keys.min(row + rows),
            None => self.keys,
        };
        (seen + (keys - 1)) / keys
    }

    /// Returns the mask of the rows from `row` on.
    #[device(crate = hidet_core)]
    fn from_row(self, row: Expr<i32>) -> Mask {
        Mask { causal_row: self.causal_row.map(|first| first + row), ..self }
    }

    /// Masks the `count` scores of a thread, in 64 rows, for the tile of keys that begins at `key`.
    #[device(crate = hidet_core)]
    fn apply(self, scores: View<f32, 1>, count: i32, key: Expr<i32>) {
        let all_seen = match self.causal_row {
            Some(row) => self.keys.min(row + 1),
            None => self.keys,
        };
        if key + count * 2 > all_seen {
            let key = key + lane_id() % 4 * 2;
            for i in unroll(0..count) {
                let key = key + i / 4 * 8 + i % 2;
                let end = match self.causal_row {
                    Some(row) => self.keys.min(row + warp_id() % 4 * 16 + lane_id() / 4 + i / 2 % 2 * 8 + 1),
                    None => self.keys,
                };
                scores[[i]] = (key < end).select(scores[[i]], MASKED);
            }
        }
    }
}

/// Adds to `sums` the values of all keys, weighted by the powers of their scores, for 64 rows of `q` from `row` on. `tiles`
/// is the number of tiles of keys and values, at least one, that the block's rows see; `k_at` and `v_at` go
/// through them. `T` has 16 bits.
///
/// The products of a tile's scores and those of the previous tile's values are in flight together, and the latter still are
/// while the scores are turned into powers.
#[device(crate = hidet_core)]
pub fn attend<T: Element, const R: usize>(
    (sums, softmax): (View<f32, 1>, &OnlineSoftmax),
    (q, q_at, row): (&StagedInput<T, R>, &Position, Expr<i32>),
    (k, k_at): (&StagedInput<T, R>, &Position),
    (v, v_at): (&StagedInput<T, R>, &Position),
    (tiles, mask): (Expr<i32>, Mask),
) {
    let (t, count, mask) = (thread_id() % 128, k.rows() / 2, mask.from_row(row));
    let scores = registers::<f32, 1>([count]);
    let powers = registers::<T, 2>([k.rows() / 16, 8]);
    q_at.wait();
    k_at.wait();
    issue(false, scores, (q, q_at, row), (k, k_at));
    wgmma_wait(0);
    k_at.pass(t, false);
    mask.apply(scores, count, tiles - tiles);
    softmax.next(scores, count);
    round(scores, powers, count);
    for tile in 1..tiles {
        k_at.wait();
        issue(false, scores, (q, q_at, row), (k, k_at));
        v_at.wait();
        issue_left_by_rows(sums, powers, (v, v_at));
        wgmma_wait(1);
        k_at.pass(t, false);
        mask.apply(scores, count, tile * k.rows());
        let factors = softmax.next(scores, count);
        wgmma_wait(0);
        v_at.pass(t, false);
        scale_rows(sums, v.cols() / 2, factors);
        round(scores, powers, count);
    }
    v_at.wait();
    issue_left_by_rows(sums, powers, (v, v_at));
    wgmma_wait(0);
    v_at.pass(t, false);
}

/// Rounds powers to the left operand of a product: 16 keys at a time.
#[device(crate = hidet_core)]
fn round<T: Element>(powers: View<f32, 1>, rounded: View<T, 2>, count: i32) {
    for i in unroll(0..count) {
        rounded[[i / 8, i % 8]] = powers[[i]] as T;
    }
}

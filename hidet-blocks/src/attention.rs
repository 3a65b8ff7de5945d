//! Attention of a warp group to keys and values that arrive in tiles.

use crate::pipeline::Position;
use crate::product::{issue, issue_left_by_rows};
use crate::softmax::{HIDDEN, MASKED, OnlineSoftmax, scale_rows};
use crate::staged::StagedInput;
use hidet_core::dsl::intrinsics::{lane_id, refuse, require, thread_id, warp_id, wgmma_wait};
use hidet_core::dsl::{Expr, In, IntoExpr, View, registers, unroll};
use hidet_core::types::Element;
use hidet_macros::device;
use std::f32::consts::LOG2_E;

/// The keys that the rows of a block see, in tiles of as many keys or more than the block has rows. The last tile comes
/// first.
#[derive(Clone, Copy, Debug)]
pub struct Visible {
    size: i32,
    keys: Expr<i32>,
    /// In causal attention the number of the first row, and of rows.
    causal: Option<(Expr<i32>, i32)>,
    /// How many tiles, the first ones, rows may see a part of.
    parts: i32,
    bias: Option<Bias>,
}

/// What is added to scores.
#[derive(Clone, Copy, Debug)]
struct Bias {
    /// One number for each row and each key.
    of: In<f32, 2>,
    /// The first row of the block.
    first: Expr<i32>,
    /// What scores are multiplied by before, for powers of 2.
    scale: Expr<f32>,
}

impl Visible {
    /// Returns all `keys`, an extent, for a block of `size` rows, in tiles of as many. In causal attention the block's first
    /// row is numbered `causal_row`, a multiple of `size`, and each row sees the keys up to its own number.
    #[device(crate = hidet_core)]
    pub fn keys(keys: Expr<i32>, causal_row: Option<Expr<i32>>, size: i32) -> Visible {
        Visible::of_rows(keys, causal_row.map(|row| (row, size)), size, 1)
    }

    /// Returns all `keys`, an extent, in tiles of `size`. In causal attention the block's first row has the first number of
    /// `causal`, which is not negative; it has as many rows as the second, at most `size`, and each row sees the keys up to
    /// its own number: of the first `parts` tiles, 1 or 2, it may see a part. 1 is enough if the numbers of all rows of a
    /// block lie in one tile.
    #[device(crate = hidet_core)]
    pub fn of_rows(keys: Expr<i32>, causal: Option<(Expr<i32>, i32)>, size: i32, parts: i32) -> Visible {
        if causal.is_some_and(|(_, rows)| rows > size) || !(1..=2).contains(&parts) {
            refuse("rows see a part of 1 or 2 tiles: a tile has as many keys as a block has rows, or more");
        }
        require(keys >= 1, "attention to no keys has no result");
        Visible { size, keys, causal, parts, bias: None }
    }

    /// Returns the same keys for scores that are multiplied by `scale` and added to a `bias` of rows by keys, of which the
    /// block's first row is `first`. Minus infinity hides a key. The softmax is [`OnlineSoftmax::of_biased`].
    #[device(crate = hidet_core)]
    pub fn with_bias(self, of: In<f32, 2>, first: Expr<i32>, scale: Expr<f32>) -> Visible {
        Visible { bias: Some(Bias { of, first, scale: scale * LOG2_E }), ..self }
    }

    /// Returns the number of tiles, at least one.
    #[device(crate = hidet_core)]
    pub fn tiles(self) -> Expr<i32> {
        let seen = match self.causal {
            Some((row, rows)) => self.keys.min(row + rows),
            None => self.keys,
        };
        (seen + (self.size - 1)) / self.size
    }

    /// Returns the first key of the tile that comes as number `tile`.
    #[track_caller]
    pub fn first(self, tile: Expr<i32>) -> Expr<i32> {
        (self.tiles() - 1 - tile) * self.size
    }

    /// Masks the `count` scores of a thread, in 64 rows from `row` of the block on, for the tile that comes as number `tile`.
    #[device(crate = hidet_core)]
    fn mask(self, scores: View<f32, 1>, count: i32, row: Expr<i32>, tile: Expr<i32>) {
        let first = (self.tiles() - 1 - tile) * self.size + lane_id() % 4 * 2;
        if let Some(bias) = self.bias {
            self.add(bias, scores, count, row, first);
        } else {
            self.hide(scores, count, row, first);
        }
    }

    /// Adds the bias to the scores of a thread, whose first key is `first`.
    #[device(crate = hidet_core)]
    fn add(self, bias: Bias, scores: View<f32, 1>, count: i32, row: Expr<i32>, first: Expr<i32>) {
        let own = row + warp_id() % 4 * 16 + lane_id() / 4;
        for half in unroll(0..2) {
            // Rows behind the last one have scores too, which nobody stores.
            let line = bias.of.row((bias.first + own + half * 8).min(bias.of.extent(0) - 1));
            let end = match self.causal {
                Some((block, _)) => self.keys.min(block + own + half * 8 + 1),
                None => self.keys,
            };
            for i in unroll((0..count).filter(move |i| i / 2 % 2 == half)) {
                let key = first + (i / 4 * 8 + i % 2);
                let added = line[[key.min(self.keys - 1)]];
                // As exact as can be: rows may see everything equally little.
                let score = (scores[[i]] * bias.scale + added.max(MASKED) * LOG2_E).max(MASKED);
                let seen = (added > f32::NEG_INFINITY).select(score, HIDDEN);
                scores[[i]] = (key < end).select(seen, HIDDEN);
            }
        }
    }

    /// Hides the scores of keys that rows do not see.
    #[device(crate = hidet_core)]
    fn hide(self, scores: View<f32, 1>, count: i32, row: Expr<i32>, first: Expr<i32>) {
        for i in unroll(0..count) {
            let end = match self.causal {
                Some((block, _)) => {
                    let row = block + row + warp_id() % 4 * 16 + lane_id() / 4 + i / 2 % 2 * 8;
                    self.keys.min(row + 1)
                }
                None => self.keys,
            };
            scores[[i]] = (first + (i / 4 * 8 + i % 2) < end).select(scores[[i]], HIDDEN);
        }
    }
}

/// Adds to `sums` the values of all visible keys, weighted by the powers of their scores, for 64 rows of `q` from `row` on.
/// Tiles of keys and values come in the order of [`Visible::first`]. `T` has 16 bits.
///
/// The products of a tile's scores and those of the previous tile's values are in flight together, and the latter still are
/// while the scores are turned into powers.
#[device(crate = hidet_core)]
pub fn attend<T: Element, const R: usize>(
    (sums, softmax): (View<f32, 1>, &OnlineSoftmax),
    (q, q_at, row): (&StagedInput<T, R>, &Position, Expr<i32>),
    (k, k_at): (&StagedInput<T, R>, &Position),
    (v, v_at): (&StagedInput<T, R>, &Position),
    visible: Visible,
) {
    if [k.rows(), v.rows()].iter().any(|rows| *rows != visible.size) {
        refuse("tiles of keys and values must have as many rows as `Visible` says");
    }
    let [q, k, v] = [q, k, v].map(StagedInput::as_copied);
    let (t, count) = (thread_id() % 128, k.rows() / 2);
    let scores = registers::<f32, 1>([count]);
    let powers = registers::<T, 2>([k.rows() / 16, 8]);
    q_at.wait();
    k_at.wait();
    issue(false, scores, (q, q_at, row), (k, k_at));
    wgmma_wait(0);
    k_at.pass(t);
    visible.mask(scores, count, row, 0i32.into_expr());
    softmax.next(scores, count);
    round(scores, powers, count);
    for tile in 1..visible.tiles() {
        k_at.wait();
        issue(false, scores, (q, q_at, row), (k, k_at));
        v_at.wait();
        issue_left_by_rows(sums, powers, (v, v_at));
        wgmma_wait(1);
        k_at.pass(t);
        if visible.bias.is_some() {
            visible.mask(scores, count, row, tile);
        } else if visible.parts == 2 {
            if tile == 1 {
                visible.mask(scores, count, row, tile);
            }
        }
        let factors = softmax.next(scores, count);
        wgmma_wait(0);
        v_at.pass(t);
        scale_rows(sums, v.cols() / 2, factors);
        round(scores, powers, count);
    }
    v_at.wait();
    issue_left_by_rows(sums, powers, (v, v_at));
    wgmma_wait(0);
    v_at.pass(t);
}

/// Rounds powers to the left operand of a product: 16 keys at a time.
#[device(crate = hidet_core)]
fn round<T: Element>(powers: View<f32, 1>, rounded: View<T, 2>, count: i32) {
    for i in unroll(0..count) {
        rounded[[i / 8, i % 8]] = powers[[i]] as T;
    }
}

//! All steps of an LSTM of 16-bit floats as one kernel, on the tensor cores of sm_80 and later: each block keeps the weights of a
//! few units in registers, and after each step waits for the others at the barrier of the grid.
//!
//! Three launches per step take longer than a step itself: its bytes are those of one state, and the weights of all units
//! would be read again in each step.

use super::product::multiprocessors;
use crate::schedule::arch_of;
use hidet::device::Device;
use hidet::prelude::*;
use hidet::types::Scalar;

/// The shape of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LstmSchedule {
    /// Units of a state.
    hidden: i32,
    /// Units of a block: a multiple of 2.
    units: i32,
    /// Warps of a block, which share the products of a state: each has a multiple of 32 of its elements.
    warps: i32,
    /// Tiles of 16 sequences.
    tiles: i32,
    /// True if the last element of a sequence comes first.
    reverse: bool,
}

/// The most sequences of a batch.
const MOST_SEQUENCES: usize = 64;

impl LstmSchedule {
    /// Returns the schedule for sequences `[length, batch]` with states of this many units, if it is a case for this kernel.
    pub(crate) fn of(
        device: &Device,
        dtype: Scalar,
        [length, batch, hidden]: [usize; 3],
        reverse: bool,
    ) -> Option<LstmSchedule> {
        let fits = [Scalar::F16, Scalar::BF16].contains(&dtype)
            && arch_of(device) >= 80
            && length > 0
            && (1..=MOST_SEQUENCES).contains(&batch)
            && hidden > 0
            && hidden % 32 == 0;
        // All blocks of the grid run at once.
        let units = [4, 8].into_iter().find(|units| fits && hidden / units <= multiprocessors(device))?;
        let warps = [8, 4, 2, 1].into_iter().find(|warps| hidden % (warps * 32) == 0)?;
        let tiles = batch.div_ceil(16);
        let [hidden, units, warps, tiles] = [hidden, units, warps, tiles].map(|number| number as i32);
        Some(LstmSchedule { hidden, units, warps, tiles, reverse })
    }

    /// Returns the units of a block, which the device decides; all else follows from the types.
    pub(crate) fn units(&self) -> u64 {
        u64::from(self.units.unsigned_abs())
    }

    fn threads(&self) -> i32 {
        self.warps * 32
    }

    /// Returns how many elements of a state a thread computes, at most.
    fn own(&self) -> i32 {
        (self.tiles * 16 * self.units + self.threads() - 1) / self.threads()
    }

    /// Returns how many times 32 elements of a state a warp multiplies.
    fn chunks(&self) -> i32 {
        self.hidden / self.threads()
    }
}

kernel! {
    /// The states of an LSTM in the order of the sequence; the first one is before those of all steps, or behind them if the
    /// last element comes first. One plane more has the cells after the last step. Gates are in the order input, output,
    /// forget, cell.
    #[launch(grid = s.hidden / s.units, block = s.threads(), min_blocks = 1, cooperative)]
    pub(crate) fn lstm_mma<T: Float>(
        #[meta] s: LstmSchedule,
        inputs: In<f32, [length, batch, _gates]>,
        weight: In<T, [_rows, _hidden]>,
        first: In<T, [batch, _units]>,
        cell: In<T, [batch, _cells]>,
        y: Out<T, [_planes, batch, _states]>,
    ) {
        let (unit, own, cols) = (block_idx().x * s.units, s.own(), s.units * 4);
        // Each thread has the same units of the same sequences in all steps.
        let place = |number: i32| {
            let number = thread_id() + number * s.threads();
            (number / s.units, number % s.units)
        };
        let (cells, gates) = (registers::<f32, 1>([own]), registers::<f32, 2>([own, 4]));
        let (before, behind) = if s.reverse { (1, 0) } else { (0, 1) };
        for p in unroll(0..own) {
            let (row, at) = place(p);
            cells[[p]] = cell.get((row, unit + at)) as f32;
            if row < batch {
                y[[if s.reverse { length } else { 0.into_expr() }, row, unit + at]] = first[[row, unit + at]];
            }
        }
        let weights = weights::<T>(s, weight, unit);
        let sums = registers::<f32, 3>([s.tiles, cols / 8, 4]);
        let parts = shared::<f32, 3>([s.warps, s.tiles * 16, cols]);
        grid_sync();
        for step in 0..length {
            let at_step = if s.reverse { length - 1 - step } else { step };
            // What does not depend on the step before is on its way while that is read.
            for p in unroll(0..own) {
                let (row, at) = place(p);
                for gate in unroll(0..4) {
                    gates[[p, gate]] = inputs.get((at_step, row, unit + at + gate * s.hidden));
                }
            }
            multiply::<T>(s, sums, (y.slice(at_step + before), batch), weights);
            let (row, col) = fragment_place();
            for i in unroll(0..s.tiles) {
                for j in unroll(0..cols / 8) {
                    for half in unroll(0..2) {
                        let pair = vector([sums[[i, j, half * 2]], sums[[i, j, half * 2 + 1]]]);
                        parts.store((warp_id(), row + (i * 16 + half * 8), col + j * 8), pair);
                    }
                }
            }
            sync_threads();
            for p in unroll(0..own) {
                let (row, at) = place(p);
                if row < batch {
                    for part in unroll(0..s.warps) {
                        let four = parts.load::<4>((part, row, at * 4)).lanes();
                        for gate in unroll(0..4) {
                            gates[[p, gate]] += four[gate as usize];
                        }
                    }
                    let kept = sigmoid(gates[[p, 2]]) * cells[[p]];
                    cells[[p]] = kept + sigmoid(gates[[p, 0]]) * gates[[p, 3]].tanh();
                    y[[at_step + behind, row, unit + at]] = (sigmoid(gates[[p, 1]]) * cells[[p]].tanh()) as T;
                }
            }
            grid_sync();
        }
        for p in unroll(0..own) {
            let (row, at) = place(p);
            if row < batch {
                y[[length + 1, row, unit + at]] = cells[[p]] as T;
            }
        }
    }
}

#[device]
fn sigmoid(x: Expr<f32>) -> Expr<f32> {
    1.0 / (1.0 + (-x).exp())
}

/// Returns the row of the first of four sums of a lane in a tile of 16 x 8, and its column; the third is eight rows below.
#[device]
fn fragment_place() -> (Expr<i32>, Expr<i32>) {
    (lane_id() / 4, lane_id() % 4 * 2)
}

/// Returns the first of the elements of a state that a lane multiplies. Of 32 in a row a lane has eight adjacent ones, for
/// two products: which pairs `mma` takes along k is free as long as both operands have the same.
#[device]
fn along(s: LstmSchedule) -> Expr<i32> {
    warp_id() * (s.hidden / s.warps) + lane_id() % 4 * 8
}

/// Returns the weights of a block that a lane multiplies: columns are the units of the block, each with its four gates.
#[device]
fn weights<T: Element>(s: LstmSchedule, weight: In<T, 2>, unit: Expr<i32>) -> View<T, 3> {
    let weights = registers::<T, 3>([s.units / 2, s.chunks(), 8]);
    for j in unroll(0..s.units / 2) {
        let col = lane_id() / 4 + j * 8;
        let row = col % 4 * s.hidden + unit + col / 4;
        for chunk in unroll(0..s.chunks()) {
            weights.store((j, chunk, 0), weight.load::<8>((row, along(s) + chunk * 32)));
        }
    }
    weights
}

/// Computes the products of the part of a state that is the warp's.
#[device]
fn multiply<T: Element>(
    s: LstmSchedule,
    sums: View<f32, 3>,
    (state, batch): (Out<T, 2>, Expr<i32>),
    weights: View<T, 3>,
) {
    let left = registers::<T, 1>([8]);
    sums.fill(0.0);
    for chunk in unroll(0..s.chunks()) {
        for i in unroll(0..s.tiles) {
            // Rows behind the last sequence are computed as the last one, and dropped.
            let eight = [0, 8].map(|half| {
                let row = (lane_id() / 4 + (i * 16 + half)).min(batch - 1);
                state.load::<8>((row, along(s) + chunk * 32)).lanes()
            });
            for product in unroll(0..2usize) {
                for e in unroll(0..8usize) {
                    left[[e as i32]] = eight[e / 2 % 2][product * 4 + e / 4 * 2 + e % 2];
                }
                for j in unroll(0..s.units / 2) {
                    mma_m16n8k16(&sums[[i, j, 0]], &left[[0]], &weights[[j, chunk, product as i32 * 4]]);
                }
            }
        }
    }
}

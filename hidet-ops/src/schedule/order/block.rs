//! The chunk of a line that a block sorts: in registers of its threads, between those of a warp, and through shared memory.

use super::{Sort, along, threads};
use hidet::dsl::{AnyExpr, AnyView};
use hidet::prelude::*;
use hidet::types::Scalar;

/// Returns an integer in whose order a value is, NaN as the largest, or in whose order the values fall. Those of 32 bits and
/// less have 32 bits.
#[device]
pub(super) fn key(value: AnyExpr, descending: bool) -> Expr<u64> {
    let scalar = value.ty().scalar;
    let rising = match (scalar.is_float(), scalar.bytes() == 8, scalar.is_signed_int()) {
        (true, true, _) => {
            let value = value.typed::<f64>();
            // 0 and -0 are equal.
            let bits = (value + 0.0).to_bits();
            let ordered = (bits >> 63 == 1).select(!bits, bits | (1 << 63));
            value.is_nan().select(u64::MAX.into_expr(), ordered)
        }
        (true, false, _) => {
            let value = value.cast(Scalar::F32).typed::<f32>();
            let bits = (value + 0.0).to_bits();
            let ordered = (bits >> 31 == 1).select(!bits, bits | 0x8000_0000);
            value.is_nan().select(u32::MAX.into_expr(), ordered) as u64
        }
        (false, true, true) => value.typed::<i64>() as u64 ^ (1 << 63),
        (false, true, false) => value.typed::<u64>(),
        (false, false, true) => (value.cast(Scalar::I32).typed::<i32>() as u32 ^ 0x8000_0000) as u64,
        (false, false, false) => value.cast(Scalar::U32).typed::<u32>() as u64,
    };
    match (descending, scalar.bytes() == 8) {
        (false, _) => rising,
        (true, true) => !rising,
        (true, false) => rising ^ 0xffff_ffff,
    }
}

/// The chunk of a block: each thread has adjacent places in registers.
pub(super) struct Block {
    sort: Sort,
    line: Expr<i32>,
    /// The place of the line with which the chunk begins.
    first: Expr<i32>,
    /// Places of a thread.
    own: i32,
    keys: View<u64, 1>,
    /// Of keys of 64 bits; else numbers are below the keys.
    numbers: Option<View<i32, 1>>,
    /// For exchanges between warps.
    shared: (View<u64, 1>, Option<View<i32, 1>>),
}

impl Block {
    #[device]
    pub(super) fn new(sort: Sort) -> Block {
        let (chunks, places) = (sort.chunks as i32, sort.places as i32);
        let own = places / threads(&sort);
        let shared = (shared::<u64, 1>([places]), sort.wide.then(|| shared::<i32, 1>([places])));
        let (keys, numbers) = (registers::<u64>([own]), sort.wide.then(|| registers::<i32>([own])));
        let (line, first) = (block_idx().x / chunks, block_idx().x % chunks * places);
        Block { sort, line, first, own, keys, numbers, shared }
    }

    /// Loads keys and numbers of the places of the chunk; those behind the line come last.
    #[device]
    pub(super) fn load(&self, term: impl Fn(Expr<i32>, Expr<i32>) -> (Expr<u64>, Expr<i32>)) {
        let len = self.sort.len as i32;
        // Which place a term begins at does not matter: adjacent threads load adjacent ones.
        for e in unroll(0..self.own) {
            let at = self.first + e * threads(&self.sort) + thread_idx().x;
            self.keys[[e]] = u64::MAX;
            if let Some(numbers) = self.numbers {
                numbers[[e]] = i32::MAX;
            }
            if at < len {
                let (key, number) = term(self.line, at);
                match self.numbers {
                    Some(numbers) => {
                        self.keys[[e]] = key;
                        numbers[[e]] = number;
                    }
                    None => self.keys[[e]] = (key << 32) | (number as u32 as u64),
                }
            }
        }
        if self.sort.run.is_some() {
            // What is merged is in order, so each thread takes adjacent places.
            let place = |e: i32| e * threads(&self.sort) + thread_idx().x;
            self.through_shared(place, |e| thread_idx().x * self.own + e);
        }
    }

    /// Stores what the thread has at places, and loads what others have stored at other ones.
    #[device]
    fn through_shared(&self, to: impl Fn(i32) -> Expr<i32>, from: impl Fn(i32) -> Expr<i32>) {
        let (keys, numbers) = self.shared;
        for e in unroll(0..self.own) {
            keys[[to(e)]] = self.keys[[e]];
            if let (Some(all), Some(own)) = (numbers, self.numbers) {
                all[[to(e)]] = own[[e]];
            }
        }
        sync_threads();
        for e in unroll(0..self.own) {
            self.keys[[e]] = keys[[from(e)]];
            if let (Some(all), Some(own)) = (numbers, self.numbers) {
                own[[e]] = all[[from(e)]];
            }
        }
        sync_threads();
    }

    /// Sorts the chunk, or merges it.
    #[device]
    pub(super) fn sort(&self) {
        let places = self.sort.places as i32;
        match self.sort.run {
            Some(run) => self.merge(run as i32, places / 2),
            None => {
                for bit in unroll(1..=places.ilog2() as i32) {
                    self.merge(1 << bit, 1 << (bit - 1));
                }
            }
        }
    }

    /// Merges halves of runs: exchanges places that are `apart`, and then half of it, down to 1.
    #[device]
    fn merge(&self, run: i32, apart: i32) {
        let first = thread_idx().x * self.own;
        let base = if self.sort.in_turn { self.first + first } else { first };
        for bit in unroll(0..=apart.ilog2() as i32) {
            let apart = apart >> bit;
            // Runs and distances are powers of two: what is larger than the places of a thread is the same for all of them.
            let rises = |e: i32| match run < self.own {
                true => (e & run == 0).into_expr(),
                false => base & run == 0,
            };
            if apart < self.own {
                for e in unroll(0..self.own) {
                    // Of two places of the thread itself, the first one does it for both.
                    if e & apart == 0 {
                        self.exchange(e, e + apart, rises(e));
                    }
                }
            } else if apart < self.own * 32 {
                let smaller = rises(0) == (first & apart == 0);
                for e in unroll(0..self.own) {
                    let key = shuffle_xor(self.keys[[e]], apart / self.own);
                    let number = self.numbers.map(|own| shuffle_xor(own[[e]], apart / self.own));
                    self.keep(e, (key, number), smaller);
                }
            }
            if apart >= self.own * 32 {
                let (keys, numbers) = self.shared;
                for e in unroll(0..self.own) {
                    keys[[first + e]] = self.keys[[e]];
                    if let (Some(all), Some(own)) = (numbers, self.numbers) {
                        all[[first + e]] = own[[e]];
                    }
                }
                sync_threads();
                let smaller = rises(0) == (first & apart == 0);
                for e in unroll(0..self.own) {
                    let other = (first ^ apart) + e;
                    self.keep(e, (keys[[other]], numbers.map(|all| all[[other]])), smaller);
                }
                sync_threads();
            }
        }
    }

    /// Exchanges two places of the thread, if the second comes first in an order that rises, or the first in one that falls.
    #[device]
    fn exchange(&self, low: i32, high: i32, rises: Expr<bool>) {
        let (a, b) = (self.keys[[low]], self.keys[[high]]);
        let numbers = self.numbers.map(|own| (own, own[[low]], own[[high]]));
        let is_after = match numbers {
            Some((_, first, second)) => a > b || a == b && first > second,
            None => a > b,
        };
        let swap = is_after == rises;
        self.keys[[low]] = swap.select(b, a);
        self.keys[[high]] = swap.select(a, b);
        if let Some((own, first, second)) = numbers {
            own[[low]] = swap.select(second, first);
            own[[high]] = swap.select(first, second);
        }
    }

    /// Keeps the smaller of a place and another one, or the larger.
    #[device]
    fn keep(&self, e: i32, (key, number): (Expr<u64>, Option<Expr<i32>>), smaller: Expr<bool>) {
        let own = self.keys[[e]];
        let is_smaller = match (self.numbers, number) {
            (Some(numbers), Some(number)) => own < key || own == key && numbers[[e]] < number,
            _ => own < key,
        };
        let stays = is_smaller == smaller;
        self.keys[[e]] = stays.select(own, key);
        if let (Some(numbers), Some(number)) = (self.numbers, number) {
            numbers[[e]] = stays.select(numbers[[e]], number);
        }
    }

    /// Stores what is kept of the chunk: numbers in the result if this is the last kernel, else keys and numbers.
    #[device]
    pub(super) fn store(&self, y: AnyView, (extents, axis): (&[usize], usize), last: bool) {
        let (places, keep) = (self.sort.places as i32, self.sort.keep as i32);
        // Adjacent threads store adjacent places.
        let place = |e: i32| e * threads(&self.sort) + thread_idx().x;
        self.through_shared(|e| thread_idx().x * self.own + e, place);
        for e in unroll(0..self.own) {
            let number = match self.numbers {
                Some(numbers) => numbers[[e]],
                None => self.keys[[e]] as u32 as i32,
            };
            // Of merged chunks, some are behind all that are wanted.
            let at = if last { self.first + place(e) } else { place(e) };
            if at < keep {
                if last {
                    let index = along(self.line, at, (extents, axis));
                    y.write(&index, AnyExpr::from(number).cast(y.scalar()));
                } else {
                    let at = self.first / places * keep + at;
                    y.write(&[0.into_expr(), self.line, at], self.keys[[e]].into());
                    if self.numbers.is_some() {
                        y.write(&[1.into_expr(), self.line, at], (number as u64).into());
                    }
                }
            }
        }
    }
}

//! Atomic read-modify-write operations: `atomic_add(&counts[[bin]], 1)`. Each returns the old value.
//!
//! Plain names are relaxed; `_acquire`, `_release` and `_acq_rel` order other accesses.

use super::{AtomicInt, AtomicNum, intrinsic};
use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};

macro_rules! atomics {
    ($($doc:literal $bound:ident: $($name:ident $row:literal)*;)*) => {$($(
        #[doc = $doc]
        #[track_caller]
        pub fn $name<T: $bound>(at: Address<T>, value: impl IntoExpr<T>) -> Expr<T> {
            intrinsic($row).address(&at).value::<T>(value).give()
        }
    )*)*};
}
atomics! {
    "Adds; returns the old value." AtomicNum:
        atomic_add "atomic.add" atomic_add_acquire "atomic.add.acquire"
        atomic_add_release "atomic.add.release" atomic_add_acq_rel "atomic.add.acq_rel";
    "Stores the minimum; returns the old value." AtomicInt:
        atomic_min "atomic.min" atomic_min_acquire "atomic.min.acquire"
        atomic_min_release "atomic.min.release" atomic_min_acq_rel "atomic.min.acq_rel";
    "Stores the maximum; returns the old value." AtomicInt:
        atomic_max "atomic.max" atomic_max_acquire "atomic.max.acquire"
        atomic_max_release "atomic.max.release" atomic_max_acq_rel "atomic.max.acq_rel";
    "Stores the bitwise and; returns the old value." AtomicInt:
        atomic_and "atomic.and" atomic_and_acquire "atomic.and.acquire"
        atomic_and_release "atomic.and.release" atomic_and_acq_rel "atomic.and.acq_rel";
    "Stores the bitwise or; returns the old value." AtomicInt:
        atomic_or "atomic.or" atomic_or_acquire "atomic.or.acquire"
        atomic_or_release "atomic.or.release" atomic_or_acq_rel "atomic.or.acq_rel";
    "Stores the bitwise exclusive or; returns the old value." AtomicInt:
        atomic_xor "atomic.xor" atomic_xor_acquire "atomic.xor.acquire"
        atomic_xor_release "atomic.xor.release" atomic_xor_acq_rel "atomic.xor.acq_rel";
    "Stores the value; returns the old one." AtomicInt:
        atomic_exchange "atomic.exchange" atomic_exchange_acquire "atomic.exchange.acquire"
        atomic_exchange_release "atomic.exchange.release" atomic_exchange_acq_rel "atomic.exchange.acq_rel";
}

macro_rules! compare_exchange {
    ($($name:ident $row:literal;)*) => {$(
        /// Stores `new` if the old value equals `expected`; returns the old value.
        #[track_caller]
        pub fn $name<T: AtomicInt>(at: Address<T>, expected: impl IntoExpr<T>, new: impl IntoExpr<T>) -> Expr<T> {
            intrinsic($row).address(&at).value::<T>(expected).value::<T>(new).give()
        }
    )*};
}
compare_exchange! {
    atomic_cas "atomic.cas";
    atomic_cas_acquire "atomic.cas.acquire";
    atomic_cas_release "atomic.cas.release";
    atomic_cas_acq_rel "atomic.cas.acq_rel";
}

//! Vector loads and stores of global memory with cache hints, and vector reductions.

use super::{ReducedFloat, intrinsic};
use crate::dsl::address::Address;
use crate::dsl::builder::here;
use crate::dsl::expr::Expr;
use crate::dsl::memory::registers;
use crate::dsl::vector::Vector;
use crate::dsl::view::View;
pub use crate::intrinsics::{LoadHint, StoreHint};
use crate::types::{Element, Type};

/// Returns `N` registers, and the address of the first.
#[track_caller]
fn held<T: Element, const N: usize>() -> (View<T, 1>, Address<T>) {
    let view = registers::<T, 1>([N as i32]);
    let address = view.address((0,));
    (view, address)
}

/// Loads `N` consecutive elements of global memory along the last axis by one instruction, 2 to 16 bytes (32 from
/// `sm_100` on), starting at an index that is a multiple of `N`: `load_hint::<4>(&x[[i, j]], LoadHint::NoAllocate)`.
#[track_caller]
pub fn load_hint<const N: usize, T: Element>(from: Address<T>, hint: LoadHint) -> Expr<Vector<T, N>> {
    let (view, to) = held::<T, N>();
    from.align(Type::vector(T::SCALAR, N as u8), here());
    let row = format!("load.{}.x{N}.b{}", hint.name(), 8 * T::SCALAR.bytes());
    intrinsic(&row).address(&to).address(&from).run();
    view.load::<N>((0,))
}

/// Stores a vector to global memory by one instruction, 2 to 16 bytes (32 from `sm_100` on).
#[track_caller]
pub fn store_hint<const N: usize, T: Element>(to: Address<T>, value: Expr<Vector<T, N>>, hint: StoreHint) {
    let (view, from) = held::<T, N>();
    view.store((0,), value);
    to.align(Type::vector(T::SCALAR, N as u8), here());
    let row = format!("store.{}.x{N}.b{}", hint.name(), 8 * T::SCALAR.bytes());
    intrinsic(&row).address(&to).address(&from).run();
}

/// Adds a vector of 2 or 4 `f32`, or of 2, 4 or 8 `f16` or `bf16`, to consecutive elements of global memory, each
/// atomically (sm_90). Returns nothing, and does not order other accesses.
#[track_caller]
pub fn reduce_add<const N: usize, T: ReducedFloat>(to: Address<T>, value: Expr<Vector<T, N>>) {
    let (view, from) = held::<T, N>();
    view.store((0,), value);
    to.align(Type::vector(T::SCALAR, N as u8), here());
    intrinsic(&format!("red.add.x{N}.{}", T::SCALAR)).address(&to).address(&from).run();
}

//! Registers of a warp as rows of 32 lanes, and the row functions, which compute whole rows.
//!
//! A row function always computes all 32 lanes; the interpreter writes back the active ones. The loops have a fixed
//! length over plain words so that the compiler turns them into vector instructions; on x86-64 each hot row function
//! exists a second time for AVX2 with FMA, chosen when a function is compiled. Types without a row function are
//! evaluated lane by lane by `ir::eval`, which defines the meaning of all of them.

use crate::ir::{BinaryOp, CompareOp, UnaryOp};
use crate::types::arithmetic::{FloatArithmetic, IntegerArithmetic, ScalarArithmetic};
use crate::types::{Scalar, bf16, f16};

/// The number of lanes of a warp.
pub const LANES: usize = 32;
/// The mask of all lanes.
pub const FULL: u32 = u32::MAX;

/// One 32-bit word per lane. A 64-bit value takes two rows, read as `[u64; 32]`.
#[repr(C, align(128))]
#[derive(Clone, Copy, Debug)]
pub struct RegisterRow(pub [u32; LANES]);

impl RegisterRow {
    /// Zeros.
    pub const ZERO: RegisterRow = RegisterRow([0; LANES]);
}

/// Computes destination rows from up to three operands.
///
/// # Safety
/// The pointers are valid for as many rows as the types of the function take (unused operands may be anything); the
/// destination does not overlap any operand.
pub type LaneFn = unsafe fn(*mut RegisterRow, *const RegisterRow, *const RegisterRow, *const RegisterRow);

/// Returns true if the host supports the AVX2 version of the row functions.
fn wide_host() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
            && std::arch::is_x86_feature_detected!("f16c")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Defines a row function with this body, in the best version for the host.
macro_rules! row_function {
    (|$d:ident, $a:ident, $b:ident, $c:ident| $body:expr) => {{
        unsafe fn base($d: *mut RegisterRow, $a: *const RegisterRow, $b: *const RegisterRow, $c: *const RegisterRow) {
            // SAFETY: the contract of `LaneFn`.
            unsafe { $body }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn wide($d: *mut RegisterRow, $a: *const RegisterRow, $b: *const RegisterRow, $c: *const RegisterRow) {
            // SAFETY: the contract of `LaneFn`.
            unsafe { $body }
        }
        #[cfg(not(target_arch = "x86_64"))]
        use base as wide;
        if wide_host() { wide as LaneFn } else { base as LaneFn }
    }};
}

#[inline(always)]
unsafe fn map1<T: ScalarArithmetic, R: ScalarArithmetic>(
    d: *mut RegisterRow,
    a: *const RegisterRow,
    f: impl Fn(T) -> R,
) {
    // SAFETY: the contract of `LaneFn`.
    let (d, a) = unsafe { (&mut *d.cast::<[R::Word; LANES]>(), &*a.cast::<[T::Word; LANES]>()) };
    for lane in 0..LANES {
        d[lane] = f(T::from_word(a[lane])).to_word();
    }
}

#[inline(always)]
unsafe fn map2<T: ScalarArithmetic, R: ScalarArithmetic>(
    d: *mut RegisterRow,
    a: *const RegisterRow,
    b: *const RegisterRow,
    f: impl Fn(T, T) -> R,
) {
    // SAFETY: the contract of `LaneFn`.
    let (d, a, b) =
        unsafe { (&mut *d.cast::<[R::Word; LANES]>(), &*a.cast::<[T::Word; LANES]>(), &*b.cast::<[T::Word; LANES]>()) };
    for lane in 0..LANES {
        d[lane] = f(T::from_word(a[lane]), T::from_word(b[lane])).to_word();
    }
}

#[inline(always)]
unsafe fn map3<T: ScalarArithmetic>(d: *mut RegisterRow, [a, b, c]: [*const RegisterRow; 3], f: impl Fn(T, T, T) -> T) {
    // SAFETY: the contract of `LaneFn`.
    let (d, a, b, c) = unsafe {
        (
            &mut *d.cast::<[T::Word; LANES]>(),
            &*a.cast::<[T::Word; LANES]>(),
            &*b.cast::<[T::Word; LANES]>(),
            &*c.cast::<[T::Word; LANES]>(),
        )
    };
    for lane in 0..LANES {
        d[lane] = f(T::from_word(a[lane]), T::from_word(b[lane]), T::from_word(c[lane])).to_word();
    }
}

#[inline(always)]
unsafe fn select_rows<W: Copy>(d: *mut RegisterRow, [cond, a, b]: [*const RegisterRow; 3]) {
    // SAFETY: the contract of `LaneFn`.
    let (d, cond, a, b) = unsafe {
        (
            &mut *d.cast::<[W; LANES]>(),
            &*cond.cast::<[u32; LANES]>(),
            &*a.cast::<[W; LANES]>(),
            &*b.cast::<[W; LANES]>(),
        )
    };
    for lane in 0..LANES {
        d[lane] = if cond[lane] != 0 { a[lane] } else { b[lane] };
    }
}

/// Returns the row function of a binary operation, or `None` if there is none.
pub fn binary(op: BinaryOp, scalar: Scalar) -> Option<LaneFn> {
    macro_rules! row {
        ($ty:ty, $trait:ident, $name:ident) => {
            Some(row_function!(|d, a, b, _c| map2::<$ty, $ty>(d, a, b, |x, y| $trait::$name(x, y))))
        };
    }
    macro_rules! float {
        ($ty:ty) => {
            match op {
                BinaryOp::Add => row!($ty, ScalarArithmetic, add),
                BinaryOp::Sub => row!($ty, ScalarArithmetic, sub),
                BinaryOp::Mul => row!($ty, ScalarArithmetic, mul),
                BinaryOp::Div => row!($ty, ScalarArithmetic, div),
                BinaryOp::Min => row!($ty, ScalarArithmetic, min),
                BinaryOp::Max => row!($ty, ScalarArithmetic, max),
                _ => None,
            }
        };
    }
    // The operations of floats, and more.
    macro_rules! integer {
        ($ty:ty) => {
            match op {
                BinaryOp::Rem => row!($ty, ScalarArithmetic, rem),
                BinaryOp::And => row!($ty, IntegerArithmetic, and),
                BinaryOp::Or => row!($ty, IntegerArithmetic, or),
                BinaryOp::Xor => row!($ty, IntegerArithmetic, xor),
                BinaryOp::Shl => row!($ty, IntegerArithmetic, shl),
                BinaryOp::Shr => row!($ty, IntegerArithmetic, shr),
                _ => float!($ty),
            }
        };
    }
    match scalar {
        Scalar::I32 => integer!(i32),
        Scalar::U32 => integer!(u32),
        Scalar::I64 => integer!(i64),
        Scalar::U64 => integer!(u64),
        Scalar::F32 => float!(f32),
        Scalar::F64 => float!(f64),
        Scalar::F16 => float!(f16),
        Scalar::BF16 => float!(bf16),
        Scalar::Bool => match op {
            BinaryOp::And => row!(u32, IntegerArithmetic, and),
            BinaryOp::Or => row!(u32, IntegerArithmetic, or),
            BinaryOp::Xor => row!(u32, IntegerArithmetic, xor),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the row function of a comparison, or `None` if there is none. The result is a row of 0 and 1.
pub fn compare(op: CompareOp, scalar: Scalar) -> Option<LaneFn> {
    macro_rules! all {
        ($ty:ty) => {
            match op {
                CompareOp::Eq => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x == y) as u32)),
                CompareOp::Ne => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x != y) as u32)),
                CompareOp::Lt => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x < y) as u32)),
                CompareOp::Le => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x <= y) as u32)),
                CompareOp::Gt => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x > y) as u32)),
                CompareOp::Ge => row_function!(|d, a, b, _c| map2::<$ty, u32>(d, a, b, |x, y| (x >= y) as u32)),
            }
        };
    }
    Some(match scalar {
        Scalar::I32 => all!(i32),
        Scalar::U32 | Scalar::Bool => all!(u32),
        Scalar::I64 => all!(i64),
        Scalar::U64 => all!(u64),
        Scalar::F32 => all!(f32),
        Scalar::F64 => all!(f64),
        _ => return None,
    })
}

/// Returns the row function of a unary operation, or `None` if there is none.
pub fn unary(op: UnaryOp, scalar: Scalar) -> Option<LaneFn> {
    macro_rules! row {
        ($ty:ty, $trait:ident, $name:ident) => {
            Some(row_function!(|d, a, _b, _c| map1::<$ty, $ty>(d, a, |x| $trait::$name(x))))
        };
    }
    match (op, scalar) {
        (UnaryOp::Neg, Scalar::I32) => row!(i32, ScalarArithmetic, neg),
        (UnaryOp::Neg, Scalar::F32) => row!(f32, ScalarArithmetic, neg),
        (UnaryOp::Abs, Scalar::F32) => row!(f32, ScalarArithmetic, abs),
        (UnaryOp::Sqrt, Scalar::F32) => Some(row_function!(|d, a, _b, _c| map1::<f32, f32>(d, a, |x| x.sqrt()))),
        (UnaryOp::Exp, Scalar::F32) => Some(row_function!(|d, a, _b, _c| map1::<f32, f32>(d, a, |x| x.exp()))),
        (UnaryOp::Not, Scalar::Bool) => Some(row_function!(|d, a, _b, _c| map1::<u32, u32>(d, a, |x| x ^ 1))),
        (UnaryOp::Not, Scalar::I32 | Scalar::U32) => row!(u32, IntegerArithmetic, not),
        _ => None,
    }
}

/// Returns the kernel of `a * b + c`, rounded once, or `None` if there is none.
pub fn fma(scalar: Scalar) -> Option<LaneFn> {
    match scalar {
        Scalar::F32 => Some(row_function!(|d, a, b, c| map3::<f32>(d, [a, b, c], |x, y, z| x.fma(y, z)))),
        Scalar::F64 => Some(row_function!(|d, a, b, c| map3::<f64>(d, [a, b, c], |x, y, z| x.fma(y, z)))),
        _ => None,
    }
}

/// Returns the kernel of `cond ? b : c` on 32-bit words, or on 64-bit words if `wide`.
pub fn select(wide: bool) -> LaneFn {
    if wide {
        row_function!(|d, a, b, c| select_rows::<u64>(d, [a, b, c]))
    } else {
        row_function!(|d, a, b, c| select_rows::<u32>(d, [a, b, c]))
    }
}

/// Returns the row function of a conversion, or `None` if there is none.
pub fn cast(from: Scalar, to: Scalar) -> Option<LaneFn> {
    macro_rules! row {
        ($from:ty, $to:ty, $f:expr) => {
            Some(row_function!(|d, a, _b, _c| map1::<$from, $to>(d, a, $f)))
        };
    }
    use Scalar::*;
    match (from, to) {
        (I32, U32) | (U32, I32) | (Bool, I32 | U32) => row!(u32, u32, |x| x),
        (I64, U64) | (U64, I64) => row!(u64, u64, |x| x),
        (I32, I64 | U64) => row!(i32, i64, |x| x as i64),
        (U32, I64 | U64) => row!(u32, u64, |x| x as u64),
        (I64 | U64, I32 | U32) => row!(u64, u32, |x| x as u32),
        (I32, F32) => row!(i32, f32, |x| x as f32),
        (U32, F32) => row!(u32, f32, |x| x as f32),
        (F32, I32) => row!(f32, i32, |x| x as i32),
        (F32, F64) => row!(f32, f64, |x| x as f64),
        (F64, F32) => row!(f64, f32, |x| x as f32),
        (F16, F32) => row!(f16, f32, |x| x.to_f32()),
        (F32, F16) => row!(f32, f16, f16::from_f32),
        (BF16, F32) => row!(u32, u32, |x| x << 16),
        (F32, BF16) => row!(f32, bf16, bf16::from_f32),
        _ => None,
    }
}

/// Copies the lanes of `mask` from one row to another, or from one pair of rows if `wide`.
///
/// # Safety
/// The rows are valid and do not overlap.
// Inlined into the large loop of the interpreter, it is not compiled to vectors.
#[inline(never)]
pub unsafe fn blend(to: *mut RegisterRow, from: *const RegisterRow, wide: bool, mask: u32) {
    // SAFETY: the caller's duty.
    unsafe {
        if wide {
            blend_words::<u64>(to.cast(), from.cast(), mask);
        } else {
            blend_words::<u32>(to.cast(), from.cast(), mask);
        }
    }
}

/// The same for words of one size. All words are read before the first is written, so that the compiler may use vectors
/// although it does not know that the rows do not overlap.
///
/// # Safety
/// The words are valid.
#[inline(always)]
unsafe fn blend_words<W: Copy>(to: *mut [W; LANES], from: *const [W; LANES], mask: u32) {
    // SAFETY: the caller's duty.
    unsafe {
        let (old, new) = (*to, *from);
        *to = std::array::from_fn(|lane| if mask >> lane & 1 != 0 { new[lane] } else { old[lane] });
    }
}

/// Returns the mask of the lanes whose word is not 0.
#[inline(always)]
pub fn mask_of(row: &RegisterRow) -> u32 {
    let mut mask = 0;
    for lane in 0..LANES {
        mask |= ((row.0[lane] != 0) as u32) << lane;
    }
    mask
}

/// Returns the lanes of a mask, in order.
#[inline(always)]
pub fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let lane = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        Some(lane)
    })
}

/// Returns a lane of a row, or of a pair of rows if `wide`.
///
/// # Safety
/// The row exists.
#[inline(always)]
pub unsafe fn read_lane(row: *const RegisterRow, wide: bool, lane: usize) -> u64 {
    // SAFETY: the caller's duty.
    unsafe { if wide { *row.cast::<u64>().add(lane) } else { *row.cast::<u32>().add(lane) as u64 } }
}

/// Sets a lane of a row, or of a pair of rows if `wide`.
///
/// # Safety
/// The row exists.
#[inline(always)]
pub unsafe fn write_lane(row: *mut RegisterRow, wide: bool, lane: usize, value: u64) {
    // SAFETY: the caller's duty.
    unsafe {
        if wide {
            *row.cast::<u64>().add(lane) = value;
        } else {
            *row.cast::<u32>().add(lane) = value as u32;
        }
    }
}

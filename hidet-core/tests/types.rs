//! Trait bounds hold what they promise: every generic function of the language builds with every type of its bound, is
//! valid, lowers, has CUDA text, and runs on the simulated device.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet_core::codegen;
use hidet_core::device::{Device, RawTensor, Storage};
use hidet_core::dsl::glue::{Cmp, for_over, piece, print, range, range_inclusive};
use hidet_core::dsl::intrinsics::*;
use hidet_core::dsl::{Expr, InOut, IntoExpr, Template, Var, lit, registers, shared, splat, vector, vector2};
use hidet_core::ir::{Arch, Function};
use hidet_core::kernel::{CompileOptions, Compiled, RawArg};
use hidet_core::passes;
use hidet_core::types::{E4M3, E5M2, Element, TF32, bf16, f16};
use hidet_mapping::IndexExpr;

const THREADS: i64 = 64;

/// Returns a kernel that applies a function to an element `x[[i]]`.
fn kernel<T: Element>(name: &str, body: fn(InOut<T, 1>, Expr<i32>)) -> Function {
    let template: Template<(InOut<T, 1>,)> = Template::new("types", move |signature| {
        let x: InOut<T, 1> = signature.tensor("x", [IndexExpr::Const(16 * THREADS)]);
        signature.launch([1, 1, 1].map(IndexExpr::Const), [THREADS, 1, 1], [1, 1, 1], 0);
        body(x, thread_idx().x);
    });
    template.build().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Verifies, lowers, prints and runs it.
fn check<T: Element>(name: &str, body: fn(InOut<T, 1>, Expr<i32>)) {
    let name = format!("{name} of {}", T::SCALAR);
    let function = kernel(&name, body);
    let device = Device::sim();
    let compiled = Compiled::new(function.clone(), &device, &CompileOptions::default());
    let compiled = compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
    let lowered = passes::lower(&function, &Default::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let source = codegen::cuda(&lowered, Arch { number: 90, specific: true });
    source.unwrap_or_else(|error| panic!("{name}: {error}"));
    let elements = 16 * THREADS as usize;
    let storage = Storage::from_bytes(&device, &vec![0; elements * T::SCALAR.bytes()]).unwrap();
    let x = RawTensor::new(&device, storage, 0, T::SCALAR, &[elements]).unwrap();
    compiled.launch(&[RawArg::Tensor(&x)]).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Declares functions for all types: `name(x: the tensor, i: the thread's index, v: its element)`.
macro_rules! functions {
    ($types:ident; $($name:ident |$x:pat_param, $i:pat_param, $v:pat_param| $body:expr;)*) => {$(
        #[test]
        #[allow(non_snake_case)]
        fn $name() {
            macro_rules! with {
                ($ty:ty) => {{
                    #[allow(unused)]
                    type T = $ty;
                    check::<$ty>(stringify!($name), |x, i| {
                        let v = x.read((i,));
                        let ($x, $i, $v) = (x, i, v);
                        $body
                    });
                }};
            }
            $types!(with);
        }
    )*};
}

macro_rules! elements {
    ($with:ident) => {
        numbers!($with);
        $with!(bool);
        $with!(TF32);
        $with!(E4M3);
        $with!(E5M2);
    };
}
macro_rules! numbers {
    ($with:ident) => {
        integers!($with);
        floats!($with);
    };
}
macro_rules! integers {
    ($with:ident) => {
        $with!(i8);
        $with!(i16);
        $with!(i32);
        $with!(i64);
        $with!(u8);
        $with!(u16);
        $with!(u32);
        $with!(u64);
    };
}
macro_rules! floats {
    ($with:ident) => {
        $with!(f16);
        $with!(bf16);
        $with!(f32);
        $with!(f64);
    };
}
macro_rules! words {
    ($with:ident) => {
        $with!(i32);
        $with!(i64);
        $with!(u32);
        $with!(u64);
        $with!(f32);
        $with!(f64);
    };
}
macro_rules! atomic_integers {
    ($with:ident) => {
        $with!(i32);
        $with!(i64);
        $with!(u32);
        $with!(u64);
    };
}
macro_rules! words_of_32 {
    ($with:ident) => {
        $with!(i32);
        $with!(u32);
    };
}
macro_rules! comparable {
    ($with:ident) => {
        numbers!($with);
        $with!(bool);
    };
}

functions! { elements;
    shuffle_ |x, i, v| x.write((i,), shuffle(v, 3));
    shuffle_up_ |x, i, v| x.write((i,), shuffle_up(v, 1));
    shuffle_down_ |x, i, v| x.write((i,), shuffle_down(v, 1));
    shuffle_xor_ |x, i, v| x.write((i,), shuffle_xor(v, 16));
    warp_reduce_ |x, i, v| x.write((i,), warp_reduce(v, |a, _| a));
    selected |x, i, v| x.write((i,), Cmp(&i, &3).lt().select(v, v));
    constants |x, i, _| x.write((i,), T::default());
    variables |x, i, v| {
        let mut var = Var::new("v", v);
        var.set(v);
        x.write((i,), var.read());
    };
    shared_memory |x, i, v| {
        let tile = shared::<T, 1>([64]);
        tile.write((i,), v);
        x.write((i,), tile.read((i,)));
    };
    register_memory |x, i, v| {
        let tile = registers::<T, 1>([2]);
        tile.fill(v);
        x.write((i,), tile.read((1,)));
    };
    guarded |x, i, _| x.set((i,), x.get((i + 1000,)));
    vectors |x, i, v| {
        sync_threads();
        x.store((i * 2,), vector2(v, v));
        sync_threads();
        x.store((i * 4,), splat::<T, 4>(v));
        sync_threads();
        x.store((i * 8,), vector([v; 8]));
        sync_threads();
        x.store((i * 2,), x.load::<2>((i * 2,)));
    };
    vectors_with_hints |x, i, _| {
        let lanes = load_hint::<2, T>(x.address((i * 2,)), LoadHint::L2);
        sync_threads();
        store_hint(x.address((i * 2,)), lanes, StoreHint::Streaming);
    };
    casts |x, i, v| {
        x.write((i,), v.to::<f32>().to::<T>());
        x.write((i,), v.to::<u8>().to::<T>());
        x.write((i,), vector2(v, v).cast::<f32>().cast::<T>().lane(1));
    };
    printed |_, i, v| print(vec![piece(i, "", |i| i.to_string()), piece(v, "?", |v| format!("{v:?}"))]);
}

functions! { comparable;
    comparisons |x, i, v| {
        let cmp = |found: Expr<bool>| x.write((i,), found.select(v, v));
        cmp(Cmp(&v, &v).eq());
        cmp(Cmp(&v, &v).ne());
        cmp(Cmp(&v, &v).lt());
        cmp(Cmp(&v, &v).le());
        cmp(Cmp(&v, &T::default()).gt());
        cmp(Cmp(&v, &T::default()).ge());
    };
}

functions! { numbers;
    warp_reductions |x, i, v| x.write((i,), warp_sum(v) + warp_max(v) + warp_min(v) + warp_product(v));
    block_reductions |x, i, v| {
        x.write((i,), block_sum::<64, T>(v) + block_max::<64, T>(v) + block_min::<64, T>(v));
    };
    block_scans |x, i, v| {
        let (sum, total) = block_scan_add::<64, T>(v);
        x.write((i,), sum - total);
    };
    plain_numbers |x, i, v| x.write((i,), v + IntoExpr::<T>::into_expr(lit(3)));
    vector_arithmetic |x, i, v| {
        let (a, b) = (vector2(v, v), splat::<T, 2>(v.max(T::default())));
        x.write((i,), (a + b - a * b).min(a).max(b).abs().lane(0) - (-a).lane(1));
    };
}

functions! { integers;
    loops |x, i, v| {
        for k in for_over(range(v, v), "").0 {
            x.write((i,), k);
        }
        for k in for_over(range_inclusive(v, v).step_by(v - v + IntoExpr::<T>::into_expr(lit(1))), "").0 {
            x.write((i,), k);
        }
    };
    counts_of_bits |x, i, v| {
        x.write((i,), v.reverse_bits() + (v.count_ones() + v.leading_zeros() + v.trailing_zeros()).to::<T>());
    };
}

functions! { atomic_integers;
    atomics |x, i, v| {
        let at = || x.address((i,));
        atomic_min(at(), v);
        atomic_max_release(at(), v);
        atomic_and_acquire(at(), v);
        atomic_or_acq_rel(at(), v);
        atomic_xor(at(), v);
        atomic_exchange(at(), v);
        atomic_cas(at(), v, v);
        atomic_cas_acq_rel(at(), v, v);
    };
}

functions! { words;
    atomic_additions |x, i, v| {
        atomic_add(x.address((i,)), v);
        atomic_add_acq_rel(x.address((i,)), v);
    };
    ordered_accesses |x, i, v| {
        store_release(x.address((i,)), load_acquire(x.address((i,))));
        store_relaxed(x.address((i,)), load_relaxed(x.address((i,))));
        x.write((i,), v);
    };
}

functions! { words_of_32;
    reductions_of_a_warp |x, i, v| {
        x.write((i,), redux_add(v) + redux_min(v) + redux_max(v) + redux_and(v) + redux_or(v) + redux_xor(v));
    };
    fields_and_dots |x, i, v| x.write((i,), dot4(v, v, v) + v.bit_field(3, 4));
}

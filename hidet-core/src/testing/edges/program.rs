//! Random compositions of operations at the edges, with results that the host computes while building them.

use super::kernel::{decoded, encoded, word};
use super::operation::{Operation, is_nan};
use super::operations;
use super::values::{edges, signals};
use crate::dsl::intrinsics::thread_idx;
use crate::dsl::{AnyExpr, Expr, In, IntoExpr, Out, Template};
use crate::error::Result;
use crate::ir::eval;
use crate::testing::random::rng::Rng;
use crate::testing::random::{ArgumentValue, Program, Step};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

/// Number of threads, each with its own operands.
const THREADS: usize = 32;
/// Number of columns of operands.
const COLUMNS: usize = 8;
/// Number of operations that are tried; those that are faults for some operands are left out.
const TRIED: usize = 60;

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(operations);

/// A value of the program, with its bits in each thread.
#[derive(Clone)]
struct Known {
    value: AnyExpr,
    bits: Vec<u64>,
}

/// Returns a program of one kernel that composes operations at random, and whose results the host knows. All NaNs
/// become one NaN, and no product is contracted with a sum, so that every result is determined.
pub fn edges_program(seed: u64) -> Result<Program> {
    let mut rng = Rng::new(seed);
    let scalars: Vec<Scalar> = (0..COLUMNS).map(|_| rng.pick(&Scalar::ALL)).collect();
    let columns: Vec<Vec<u64>> = scalars
        .iter()
        .map(|scalar| {
            let edges = edges(*scalar);
            (0..THREADS).map(|_| rng.pick(&edges)).collect()
        })
        .collect();
    let operands = bytes(columns.iter().flatten());
    let results = Rc::new(RefCell::new(Vec::new()));
    let found = results.clone();
    let template: Template<(In<u64, 2>, Out<u64, 2>)> = Template::new("edges", move |signature| {
        let threads = IndexExpr::Const(THREADS as i64);
        let x: In<u64, 2> = signature.tensor("x", [IndexExpr::Const(COLUMNS as i64), threads.clone()]);
        let y: Out<u64, 2> = signature.tensor("y", [IndexExpr::Const(TRIED as i64), threads]);
        signature.launch([1, 1, 1].map(IndexExpr::Const), [THREADS as i64, 1, 1], [1, 1, 1], 0);
        let thread = thread_idx().x;
        let mut known: Vec<Known> = Vec::new();
        for (row, (scalar, bits)) in scalars.iter().zip(columns).enumerate() {
            known.push(Known { value: decoded(*scalar, x.read((row as i32, thread))), bits });
        }
        let mut written = Vec::new();
        for row in 0..TRIED {
            let made = composed(&mut rng, &known);
            let (value, bits) = match &made {
                Some(made) => {
                    (encoded(made.value), made.bits.iter().map(|bits| word(made.value.scalar(), *bits)).collect())
                }
                None => (0u64.into_expr(), vec![0; THREADS]),
            };
            y.write((row as i32, thread), value);
            written.extend(bits);
            known.extend(made);
        }
        *found.borrow_mut() = written;
    });
    let function = template.build()?;
    let expected = bytes(results.borrow().iter());
    Ok(Program {
        kernels: vec![function],
        steps: vec![Step { kernel: 0, arguments: vec![0, 1] }],
        arguments: vec![ArgumentValue::Tensor(operands), ArgumentValue::Tensor(vec![0; expected.len()])],
        expected: vec![None, Some(expected)],
        ..Program::default()
    })
}

/// Adds an operation, or returns `None` if it would be a fault in some thread.
fn composed(rng: &mut Rng, known: &[Known]) -> Option<Known> {
    let operation = &OPERATIONS[rng.below(OPERATIONS.len())];
    let chosen: Vec<(Option<Known>, Vec<u64>)> = (operation.operands.iter())
        .map(|scalar| {
            let fitting: Vec<&Known> = known.iter().filter(|known| known.value.scalar() == *scalar).collect();
            if fitting.is_empty() || rng.percent(30) {
                // NVRTC turns signalling NaNs that it narrows at compile time into infinities.
                let quiet: Vec<u64> = edges(*scalar).into_iter().filter(|bits| !signals(*scalar, *bits)).collect();
                let constant = rng.pick(&quiet);
                return (None, vec![constant; THREADS]);
            }
            let known = fitting[rng.below(fitting.len())];
            (Some(known.clone()), known.bits.clone())
        })
        .collect();
    let of = |thread: usize| (operation.host)(&chosen.iter().map(|(_, bits)| bits[thread]).collect::<Vec<_>>());
    let mut bits = (0..THREADS).map(of).collect::<Option<Vec<u64>>>()?;
    let operands: Vec<AnyExpr> = (chosen.iter().zip(&operation.operands))
        .map(|((known, bits), scalar)| match known {
            Some(known) => known.value,
            None => decoded(*scalar, bits[0].into_expr()),
        })
        .collect();
    let mut value = operation.emit(&operands);
    let scalar = operation.result;
    if scalar.is_float() {
        // Passed on as bits, so that a product is not contracted with a sum.
        let word: Expr<u64> = encoded(value);
        let mut open = false;
        for bits in bits.iter_mut().filter(|bits| is_nan(scalar, **bits)) {
            (*bits, open) = (one_nan(scalar), true);
        }
        value = decoded(scalar, if open { is_nan_word(scalar, word).select(one_nan(scalar), word) } else { word });
    }
    Some(Known { value, bits })
}

/// Returns the bits of the NaN that represents all NaNs of a type.
fn one_nan(scalar: Scalar) -> u64 {
    eval::from_f64(scalar, f64::NAN)
}

/// Emits the test for the bits of a NaN, without operations on floats.
fn is_nan_word(scalar: Scalar, word: Expr<u64>) -> Expr<bool> {
    let sign = 1u64 << (8 * scalar.bytes() - 1);
    let size = word & (sign - 1);
    crate::dsl::glue::Cmp(&size, &largest(scalar)).gt()
}

/// Returns the bits of the largest number: infinity if the type has it.
fn largest(scalar: Scalar) -> u64 {
    match scalar {
        Scalar::E4M3 => 0x7e,
        Scalar::E5M2 => 0x7c,
        _ => eval::from_f64(scalar, f64::INFINITY),
    }
}

fn bytes<'a>(words: impl Iterator<Item = &'a u64>) -> Vec<u8> {
    words.flat_map(|word| word.to_le_bytes()).collect()
}

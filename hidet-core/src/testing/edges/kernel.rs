//! Kernels that compute the cases of operations, with all types as bits in `u64`.

use super::operation::Operation;
use super::operations;
use crate::dsl::glue::{for_over, range};
use crate::dsl::intrinsics::thread_idx;
use crate::dsl::{AnyExpr, Expr, In, Out, Template};
use crate::error::Result;
use crate::ir::Function;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;
use std::collections::HashMap;
use std::sync::Arc;

/// Threads of the only block.
const THREADS: i32 = 128;
/// Maximum number of wrong results that are reported per operation.
const MOST_TOLD: usize = 4;

/// A kernel with parameters `x: In<u64, [3, n]>` and `y: Out<u64, [n]>`, and its arguments.
pub struct EdgeKernel {
    /// The kernel.
    pub function: Function,
    /// The operations it computes, one after the other.
    pub operations: Vec<Arc<Operation>>,
    /// The first case of each operation, and then the number of all cases.
    pub firsts: Vec<usize>,
    /// The content of `x`: first, second and third operands.
    pub operands: Vec<u64>,
    /// The expected content of `y`.
    pub expected: Vec<u64>,
}

impl EdgeKernel {
    /// Returns the number of cases, which is the extent `n`.
    pub fn cases(&self) -> usize {
        self.expected.len()
    }

    /// Returns the operation of a case.
    pub fn operation(&self, case: usize) -> &Operation {
        let after = self.firsts.partition_point(|first| *first <= case);
        &self.operations[after.saturating_sub(1)]
    }

    /// Describes the wrong results in `y`, a few of each operation.
    pub fn differences(&self, y: &[u64]) -> Vec<String> {
        let mut told: HashMap<&str, usize> = HashMap::new();
        let mut differences = Vec::new();
        for case in 0..self.cases() {
            let (operation, found) = (self.operation(case), y.get(case).copied().unwrap_or_default());
            if !operation.agrees(self.expected[case], found) {
                let told = told.entry(&operation.name).or_default();
                *told += 1;
                if *told <= MOST_TOLD {
                    differences.push(self.describe(case, found));
                }
            }
        }
        differences
    }

    /// Describes a case with a result.
    pub fn describe(&self, case: usize, found: u64) -> String {
        let operation = self.operation(case);
        let operands: Vec<String> = (operation.operands.iter().enumerate())
            .map(|(position, scalar)| shown(*scalar, self.operands[position * self.cases() + case]))
            .collect();
        let mask = u64::MAX >> (64 - 8 * operation.result.bytes());
        let result = |word: u64| shown(operation.result, word & mask);
        format!(
            "{}({}) is {}, expected {}",
            operation.name,
            operands.join(", "),
            result(found),
            result(self.expected[case])
        )
    }
}

/// Formats a number with its bits.
fn shown(scalar: Scalar, bits: u64) -> String {
    match (crate::types::Const { scalar, bits }).as_int() {
        Some(number) => format!("{number}"),
        None if scalar.is_float() => format!("{:?} [{bits:#x}]", crate::ir::eval::to_f64(scalar, bits)),
        None => format!("{bits:#x}"),
    }
}

/// Returns one kernel per type, for the operations of that type.
pub fn kernels() -> Result<Vec<EdgeKernel>> {
    let mut all: Vec<Vec<Operation>> = Vec::new();
    for operation in operations() {
        let same = |list: &&mut Vec<Operation>| list.iter().any(|other| other.operands[0] == operation.operands[0]);
        match all.iter_mut().find(same) {
            Some(list) => list.push(operation),
            None => all.push(vec![operation]),
        }
    }
    all.into_iter().map(kernel).collect()
}

fn kernel(operations: Vec<Operation>) -> Result<EdgeKernel> {
    let operations: Vec<Arc<Operation>> = operations.into_iter().map(Arc::new).collect();
    let (mut firsts, mut columns, mut expected) = (Vec::new(), [const { Vec::new() }; 3], Vec::new());
    for operation in &operations {
        firsts.push(expected.len());
        for (operands, result) in operation.cases() {
            for (position, column) in columns.iter_mut().enumerate() {
                column.push(operands.get(position).copied().unwrap_or_default());
            }
            expected.push(word(operation.result, result));
        }
    }
    let (cases, list, starts) = (expected.len(), operations.clone(), firsts.clone());
    let name = format!("edges_{}", operations.first().map_or("none", |operation| operation.operands[0].name()));
    let template: Template<(In<u64, 2>, Out<u64, 1>)> = Template::new(&name, move |signature| {
        let n = signature.dim("n");
        let x: In<u64, 2> = signature.tensor("x", [IndexExpr::Const(3), n.clone()]);
        let y: Out<u64, 1> = signature.tensor("y", [n]);
        signature.launch([1, 1, 1].map(IndexExpr::Const), [i64::from(THREADS), 1, 1], [1, 1, 1], 0);
        for (position, operation) in list.iter().enumerate() {
            let first = starts[position] as i32;
            let end = starts.get(position + 1).map_or(cases, |next| *next) as i32;
            let (turns, _guard) = for_over(range(thread_idx().x + first, end).step_by(THREADS), "");
            for case in turns {
                let operands: Vec<AnyExpr> = (operation.operands.iter().enumerate())
                    .map(|(row, scalar)| decoded(*scalar, x.read((row as i32, case))))
                    .collect();
                y.write((case,), encoded(operation.emit(&operands)));
            }
        }
    });
    Ok(EdgeKernel { function: template.build()?, operations, firsts, operands: columns.concat(), expected })
}

/// Converts bits to a value.
pub(in crate::testing) fn decoded(scalar: Scalar, bits: Expr<u64>) -> AnyExpr {
    let bits = AnyExpr::from(bits);
    match (scalar.is_float(), scalar.bytes()) {
        (false, _) => bits.cast(scalar),
        (true, 1) => bits.cast(Scalar::U8).bitcast(scalar),
        (true, 2) => bits.cast(Scalar::U16).bitcast(scalar),
        (true, 4) => bits.cast(Scalar::U32).bitcast(scalar),
        (true, _) => bits.bitcast(scalar),
    }
}

/// Returns the [`encoded`] form of these bits.
pub(super) fn word(scalar: Scalar, bits: u64) -> u64 {
    let extended = match scalar {
        Scalar::I8 => i32::from(bits as i8),
        Scalar::I16 => i32::from(bits as i16),
        _ => return bits,
    };
    u64::from(extended as u32) << 32 | bits
}

/// Converts a value to its bits. For narrow signed integers, the lower half is zero-extended and the upper half
/// sign-extended.
pub(in crate::testing) fn encoded(value: AnyExpr) -> Expr<u64> {
    let bits = |word: Scalar| value.bitcast(word).cast(Scalar::U64).typed::<u64>();
    let signed = |below: Expr<u64>| {
        let above = value.cast(Scalar::I32).bitcast(Scalar::U32).cast(Scalar::U64).typed::<u64>();
        (above << 32) | below
    };
    match (value.scalar(), value.scalar().bytes()) {
        (Scalar::Bool | Scalar::U64 | Scalar::I64, _) => value.cast(Scalar::U64).typed(),
        (Scalar::I8, _) => signed(bits(Scalar::U8)),
        (Scalar::I16, _) => signed(bits(Scalar::U16)),
        (_, 1) => bits(Scalar::U8),
        (_, 2) => bits(Scalar::U16),
        (_, 4) => bits(Scalar::U32),
        _ => value.bitcast(Scalar::U64).typed(),
    }
}

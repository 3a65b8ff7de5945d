//! Warp group matrix products on tensor cores (`sm_90a`): `wgmma`, asynchronous, with operands in shared memory.
//!
//! An operand in shared memory is given by the address of its first element. Its placement (its
//! [`Form`](super::matrix::Form)) is derived from the layout of the buffer and the tensor maps that fill it, so it
//! always agrees with them.

use super::matrix::Product;
use super::{Effect, Meaning, Operand, Row, Space, Together, TypeRule, row};
use crate::types::{Scalar, Type};

const fn is(scalar: Scalar) -> TypeRule {
    TypeRule::Is(Type { scalar, lanes: 1 })
}

/// Returns the valid n: the multiples of 8; for integers, from 32 on only the multiples of 16.
fn lengths(integer: bool) -> impl Iterator<Item = u32> {
    (8..=256).step_by(8).filter(move |n| !integer || *n == 24 || *n <= 16 || n % 16 == 0)
}

/// `d = a * b` or `d += a * b`, where a is `64 x k` and b is `k x n`.
fn wgmma(n: u32, d: Scalar, a: Scalar, b: Scalar, registers: bool) -> Row {
    let k = 32 / a.bytes() as u32;
    let kind = if registers { "rs" } else { "ss" };
    let name = format!("wgmma.m64n{n}k{k}.{d}.{a}.{b}.{kind}");
    let helper = format!("hidet_{}", name.replace('.', "_"));
    // The immediates: signs of floats, then the forms of the operands in shared memory.
    let signs = if a.is_float() { 2 } else { 0 };
    let forms: &[(usize, usize)] = if registers { &[(2, 4 + signs)] } else { &[(1, 4 + signs), (2, 5 + signs)] };
    let described = |operand| match forms.iter().find(|(address, _)| *address == operand) {
        Some((address, form)) => format!("hidet_wgmma_descriptor(${address}, $F{form})"),
        None => format!("${operand}"),
    };
    // Only 16-bit operands may be contiguous along m or n instead of k.
    let majors = forms.iter().filter(|_| a.bytes() == 2).map(|(_, form)| format!("$M{form}"));
    let numbers: Vec<String> = (4..4 + signs).map(|sign| format!("${sign}")).chain(majors).collect();
    let numbers = if numbers.is_empty() { String::new() } else { format!("<{}>", numbers.join(", ")) };
    let cuda = format!("{helper}{numbers}($0, {}, {}, $3);", described(1), described(2));
    let doc = format!(
        "`d += a * b` on tensor cores, by a warp group, or `d = a * b` if the condition is false: a is 64 x {k} {a} in {}, b is {k} x {n} {b} in shared memory, d is 64 x {n} {d}; immediates, in order: {}for each operand in shared memory, 0 if its last axes are m or n, then k (K-major if the layout is row-major), 1 if they are k, then m or n (MN-major); PTX `imm-trans` follows from this and the layout.",
        if registers { "registers" } else { "shared memory" },
        if a.is_float() { "1 to negate a, 1 to negate b, " } else { "" },
    );
    let meaning = Meaning::Wgmma { product: Product { m: 64, n, k, d, a, b }, registers };
    let row = row(name, cuda, meaning, doc).since(90, true).until(90).together(Together::WarpGroup).address(
        Space::Register,
        Effect::ReadWrite,
        is(d),
        n / 2,
    );
    let row = if registers {
        row.address(Space::Register, Effect::Read, is(a), 64 * k / 128)
    } else {
        row.address(Space::Shared, Effect::Read, is(a), 0)
    };
    let row = row.address(Space::Shared, Effect::Read, is(b), 0).operand(Operand::Value(TypeRule::Is(Type::BOOL)));
    let row = (0..signs).fold(row, |row, _| row.imm(0, 1));
    forms.iter().fold(row, |row, _| row.imm(0, i64::MAX))
}

pub(super) fn rows() -> Vec<Row> {
    use Scalar::*;
    let group = |name: &str, helper: &str, meaning, doc: &str| {
        row(name, helper, meaning, doc).since(90, true).until(90).together(Together::WarpGroup)
    };
    let mut rows = vec![
        group(
            "wgmma.fence",
            "hidet_wgmma_fence();",
            Meaning::WgmmaFence,
            "Orders a warp group's accesses to registers and shared memory before the following wgmma.",
        ),
        group(
            "wgmma.commit",
            "hidet_wgmma_commit();",
            Meaning::WgmmaCommit,
            "Commits the warp group's wgmma so far as a group.",
        ),
        group(
            "wgmma.wait",
            "hidet_wgmma_wait<$0>();",
            Meaning::WgmmaWait,
            "Waits until at most as many of the warp group's wgmma groups as the operand gives are incomplete (PTX `wgmma.wait_group`).",
        )
        .imm(0, 7),
    ];
    let mut family = |d: Scalar, a: Scalar, b: Scalar| {
        for n in lengths(d == I32) {
            for registers in [false, true] {
                rows.push(wgmma(n, d, a, b, registers));
            }
        }
    };
    family(F16, F16, F16);
    family(F32, F16, F16);
    family(F32, BF16, BF16);
    family(F32, TF32, TF32);
    for d in [F16, F32] {
        for a in [E4M3, E5M2] {
            for b in [E4M3, E5M2] {
                family(d, a, b);
            }
        }
    }
    for a in [I8, U8] {
        for b in [I8, U8] {
            family(I32, a, b);
        }
    }
    rows
}

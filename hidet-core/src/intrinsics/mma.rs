//! Tensor cores of a warp: `mma.sync`, and the loads and stores of matrices that feed them.
//!
//! Fragments are held in registers. The task mappings of [`super::matrix`] define which elements a lane holds; an
//! instruction takes all of them in that order.

use super::matrix::Product;
use super::{Effect, Meaning, Row, Space, Together, TypeRule, row};
use crate::types::{Scalar, Type};

const fn is(scalar: Scalar) -> TypeRule {
    TypeRule::Is(Type { scalar, lanes: 1 })
}

/// Elements moved as 16-bit words.
const HALVES: TypeRule = TypeRule::OneOf(&[Scalar::F16, Scalar::BF16, Scalar::I16, Scalar::U16]);
/// Elements moved four per word.
const BYTES: TypeRule = TypeRule::OneOf(&[Scalar::I8, Scalar::U8, Scalar::E4M3, Scalar::E5M2]);
/// Elements moved as 32-bit words.
const WORDS: TypeRule = TypeRule::OneOf(&[Scalar::TF32, Scalar::F32, Scalar::I32, Scalar::U32]);

/// `d += a * b`, where a is `m x k`, b is `k x n` and d is `m x n`.
fn mma([m, n, k]: [u32; 3], d: Scalar, ab: Scalar, since: u32) -> Row {
    let name = format!("mma.m{m}n{n}k{k}.{d}.{ab}");
    let cuda = format!("hidet_{}($0, $1, $2);", name.replace('.', "_"));
    let doc = format!(
        "`d += a * b` on tensor cores, by a warp: a is {m} x {k} {ab}, row-major; b is {k} x {n} {ab}, column-major; d is {m} x {n} {d}."
    );
    row(name, cuda, Meaning::Mma(Product { m, n, k, d, a: ab, b: ab }), doc)
        .since(since, false)
        .together(Together::Warp)
        .address(Space::Register, Effect::ReadWrite, is(d), m * n / 32)
        .address(Space::Register, Effect::Read, is(ab), m * k / 32)
        .address(Space::Register, Effect::Read, is(ab), n * k / 32)
}

fn matrices(load: bool, count: u32, trans: bool, suffix: &str, elem: TypeRule, bytes: u32) -> Row {
    let name =
        format!("{}.x{count}{}{suffix}", if load { "ldmatrix" } else { "stmatrix" }, if trans { ".trans" } else { "" });
    let helper =
        format!("hidet_{}matrix_x{count}{}", if load { "ld" } else { "st" }, if trans { "_trans" } else { "" });
    // A lane holds 4 bytes of each 8 x 8 matrix of 16-bit elements, and gives the address of a row of 16 bytes.
    let (held, row_length) = (4 * count / bytes, 16 / bytes);
    let registers = |row: Row, effect| row.address(Space::Register, effect, elem, held);
    let shared = |row: Row, effect, elem| row.address(Space::Shared, effect, elem, row_length);
    let how = if trans { ", transposed" } else { "" };
    if load {
        let doc = format!(
            "Loads {count} 8 x 8 matrices of 16-bit words{how}; lane i gives the address of row i % 8 of matrix i / 8."
        );
        let meaning = Meaning::LoadMatrix { count, transposed: trans };
        let row = row(name, format!("{helper}($0, $1);"), meaning, doc).together(Together::Warp);
        shared(registers(row, Effect::Write), Effect::Read, TypeRule::SameAs(0))
    } else {
        let doc = format!(
            "Stores {count} 8 x 8 matrices of 16-bit words{how}; lane i gives the address of row i % 8 of matrix i / 8."
        );
        let meaning = Meaning::StoreMatrix { count, transposed: trans };
        let row = row(name, format!("{helper}($0, $1);"), meaning, doc).together(Together::Warp);
        let row = shared(row, Effect::Write, elem).since(90, false);
        row.address(Space::Register, Effect::Read, TypeRule::SameAs(0), held)
    }
}

pub(super) fn rows() -> Vec<Row> {
    use Scalar::*;
    let mut rows = Vec::new();
    for d in [F16, F32] {
        rows.push(mma([16, 8, 8], d, F16, 75));
        rows.push(mma([16, 8, 16], d, F16, 80));
    }
    for k in [8, 16] {
        rows.push(mma([16, 8, k], F32, BF16, 80));
    }
    for k in [4, 8] {
        rows.push(mma([16, 8, k], F32, TF32, 80));
    }
    for ab in [I8, U8] {
        rows.push(mma([8, 8, 16], I32, ab, 75));
        rows.push(mma([16, 8, 16], I32, ab, 80));
        rows.push(mma([16, 8, 32], I32, ab, 80));
    }
    for ab in [E4M3, E5M2] {
        for d in [F16, F32] {
            rows.push(mma([16, 8, 16], d, ab, 89));
            rows.push(mma([16, 8, 32], d, ab, 89));
        }
    }
    for load in [true, false] {
        for count in [1, 2, 4] {
            rows.push(matrices(load, count, false, "", HALVES, 2));
            rows.push(matrices(load, count, true, "", HALVES, 2));
            rows.push(matrices(load, count, false, ".b8", BYTES, 1));
            rows.push(matrices(load, count, false, ".b32", WORDS, 4));
        }
    }
    rows
}

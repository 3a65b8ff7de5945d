//! `mma.sync`, `ldmatrix` and `stmatrix`. The expected registers follow from the mappings of elements to lanes, so that
//! these are checked against the instructions.

use super::super::numbers::Random;
use super::case::Case;
use super::numbers::{all_bits, bits, small};
use hidet::intrinsics::matrix::{Fragments, Product, mma_fragments};
use hidet::intrinsics::{Meaning, Operand, Row, TypeRule};
use hidet::mapping::TaskMapping;
use hidet::types::Scalar;

/// The cases of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    match row.meaning {
        Meaning::Mma(product) => vec![mma(row, product)],
        Meaning::LoadMatrix { count, transposed } => {
            types(row, 0).iter().map(|scalar| load(row, *scalar, count, transposed)).collect()
        }
        Meaning::StoreMatrix { count, transposed } => {
            types(row, 0).iter().map(|scalar| store(row, *scalar, count, transposed)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the types that the elements of an operand may have.
pub fn types(row: &Row, operand: usize) -> Vec<Scalar> {
    let rule = match row.operands.get(operand) {
        Some(Operand::Address { elem, .. }) => *elem,
        Some(Operand::Value(rule)) => *rule,
        _ => return Vec::new(),
    };
    match rule {
        TypeRule::OneOf(scalars) => scalars.to_vec(),
        TypeRule::Is(ty) => vec![ty.scalar],
        TypeRule::SameAs(other) => types(row, usize::from(other)),
    }
}

/// Returns the elements of a matrix with `columns` columns in the order in which the workers hold them.
pub fn held(mapping: &TaskMapping<2>, columns: usize, matrix: &[u64]) -> Vec<u64> {
    let tasks = (0..mapping.workers()).flat_map(|worker| mapping.tasks(worker));
    tasks.map(|[i, j]| matrix[i as usize * columns + j as usize]).collect()
}

/// Returns `c + sign * a * b` on whole numbers.
pub fn product([m, n, k]: [usize; 3], sign: i64, a: &[i64], b: &[i64], c: &[i64]) -> Vec<i64> {
    let at = |i: usize, j: usize| (0..k).map(|p| sign * a[i * k + p] * b[p * n + j]).sum::<i64>() + c[i * n + j];
    (0..m * n).map(|position| at(position / n, position % n)).collect()
}

fn mma(row: &Row, Product { m, n, k, d, a: ab, .. }: Product) -> Case {
    let Fragments { a, b, d: sums } = mma_fragments([m, n, k], ab.bytes() as u32);
    let [rows, columns, depth] = [m, n, k].map(|extent| extent as usize);
    let mut random = Random::new(u64::from(m * n * k));
    let left = small(&mut random, ab, rows * depth);
    let right = small(&mut random, ab, depth * columns);
    let start = small(&mut random, d, rows * columns);
    let expected = product([rows, columns, depth], 1, &left, &right, &start);
    let mut case = Case::new(&row.name, "", 32);
    case.input("a", ab, held(&a, depth, &all_bits(ab, &left)));
    case.input("b", ab, held(&b, columns, &all_bits(ab, &right)));
    case.inout("d", d, held(&sums, columns, &all_bits(d, &start)), held(&sums, columns, &all_bits(d, &expected)));
    for (name, scalar, mapping) in [("a", ab, a), ("b", ab, b), ("d", d, sums)] {
        case.memory(format!("register @r{name}: {scalar}[{}]", mapping.tasks_per_worker()));
        case.fill(&format!("r{name}"), name, scalar, mapping.tasks_per_worker());
    }
    case.line(format!("call {}(@rd[%z], @ra[%z], @rb[%z])", row.name));
    case.drain("rd", "d", d, sums.tasks_per_worker());
    case
}

/// Row, first column and step of the elements that a lane holds of an 8 x 8 matrix of words, by the PTX ISA.
fn words(lane: usize, scalar: Scalar, transposed: bool) -> Vec<[usize; 2]> {
    let each = 4 / scalar.bytes();
    let first = lane % 4 * each;
    (0..each).map(|i| if transposed { [first + i, lane / 4] } else { [lane / 4, first + i] }).collect()
}

/// Returns matrices of different elements, and the elements that each lane holds.
fn matrices(scalar: Scalar, count: u32, transposed: bool) -> (Vec<u64>, Vec<u64>) {
    let length = 16 / scalar.bytes();
    let modulus = if scalar.bytes() == 1 { 16 } else { 2048 };
    let tile: Vec<u64> = (0..32 * length as i64).map(|at| bits(scalar, (at * 7 + 1) % modulus)).collect();
    let mut lanes = Vec::new();
    for lane in 0..32 {
        for matrix in 0..count as usize {
            lanes.extend(words(lane, scalar, transposed).iter().map(|[i, j]| tile[(matrix * 8 + i) * length + j]));
        }
    }
    (tile, lanes)
}

fn load(row: &Row, scalar: Scalar, count: u32, transposed: bool) -> Case {
    let (tile, lanes) = matrices(scalar, count, transposed);
    let (length, held) = (16 / scalar.bytes() as u32, lanes.len() as u32 / 32);
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.input("x", scalar, tile);
    case.output("y", scalar, lanes);
    case.memory(format!("shared @tile: {scalar}[{}] align 16", 32 * length));
    case.memory(format!("register @r: {scalar}[{held}]"));
    case.copy("x", "tile", scalar, length);
    case.line("call sync.threads()");
    let length = case.int(i64::from(length));
    case.line(format!("%at: i32 = mul %t, {length}"));
    case.line(format!("call {}(@r[%z], @tile[%at])", row.name));
    case.drain("r", "y", scalar, held);
    case
}

fn store(row: &Row, scalar: Scalar, count: u32, transposed: bool) -> Case {
    let (mut tile, lanes) = matrices(scalar, count, transposed);
    let (length, held) = (16 / scalar.bytes() as u32, lanes.len() as u32 / 32);
    tile[(8 * count * length) as usize..].fill(0);
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.input("x", scalar, lanes);
    case.inout("y", scalar, vec![0; tile.len()], tile);
    case.memory(format!("shared @tile: {scalar}[{}] align 16", 32 * length));
    case.memory(format!("register @r: {scalar}[{held}]"));
    case.copy("y", "tile", scalar, length);
    case.fill("r", "x", scalar, held);
    case.line("call sync.threads()");
    let count = case.int(i64::from(length));
    case.line(format!("%at: i32 = mul %t, {count}"));
    case.line(format!("call {}(@tile[%at], @r[%z])", row.name));
    case.line("call sync.threads()");
    case.copy("tile", "y", scalar, length);
    case
}

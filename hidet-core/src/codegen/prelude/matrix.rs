//! Warp-level tensor core instructions: `mma.sync`, `ldmatrix`, `stmatrix`. One helper per row of the table.

use super::{Piece, piece};
use crate::intrinsics::{Intrinsic, Operand, TypeRule};
use crate::types::Scalar;

/// Returns the type of a fragment and the number of its elements per lane.
pub(super) fn fragment(operand: &Operand) -> Option<(Scalar, u32)> {
    match operand {
        Operand::Address { elem: TypeRule::Is(ty), count, .. } => Some((ty.scalar, *count)),
        _ => None,
    }
}

/// Returns the name of a type in PTX instructions of tensor cores.
pub(super) fn ptx(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::I8 => "s8",
        Scalar::I32 => "s32",
        scalar => scalar.name(),
    }
}

/// Returns the operands of an accumulator `d`, read and written in place: code before, constraints, code after.
pub(super) fn accumulator(scalar: Scalar, count: u32) -> (String, Vec<String>, String) {
    if scalar == Scalar::F16 {
        let words = count / 2;
        let before = format!(
            "    unsigned w[{words}];\n    #pragma unroll\n    for (int i = 0; i < {words}; i++) w[i] = hidet_word(d, i);\n"
        );
        let after = format!("    #pragma unroll\n    for (int i = 0; i < {words}; i++) hidet_set_word(d, i, w[i]);\n");
        return (before, (0..words).map(|i| format!("\"+r\"(w[{i}])")).collect(), after);
    }
    let constraint = if scalar == Scalar::F32 { 'f' } else { 'r' };
    (String::new(), (0..count).map(|i| format!("\"+{constraint}\"(d[{i}])")).collect(), String::new())
}

/// Returns a group of operands such as `{%3, %4}`.
pub(super) fn group(first: usize, count: usize) -> String {
    format!("{{{}}}", (first..first + count).map(|i| format!("%{i}")).collect::<Vec<_>>().join(", "))
}

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Intrinsic::all().filter_map(mma).collect();
    for count in [1, 2, 4] {
        for trans in [false, true] {
            pieces.push(matrices(true, count, trans));
            pieces.push(matrices(false, count, trans));
        }
    }
    pieces
}

fn mma(intrinsic: Intrinsic) -> Option<Piece> {
    let row = intrinsic.row();
    let shape = row.name.strip_prefix("mma.")?.split('.').next()?;
    let [d, a, b] = row.operands.as_slice() else { return None };
    let ((d, d_count), (ab, a_count), (_, b_count)) = (fragment(d)?, fragment(a)?, fragment(b)?);
    let words = |count: u32| (count as usize * ab.bytes()) / 4;
    let (before, accumulators, after) = accumulator(d, d_count);
    let (n, a_words, b_words) = (accumulators.len(), words(a_count), words(b_count));
    let inputs: Vec<String> = (0..a_words)
        .map(|i| format!("\"r\"(hidet_word(a, {i}))"))
        .chain((0..b_words).map(|i| format!("\"r\"(hidet_word(b, {i}))")))
        .collect();
    let (elem, acc) = (crate::codegen::types::scalar(ab), crate::codegen::types::scalar(d));
    let name = format!("hidet_{}", row.name.replace('.', "_"));
    let text = format!(
        "__device__ __forceinline__ void {name}({acc}* d, const {elem}* a, const {elem}* b) {{\n{before}    asm volatile(\"mma.sync.aligned.{shape}.row.col.{}.{}.{}.{} {}, {}, {}, {};\"\n                 : {} : {});\n{after}}}\n",
        ptx(d),
        ptx(ab),
        ptx(ab),
        ptx(d),
        group(0, n),
        group(n, a_words),
        group(n + a_words, b_words),
        group(0, n),
        accumulators.join(", "),
        inputs.join(", "),
    );
    Some(piece(name, text))
}

fn matrices(load: bool, count: usize, trans: bool) -> Piece {
    let suffix = if trans { "_trans" } else { "" };
    let modifier = if trans { ".trans" } else { "" };
    if load {
        let name = format!("hidet_ldmatrix_x{count}{suffix}");
        let outs = (0..count).map(|i| format!("\"=r\"(w[{i}])")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "template <class T> __device__ __forceinline__ void {name}(T* d, const T* p) {{\n    unsigned w[{count}];\n    asm volatile(\"ldmatrix.sync.aligned.m8n8.x{count}{modifier}.shared.b16 {}, [%{count}];\"\n                 : {outs} : \"r\"(hidet_shared_address(p)) : \"memory\");\n    #pragma unroll\n    for (int i = 0; i < {count}; i++) hidet_set_word(d, i, w[i]);\n}}\n",
            group(0, count)
        );
        return piece(name, text);
    }
    let name = format!("hidet_stmatrix_x{count}{suffix}");
    let ins: String = (0..count).map(|i| format!(", \"r\"(hidet_word(d, {i}))")).collect();
    let text = format!(
        "template <class T> __device__ __forceinline__ void {name}(T* p, const T* d) {{\n    asm volatile(\"stmatrix.sync.aligned.m8n8.x{count}{modifier}.shared.b16 [%0], {};\"\n                 :: \"r\"(hidet_shared_address(p)){ins} : \"memory\");\n}}\n",
        group(1, count)
    );
    piece(name, text)
}

//! Warp-group tensor core instructions. There are a thousand shapes, so helpers are generated on demand.

use super::matrix::{accumulator, fragment, group, ptx};
use super::{Piece, parse};
use crate::codegen::types;
use crate::intrinsics::Intrinsic;

pub(super) fn pieces() -> Vec<Piece> {
    parse(
        r#"
## hidet_wgmma_descriptor
// How a matrix lies in shared memory: strides in bytes, and the swizzle (1: 128 bytes, 2: 64, 3: 32, 0: none).
@ unsigned long long hidet_wgmma_descriptor(const void* p, unsigned leading, unsigned stride, unsigned swizzle) {
    // The upper word is a constant, the lower one takes 32-bit arithmetic.
    unsigned lower = (hidet_shared_address(p) >> 4 & 0x3fff) | leading >> 4 << 16;
    unsigned long long descriptor;
    asm("mov.b64 %0, {%1, %2};" : "=l"(descriptor) : "r"(lower), "r"(stride >> 4 | swizzle << 30));
    return descriptor;
}

## hidet_wgmma_fence
@ void hidet_wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

## hidet_pin
// Makes words of registers that hold smaller elements here, not where they are used.
template <int Words, class T> @ void hidet_pin(T* p) {
    #pragma unroll
    for (int i = 0; i < Words; i++) {
        unsigned word = hidet_word(p, i);
        asm volatile("" : "+r"(word));
        hidet_set_word(p, i, word);
    }
}

## hidet_wgmma_commit
@ void hidet_wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

## hidet_wgmma_wait
template <int N> @ void hidet_wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(N) : "memory"); }
"#,
    )
}

/// Returns the helper with a name.
pub(super) fn generate(name: &str) -> Option<String> {
    let row = Intrinsic::named(&name.strip_prefix("hidet_")?.replace('_', "."))?.row();
    if !row.name.starts_with("wgmma.m64") {
        return None;
    }
    let shape = row.name.split('.').nth(1)?;
    let [d, a, b, ..] = row.operands.as_slice() else { return None };
    let ((d, d_count), (a, a_count), (b, _)) = (fragment(d)?, fragment(a)?, fragment(b)?);
    let registers = row.name.ends_with(".rs");
    let (before, accumulators, after) = accumulator(d, d_count);
    let n = accumulators.len();
    let a_words = if registers { a_count as usize * a.bytes() / 4 } else { 1 };
    let a_operands: Vec<String> = match registers {
        true => (0..a_words).map(|i| format!("\"r\"(hidet_word(a, {i}))")).collect(),
        false => vec!["\"l\"(a)".to_owned()],
    };
    let a_text = if registers { group(n, a_words) } else { format!("%{n}") };
    let (b_at, p_at) = (n + a_words, n + a_words + 1);
    // Integers have no sign operands, and only 16-bit operands may be contiguous along m or n.
    let signs: &[&str] = if a.is_float() { &["NegateA", "NegateB"] } else { &[] };
    let majors: &[&str] = match (a.bytes() == 2, registers) {
        (true, true) => &["MajorB"],
        (true, false) => &["MajorA", "MajorB"],
        _ => &[],
    };
    let names: Vec<String> = signs.iter().chain(majors).map(|name| format!("int {name}")).collect();
    let template = if names.is_empty() { String::new() } else { format!("template <{}> ", names.join(", ")) };
    let numbers: String = (0..names.len()).map(|i| format!(", %{}", p_at + 1 + i)).collect();
    let inputs: String = (signs.iter().map(|name| format!(", \"n\"({name} ? -1 : 1)")))
        .chain(majors.iter().map(|name| format!(", \"n\"({name})")))
        .collect();
    let a_type = if registers { format!("const {}* a", types::scalar(a)) } else { "unsigned long long a".to_owned() };
    Some(format!(
        "{template}__device__ __forceinline__ void {name}({}* d, {a_type}, unsigned long long b, bool accumulate) {{\n{before}    asm volatile(\"{{\\n.reg .pred p;\\nsetp.ne.b32 p, %{p_at}, 0;\\n\"\n                 \"wgmma.mma_async.sync.aligned.{shape}.{}.{}.{} {}, {a_text}, %{b_at}, p{numbers};\\n}}\"\n                 : {}\n                 : {}, \"l\"(b), \"r\"((int)accumulate){inputs});\n{after}}}\n",
        types::scalar(d),
        ptx(d),
        ptx(a),
        ptx(b),
        group(0, n),
        accumulators.join(", "),
        a_operands.join(", "),
    ))
}

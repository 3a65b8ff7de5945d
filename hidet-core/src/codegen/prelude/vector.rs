//! Vector loads and stores of global memory with cache hints, and vector reductions in memory.

use super::matrix::group;
use super::{Piece, piece};
use crate::intrinsics::{LoadHint, StoreHint};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = Vec::new();
    for bytes in [2, 4, 8, 16, 32] {
        pieces.extend(LoadHint::ALL.map(|hint| load(hint, bytes)));
        pieces.extend(StoreHint::ALL.map(|hint| store(hint, bytes)));
    }
    pieces.extend([2, 4].map(|count| reduce("f32", count)));
    for scalar in ["f16", "bf16"] {
        pieces.extend([2, 4, 8].map(|count| reduce(scalar, count)));
    }
    pieces
}

/// Returns the type of a vector of words and their number; two bytes are half a word.
fn words(bytes: usize) -> (String, usize) {
    match bytes {
        2 => (".b16".to_owned(), 1),
        4 => (".b32".to_owned(), 1),
        _ => (format!(".v{}.b32", bytes / 4), bytes / 4),
    }
}

/// Returns `{%0, %1}`, or just `%0`.
fn operands(first: usize, count: usize) -> String {
    if count == 1 { format!("%{first}") } else { group(first, count) }
}

fn load(hint: LoadHint, bytes: usize) -> Piece {
    let name = format!("hidet_load_{}_{bytes}", hint.name());
    let (width, count) = words(bytes);
    let (word, constraint) = if bytes == 2 { ("unsigned short", 'h') } else { ("unsigned", 'r') };
    let out: Vec<String> = (0..count).map(|i| format!("\"={constraint}\"(w[{i}])")).collect();
    // Memory that is not written may be read at any time. The verifier refuses it in dependent launches.
    let clobber = if hint.is_read_only() { "" } else { " : \"memory\"" };
    let text = format!(
        "template <class T> __device__ __forceinline__ void {name}(T* to, const T* from) {{\n    {word} w[{count}];\n    asm volatile(\"{}{width} {}, [%{count}];\" : {} : \"l\"(from){clobber});\n    memcpy(to, w, {bytes});\n}}\n",
        hint.ptx(),
        operands(0, count),
        out.join(", ")
    );
    piece(name, text)
}

fn store(hint: StoreHint, bytes: usize) -> Piece {
    let name = format!("hidet_store_{}_{bytes}", hint.name());
    let (width, count) = words(bytes);
    let (word, constraint) = if bytes == 2 { ("unsigned short", 'h') } else { ("unsigned", 'r') };
    let inputs: String = (0..count).map(|i| format!(", \"{constraint}\"(w[{i}])")).collect();
    let text = format!(
        "template <class T> __device__ __forceinline__ void {name}(T* to, const T* from) {{\n    {word} w[{count}];\n    memcpy(w, from, {bytes});\n    asm volatile(\"{}{width} [%0], {};\" :: \"l\"(to){inputs} : \"memory\");\n}}\n",
        hint.ptx(),
        operands(1, count)
    );
    piece(name, text)
}

fn reduce(scalar: &str, count: usize) -> Piece {
    let name = format!("hidet_red_add_{scalar}_{count}");
    let (op, words, input) = if scalar == "f32" {
        (format!("add.v{count}.f32"), count, "\"f\"(from[{}])")
    } else {
        let vector = if count > 2 { format!(".v{}", count / 2) } else { String::new() };
        (format!("add.noftz{vector}.{scalar}x2"), count / 2, "\"r\"(hidet_word(from, {}))")
    };
    let inputs: String = (0..words).map(|i| format!(", {}", input.replace("{}", &i.to_string()))).collect();
    let ty = if scalar == "f32" { "float" } else { scalar };
    let text = format!(
        "__device__ __forceinline__ void {name}({ty}* to, const {ty}* from) {{\n    asm volatile(\"red.relaxed.gpu.global.{op} [%0], {};\" :: \"l\"(to){inputs} : \"memory\");\n}}\n",
        operands(1, words)
    );
    piece(name, text)
}

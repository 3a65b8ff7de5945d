//! Atomics, ordered loads and stores, and shuffles.

use super::{Piece, parse, piece};
use crate::intrinsics::AtomicOp;
use crate::types::Scalar;

/// The C++ types with their PTX types (signed or unsigned, and bits) and register constraints.
const TYPES: [(&str, &str, &str, char); 6] = [
    ("int", "s32", "b32", 'r'),
    ("unsigned", "u32", "b32", 'r'),
    ("long long", "s64", "b64", 'l'),
    ("unsigned long long", "u64", "b64", 'l'),
    ("float", "f32", "b32", 'f'),
    ("double", "f64", "b64", 'd'),
];

const OPS: [&str; 8] = ["add", "min", "max", "and", "or", "xor", "exchange", "cas"];

const SHARED: &str = r#"
## hidet_peer
// Where an element of shared memory lies in another block of the cluster.
template <class T> @ T* hidet_peer(T* p, int rank) {
    T* r;
    asm volatile("mapa.u64 %0, %1, %2;" : "=l"(r) : "l"(p), "r"(rank));
    return r;
}

## hidet_bits
template <int BYTES> struct hidet_bits_of { using type = unsigned; };
template <> struct hidet_bits_of<8> { using type = unsigned long long; };
template <int BYTES> using hidet_bits = typename hidet_bits_of<BYTES>::type;

## hidet_swap_sum
@ float hidet_swap_sum(float a, float b) { return a + b; }
@ double hidet_swap_sum(double a, double b) { return a + b; }
@ unsigned long long hidet_swap_sum(unsigned long long a, unsigned long long b) { return a + b; }
@ long long hidet_swap_sum(long long a, long long b) { return (long long)((unsigned long long)a + (unsigned long long)b); }
"#;

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = shuffles();
    for op in OPS {
        pieces.push(relaxed(op));
        pieces.extend(["acquire", "release", "acq_rel"].map(|order| ordered(op, order)));
    }
    for (order, load) in [("relaxed", true), ("acquire", true), ("relaxed", false), ("release", false)] {
        pieces.push(access(order, load));
    }
    pieces.extend(parse(SHARED));
    for op in OPS.into_iter().filter(|op| !matches!(*op, "exchange" | "cas")) {
        pieces.extend(["relaxed", "acquire", "release", "acq_rel"].map(|order| swap(op, order)));
    }
    pieces
}

fn shuffles() -> Vec<Piece> {
    let mut pieces = parse(
        r#"
## hidet_shuffled
// What a shuffle moves: 32-bit registers.
template <class T, class F> @ T hidet_shuffled(T value, F shuffle) {
    if constexpr (sizeof(T) == 8) {
        unsigned long long bits = bitcast<unsigned long long>(value);
        unsigned low = shuffle((unsigned)bits), high = shuffle((unsigned)(bits >> 32));
        return bitcast<T>((unsigned long long)high << 32 | low);
    } else if constexpr (sizeof(T) == 4) {
        return bitcast<T>(shuffle(bitcast<unsigned>(value)));
    } else if constexpr (sizeof(T) == 2) {
        return bitcast<T>((unsigned short)shuffle((unsigned)bitcast<unsigned short>(value)));
    } else {
        return bitcast<T>((unsigned char)shuffle((unsigned)bitcast<unsigned char>(value)));
    }
}
"#,
    );
    for (name, builtin) in [
        ("hidet_shfl", "__shfl_sync"),
        ("hidet_shfl_up", "__shfl_up_sync"),
        ("hidet_shfl_down", "__shfl_down_sync"),
        ("hidet_shfl_xor", "__shfl_xor_sync"),
    ] {
        let text = format!(
            "template <class T> __device__ __forceinline__ T {name}(unsigned mask, T value, int lane) {{\n    \
             return hidet_shuffled(value, [=](unsigned bits) {{ return {builtin}(mask, bits, lane); }});\n}}\n"
        );
        pieces.push(piece(name.to_owned(), text));
    }
    pieces
}

/// Relaxed atomics use CUDA's own functions, so that the compiler sees whether the memory is shared.
fn relaxed(op: &str) -> Piece {
    let name = format!("hidet_atomic_{op}_relaxed");
    let builtin = match op {
        "exchange" => "Exch".to_owned(),
        "cas" => "CAS".to_owned(),
        op => format!("{}{}", op[..1].to_uppercase(), &op[1..]),
    };
    // For 64-bit words there are only overloads for `unsigned long long`, except for min and max.
    let through = |ty: &str| ty == "long long" && !matches!(op, "min" | "max");
    let mut text = String::new();
    for (ty, ..) in TYPES {
        let float = matches!(ty, "float" | "double");
        if float && op != "add" {
            continue;
        }
        let (more, pass) = if op == "cas" { (format!(", {ty} c"), ", c") } else { (String::new(), "") };
        let body = if through(ty) {
            let pass = if op == "cas" { ", (unsigned long long)c" } else { "" };
            format!("(long long)atomic{builtin}((unsigned long long*)p, (unsigned long long)b{pass})")
        } else {
            format!("atomic{builtin}(p, b{pass})")
        };
        text += &format!("__device__ __forceinline__ {ty} {name}({ty}* p, {ty} b{more}) {{ return {body}; }}\n");
    }
    piece(name, text)
}

fn ordered(op: &str, order: &str) -> Piece {
    let name = format!("hidet_atomic_{op}_{order}");
    let mut text = String::new();
    for (ty, number, bits, constraint) in TYPES {
        let float = matches!(ty, "float" | "double");
        if float && op != "add" {
            continue;
        }
        let (suffix, instruction) = match op {
            "add" => (if number == "s64" { "u64" } else { number }, "add"),
            "min" | "max" => (number, op),
            "exchange" => (bits, "exch"),
            op => (bits, op),
        };
        let (more, third, input) = if op == "cas" {
            (format!(", {ty} c"), ", %3", format!(", \"{constraint}\"(c)"))
        } else {
            Default::default()
        };
        text += &format!(
            "__device__ __forceinline__ {ty} {name}({ty}* p, {ty} b{more}) {{\n    {ty} r;\n    \
             asm volatile(\"atom.{order}.gpu.{instruction}.{suffix} %0, [%1], %2{third};\" : \"={constraint}\"(r) : \"l\"(p), \
             \"{constraint}\"(b){input} : \"memory\");\n    return r;\n}}\n"
        );
    }
    piece(name, text)
}

/// Returns true for an operation that ptxas (13.0) makes a loop of in shared memory, this block's or another's. It forgets
/// that the threads of a warp leave that loop one by one, and counts the iterations of a loop around it in one register
/// for all of them, too often: the program never ends. In another block's memory, of 64-bit arithmetic it makes a load
/// and a store. `hidet_swap_..` is the same loop where ptxas sees it.
pub fn is_loop_in_shared(op: AtomicOp, elem: Scalar) -> bool {
    let native = matches!(op, AtomicOp::Exchange | AtomicOp::CompareExchange);
    !native && (elem.bytes() == 8 || elem.is_float())
}

/// Arithmetic by compare and swap, which the hardware has in all memory.
fn swap(op: &str, order: &str) -> Piece {
    let name = format!("hidet_swap_{op}_{order}");
    let result = match op {
        "add" => "hidet_swap_sum(seen, b)",
        "min" => "seen < b ? seen : b",
        "max" => "seen > b ? seen : b",
        "and" => "seen & b",
        "or" => "seen | b",
        _ => "seen ^ b",
    };
    let text = format!(
        "template <class T> __device__ __forceinline__ T {name}(T* p, T b) {{\n    \
         using Bits = hidet_bits<sizeof(T)>;\n    \
         for (T seen = *(volatile T*)p;;) {{\n        \
         const Bits bits = bitcast<Bits>(seen);\n        \
         const Bits old = hidet_atomic_cas_{order}((Bits*)p, bits, bitcast<Bits>((T)({result})));\n        \
         if (old == bits) return seen;\n        \
         seen = bitcast<T>(old);\n    }}\n}}\n"
    );
    piece(name, text)
}

fn access(order: &str, load: bool) -> Piece {
    let name = format!("hidet_{}_{order}", if load { "load" } else { "store" });
    let mut text = String::new();
    for (ty, _, bits, constraint) in TYPES {
        text += &if load {
            format!(
                "__device__ __forceinline__ {ty} {name}(const {ty}* p) {{\n    {ty} r;\n    \
                 asm volatile(\"ld.{order}.gpu.{bits} %0, [%1];\" : \"={constraint}\"(r) : \"l\"(p) : \"memory\");\n    \
                 return r;\n}}\n"
            )
        } else {
            format!(
                "__device__ __forceinline__ void {name}({ty}* p, {ty} value) {{\n    \
                 asm volatile(\"st.{order}.gpu.{bits} [%0], %1;\" :: \"l\"(p), \"{constraint}\"(value) : \"memory\");\n}}\n"
            )
        };
    }
    piece(name, text)
}

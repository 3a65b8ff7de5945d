//! The prelude before a kernel: types and helpers, of which only those that the kernel uses are emitted.
//!
//! A *piece* is a C++ definition with the names it defines. The text of a kernel is scanned for those names; a piece is
//! emitted if one of them occurs in the kernel or in another emitted piece. Pieces are ordered so that each follows
//! those it uses. Text that depends on the architecture tests `__CUDA_ARCH__`.

mod atomic;
mod barrier;
mod bits;
mod bulk;
mod convert;
mod copy;
mod count;
mod float;
mod matrix;
mod vector;
mod wgmma;

pub use atomic::is_loop_in_shared;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

/// A definition.
struct Piece {
    names: Vec<&'static str>,
    text: String,
}

static PIECES: LazyLock<Vec<Piece>> = LazyLock::new(|| {
    let families = [
        basic(),
        float::pieces(),
        convert::pieces(),
        atomic::pieces(),
        barrier::pieces(),
        copy::pieces(),
        bits::pieces(),
        count::pieces(),
        vector::pieces(),
        bulk::pieces(),
        matrix::pieces(),
        wgmma::pieces(),
    ];
    families.into_iter().flatten().collect()
});

static DEFINED: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
    PIECES.iter().enumerate().flat_map(|(index, piece)| piece.names.iter().map(move |name| (*name, index))).collect()
});

/// Returns a piece with a generated name. Names live as long as the table, which is never freed.
fn piece(name: String, text: String) -> Piece {
    Piece { names: vec![Box::leak(name.into_boxed_str())], text }
}

/// Parses pieces from a text in which each begins with a line `## name name ...`. `@` stands for the qualifiers of a
/// helper.
fn parse(text: &'static str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("## ") {
            pieces.push(Piece { names: names.split_whitespace().collect(), text: String::new() });
        } else if let Some(piece) = pieces.last_mut().filter(|_| !line.is_empty()) {
            piece.text += &match line.strip_prefix('@') {
                Some(rest) => format!("__device__ __forceinline__{rest}\n"),
                None => format!("{}\n", line.replace(" @ ", " __device__ __forceinline__ ")),
            };
        }
    }
    pieces
}

/// Returns all names that the prelude may define, except for the shapes of wgmma.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    DEFINED.keys().copied()
}

/// Returns the identifiers of a C++ text.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Returns the text of the pieces that a text needs, in order.
pub fn for_text(text: &str) -> String {
    // Helpers that are generated on demand; they use pieces, but no other such helper.
    let made: BTreeMap<&str, String> = identifiers(text)
        .filter(|name| name.starts_with("hidet_wgmma_m64"))
        .filter_map(|name| Some((name, wgmma::generate(name)?)))
        .collect();
    let mut wanted = HashSet::new();
    let texts = std::iter::once(text).chain(made.values().map(String::as_str));
    let mut open: Vec<usize> = texts.flat_map(identifiers).filter_map(|name| DEFINED.get(name).copied()).collect();
    while let Some(index) = open.pop() {
        if wanted.insert(index) {
            open.extend(identifiers(&PIECES[index].text).filter_map(|name| DEFINED.get(name).copied()));
        }
    }
    let pieces = PIECES.iter().enumerate().filter(|(index, _)| wanted.contains(index)).map(|(_, piece)| &piece.text);
    pieces.chain(made.values()).flat_map(|text| [text.as_str(), "\n"]).collect()
}

fn basic() -> Vec<Piece> {
    parse(
        r#"
## hidet_word
// 32 bits of registers that hold smaller elements.
template <class T> @ unsigned hidet_word(const T* p, int i) {
    unsigned word;
    memcpy(&word, reinterpret_cast<const char*>(p) + 4 * i, 4);
    return word;
}

## hidet_set_word
template <class T> @ void hidet_set_word(T* p, int i, unsigned word) { memcpy(reinterpret_cast<char*>(p) + 4 * i, &word, 4); }

## vec load store
// N numbers side by side. Small ones are kept as words of 32 bits, as the registers are that hold them.
template <class T, int N, bool Words = (sizeof(T) < 4 && sizeof(T) * N >= 4)>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) vec {
    T lane[N];
    __device__ __forceinline__ const T& operator[](int i) const { return lane[i]; }
};
template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) vec<T, N, true> {
    unsigned word[sizeof(T) * N / 4];
    vec() = default;
    __device__ __forceinline__ vec(const T (&lanes)[N]) { memcpy(word, lanes, sizeof(word)); }
    __device__ __forceinline__ T operator[](int i) const {
        T lane;
        if constexpr (sizeof(T) == 2) {
            unsigned short half[2];
            asm("mov.b32 {%0, %1}, %2;" : "=h"(half[0]), "=h"(half[1]) : "r"(word[i / 2]));
            memcpy(&lane, &half[i % 2], 2);
        } else {
            unsigned char byte = (unsigned char)(word[i / 4] >> 8 * (i % 4));
            memcpy(&lane, &byte, 1);
        }
        return lane;
    }
};
template <int N, class T> @ vec<T, N> load(const T* p) { return *reinterpret_cast<const vec<T, N>*>(p); }
template <class T, int N> @ void store(T* p, vec<T, N> v) { *reinterpret_cast<vec<T, N>*>(p) = v; }

## bitcast
template <class To, class From> @ To bitcast(const From& from) {
    static_assert(sizeof(To) == sizeof(From), "bitcast changes the size");
    To to;
    memcpy(&to, &from, sizeof(To));
    return to;
}

## wrapping_add
@ int wrapping_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
@ long long wrapping_add(long long a, long long b) { return (long long)((unsigned long long)a + (unsigned long long)b); }

## wrapping_sub
@ int wrapping_sub(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
@ long long wrapping_sub(long long a, long long b) { return (long long)((unsigned long long)a - (unsigned long long)b); }

## wrapping_mul
@ int wrapping_mul(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
@ long long wrapping_mul(long long a, long long b) { return (long long)((unsigned long long)a * (unsigned long long)b); }

## wrapping_div
// The least number over -1 is itself, and nothing is left over.
@ int wrapping_div(int a, int b) { return b == -1 ? (int)(0u - (unsigned)a) : a / b; }
@ long long wrapping_div(long long a, long long b) { return b == -1 ? (long long)(0ull - (unsigned long long)a) : a / b; }

## wrapping_rem
@ int wrapping_rem(int a, int b) { return b == -1 ? 0 : a % b; }
@ long long wrapping_rem(long long a, long long b) { return b == -1 ? 0 : a % b; }

## wrapping_shl
@ int wrapping_shl(int a, int b) { return (int)((unsigned)a << b); }
@ long long wrapping_shl(long long a, long long b) { return (long long)((unsigned long long)a << b); }

## hidet_hide
// The same value, which ptxas does not see. Not by `lop3`: in some kernels that compare its result with 0 and subtract 1 from
// it, NVRTC (13.0) crashes.
@ int hidet_hide(int a) {
    int r;
    asm("prmt.b32 %0, %1, 0, 0x3210;" : "=r"(r) : "r"(a));
    return r;
}
@ signed char hidet_hide(signed char a) { return (signed char)hidet_hide((int)a); }
@ unsigned char hidet_hide(unsigned char a) { return (unsigned char)hidet_hide((int)a); }
@ short hidet_hide(short a) { return (short)hidet_hide((int)a); }
@ unsigned short hidet_hide(unsigned short a) { return (unsigned short)hidet_hide((int)a); }
@ unsigned hidet_hide(unsigned a) { return (unsigned)hidet_hide((int)a); }
@ unsigned long long hidet_hide(unsigned long long a) {
    return (unsigned long long)hidet_hide((unsigned)(a >> 32)) << 32 | hidet_hide((unsigned)a);
}
@ long long hidet_hide(long long a) { return (long long)hidet_hide((unsigned long long)a); }
template <class T> @ T hidet_hide(T a) {
    if constexpr (sizeof(T) == 8) {
        return bitcast<T>(hidet_hide(bitcast<unsigned long long>(a)));
    } else if constexpr (sizeof(T) == 4) {
        return bitcast<T>(hidet_hide(bitcast<unsigned>(a)));
    } else if constexpr (sizeof(T) == 2) {
        return bitcast<T>(hidet_hide(bitcast<unsigned short>(a)));
    } else {
        return bitcast<T>(hidet_hide(bitcast<unsigned char>(a)));
    }
}
template <class T, int N> @ vec<T, N> hidet_hide(vec<T, N> v) {
    for (int i = 0; i < N; i++) v.lane[i] = hidet_hide(v.lane[i]);
    return v;
}

## hidet_abs
// Not as a choice or by `abs`: ptxas takes its result for positive, which that of the least number is not.
@ int hidet_abs(int a) {
    int r;
    asm("{\n.reg .s32 s;\nshr.s32 s, %1, 31;\nxor.b32 %0, %1, s;\nsub.s32 %0, %0, s;\n}" : "=r"(r) : "r"(a));
    return r;
}
@ long long hidet_abs(long long a) {
    long long r;
    asm("{\n.reg .s64 s;\nshr.s64 s, %1, 63;\nxor.b64 %0, %1, s;\nsub.s64 %0, %0, s;\n}" : "=l"(r) : "l"(a));
    return r;
}

## hidet_equal
// After a branch by it ptxas does not put the constant in place of the other.
@ bool hidet_equal(int a, int b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.eq.s32 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "r"(a), "r"(b));
    return r != 0u;
}
@ bool hidet_equal(unsigned a, unsigned b) { return hidet_equal((int)a, (int)b); }
@ bool hidet_equal(long long a, long long b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.eq.s64 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "l"(a), "l"(b));
    return r != 0u;
}
@ bool hidet_equal(unsigned long long a, unsigned long long b) { return hidet_equal((long long)a, (long long)b); }

## hidet_less
// With zero NVRTC would make a minimum of a choice by it, which is another zero; with a constant both would make an equality.
@ bool hidet_less(int a, int b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.s32 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "r"(a), "r"(b));
    return r != 0u;
}
@ bool hidet_less(unsigned a, unsigned b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.u32 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "r"(a), "r"(b));
    return r != 0u;
}
@ bool hidet_less(long long a, long long b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.s64 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "l"(a), "l"(b));
    return r != 0u;
}
@ bool hidet_less(unsigned long long a, unsigned long long b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.u64 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "l"(a), "l"(b));
    return r != 0u;
}
@ bool hidet_less(float a, float b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.f32 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "f"(a), "f"(b));
    return r != 0u;
}
@ bool hidet_less(double a, double b) {
    unsigned r;
    asm("{\n.reg .pred p;\nsetp.lt.f64 p, %1, %2;\nselp.b32 %0, 1, 0, p;\n}" : "=r"(r) : "d"(a), "d"(b));
    return r != 0u;
}

## hidet_report
// What the kernel tells the host; the values are those of the first fault. The log holds printed lines.
struct hidet_report { unsigned state, site, block[3], thread[3]; long long values[16]; unsigned used, lost; unsigned long long log[1]; };

## hidet_fault
// Records a fault, if it is the first one.
template <class... V> __device__ __noinline__ void hidet_fault(hidet_report* report, unsigned site, V... values) {
    if (atomicCAS(&report->state, 0u, 1u) != 0u) return;
    report->site = site;
    report->block[0] = blockIdx.x; report->block[1] = blockIdx.y; report->block[2] = blockIdx.z;
    report->thread[0] = threadIdx.x; report->thread[1] = threadIdx.y; report->thread[2] = threadIdx.z;
    int axis = 0;
    ((report->values[axis++] = values), ...);
    __threadfence();
}

## hidet_print
// Adds a line to the log, or to those for which there is no room. A line begins with a word that is not 0.
template <class... V> __device__ __noinline__ void hidet_print(hidet_report* report, unsigned site, V... values) {
    const unsigned count = sizeof...(V), words = count + 2u, room = 131072u;
    const unsigned at = *(volatile unsigned*)&report->used < room ? atomicAdd(&report->used, words) : room;
    if (at + words > room) {
        if (at < room) report->log[at] = 0;
        atomicAdd(&report->lost, 1u);
        return;
    }
    unsigned long long* line = report->log + at;
    *line++ = (unsigned long long)site << 32 | words;
    *line++ = (unsigned long long)blockIdx.z << 48 | (unsigned long long)blockIdx.y << 32 | blockIdx.x;
    ((*line = 0, memcpy(line++, &values, sizeof(V))), ...);
}

## hidet_faulted
// Whether some thread ended with a fault: then what others wait for may never come.
@ bool hidet_faulted(hidet_report* report) { return *(volatile unsigned*)&report->state != 0u; }

## hidet_aligned
template <int N> @ bool hidet_aligned(const void* p) { return ((unsigned long long)p & (N - 1)) == 0; }

## hidet_entry
// An entry of a table of tensors, and the address of the first element of one.
struct alignas(16) hidet_entry { int rows; unsigned long long address; };

## hidet_tensor
template <typename T> @ T* hidet_tensor(const hidet_entry* table, int entry) {
    // Not by __cvta_global_to_generic: with it NVRTC 13.0 does not end on some loops beside. Not of a T* that comes from
    // an integer: where T is a struct, NVRTC 13.0 may lose the conversion to const void* and end with "Broken function
    // found".
    const void* first = (const void*)table[entry].address;
    __builtin_assume(__isGlobal(first));
    return (T*)first;
}

## hidet_tensor_map
struct alignas(64) hidet_tensor_map { unsigned long long opaque[16]; };

## hidet_cluster_rank
@ int hidet_cluster_rank() { int r; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }

## hidet_shared_address
@ unsigned hidet_shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
"#,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_emitted_and_names_are_unique() {
        assert_eq!(for_text("x[i] = 1.0f;"), "");
        let text = for_text("int y = wrapping_add(a, b);");
        assert!(text.contains("wrapping_add") && !text.contains("wrapping_sub"), "{text}");
        let count: usize = PIECES.iter().map(|piece| piece.names.len()).sum();
        assert_eq!(count, DEFINED.len(), "a name is defined by two pieces");
    }

    #[test]
    fn device_and_host_agree_on_the_size_of_the_log() {
        use crate::codegen::{LINE, LOG};
        let text = for_text("hidet_print(report, 0);");
        assert!(text.contains(&format!("words = count + {LINE}u, room = {LOG}u;")), "{text}");
    }

    #[test]
    fn a_piece_follows_those_it_uses() {
        for (index, piece) in PIECES.iter().enumerate() {
            for name in identifiers(&piece.text) {
                if let Some(used) = DEFINED.get(name) {
                    assert!(*used <= index, "{:?} uses {name}, which comes later", piece.names);
                }
            }
        }
    }
}

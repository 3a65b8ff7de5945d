//! Bit operations for which CUDA C++ has no function, or several.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    parse(
        r#"
## hidet_prmt
@ unsigned hidet_prmt(unsigned a, unsigned b, unsigned selector) {
    unsigned r;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
    return r;
}

## hidet_lop3
template <int Table> @ unsigned hidet_lop3(unsigned a, unsigned b, unsigned c) {
    unsigned r;
    // In some kernels that compare the result of `lop3` with 0 and subtract 1 from it, NVRTC (13.0) crashes; behind `prmt`,
    // which is the same value, it does not see that it is one.
    asm("{\n.reg .b32 s;\nlop3.b32 s, %1, %2, %3, %4;\nprmt.b32 %0, s, 0, 0x3210;\n}" : "=r"(r) : "r"(a), "r"(b), "r"(c), "n"(Table));
    return r;
}

## hidet_bfe
@ unsigned hidet_bfe(unsigned a, unsigned from, unsigned length) {
    unsigned r;
    asm("bfe.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(from), "r"(length));
    return r;
}
@ int hidet_bfe(int a, unsigned from, unsigned length) {
    int r;
    asm("bfe.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(from), "r"(length));
    return r;
}

## hidet_bfi
@ unsigned hidet_bfi(unsigned a, unsigned b, unsigned from, unsigned length) {
    unsigned r;
    asm("bfi.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(from), "r"(length));
    return r;
}

## hidet_popc
template <class T> @ unsigned hidet_popc(T a) {
    if constexpr (sizeof(T) == 8) return (unsigned)__popcll(a);
    else return (unsigned)__popc(a);
}

## hidet_clz
template <class T> @ unsigned hidet_clz(T a) {
    if constexpr (sizeof(T) == 8) return (unsigned)__clzll(a);
    else return (unsigned)__clz(a);
}

## hidet_brev
template <class T> @ T hidet_brev(T a) {
    if constexpr (sizeof(T) == 8) return (T)__brevll(a);
    else return (T)__brev(a);
}
"#,
    )
}

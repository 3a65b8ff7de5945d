//! Low-precision floats: their types, and arithmetic on f16 and bf16.
//!
//! Sums, products, quotients and square roots through `float` round to the same number as a single rounding would:
//! 24 bits are at least twice 11 plus 2. A fused multiply-add needs the hardware's, or round-to-odd in between.

use super::{Piece, parse, piece};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = parse(
        r#"
## f16
struct f16 { unsigned short bits; };

## bf16
struct bf16 { unsigned short bits; };

## tf32
struct tf32 { unsigned bits; };

## e4m3
struct e4m3 { unsigned char bits; };

## e5m2
struct e5m2 { unsigned char bits; };

## f16_to_f32
@ float f16_to_f32(f16 a) { float r; asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(a.bits)); return r; }

## bf16_to_f32
@ float bf16_to_f32(bf16 a) { return __uint_as_float((unsigned)a.bits << 16); }

## bf16_lane_to_f32
// Half of a word, in one instruction.
template <int Lane, int N> @ float bf16_lane_to_f32(vec<bf16, N> a) {
    return __uint_as_float(Lane % 2 ? a.word[Lane / 2] & 0xffff0000u : a.word[Lane / 2] << 16);
}

## f32_to_f16
@ f16 f32_to_f16(float a) { f16 r; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(a)); return r; }

## f32_to_bf16
// Two numbers of which one is 0: for one alone ptxas (13.0) takes an instruction of an eighth of the rate.
@ bf16 f32_to_bf16(float a) {
    bf16 r;
#if __CUDA_ARCH__ >= 800
    unsigned pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(0.0f), "f"(a));
    r.bits = (unsigned short)pair;
#else
    unsigned u = __float_as_uint(a);
    r.bits = a != a ? 0x7fff : (unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16);
#endif
    return r;
}

## f32_rounded_to_bf16
// The upper half of an f32 is a bf16.
@ float f32_rounded_to_bf16(float a) {
#if __CUDA_ARCH__ >= 800
    unsigned pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(a), "f"(0.0f));
    return __uint_as_float(pair);
#else
    return bf16_to_f32(f32_to_bf16(a));
#endif
}

## hidet_min
// The instruction, for which -0 is below +0. The compiler folds `fmin` of such constants to either.
@ float hidet_min(float a, float b) { float r; asm("min.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); return r; }
@ double hidet_min(double a, double b) { double r; asm("min.f64 %0, %1, %2;" : "=d"(r) : "d"(a), "d"(b)); return r; }

## hidet_max
@ float hidet_max(float a, float b) { float r; asm("max.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); return r; }
@ double hidet_max(double a, double b) { double r; asm("max.f64 %0, %1, %2;" : "=d"(r) : "d"(a), "d"(b)); return r; }

## hidet_ex2_approx
// Not volatile: a pure function, which the compiler may move, join and remove.
@ float hidet_ex2_approx(float a) { float r; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }

## hidet_tanh_approx
@ float hidet_tanh_approx(float a) { float r; asm("tanh.approx.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }

## hidet_rcp_approx
@ float hidet_rcp_approx(float a) { float r; asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }

## hidet_odd_f32
// To float, rounded to odd: rounding the result again, to fewer bits, is as if it had been rounded once.
@ float hidet_odd_f32(float down, float up) { return down == up || (__float_as_uint(down) & 1) ? down : up; }
@ float hidet_odd_f32(int a) { return hidet_odd_f32(__int2float_rd(a), __int2float_ru(a)); }
@ float hidet_odd_f32(unsigned a) { return hidet_odd_f32(__uint2float_rd(a), __uint2float_ru(a)); }
@ float hidet_odd_f32(long long a) { return hidet_odd_f32(__ll2float_rd(a), __ll2float_ru(a)); }
@ float hidet_odd_f32(unsigned long long a) { return hidet_odd_f32(__ull2float_rd(a), __ull2float_ru(a)); }
@ float hidet_odd_f32(double a) { return a != a ? __uint_as_float(0x7fffffffu) : hidet_odd_f32(__double2float_rd(a), __double2float_ru(a)); }
"#,
    );
    pieces.extend(f16());
    pieces.extend(half("f16"));
    pieces.extend(bf16());
    pieces.extend(half("bf16"));
    for scalar in ["f16", "bf16"] {
        let half = scalar == "f16";
        for (op, rounded, operands, since) in [
            ("add", true, 2, if half { 0 } else { 900 }),
            ("sub", true, 2, if half { 0 } else { 900 }),
            ("mul", true, 2, if half { 0 } else { 900 }),
            ("fma", true, 3, if half { 0 } else { 800 }),
            ("min", false, 2, 800),
            ("max", false, 2, 800),
        ] {
            pieces.push(packed(scalar, op, rounded, operands, since));
        }
        pieces.push(signs(scalar, "neg", "^ 0x80008000u"));
        pieces.push(signs(scalar, "abs", "& 0x7fff7fffu"));
    }
    pieces
}

/// Changes the signs of vectors, including those of NaNs, which the float instructions do not guarantee.
fn signs(scalar: &str, op: &str, change: &str) -> Piece {
    let name = format!("{scalar}_{op}_packed");
    let text = format!(
        "template <int N> __device__ __forceinline__ vec<{scalar}, N> {name}(vec<{scalar}, N> a) {{
    vec<{scalar}, N> r;
    #pragma unroll
    for (int i = 0; i < N / 2; i++) r.word[i] = a.word[i] {change};
    return r;
}}
"
    );
    piece(name, text)
}

/// Arithmetic on vectors, two lanes per instruction where the architecture has it.
fn packed(scalar: &str, op: &str, rounded: bool, operands: usize, since: u32) -> Piece {
    let name = format!("{scalar}_{op}_packed");
    let each = |text: &dyn Fn(usize, char) -> String| {
        let all: Vec<String> = "abc".chars().take(operands).enumerate().map(|(i, name)| text(i, name)).collect();
        all.join(", ")
    };
    let params = each(&|_, name| format!("vec<{scalar}, N> {name}"));
    let places = each(&|i, _| format!("%{}", i + 1));
    let words = each(&|_, name| format!("\"r\"({name}.word[i])"));
    let lanes = each(&|_, name| format!("{name}[i]"));
    let rounding = if rounded { ".rn" } else { "" };
    let text = format!(
        "template <int N> __device__ __forceinline__ vec<{scalar}, N> {name}({params}) {{
#if __CUDA_ARCH__ >= {since}
    vec<{scalar}, N> r;
    #pragma unroll
    for (int i = 0; i < N / 2; i++) {{
        asm(\"{op}{rounding}.{scalar}x2 %0, {places};\" : \"=r\"(r.word[i]) : {words});
    }}
    return r;
#else
    {scalar} r[N];
    #pragma unroll
    for (int i = 0; i < N; i++) r[i] = {scalar}_{op}({lanes});
    return vec<{scalar}, N>(r);
#endif
}}
"
    );
    piece(name, text)
}

fn f16() -> Vec<Piece> {
    parse(
        r#"
## f16_add
@ f16 f16_add(f16 a, f16 b) { f16 r; asm("add.rn.f16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits)); return r; }

## f16_sub
@ f16 f16_sub(f16 a, f16 b) { f16 r; asm("sub.rn.f16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits)); return r; }

## f16_mul
@ f16 f16_mul(f16 a, f16 b) { f16 r; asm("mul.rn.f16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits)); return r; }

## f16_fma
@ f16 f16_fma(f16 a, f16 b, f16 c) {
    f16 r;
    asm("fma.rn.f16 %0, %1, %2, %3;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits), "h"(c.bits));
    return r;
}
"#,
    )
}

fn bf16() -> Vec<Piece> {
    parse(
        r#"
## bf16_add
@ bf16 bf16_add(bf16 a, bf16 b) {
#if __CUDA_ARCH__ >= 900
    bf16 r;
    asm("add.rn.bf16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));
    return r;
#else
    return f32_to_bf16(bf16_to_f32(a) + bf16_to_f32(b));
#endif
}

## bf16_sub
@ bf16 bf16_sub(bf16 a, bf16 b) { return f32_to_bf16(bf16_to_f32(a) - bf16_to_f32(b)); }

## bf16_mul
@ bf16 bf16_mul(bf16 a, bf16 b) {
#if __CUDA_ARCH__ >= 900
    bf16 r;
    asm("mul.rn.bf16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));
    return r;
#else
    return f32_to_bf16(bf16_to_f32(a) * bf16_to_f32(b));
#endif
}

## bf16_fma
@ bf16 bf16_fma(bf16 a, bf16 b, bf16 c) {
#if __CUDA_ARCH__ >= 800
    bf16 r;
    asm("fma.rn.bf16 %0, %1, %2, %3;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits), "h"(c.bits));
    return r;
#else
    double product = (double)bf16_to_f32(a) * (double)bf16_to_f32(b), addend = (double)bf16_to_f32(c);
    double down = __dadd_rd(product, addend), up = __dadd_ru(product, addend);
    double odd = down == up || (__double_as_longlong(down) & 1) ? down : up;
    return f32_to_bf16(product + addend == 0.0 ? (float)(product + addend) : hidet_odd_f32(odd));
#endif
}
"#,
    )
}

/// Operations that f16 and bf16 compute alike: in f32, or on the bits.
fn half(name: &str) -> Vec<Piece> {
    let text = r#"
## HALF_div
@ HALF HALF_div(HALF a, HALF b) { return f32_to_HALF(HALF_to_f32(a) / HALF_to_f32(b)); }

## HALF_min
@ HALF HALF_min(HALF a, HALF b) { return f32_to_HALF(hidet_min(HALF_to_f32(a), HALF_to_f32(b))); }

## HALF_max
@ HALF HALF_max(HALF a, HALF b) { return f32_to_HALF(hidet_max(HALF_to_f32(a), HALF_to_f32(b))); }

## HALF_neg
@ HALF HALF_neg(HALF a) { return HALF{(unsigned short)(a.bits ^ 0x8000)}; }

## HALF_abs
@ HALF HALF_abs(HALF a) { return HALF{(unsigned short)(a.bits & 0x7fff)}; }
"#;
    // The table is never freed.
    parse(Box::leak(text.replace("HALF", name).into_boxed_str()))
}

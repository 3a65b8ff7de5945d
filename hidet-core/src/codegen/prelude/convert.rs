//! Conversions: Rust's saturating casts of floats to integers, and conversions of low-precision floats.

use super::{Piece, parse, piece};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = scalars();
    pieces.extend(["f16", "bf16"].map(halves));
    pieces.extend(["e4m3", "e5m2"].map(bytes));
    pieces.extend([("i8", "signed char", 128), ("u8", "unsigned char", 0)].into_iter().flat_map(of_bytes));
    pieces
}

/// Two numbers per instruction, the upper one first.
fn halves(to: &str) -> Piece {
    let text = format!(
        "template <int N> __device__ __forceinline__ vec<{to}, N> f32_to_{to}_packed(vec<float, N> a) {{
#if __CUDA_ARCH__ >= 800
    vec<{to}, N> r;
    #pragma unroll
    for (int i = 0; i < N / 2; i++) {{
        asm(\"cvt.rn.{to}x2.f32 %0, %1, %2;\" : \"=r\"(r.word[i]) : \"f\"(a[2 * i + 1]), \"f\"(a[2 * i]));
    }}
    return r;
#else
    {to} r[N];
    #pragma unroll
    for (int i = 0; i < N; i++) r[i] = f32_to_{to}(a[i]);
    return vec<{to}, N>(r);
#endif
}}
"
    );
    piece(format!("f32_to_{to}_packed"), text)
}

/// The same for 8 bits.
fn bytes(to: &str) -> Piece {
    let text = format!(
        "template <int N> __device__ __forceinline__ vec<{to}, N> f32_to_{to}_packed(vec<float, N> a) {{
#if __CUDA_ARCH__ >= 890
    unsigned short pair[N / 2];
    #pragma unroll
    for (int i = 0; i < N / 2; i++) {{
        asm(\"cvt.rn.satfinite.{to}x2.f32 %0, %1, %2;\" : \"=h\"(pair[i]) : \"f\"(a[2 * i + 1]), \"f\"(a[2 * i]));
    }}
    return bitcast<vec<{to}, N>>(pair);
#else
    {to} lane[N];
    #pragma unroll
    for (int i = 0; i < N; i++) lane[i] = f32_to_{to}(a[i]);
    return bitcast<vec<{to}, N>>(lane);
#endif
}}
"
    );
    piece(format!("f32_to_{to}_packed"), text)
}

/// Integers of 8 bits, four at a time, as the low bits of a float of which one is the last place: 1024 in `f16`, 2^23 in `f32`.
/// That number, and what makes a signed one positive, is subtracted; both are exact.
fn of_bytes((from, name, offset): (&str, &str, u32)) -> [Piece; 2] {
    let positive = if offset == 0 { "" } else { " ^ 0x80808080u" };
    let head = |to: &str| {
        format!(
            "template <int N> __device__ __forceinline__ vec<{to}, N> {from}_to_{to}_packed(vec<{name}, N> a) {{
    unsigned word[(N + 3) / 4] = {{}};
    memcpy(word, &a, N);
    vec<{to}, N> r;
    #pragma unroll
    for (int i = 0; i < N / 2; i++) {{
        unsigned bytes = word[i / 2]{positive};
"
        )
    };
    let half = format!(
        "{}        unsigned pair = __byte_perm(bytes, 0x64646464u, i % 2 ? 0x4342 : 0x4140);
        asm(\"sub.rn.f16x2 %0, %1, %2;\" : \"=r\"(r.word[i]) : \"r\"(pair), \"r\"({:#x}u));
    }}
    return r;
}}
",
        head("f16"),
        (0x6400 + offset) * 0x10001
    );
    let number =
        |byte: &str| format!("__uint_as_float(__byte_perm(bytes, 0x4b000000u, {byte})) - {}.0f", (1 << 23) + offset);
    let bhalf = format!(
        "{}        float low = {}, high = {};
#if __CUDA_ARCH__ >= 800
        asm(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(r.word[i]) : \"f\"(high), \"f\"(low));
#else
        r.word[i] = __byte_perm(__float_as_uint(low), __float_as_uint(high), 0x7632);
#endif
    }}
    return r;
}}
",
        head("bf16"),
        number("i % 2 ? 0x7442 : 0x7440"),
        number("i % 2 ? 0x7443 : 0x7441"),
    );
    [piece(format!("{from}_to_f16_packed"), half), piece(format!("{from}_to_bf16_packed"), bhalf)]
}

fn scalars() -> Vec<Piece> {
    parse(
        r#"
## hidet_i16
@ short hidet_i16(int a) { int r; asm("bfe.s32 %0, %1, 0, 16;" : "=r"(r) : "r"(a)); return (short)r; }

## hidet_u16
@ unsigned short hidet_u16(int a) { int r; asm("bfe.u32 %0, %1, 0, 16;" : "=r"(r) : "r"(a)); return (unsigned short)r; }

## hidet_extend
@ int hidet_extend(signed char a) { int r; asm("prmt.b32 %0, %1, 0, 0x8880;" : "=r"(r) : "r"((int)(unsigned char)a)); return r; }
@ int hidet_extend(short a) { int r; asm("prmt.b32 %0, %1, 0, 0x9910;" : "=r"(r) : "r"((int)(unsigned short)a)); return r; }
@ long long hidet_extend(int a) { long long r; asm("cvt.s64.s32 %0, %1;" : "=l"(r) : "r"(a)); return r; }
@ unsigned long long hidet_extend(unsigned a) { unsigned long long r; asm("cvt.u64.u32 %0, %1;" : "=l"(r) : "r"(a)); return r; }

## f64_to_f32
// Of a constant signalling NaN NVRTC folds a cast to infinity, but not this. Inline PTX would keep it from unrolling a loop.
@ float f64_to_f32(double a) { return __double2float_rn(a); }

## tf32_to_f32
@ float tf32_to_f32(tf32 a) { return __uint_as_float(a.bits); }

## e5m2_to_f32
@ float e5m2_to_f32(e5m2 a) { return f16_to_f32(f16{(unsigned short)(a.bits << 8)}); }

## e4m3_to_f32
@ float e4m3_to_f32(e4m3 a) {
    // The same bits in f16 are the number over 256.
    float size = f16_to_f32(f16{(unsigned short)((a.bits & 0x80) << 8 | (a.bits & 0x7f) << 7)}) * 256.0f;
    return (a.bits & 0x7f) == 0x7f ? __uint_as_float(0x7fffffffu) : size;
}

## f64_to_f16
@ f16 f64_to_f16(double a) { f16 r; asm("cvt.rn.f16.f64 %0, %1;" : "=h"(r.bits) : "d"(a)); return r; }

## bool_to_f16
// As a conversion of an integer, ptxas 13.0 takes some for the integer itself.
@ f16 bool_to_f16(bool a) { return f16{(unsigned short)(a ? 0x3c00 : 0)}; }

## bool_to_bf16
@ bf16 bool_to_bf16(bool a) { return bf16{(unsigned short)(a ? 0x3f80 : 0)}; }

## f32_to_tf32
@ tf32 f32_to_tf32(float a) {
#if __CUDA_ARCH__ >= 800
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(a));
    return tf32{r};
#else
    unsigned u = __float_as_uint(a);
    return tf32{(u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u};
#endif
}

## hidet_f32_fp8
// To an 8-bit float, to nearest even; beyond the largest finite value gives that value.
template <int Exponent, int Mantissa> @ unsigned char hidet_f32_fp8(float a, float most) {
    if (a != a) return 0x7f;
    const int bias = (1 << (Exponent - 1)) - 1;
    float size = fminf(fabsf(a), most);
    int exponent = (int)(__float_as_uint(size) >> 23) - 127;
    exponent = exponent < 1 - bias ? 1 - bias : exponent;
    unsigned steps = (unsigned)__float2int_rn(size * __uint_as_float((unsigned)(127 - exponent + Mantissa) << 23));
    unsigned bits = ((unsigned)(exponent + bias - 1) << Mantissa) + steps;
    return (unsigned char)((__float_as_uint(a) >> 31) << 7 | bits);
}

## f32_to_e4m3
@ e4m3 f32_to_e4m3(float a) {
#if __CUDA_ARCH__ >= 890
    unsigned short r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(0.0f), "f"(a));
    return e4m3{(unsigned char)r};
#else
    return e4m3{hidet_f32_fp8<4, 3>(a, 448.0f)};
#endif
}

## f32_to_e5m2
@ e5m2 f32_to_e5m2(float a) {
#if __CUDA_ARCH__ >= 890
    unsigned short r;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(r) : "f"(0.0f), "f"(a));
    return e5m2{(unsigned char)r};
#else
    return e5m2{hidet_f32_fp8<5, 2>(a, 57344.0f)};
#endif
}

## f32_to_i32
@ int f32_to_i32(float a) { return a != a ? 0 : __float2int_rz(a); }

## f64_to_i32
@ int f64_to_i32(double a) { return a != a ? 0 : __double2int_rz(a); }

## f32_to_u32
@ unsigned f32_to_u32(float a) { return a != a ? 0u : __float2uint_rz(a); }

## f64_to_u32
@ unsigned f64_to_u32(double a) { return a != a ? 0u : __double2uint_rz(a); }

## f32_to_i64
@ long long f32_to_i64(float a) { return a != a ? 0ll : __float2ll_rz(a); }

## f64_to_i64
@ long long f64_to_i64(double a) { return a != a ? 0ll : __double2ll_rz(a); }

## f32_to_u64
@ unsigned long long f32_to_u64(float a) { return a != a ? 0ull : __float2ull_rz(a); }

## f64_to_u64
@ unsigned long long f64_to_u64(double a) { return a != a ? 0ull : __double2ull_rz(a); }

## f32_to_i8
@ signed char f32_to_i8(float a) { return (signed char)max(-128, min(127, f32_to_i32(a))); }

## f32_to_i16
@ short f32_to_i16(float a) { return (short)max(-32768, min(32767, f32_to_i32(a))); }

## f32_to_u8
@ unsigned char f32_to_u8(float a) { return (unsigned char)min(255u, f32_to_u32(a)); }

## f32_to_u16
@ unsigned short f32_to_u16(float a) { return (unsigned short)min(65535u, f32_to_u32(a)); }

## f64_to_i8
@ signed char f64_to_i8(double a) { return (signed char)max(-128, min(127, f64_to_i32(a))); }

## f64_to_i16
@ short f64_to_i16(double a) { return (short)max(-32768, min(32767, f64_to_i32(a))); }

## f64_to_u8
@ unsigned char f64_to_u8(double a) { return (unsigned char)min(255u, f64_to_u32(a)); }

## f64_to_u16
@ unsigned short f64_to_u16(double a) { return (unsigned short)min(65535u, f64_to_u32(a)); }

## is_nan
template <class T> @ bool is_nan(T a) { return a != a; }

## is_inf
@ bool is_inf(float a) { return fabsf(a) == __uint_as_float(0x7f800000u); }
@ bool is_inf(double a) { return fabs(a) == __longlong_as_double(0x7ff0000000000000ll); }

## is_finite
@ bool is_finite(float a) { return fabsf(a) < __uint_as_float(0x7f800000u); }
@ bool is_finite(double a) { return fabs(a) < __longlong_as_double(0x7ff0000000000000ll); }
"#,
    )
}

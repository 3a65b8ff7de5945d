//! Conversions: Rust's saturating casts of floats to integers, and the small floats.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces = parse(
        r#"
## to_f32
@ float to_f32(float a) { return a; }
@ float to_f32(f16 a) { return hidet_f16_f32(a); }
@ float to_f32(bf16 a) { return hidet_bf16_f32(a); }
@ float to_f32(tf32 a) { return __uint_as_float(a.bits); }
@ float to_f32(e5m2 a) { return hidet_f16_f32(f16{(unsigned short)(a.bits << 8)}); }
@ float to_f32(e4m3 a) {
    // The same bits in f16 are the number over 256.
    float size = hidet_f16_f32(f16{(unsigned short)((a.bits & 0x80) << 8 | (a.bits & 0x7f) << 7)}) * 256.0f;
    return (a.bits & 0x7f) == 0x7f ? __uint_as_float(0x7fffffffu) : size;
}

## to_f16
@ f16 to_f16(float a) { return hidet_f32_f16(a); }
@ f16 to_f16(double a) { f16 r; asm("cvt.rn.f16.f64 %0, %1;" : "=h"(r.bits) : "d"(a)); return r; }
@ f16 to_f16(int a) { f16 r; asm("cvt.rn.f16.s32 %0, %1;" : "=h"(r.bits) : "r"(a)); return r; }
@ f16 to_f16(unsigned a) { f16 r; asm("cvt.rn.f16.u32 %0, %1;" : "=h"(r.bits) : "r"(a)); return r; }
@ f16 to_f16(long long a) { f16 r; asm("cvt.rn.f16.s64 %0, %1;" : "=h"(r.bits) : "l"(a)); return r; }
@ f16 to_f16(unsigned long long a) { f16 r; asm("cvt.rn.f16.u64 %0, %1;" : "=h"(r.bits) : "l"(a)); return r; }

## to_bf16
@ bf16 to_bf16(float a) { return hidet_f32_bf16(a); }
template <class T> @ bf16 to_bf16(T a) { return hidet_f32_bf16(hidet_odd_f32(a)); }

## to_tf32
@ tf32 to_tf32(float a) {
    unsigned u = __float_as_uint(a);
    return tf32{(u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u};
}
template <class T> @ tf32 to_tf32(T a) { return to_tf32(hidet_odd_f32(a)); }

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

## to_e4m3
@ e4m3 to_e4m3(float a) {
#if __CUDA_ARCH__ >= 890
    unsigned short r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(0.0f), "f"(a));
    return e4m3{(unsigned char)r};
#else
    return e4m3{hidet_f32_fp8<4, 3>(a, 448.0f)};
#endif
}
template <class T> @ e4m3 to_e4m3(T a) { return to_e4m3(hidet_odd_f32(a)); }

## to_e5m2
@ e5m2 to_e5m2(float a) {
#if __CUDA_ARCH__ >= 890
    unsigned short r;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(r) : "f"(0.0f), "f"(a));
    return e5m2{(unsigned char)r};
#else
    return e5m2{hidet_f32_fp8<5, 2>(a, 57344.0f)};
#endif
}
template <class T> @ e5m2 to_e5m2(T a) { return to_e5m2(hidet_odd_f32(a)); }

## to_i32
@ int to_i32(float a) { return a != a ? 0 : __float2int_rz(a); }
@ int to_i32(double a) { return a != a ? 0 : __double2int_rz(a); }

## to_u32
@ unsigned to_u32(float a) { return a != a ? 0u : __float2uint_rz(a); }
@ unsigned to_u32(double a) { return a != a ? 0u : __double2uint_rz(a); }

## to_i64
@ long long to_i64(float a) { return a != a ? 0ll : __float2ll_rz(a); }
@ long long to_i64(double a) { return a != a ? 0ll : __double2ll_rz(a); }

## to_u64
@ unsigned long long to_u64(float a) { return a != a ? 0ull : __float2ull_rz(a); }
@ unsigned long long to_u64(double a) { return a != a ? 0ull : __double2ull_rz(a); }
"#,
    );
    pieces.extend(parse(
        r#"
## to_i8
template <class T> @ signed char to_i8(T a) { int i = to_i32(a); return (signed char)(i < -128 ? -128 : i > 127 ? 127 : i); }

## to_i16
template <class T> @ short to_i16(T a) { int i = to_i32(a); return (short)(i < -32768 ? -32768 : i > 32767 ? 32767 : i); }

## to_u8
template <class T> @ unsigned char to_u8(T a) { unsigned i = to_u32(a); return (unsigned char)(i > 255u ? 255u : i); }

## to_u16
template <class T> @ unsigned short to_u16(T a) { unsigned i = to_u32(a); return (unsigned short)(i > 65535u ? 65535u : i); }

## is_nan
template <class T> @ bool is_nan(T a) { return a != a; }

## is_inf
@ bool is_inf(float a) { return fabsf(a) == __uint_as_float(0x7f800000u); }
@ bool is_inf(double a) { return fabs(a) == __longlong_as_double(0x7ff0000000000000ll); }

## is_finite
@ bool is_finite(float a) { return fabsf(a) < __uint_as_float(0x7f800000u); }
@ bool is_finite(double a) { return fabs(a) < __longlong_as_double(0x7ff0000000000000ll); }
"#,
    ));
    pieces
}

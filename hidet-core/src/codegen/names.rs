//! Unique C++ names from the names of the source.

use super::prelude;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Words that a name of ours must not be: C++, CUDA and the prelude. Names of the prelude that begin with `hidet_`
/// are kept apart by that.
static RESERVED: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl \
     concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete \
     do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable \
     namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast \
     requires return short signed sizeof static static_assert static_cast struct switch template this thread_local throw \
     true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq \
     threadIdx blockIdx blockDim gridDim warpSize dim3 uint3 int2 int3 int4 uint2 uint4 float2 float3 float4 double2 \
     printf assert malloc free memcpy memset clock clock64 main nanf signbit isnan isinf isfinite \
     abs labs llabs fabs fabsf min max fmin fminf fmax fmaxf floor floorf ceil ceilf rint rintf round roundf trunc truncf \
     sqrt sqrtf rsqrt rsqrtf cbrt cbrtf sin sinf cos cosf tan tanf sinh sinhf cosh coshf tanh tanhf asin asinf acos acosf \
     atan atanf asinh asinhf acosh acoshf atanh atanhf atan2 atan2f exp expf exp2 exp2f exp10 exp10f expm1 expm1f log \
     logf log2 log2f log10 log10f log1p log1pf erf erff erfc erfcf pow powf fmod fmodf fma fmaf hypot hypotf ldexp frexp \
     modf remainder lgamma tgamma j0 j1 jn y0 y1 yn norm rnorm normcdf erfinv sinpi cospi sincos logb ilogb scalbn \
     copysign nextafter fdim remquo div rand time size_t ptrdiff_t \
     next_ end_"
        .split_whitespace()
        .collect()
});

/// Gives every item a name of its own.
#[derive(Default)]
pub struct Names {
    used: HashSet<String>,
    next: HashMap<String, u32>,
}

impl Names {
    /// A name like `wanted` that no other item has; like `fallback` where nothing is wanted.
    pub fn unique(&mut self, wanted: &str, fallback: &str) -> String {
        let mut base: String =
            wanted.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
        if base.is_empty() {
            base = fallback.to_owned();
        }
        // `_x`, `__x` and `x__y` are the implementation's in C++, `hidet_x` is the prelude's.
        while base.contains("__") {
            base = base.replace("__", "_");
        }
        if base.starts_with(|c: char| c.is_ascii_digit() || c == '_') || base.starts_with("hidet_") {
            base = format!("v_{}", base.trim_start_matches('_'));
        }
        let mut name = base.clone();
        let next = self.next.entry(base.clone()).or_insert(2);
        while RESERVED.contains(name.as_str()) || prelude::defines(&name) || self.used.contains(&name) {
            name = format!("{base}_{next}");
            *next += 1;
        }
        self.used.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_legal() {
        let mut names = Names::default();
        assert_eq!(names.unique("row", "v"), "row");
        assert_eq!(names.unique("row", "v"), "row_2");
        assert_eq!(names.unique("", "v0"), "v0");
        assert_eq!(names.unique("float", "v"), "float_2");
        assert_eq!(names.unique("f32_to_f16", "v"), "f32_to_f16_2");
        assert_eq!(names.unique("hidet_fault", "v"), "v_hidet_fault");
        assert_eq!(names.unique("_x", "v"), "v_x");
        assert_eq!(names.unique("größe", "v"), "gr_e");
    }
}

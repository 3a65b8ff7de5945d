//! Tests: names with a meaning in C++, CUDA, NVRTC or the prelude, as names of everything in a kernel, through NVRTC.

use super::names::NameKind;
use super::{Source, cuda, prelude};
use crate::cuda::nvrtc;
use crate::ir::{Arch, Span, text, verify};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Keywords, macros, variables and types.
const WORDS: &str = "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t \
    class compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default \
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable \
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires \
    return short signed sizeof static static_assert static_cast struct switch template this thread_local throw true try \
    typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq restrict typeof \
    NULL EOF INFINITY NAN HUGE_VAL CHAR_BIT INT_MAX INT_MIN UINT_MAX LONG_MAX FLT_MAX FLT_EPSILON DBL_MAX RAND_MAX M_PI \
    CUDART_VERSION CUDA_VERSION CUDART_INF_F CUDART_PI_F unix linux i386 __CUDA_ARCH__ __CUDACC__ __CUDACC_RTC__ __LINE__ \
    __FILE__ __func__ __cplusplus __global__ __device__ __shared__ __restrict__ __launch_bounds__ __syncthreads \
    threadIdx blockIdx blockDim gridDim warpSize dim3 size_t ptrdiff_t nullptr_t clock_t time_t int8_t int16_t int32_t \
    int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t wint_t cudaError_t cudaStream_t cudaArray_t cudaTextureObject_t \
    cudaSurfaceObject_t CUtensorMap half half2 __half __nv_bfloat16 nv_bfloat16 __nv_fp8_e4m3 std cuda nvcuda cooperative_groups \
    nv_atomic texture surface printf vprintf fprintf puts exit abort assert malloc calloc realloc free memcpy memset memmove \
    memcmp alloca strlen strcmp main clock clock64 globaltimer time rand srand div ldiv abs labs llabs min max umin umax \
    ullmin ullmax llmin llmax swap move forward array tuple pair vector string numeric_limits type_traits enable_if signbit \
    isnan isinf isfinite isnormal isunordered isless isgreater fpclassify self super crate type fn let mut match \
    hidet hidet_ hidet_fault_ k a_b _x __ x__y 2nd größe 温度 naïve é row col x y z w";

/// Functions of `double`; each has a `float` version with the suffix `f`.
const MATH: &str = "fabs fmin fmax floor ceil rint round trunc nearbyint lrint llrint lround llround sqrt rsqrt cbrt rcbrt sin \
    cos tan sinh cosh tanh asin acos atan asinh acosh atanh atan2 exp exp2 exp10 expm1 log log2 log10 log1p erf erfc erfinv \
    erfcinv erfcx pow powi fmod fma hypot rhypot norm rnorm norm3d rnorm3d norm4d rnorm4d ldexp frexp modf remainder remquo \
    lgamma tgamma j0 j1 jn y0 y1 yn cyl_bessel_i0 cyl_bessel_i1 normcdf normcdfinv sinpi cospi tanpi sincos sincospi logb \
    ilogb scalbn scalbln copysign nextafter nexttoward fdim nan finite isinfd significand drem gamma fdivide saturate";

/// Built-in device functions.
const DEVICE: &str = "atomicAdd atomicSub atomicExch atomicMin atomicMax atomicInc atomicDec atomicCAS atomicAnd atomicOr \
    atomicXor __shfl_sync __shfl_xor_sync __ballot_sync __any_sync __all_sync __activemask __popc __clz __brev __ffs __fmaf_rn \
    __fadd_rn __expf __logf __sinf __cosf __fdividef __float2int_rn __int_as_float __float_as_int __uint_as_float __threadfence \
    __syncwarp __syncthreads_and __nanosleep __ldg __ldcg __trap __brkpt __assertfail __cvta_generic_to_shared __mul24 mul24 \
    umul24 mulhi umulhi mul64hi umul64hi float_as_int int_as_float clamp tex1D tex2D tex3D surf2Dread surf2Dwrite \
    cudaMalloc cudaMemcpyAsync cudaGetLastError cudaDeviceSynchronize cudaGetParameterBuffer make_cudaExtent wmma mma_sync";

/// Number of kinds of names in a kernel.
const KINDS: usize = 8;

fn names() -> Vec<String> {
    let mut names: BTreeSet<String> =
        [WORDS, MATH, DEVICE].iter().flat_map(|words| words.split_whitespace()).map(str::to_owned).collect();
    names.extend(MATH.split_whitespace().map(|name| format!("{name}f")));
    for base in
        ["char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "longlong", "ulonglong", "float", "double"]
    {
        names.extend((1..=4).flat_map(|lanes| [format!("{base}{lanes}"), format!("make_{base}{lanes}")]));
    }
    names.extend(prelude::names().map(str::to_owned));
    names.extend(NameKind::ALL.map(|word| word.text().to_owned()));
    names.extend(NameKind::ALL.map(|word| format!("{}_2", word.text())));
    names.into_iter().collect()
}

/// Returns a kernel in which one item of each kind has the next of these names; all others are unnamed.
fn kernel(mut name: impl FnMut() -> String) -> String {
    let [kernel, tensor, scalar, dim, tile, value, var, label] = std::array::from_fn::<_, KINDS, _>(|_| name());
    let mut text = format!(
        "kernel {kernel:?}<{dim:?}>(@{tensor:?}: inout f16[{dim:?}], %{scalar:?}: f32)\ngrid (1, 1, 1)\nblock (32, 1, 1)\n{{\n"
    );
    let _ = write!(
        text,
        "  shared @{tile:?}: f16[32]\n  %1: i32 = thread\n  %2: i32 = dim {dim:?}\n  %0: i32 = const 1\n\
         \x20 var ${var:?}: f32 = %{scalar:?}\n  '{label:?}: for %3: i32 in %1..%2 step %0 {{\n    loop {{\n\
         \x20     %4: f16 = load @{tensor:?}[%3]\n      store @{tile:?}[%1] = %4\n\
         \x20     %{value:?}: f32 = cast %4\n      ${var:?} = %{value:?}\n      break '{label:?}\n    }}\n  }}\n\
         \x20 %5: f32 = read ${var:?}\n  %6: f32 = pow %5, %5\n  %7: f32 = min %6, %5\n  %8: f16 = cast %7\n\
         \x20 store @{tensor:?}[%1] = %8\n  call sync.threads()\n  %9: f16 = load @{tile:?}[%1]\n\
         \x20 %10: i32 = add %1, %2\n  store @{tensor:?}[%10] = %9\n}}\n"
    );
    text
}

#[test]
fn every_name_can_be_that_of_anything() {
    let names = names();
    assert!(names.len() > 500, "{}", names.len());
    // The kernels of one program have different names; within a kernel, each kind of item has a different name.
    let (mut program, mut entries): (Option<Source>, _) = (None, BTreeSet::new());
    // Each name in a third of the kinds; with `HIDET_ALL=1` in all.
    let step = if std::env::var_os("HIDET_ALL").is_some() { 1 } else { 3 };
    for first in (0..names.len()).step_by(step) {
        let mut next = (0..KINDS).map(|kind| names[(first + kind * 7) % names.len()].clone());
        let written = kernel(|| next.next().unwrap());
        let function = text::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        let printed = text::print(&function);
        assert_eq!(text::print(&text::parse(&printed).unwrap()), printed);
        // `2nd` can be the name of anything but a kernel.
        assert_eq!(verify::check(&function).is_ok(), !names[first].starts_with('2'), "{}", names[first]);
        let one = cuda(&function, Arch { number: 80, specific: false }).unwrap();
        assert!(one.entry.is_ascii() && one.kernel == names[first]);
        if !entries.insert(one.entry.clone()) {
            continue;
        }
        let Some(all) = &mut program else {
            program = Some(one);
            continue;
        };
        // All kernels have the same helpers in front.
        let helpers = one.text.find("extern \"C\"").unwrap();
        assert!(all.text.starts_with(&one.text[..helpers]));
        all.text += &one.text[helpers..];
        all.lines.resize(all.text.lines().count(), Span::default());
    }
    let program = program.unwrap();
    if let Err(error) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "{error}");
        eprintln!("skipped: {error}");
        return;
    }
    nvrtc::compile(&program, Arch { number: 80, specific: false }).unwrap();
}

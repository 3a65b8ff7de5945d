//! Functions of CUDA, and methods of Rust's floats, that the language does not have: an error says what to write instead.
//!
//! The functions are in the prelude, so a function of the same name in the user's module comes first. Nothing implements
//! the traits that bound them; the message of the trait is the error.

use super::expr::Expr;

macro_rules! functions {
    ($($name:ident<$($other:ident),*> $bound:ident $message:literal;)*) => {$(
        #[doc(hidden)]
        #[diagnostic::on_unimplemented(message = $message, label = "the operand of a function of CUDA")]
        pub trait $bound {}

        #[doc(hidden)]
        #[allow(non_snake_case, unused_variables)]
        pub fn $name<T: $bound, $($other),*>(a: T, $($other: $other),*) -> T {
            a
        }
    )*};
}

functions! {
    expf<> Expf "`expf(a)` is `a.exp()`";
    exp2f<> Exp2f "`exp2f(a)` is `a.exp2()`";
    logf<> Logf "`logf(a)` is `a.ln()`";
    log2f<> Log2f "`log2f(a)` is `a.log2()`";
    log10f<> Log10f "`log10f(a)` is `a.log10()`";
    sqrtf<> Sqrtf "`sqrtf(a)` is `a.sqrt()`";
    rsqrtf<> Rsqrtf "`rsqrtf(a)` is `a.rsqrt()`";
    sinf<> Sinf "`sinf(a)` is `a.sin()`";
    cosf<> Cosf "`cosf(a)` is `a.cos()`";
    tanhf<> Tanhf "`tanhf(a)` is `a.tanh()`";
    erff<> Erff "`erff(a)` is `a.erf()`";
    fabsf<> Fabsf "`fabsf(a)` is `a.abs()`";
    floorf<> Floorf "`floorf(a)` is `a.floor()`";
    ceilf<> Ceilf "`ceilf(a)` is `a.ceil()`";
    powf<B> Powf "`powf(a, b)` is `a.powf(b)`";
    fmodf<B> Fmodf "`fmodf(a, b)` is `a % b`";
    fmaxf<B> Fmaxf "`fmaxf(a, b)` is `a.max(b)`";
    fminf<B> Fminf "`fminf(a, b)` is `a.min(b)`";
    max<B> Max "`max(a, b)` is `a.max(b)`";
    min<B> Min "`min(a, b)` is `a.min(b)`";
    fmaf<B, C> Fmaf "`fmaf(a, b, c)` is `a.mul_add(b, c)`";
}

macro_rules! methods {
    ($($name:ident<$($other:ident),*> $bound:ident $message:literal;)*) => {$(
        #[doc(hidden)]
        #[diagnostic::on_unimplemented(message = $message, label = "not a method of the language")]
        pub trait $bound {}

        // The bound is one of the `impl`, so that a method of this name of a trait of the user is found.
        impl<T> Expr<T>
        where
            Expr<T>: $bound,
        {
            #[doc(hidden)]
            #[allow(non_snake_case, unused_variables)]
            pub fn $name<$($other),*>(self, $($other: $other),*) -> Expr<T> {
                self
            }
        }
    )*};
}

methods! {
    hypot<B> Hypot "`a.hypot(b)` is `(a * a + b * b).sqrt()`, which may overflow";
    cbrt<> Cbrt "`a.cbrt()` is `a.abs().powf(1.0 / 3.0).copysign(a)`";
    sigmoid<> Sigmoid "`a.sigmoid()` is `1.0 / (1.0 + (-a).exp())`; make it a function, `fn sigmoid(a: Expr<f32>) -> Expr<f32>`";
    relu<> Relu "`a.relu()` is `a.max(0.0)`";
    log<B> Log "`a.log(base)` is `a.ln() / base.ln()`";
    to_degrees<> ToDegrees "`a.to_degrees()` is `a * (180.0 / PI)`";
    to_radians<> ToRadians "`a.to_radians()` is `a * (PI / 180.0)`";
    sin_cos<> SinCos "`a.sin_cos()` is `(a.sin(), a.cos())`";
}

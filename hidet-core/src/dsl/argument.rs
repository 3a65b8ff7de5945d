//! [`Argument`]: a parameter of a kernel, and [`Binding`]: what it is bound to when the kernel is built as part of another.

use super::any::{AnyExpr, AnyView};
use super::expr::Expr;
use super::signature::Signature;
use super::view::{Read, ReadWrite, View, Write};
use crate::ir::Access;
use crate::types::Element;

/// What a parameter is bound to when the kernel is built as part of another: a tensor or a number, typed or not.
#[derive(Clone, Copy, Debug)]
pub struct Binding(pub(super) BindingKind);

#[derive(Clone, Copy, Debug)]
pub(super) enum BindingKind {
    Tensor(AnyView),
    Number(AnyExpr),
}

impl From<AnyView> for Binding {
    fn from(view: AnyView) -> Binding {
        Binding(BindingKind::Tensor(view))
    }
}

impl From<AnyExpr> for Binding {
    fn from(number: AnyExpr) -> Binding {
        Binding(BindingKind::Number(number))
    }
}

impl<T: Element, const R: usize, A: Mode> From<View<T, R, A>> for Binding {
    fn from(view: View<T, R, A>) -> Binding {
        AnyView::from(view).into()
    }
}

impl<T: Element> From<Expr<T>> for Binding {
    fn from(number: Expr<T>) -> Binding {
        AnyExpr::from(number).into()
    }
}

/// A parameter of a kernel: `In<T, R>`, `Out<T, R>`, `InOut<T, R>`, or a number `Expr<T>`; or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of a kernel",
    label = "not a parameter",
    note = "parameters are `In<T, R>`, `Out<T, R>`, `InOut<T, R>` and `Expr<T>` for a number"
)]
pub trait Argument: Copy {
    /// Declares a parameter as named in [`Template::fuse`](super::Template::fuse): with the given extents, or with extents of its own.
    fn declare(signature: &mut Signature, name: &str) -> Self;
    /// Returns the parameter as a binding for a fused kernel; `None` if it is optional and not given.
    fn binding(self) -> Option<Binding>;
}

/// The access mode of a tensor parameter.
pub trait Mode: Copy + 'static {
    /// The mode in the IR.
    const ACCESS: Access;
}
impl Mode for Read {
    const ACCESS: Access = Access::In;
}
impl Mode for Write {
    const ACCESS: Access = Access::Out;
}
impl Mode for ReadWrite {
    const ACCESS: Access = Access::InOut;
}

#[diagnostic::do_not_recommend]
impl<T: Element, const R: usize, A: Mode> Argument for View<T, R, A> {
    fn declare(signature: &mut Signature, name: &str) -> Self {
        let (name, shape) = signature.named::<R>(name);
        signature.tensor(name, shape)
    }
    fn binding(self) -> Option<Binding> {
        Some(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Element> Argument for Expr<T> {
    fn declare(signature: &mut Signature, name: &str) -> Self {
        signature.scalar(name)
    }
    fn binding(self) -> Option<Binding> {
        Some(self.into())
    }
}

// An optional parameter. One that a fused kernel declares is given.
#[diagnostic::do_not_recommend]
impl<A: Argument> Argument for Option<A> {
    fn declare(signature: &mut Signature, name: &str) -> Self {
        Some(A::declare(signature, name))
    }
    fn binding(self) -> Option<Binding> {
        self.and_then(A::binding)
    }
}

/// The parameters of a kernel as a tuple.
pub trait Arguments: Sized {
    /// The number of parameters.
    const COUNT: usize;
    /// Declares all parameters.
    fn declare(signature: &mut Signature, names: &mut dyn Iterator<Item = &'static str>) -> Self;
    /// Returns all parameters as bindings for a fused kernel.
    fn bindings(self) -> Vec<Binding>;
}

macro_rules! arguments {
    ($($count:literal: $($name:ident)*;)*) => {$(
        #[allow(non_snake_case, unused)]
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            const COUNT: usize = $count;
            fn declare(signature: &mut Signature, names: &mut dyn Iterator<Item = &'static str>) -> Self {
                ($($name::declare(signature, names.next().unwrap_or_default()),)*)
            }
            fn bindings(self) -> Vec<Binding> {
                let ($($name,)*) = self;
                let all: [Option<Binding>; $count] = [$($name.binding()),*];
                all.into_iter().flatten().collect()
            }
        }
    )*};
}
arguments! {
    0: ;
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
    13: A B C D E F G H I J K L M;
    14: A B C D E F G H I J K L M N;
    15: A B C D E F G H I J K L M N O;
    16: A B C D E F G H I J K L M N O P;
}

//! [`Var`]: a device variable.

use super::builder::{Caller, Serial, here, with};
use super::expr::{DeviceType, Expr, IntoExpr, TypedValue, binary};
use crate::ir::{BinaryOp, Handle, Op, Stmt, VarId};
use crate::types::{Num, Type};
use std::marker::PhantomData;

/// A variable of each device thread, declared by `let mut` in a kernel. Helper functions take it as `&mut Var<T>`.
#[derive(Debug)]
pub struct Var<T> {
    kernel: Serial,
    id: VarId,
    of: PhantomData<(fn() -> T, *const ())>,
}

impl<T: DeviceType> Var<T> {
    /// Declares a variable with an initial value.
    #[track_caller]
    pub fn new(name: &str, value: impl IntoExpr<T>) -> Var<T> {
        Var::new_at(name, value.into_expr(), here())
    }

    pub(crate) fn new_at(name: &str, value: Expr<T>, at: Caller) -> Var<T> {
        Var::declare(name, Some(value.with_type()), T::TYPE, None, at).retyped()
    }

    /// Declares an unset variable in the block that is open at `depth`.
    pub(crate) fn unset(depth: usize, at: Caller) -> Var<T> {
        Var::declare("", None, T::TYPE, Some(depth), at).retyped()
    }

    /// Returns the current value.
    #[track_caller]
    pub fn read(&self) -> Expr<T> {
        self.read_at(here())
    }

    pub(crate) fn read_at(&self, at: Caller) -> Expr<T> {
        self.retyped().read_as(T::TYPE, at).assume()
    }

    /// Assigns a value.
    #[track_caller]
    pub fn set(&mut self, value: impl IntoExpr<T>) {
        self.set_at(value.into_expr(), here());
    }

    pub(crate) fn set_at(&mut self, value: impl IntoExpr<T>, at: Caller) {
        self.retyped().assign(value.into_expr().with_type(), at);
    }
}

impl<T> Var<T> {
    fn retyped<U>(&self) -> Var<U> {
        Var { kernel: self.kernel, id: self.id, of: PhantomData }
    }
}

// rustc compiles a generic function for each type, in each crate that calls it, so these do the work for all types.
impl Var<()> {
    /// Declares a variable in the block that is open at `depth`, or in the innermost one.
    fn declare(name: &str, init: Option<TypedValue>, ty: Type, depth: Option<usize>, at: Caller) -> Var<()> {
        with(|builder| {
            let init = init.map(|(value, ty)| value.resolve_as(ty, builder, at));
            let depth = depth.unwrap_or_else(|| builder.depth());
            Var { kernel: builder.serial(), id: builder.declare(name, ty, init, depth, at), of: PhantomData }
        })
        .unwrap_or(Var { kernel: Serial::NONE, id: VarId::new(0), of: PhantomData })
    }

    fn read_as(self, ty: Type, at: Caller) -> Expr<()> {
        with(|builder| {
            let var = self.resolve(builder, at)?;
            let value = builder.emit(Op::Read(var), ty, at);
            Some(Expr::new(builder, value))
        })
        .flatten()
        .unwrap_or_else(Expr::dead)
    }

    fn assign(self, (value, ty): TypedValue, at: Caller) {
        with(|builder| {
            let value = value.resolve_as(ty, builder, at);
            if let Some(var) = self.resolve(builder, at) {
                builder.push(Stmt::Assign { var, value }, at);
            }
        });
    }

    fn resolve(self, builder: &mut super::builder::Builder, at: Caller) -> Option<VarId> {
        let id = self.id;
        if self.kernel != builder.serial() {
            builder.problem("a variable of another kernel is used here", at);
            None
        } else if !builder.lives(id) {
            builder.problem("this variable was declared inside a branch or loop that has ended", at);
            None
        } else {
            Some(id)
        }
    }
}

macro_rules! assign {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: Num, V: IntoExpr<T>> std::ops::$trait<V> for Var<T> {
            #[track_caller]
            fn $method(&mut self, value: V) {
                let value = binary(BinaryOp::$op, self.read(), value.into_expr());
                self.set(value);
            }
        }
    )*};
}
assign! {
    AddAssign add_assign Add; SubAssign sub_assign Sub; MulAssign mul_assign Mul; DivAssign div_assign Div; RemAssign rem_assign Rem;
}

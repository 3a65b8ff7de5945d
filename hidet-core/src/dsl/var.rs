//! [`Var`]: a device variable.

use super::builder::{Caller, Serial, here, with};
use super::expr::{DeviceType, Expr, IntoExpr, binary, emit};
use crate::ir::{BinaryOp, Handle, Op, Stmt, VarId};
use crate::types::Num;
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
        with(|builder| {
            let init = value.resolve(builder, at);
            let id = builder.declare(name, T::TYPE, Some(init), builder.depth(), at);
            Var { kernel: builder.serial(), id, of: PhantomData }
        })
        .unwrap_or(Var { kernel: Serial::NONE, id: VarId::new(0), of: PhantomData })
    }

    /// Declares an unset variable in the block that is open at `depth`.
    pub(crate) fn unset(depth: usize, at: Caller) -> Var<T> {
        with(|builder| {
            let id = builder.declare("", T::TYPE, None, depth, at);
            Var { kernel: builder.serial(), id, of: PhantomData }
        })
        .unwrap_or(Var { kernel: Serial::NONE, id: VarId::new(0), of: PhantomData })
    }

    /// Returns the current value.
    #[track_caller]
    pub fn read(&self) -> Expr<T> {
        self.read_at(here())
    }

    pub(crate) fn read_at(&self, at: Caller) -> Expr<T> {
        emit(at, |builder| {
            let id = self.resolve(builder, at)?;
            Some(Op::Read(id))
        })
    }

    /// Assigns a value.
    #[track_caller]
    pub fn set(&mut self, value: impl IntoExpr<T>) {
        self.set_at(value.into_expr(), here());
    }

    pub(crate) fn set_at(&mut self, value: impl IntoExpr<T>, at: Caller) {
        let value = value.into_expr();
        with(|builder| {
            let value = value.resolve(builder, at);
            if let Some(var) = self.resolve(builder, at) {
                builder.push(Stmt::Assign { var, value }, at);
            }
        });
    }

    fn resolve(&self, builder: &mut super::builder::Builder, at: Caller) -> Option<VarId> {
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

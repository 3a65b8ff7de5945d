//! `ptx!`: instructions without an intrinsic.

use crate::dsl::address::Address;
use crate::dsl::builder::{Builder, Caller, here, with};
use crate::dsl::expr::{DeviceType, Expr, IntoExpr};
use crate::ir::{Arg, AsmOperand, Stmt};
use crate::types::Element;

/// An input operand.
#[derive(Debug)]
pub struct PtxOperand(Option<AsmOperand>);

/// A value that can be an operand: a device value, a host number, or an address.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an operand of `ptx!`",
    label = "a device value or an address `&x[[i]]` is needed here"
)]
pub trait IntoPtx {
    /// Converts to an operand.
    fn operand(self, at: Caller) -> PtxOperand;
}

#[diagnostic::do_not_recommend]
impl<T: DeviceType> IntoPtx for Expr<T> {
    fn operand(self, at: Caller) -> PtxOperand {
        PtxOperand(with(|builder| AsmOperand::In(self.resolve(builder, at))))
    }
}
#[diagnostic::do_not_recommend]
impl<T: Element> IntoPtx for T {
    fn operand(self, at: Caller) -> PtxOperand {
        let value: Expr<T> = self.into_expr();
        value.operand(at)
    }
}
#[diagnostic::do_not_recommend]
impl<T: Element> IntoPtx for Address<T> {
    fn operand(self, at: Caller) -> PtxOperand {
        let arg = with(|builder| self.arg(builder, at)).flatten();
        PtxOperand(match arg {
            Some(Arg::Address { buffer, index }) => Some(AsmOperand::Address { buffer, index }),
            _ => None,
        })
    }
}

/// The result of `ptx!`: nothing, a value, or a tuple of values.
pub trait PtxResult {
    /// Defines the results and lists them as operands.
    #[allow(private_interfaces)]
    fn define(builder: &mut Builder, operands: &mut Vec<AsmOperand>) -> Self;
    /// Returns dead handles, outside of a kernel.
    fn dead() -> Self;
}

impl<T: DeviceType> PtxResult for Expr<T> {
    #[allow(private_interfaces)]
    fn define(builder: &mut Builder, operands: &mut Vec<AsmOperand>) -> Self {
        let value = builder.value(T::TYPE);
        operands.push(AsmOperand::Out(value));
        Expr::new(builder, value)
    }
    fn dead() -> Self {
        Expr::dead()
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        #[allow(unused)]
        impl<$($name: PtxResult),*> PtxResult for ($($name,)*) {
            #[allow(private_interfaces, clippy::unused_unit)]
            fn define(builder: &mut Builder, operands: &mut Vec<AsmOperand>) -> Self {
                ($($name::define(builder, operands),)*)
            }
            #[allow(clippy::unused_unit)]
            fn dead() -> Self {
                ($($name::dead(),)*)
            }
        }
    )*};
}
tuples! { ; A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }

/// Converts to an operand of `ptx!`.
#[track_caller]
pub fn ptx_operand(operand: impl IntoPtx) -> PtxOperand {
    operand.operand(here())
}

/// `ptx!`: results come first, then inputs.
#[track_caller]
pub fn ptx<R: PtxResult>(template: &str, read: Vec<PtxOperand>) -> R {
    let at = here();
    with(|builder| {
        let mut operands = Vec::new();
        let result = R::define(builder, &mut operands);
        operands.extend(read.into_iter().filter_map(|operand| operand.0));
        builder.push(Stmt::Asm { template: template.to_owned(), operands }, at);
        result
    })
    .unwrap_or_else(R::dead)
}

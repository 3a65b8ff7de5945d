//! Declarations, thread groups, `assert!` and `print!`.

use crate::dsl::builder::{Place, here, with};
use crate::dsl::expr::{DeviceType, Expr, IntoExpr};
use crate::dsl::var::Var;
use crate::ir::{PrintPiece, Stmt};
use crate::types::Element;
use hidet_mapping::IndexExpr;

/// `let mut`, with a first value.
#[track_caller]
pub fn declare<T: DeviceType>(name: &str, value: impl IntoExpr<T>) -> Var<T> {
    Var::new(name, value)
}

/// `let mut` with an unsuffixed integer, which is `i32` unless its use says otherwise.
#[track_caller]
pub fn declare_int<T: Element>(name: &str, value: T) -> Var<T> {
    Var::new(name, value)
}

/// A number of the host that `block` and its like can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number of threads or blocks",
    label = "an `i32` is needed here"
)]
pub trait Count {
    /// The number.
    fn count(self) -> i64;
}
macro_rules! count {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Count for $ty {
            fn count(self) -> i64 {
                i64::try_from(self).unwrap_or(-1)
            }
        }
    )*};
}
count! { i32 u32 usize }

/// A number of threads or blocks.
pub fn count(number: impl Count) -> i64 {
    number.count()
}

/// An `i32`, of two plain numbers that bound a loop.
pub fn int(number: i32) -> i32 {
    number
}

/// An extent of the signature or the launch.
pub fn extent(formula: impl Into<IndexExpr>) -> IndexExpr {
    formula.into()
}

/// A group of threads that run a block.
#[derive(Debug)]
pub struct Group {
    first: u32,
    threads: u32,
    depth: usize,
    at: Place,
}

/// Begins a block for the threads `first .. first + threads`.
#[track_caller]
pub fn group(first: i32, threads: i32) -> Group {
    let at = here();
    let depth = with(|builder| {
        if first < 0 || threads < 1 || first % 32 != 0 || threads % 32 != 0 {
            let message = format!("a thread group of {threads} threads from {first}: both must be multiples of 32");
            builder.problem(message, at);
        }
        builder.open();
        builder.depth() - 1
    });
    Group { first: first.max(0) as u32, threads: threads.max(0) as u32, depth: depth.unwrap_or(1), at }
}

#[doc(hidden)]
impl Group {
    pub fn device(&self) -> bool {
        true
    }
    pub fn done(self) {
        with(|builder| {
            let body = builder.close(self.depth).block;
            builder.push(Stmt::Group { first: self.first, threads: self.threads, body }, self.at);
        });
    }
}

/// What `assert!` can check.
#[diagnostic::on_unimplemented(
    message = "`assert!` needs a `bool` or an `Expr<bool>`, found `{Self}`",
    label = "not a condition"
)]
pub trait MetaAssert {
    /// Checks it while building, or emits the check.
    fn assert(self, message: String, at: Place);
}
#[diagnostic::do_not_recommend]
impl MetaAssert for bool {
    fn assert(self, message: String, at: Place) {
        if !self {
            with(|builder| builder.problem(format!("assertion failed while building: {message}"), at));
        }
    }
}
#[diagnostic::do_not_recommend]
impl MetaAssert for Expr<bool> {
    fn assert(self, message: String, at: Place) {
        with(|builder| {
            let cond = self.resolve(builder, at);
            builder.push(Stmt::Assert { cond, message }, at);
        });
    }
}

/// `assert!`
#[track_caller]
pub fn assert_that(condition: impl MetaAssert, message: String) {
    condition.assert(message, here());
}

/// A piece of what is printed.
#[derive(Debug)]
pub struct Piece(PieceKind);
#[derive(Debug)]
enum PieceKind {
    Text(String),
    Value(Expr<()>, Option<u8>),
}

/// What `print!` can print: device numbers, and host values that implement `Display`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be printed on the device",
    label = "a device number is needed here"
)]
pub trait Printed {
    /// As a piece.
    fn piece(self, precision: Option<u8>) -> Piece;
}
#[diagnostic::do_not_recommend]
impl<T: Element> Printed for Expr<T> {
    fn piece(self, precision: Option<u8>) -> Piece {
        Piece(PieceKind::Value(self.assume(), precision))
    }
}
macro_rules! printed {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Printed for $ty {
            fn piece(self, precision: Option<u8>) -> Piece {
                Piece(PieceKind::Text(match precision {
                    Some(digits) => format!("{self:.*}", digits as usize),
                    None => self.to_string(),
                }))
            }
        }
    )*};
}
printed! { bool i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64 &str String }

/// Text as a piece.
pub fn text(text: &str) -> Piece {
    Piece(PieceKind::Text(text.to_owned()))
}

/// A value as a piece.
pub fn piece(value: impl Printed, precision: Option<u8>) -> Piece {
    value.piece(precision)
}

/// `print!`
#[track_caller]
pub fn print(pieces: Vec<Piece>) {
    let at = here();
    with(|builder| {
        let mut out: Vec<PrintPiece> = Vec::new();
        for Piece(piece) in pieces {
            match piece {
                PieceKind::Text(text) => match out.last_mut() {
                    Some(PrintPiece::Text(last)) => last.push_str(&text),
                    _ => out.push(PrintPiece::Text(text)),
                },
                PieceKind::Value(value, precision) => {
                    out.push(PrintPiece::Value { value: value.raw(builder, at), precision });
                }
            }
        }
        builder.push(Stmt::Print { pieces: out }, at);
    });
}

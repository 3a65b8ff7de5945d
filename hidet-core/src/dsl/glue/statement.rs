//! Declarations, thread groups, `assert!` and `print!`.

use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::{DeviceType, Expr, IntoExpr};
use crate::dsl::var::Var;
use crate::ir::{Format, PrintPiece, Stmt};
use crate::types::Element;
use hidet_mapping::IndexExpr;

/// The initial value of a device variable.
#[diagnostic::on_unimplemented(
    message = "`let mut` declares a device variable, but `{Self}` is not a device type",
    label = "not a device type",
    note = "declare each part of a tuple: `let (mut a, mut b) = ..`; write to a tensor by `x[[i]] = v`, without `mut`; declare a meta variable by `#[meta] let mut`"
)]
pub trait Initial<T> {
    /// Returns the value.
    fn initial(self) -> Expr<T>;
}
#[diagnostic::do_not_recommend]
impl<T, V: IntoExpr<T>> Initial<T> for V {
    #[track_caller]
    fn initial(self) -> Expr<T> {
        self.into_expr()
    }
}

/// `let mut`, with an initial value.
#[track_caller]
pub fn declare<T: DeviceType>(name: &str, value: impl Initial<T>) -> Var<T> {
    Var::new(name, value.initial())
}

/// `let mut` with an integer without a type suffix, which is `i32` unless its use determines another type.
#[track_caller]
pub fn declare_int<T: Element>(name: &str, value: T) -> Var<T> {
    Var::new(name, value)
}

/// Device variables declared as a tuple, read and assigned as a whole or by index.
#[derive(Debug)]
pub struct TupleVar<V> {
    /// The variables.
    pub vars: V,
}

/// `#[when(..)]`: returns the parameter if the kernel has it.
pub fn given<T>(when: bool, declare: impl FnOnce() -> T) -> Option<T> {
    when.then(declare)
}

/// A tuple of variables.
pub trait VarTuple {
    /// Their values.
    type Values;
    /// Reads all variables.
    fn read(&self, at: Caller) -> Self::Values;
}

/// A tuple of variables that can be assigned those values.
#[diagnostic::on_unimplemented(
    message = "variables declared as a tuple cannot take `{V}`",
    label = "not a tuple of as many values of these types"
)]
pub trait TakesTuple<V> {
    /// Assigns all variables.
    fn set(&mut self, values: V, at: Caller);
}

macro_rules! variables {
    ($($($t:ident $v:ident $n:tt)*;)*) => {$(
        impl<$($t: DeviceType),*> VarTuple for ($(Var<$t>,)*) {
            type Values = ($(Expr<$t>,)*);
            fn read(&self, at: Caller) -> Self::Values {
                ($(self.$n.read_at(at),)*)
            }
        }
        impl<$($t: DeviceType, $v: IntoExpr<$t>),*> TakesTuple<($($v,)*)> for ($(Var<$t>,)*) {
            fn set(&mut self, values: ($($v,)*), at: Caller) {
                $(self.$n.set_at(values.$n, at);)*
            }
        }
    )*};
}
variables! {
    A VA 0; A VA 0 B VB 1; A VA 0 B VB 1 C VC 2; A VA 0 B VB 1 C VC 2 D VD 3; A VA 0 B VB 1 C VC 2 D VD 3 E VE 4;
    A VA 0 B VB 1 C VC 2 D VD 3 E VE 4 F VF 5;
}

#[doc(hidden)]
impl<T: VarTuple> TupleVar<T> {
    #[track_caller]
    pub fn read(&self) -> T::Values {
        self.vars.read(here())
    }
    #[track_caller]
    pub fn set<V>(&mut self, values: V)
    where
        T: TakesTuple<V>,
    {
        self.vars.set(values, here());
    }
}

/// A host number that is a launch extent, such as `block`.
#[diagnostic::on_unimplemented(
    message = "`block`, `cluster` and `min_blocks` must be known while the kernel is built; `{Self}` is not",
    label = "an `i32` is needed here",
    note = "extents and scalar parameters are known at launch only: write a constant, or a parameter `#[meta] n: i32`"
)]
pub trait Count {
    /// Returns the number.
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

/// Converts a number of threads or blocks.
pub fn count(number: impl Count) -> i64 {
    number.count()
}

/// Types an integer literal as `i32`, for two literals that bound a loop.
pub fn int(number: i32) -> i32 {
    number
}

/// Converts an extent of the signature or the launch.
pub fn extent(formula: impl Into<IndexExpr>) -> IndexExpr {
    formula.into()
}

/// A thread group that executes a block.
#[derive(Debug)]
pub struct Group {
    first: u32,
    threads: u32,
    depth: usize,
    at: Caller,
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

/// A condition that `assert!` can check.
#[diagnostic::on_unimplemented(
    message = "`assert!` needs a `bool` or an `Expr<bool>`, found `{Self}`",
    label = "not a condition"
)]
pub trait MetaAssert {
    /// Checks the condition while building, or emits the check.
    fn assert(self, message: String, at: Caller);
}
#[diagnostic::do_not_recommend]
impl MetaAssert for bool {
    fn assert(self, message: String, at: Caller) {
        if !self {
            with(|builder| builder.problem(format!("assertion failed while building: {message}"), at));
        }
    }
}
#[diagnostic::do_not_recommend]
impl MetaAssert for Expr<bool> {
    fn assert(self, message: String, at: Caller) {
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

/// A piece of printed text.
#[derive(Debug)]
pub struct PrintItem(PieceKind);
#[derive(Debug)]
enum PieceKind {
    Text(String),
    Value(Expr<()>, &'static str),
}

/// A value that `print!` can print: device values of numbers, and meta values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be printed on the device",
    label = "a device number is needed here"
)]
pub trait Printed {
    /// The type that the format is checked against: the host type of such numbers.
    type Shown;
    /// Converts to a piece; `show` formats meta values.
    fn piece(self, spec: &'static str, show: fn(&Self::Shown) -> String) -> PrintItem;
}
#[diagnostic::do_not_recommend]
impl<T: Element> Printed for Expr<T> {
    type Shown = T::Shown;
    fn piece(self, spec: &'static str, _: fn(&T::Shown) -> String) -> PrintItem {
        PrintItem(PieceKind::Value(self.assume(), spec))
    }
}
macro_rules! printed {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a> Printed for $ty {
            type Shown = $ty;
            fn piece(self, _: &'static str, show: fn(&$ty) -> String) -> PrintItem {
                PrintItem(PieceKind::Text(show(&self)))
            }
        }
    )*};
}
printed! { bool i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64 &'a str String }

/// Converts text to a piece.
pub fn text(text: &str) -> PrintItem {
    PrintItem(PieceKind::Text(text.to_owned()))
}

/// Converts a value to a piece.
pub fn piece<P: Printed>(value: P, spec: &'static str, show: fn(&P::Shown) -> String) -> PrintItem {
    value.piece(spec, show)
}

/// `print!`
#[track_caller]
pub fn print(pieces: Vec<PrintItem>) {
    let at = here();
    with(|builder| {
        let mut out: Vec<PrintPiece> = Vec::new();
        for PrintItem(piece) in pieces {
            match piece {
                PieceKind::Text(text) => match out.last_mut() {
                    Some(PrintPiece::Text(last)) => last.push_str(&text),
                    _ => out.push(PrintPiece::Text(text)),
                },
                PieceKind::Value(value, spec) => {
                    let format = Format::parse(spec).unwrap_or_else(|| {
                        builder.problem(format!("`{{:{spec}}}` is not a supported format"), at);
                        Format::default()
                    });
                    out.push(PrintPiece::Value { value: value.raw(builder, at), format });
                }
            }
        }
        builder.push(Stmt::Print { pieces: out }, at);
    });
}

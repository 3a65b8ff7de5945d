//! [`Operation`]: one operation on operands of known types, for the device and on the host.

use super::values::{edges, few_edges};
use crate::dsl::{AnyExpr, Expr};
use crate::types::{Element, Scalar};

/// Computes an operation on the host from the bits of its operands, or returns `None` if it is a fault or Rust leaves
/// the result open.
pub type Host = Box<dyn Fn(&[u64]) -> Option<u64> + Send + Sync>;
type Device = Box<dyn Fn(&[AnyExpr]) -> AnyExpr + Send + Sync>;

/// An operation with its types.
pub struct Operation {
    /// The type and the name, such as `i32.div_ceil`.
    pub name: String,
    /// The types of the operands.
    pub operands: Vec<Scalar>,
    /// The type of the result.
    pub result: Scalar,
    /// Computes it on the host.
    pub host: Host,
    device: Device,
}

impl Operation {
    /// Emits it into the kernel under construction.
    pub(in crate::testing) fn emit(&self, operands: &[AnyExpr]) -> AnyExpr {
        (self.device)(operands)
    }

    /// Returns all combinations of the edges of its types, each as a vector of operands with Rust's result.
    pub fn cases(&self) -> Vec<(Vec<u64>, u64)> {
        let list = if self.operands.len() > 2 { few_edges } else { edges };
        let mut combinations = vec![Vec::new()];
        for scalar in &self.operands {
            let values = list(*scalar);
            let with = |start: &Vec<u64>| {
                let start = start.clone();
                values.iter().map(move |value| [start.clone(), vec![*value]].concat()).collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        let known = |operands: Vec<u64>| (self.host)(&operands).map(|result| (operands, result));
        combinations.into_iter().filter_map(known).collect()
    }

    /// Returns true if a result is right. All NaNs count as equal.
    pub fn agrees(&self, expected: u64, found: u64) -> bool {
        expected == found || (is_nan(self.result, expected) && is_nan(self.result, found))
    }
}

/// Returns true if these are the bits of a NaN.
pub(in crate::testing) fn is_nan(scalar: Scalar, bits: u64) -> bool {
    scalar.is_float() && crate::ir::eval::to_f64(scalar, bits).is_nan()
}

/// A list of operations under construction.
#[derive(Default)]
pub(super) struct List(pub Vec<Operation>);

impl List {
    /// Adds an operation.
    pub fn push(&mut self, name: &str, operands: &[Scalar], result: Scalar, device: Device, host: Host) {
        let name = format!("{}.{name}", operands[0]);
        self.0.push(Operation { name, operands: operands.to_vec(), result, host, device });
    }
}

macro_rules! arities {
    ($($add:ident: $($ty:ident $n:tt)*;)*) => {
        impl List {$(
            /// Adds an operation with this number of operands.
            pub fn $add<$($ty: Element,)* R: Element>(
                &mut self,
                name: &str,
                device: fn($(Expr<$ty>),*) -> Expr<R>,
                host: fn($($ty),*) -> Option<R>,
            ) {
                self.push(
                    name,
                    &[$($ty::SCALAR),*],
                    R::SCALAR,
                    Box::new(move |operands| device($(operands[$n].typed::<$ty>()),*).into()),
                    Box::new(move |bits| host($($ty::from_bits64(bits[$n])),*).map(|result| result.constant().bits)),
                );
            }
        )*}
    };
}
arities! {
    one: A 0;
    two: A 0 B 1;
    three: A 0 B 1 C 2;
}

/// Lists operations: a name, the operands, the expression for the device and, if different, for the host; `if` states
/// when the host's expression is defined.
macro_rules! operations {
    ($list:ident; $($name:literal ($($arg:ident: $ty:ty),*) -> $result:ty { $device:expr } $({ $host:expr })? $(if $when:expr)?;)*) => {$({
        // Functions: of a closure, the compiler makes a second one to have its address.
        fn device($($arg: $crate::dsl::Expr<$ty>),*) -> $crate::dsl::Expr<$result> {
            $device
        }
        fn host($($arg: $ty),*) -> Option<$result> {
            $(
                let defined: bool = $when;
                if !defined {
                    return None;
                }
            )?
            Some(operations!(@host { $device } $({ $host })?))
        }
        operations!(@add $list $name [$($arg)*]);
    })*};
    (@add $list:ident $name:literal [$a:ident]) => { $list.one($name, device, host) };
    (@add $list:ident $name:literal [$a:ident $b:ident]) => { $list.two($name, device, host) };
    (@add $list:ident $name:literal [$a:ident $b:ident $c:ident]) => { $list.three($name, device, host) };
    (@host { $device:expr }) => { $device };
    (@host { $device:expr } { $host:expr }) => { $host };
}
pub(super) use operations;

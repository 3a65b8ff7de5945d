//! [`TaskKernel`]: what an operator with a kernel of its own is.

use crate::expr::Element64;
use hidet::dsl::{Binding, Signature, Template};
use std::any::Any;
use std::fmt;

/// Declares the parameters of a kernel, and returns the views that those of a part of it are bound to.
pub type Bound = Box<dyn FnOnce(&mut Signature) -> Vec<Binding>>;

/// A kernel that somebody has written for an operator, and what it computes. Its parameters are the inputs, in order, and
/// the result.
pub trait TaskKernel: Any + Send + Sync {
    /// Returns the kernel as a part of another, whose parameters are bound to views.
    fn bind(&self, name: &str, bound: Bound) -> Template<()>;

    /// Computes the result on the host, in `f64`.
    ///
    /// # Errors
    ///
    /// If an operation is not defined for the values.
    fn evaluate(&self, inputs: &[Vec<Element64>]) -> Result<Vec<Element64>, String>;

    /// Returns true if another one computes the same by the same kernel.
    fn is_same(&self, other: &dyn TaskKernel) -> bool;

    /// Returns a text that is equal for those that are the same.
    fn text(&self) -> String;
}

impl fmt::Debug for dyn TaskKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text())
    }
}

//! [`Template`]: a kernel that can be built.

use super::builder::build;
use super::signature::Signature;
use crate::error::Result;
use crate::ir::Function;
use std::fmt;
use std::marker::PhantomData;

/// Declares the parameters and the launch of a kernel, and emits its statements.
type EmitKernel = Box<dyn FnOnce(&mut Signature)>;

/// A kernel with its meta parameters applied: the result of calling a function of `kernel!`. `Args` is the tuple of its
/// parameters, such as `(In<f32, 2>, Out<f32, 2>)`.
pub struct Template<Args> {
    name: String,
    body: EmitKernel,
    of: PhantomData<fn() -> Args>,
}

fn build_body(name: &str, body: EmitKernel) -> Result<Function> {
    build(name, || body(&mut Signature::default()))
}

impl<Args> fmt::Debug for Template<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.name)
    }
}

impl<Args> Template<Args> {
    /// Creates a kernel whose body is emitted by `body`, which first declares parameters and launch.
    pub fn new(name: &str, body: impl FnOnce(&mut Signature) + 'static) -> Self {
        Template::of(name, Box::new(body))
    }

    fn of(name: &str, body: EmitKernel) -> Self {
        Template { name: name.to_owned(), body, of: PhantomData }
    }

    /// Renames the kernel.
    pub fn named(self, name: &str) -> Self {
        Template { name: name.to_owned(), ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Builds the IR, or returns the first mistake found as an error with its source location.
    pub fn build(self) -> Result<Function> {
        build_body(&self.name, self.body)
    }

    /// Emits the kernel into the function being built.
    pub(super) fn emit(self, signature: &mut Signature) {
        (self.body)(signature);
    }
}

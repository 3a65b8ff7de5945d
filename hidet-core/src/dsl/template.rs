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
    untyped: Untyped,
    of: PhantomData<fn() -> Args>,
}

/// A template without the types of its parameters. rustc compiles a generic function for each type, in each crate that calls it, so
/// this does the work for all.
struct Untyped {
    name: String,
    body: EmitKernel,
    dependent: bool,
}

impl Untyped {
    fn new(name: &str, body: EmitKernel) -> Untyped {
        Untyped { name: name.to_owned(), body, dependent: false }
    }

    fn build(self) -> Result<Function> {
        let mut function = build(&self.name, || (self.body)(&mut Signature::default()))?;
        function.launch.dependent |= self.dependent && function.can_be_dependent();
        Ok(function)
    }

    fn emit(self, signature: &mut Signature) {
        (self.body)(signature);
    }
}

impl<Args> fmt::Debug for Template<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.name())
    }
}

impl<Args> Template<Args> {
    /// Creates a kernel whose body is emitted by `body`, which first declares parameters and launch.
    pub fn new(name: &str, body: impl FnOnce(&mut Signature) + 'static) -> Self {
        Template { untyped: Untyped::new(name, Box::new(body)), of: PhantomData }
    }

    /// Renames the kernel.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.untyped.name);
        self
    }

    /// Makes the launch a programmatic dependent one, as `#[launch(dependent)]` does: the kernel may begin before those ahead
    /// of it have ended. If it does not say by [`grid_wait`](super::intrinsics::grid_wait) where it waits for them, it waits
    /// before its first access to global memory. A cooperative launch, all of whose blocks must run at once, stays as it is, and so
    /// does a kernel that reads through the read-only data cache
    /// ([`LoadHint`](super::intrinsics::LoadHint)). On architectures before `sm_90` a dependent kernel does not compile.
    pub fn dependent(mut self) -> Self {
        self.untyped.dependent = true;
        self
    }

    /// Returns true if it was made dependent.
    pub(super) fn is_dependent(&self) -> bool {
        self.untyped.dependent
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.untyped.name
    }

    /// Builds the IR, or returns the first mistake found as an error with its source location.
    pub fn build(self) -> Result<Function> {
        self.untyped.build()
    }

    /// Emits the kernel into the function being built.
    pub(super) fn emit(self, signature: &mut Signature) {
        self.untyped.emit(signature);
    }
}

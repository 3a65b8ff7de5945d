//! The functions being built on this thread: the innermost one, which has those around it.

use super::{Builder, Serial};
use crate::error::{Error, Result};
use crate::ir::Function;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// The innermost function being built; it has the one around it.
    static INNERMOST: Cell<Option<Box<Builder>>> = const { Cell::new(None) };
    static SERIAL: Cell<u32> = const { Cell::new(1) };
}

/// Calls `f` with the function being built on this thread, or returns `None` outside of a kernel.
pub(crate) fn with<R>(f: impl FnOnce(&mut Builder) -> R) -> Option<R> {
    let mut taken = Taken::take();
    Some(f(taken.0.as_mut()?))
}

/// The innermost function being built while it is changed. Dropping this puts it back.
struct Taken(Option<Box<Builder>>);

// Neither is inlined into the hundreds of callers of `with`, which would be most of their code.
impl Taken {
    #[inline(never)]
    fn take() -> Taken {
        Taken(INNERMOST.take())
    }
}

impl Drop for Taken {
    #[inline(never)]
    fn drop(&mut self) {
        INNERMOST.set(self.0.take());
    }
}

/// Takes the innermost function being built, and leaves the one around it.
fn pop() -> Option<Box<Builder>> {
    let mut builder = INNERMOST.take();
    INNERMOST.set(builder.as_mut().and_then(|builder| builder.around.take()));
    builder
}

/// The panic payload that ends the building of a kernel whose device functions recurse without end; the problem is
/// recorded before.
pub(crate) struct TooDeep;

/// Ends the building of a function when dropped, also during a panic.
struct Guard;
impl Drop for Guard {
    fn drop(&mut self) {
        pop();
    }
}

/// Builds a function: `body` emits its statements.
pub(crate) fn build(name: &str, body: impl FnOnce()) -> Result<Function> {
    let serial = SERIAL.with(|next| next.replace(next.get().wrapping_add(1).max(1)));
    let around = INNERMOST.take();
    INNERMOST.set(Some(Box::new(Builder { around, ..Builder::new(name, Serial(serial)) })));
    let guard = Guard;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body))
        && !panic.is::<TooDeep>()
    {
        resume_unwind(panic);
    }
    let builder = pop();
    std::mem::forget(guard);
    match builder {
        Some(builder) => builder.finish(),
        None => Err(Error::Kernel {
            kernel: name.to_owned(),
            message: "the kernel was taken off the stack while it was being built".to_owned(),
            place: format!("kernel `{name}`"),
        }),
    }
}

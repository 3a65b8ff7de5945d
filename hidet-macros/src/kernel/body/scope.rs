//! Names and frames.

use super::Body;
use crate::kernel::expand::plain;
use syn::{Ident, Lifetime};

/// The kind of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// `let mut`: a device variable.
    Device,
    /// A parameter of type `&mut Var<T>` or `&Var<T>`.
    Reference,
    /// `#[meta] let mut`, with the number of frames around its declaration.
    Meta(usize),
    /// Anything that does not change.
    Value,
}

/// A branch or loop around the code being expanded.
pub(super) struct Frame {
    /// The variable that knows if the frame is one of the device.
    pub guard: Ident,
    /// Its label in Rust.
    pub label: Lifetime,
    /// Branch, loop or closure.
    pub kind: FrameKind,
    /// True if it is known to be a frame of the device.
    pub device: bool,
}

/// The kind of a frame.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A branch; with a value or without.
    Branch { value: bool },
    /// A loop, with the user's label.
    Loop { name: Option<String> },
    /// The loop around the body of a device function that returns early.
    Once,
    /// A closure, which no jump leaves.
    Closure,
}

impl Frame {
    pub fn once(guard: &Ident, label: &Lifetime) -> Frame {
        Frame { guard: guard.clone(), label: label.clone(), kind: FrameKind::Once, device: true }
    }
}

impl Body<'_> {
    pub(super) fn bind(&mut self, name: &str, binding: Binding) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), binding);
        }
    }

    /// A name that does not change.
    pub fn bind_value(&mut self, name: &str) {
        self.bind(name, Binding::Value);
    }

    /// A name of the host that may change.
    pub fn bind_meta(&mut self, name: &str) {
        self.bind(name, Binding::Meta(self.frames.len()));
    }

    /// Returns the kind of a name that was declared in the kernel.
    pub(super) fn lookup(&self, name: &Ident) -> Option<Binding> {
        let name = plain(name);
        self.scopes.iter().rev().find_map(|scope| scope.get(&name)).copied()
    }

    /// Runs `f` in a scope of its own.
    pub(super) fn scoped<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        self.scopes.push(Default::default());
        let result = f(self);
        self.scopes.pop();
        result
    }

    /// Runs `f` inside of a frame.
    pub(super) fn framed<R>(&mut self, frame: Frame, f: impl FnOnce(&mut Self) -> R) -> R {
        self.frames.push(frame);
        let result = f(self);
        self.frames.pop();
        result
    }
}

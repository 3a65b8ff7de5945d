//! Prints a lowered function as CUDA C++ for NVRTC.
//!
//! The text needs no include: the types and helpers that it uses stand before the kernel (see [`prelude`]). It is meant
//! to be read: names come from the source, and values that are used once are written inline. A node that this back end
//! does not know is an error with its place, never a guess.
//!
//! Precondition: the function is verified and lowered (no task loop, no group, no protected access, buffers of
//! rank 1). This module knows neither devices nor the simulator.

mod access;
mod expr;
mod extent;
mod few;
mod inline;
mod intrinsic;
mod kernel;
mod leave;
mod let_stmt;
mod literal;
mod memory;
mod names;
mod opaque;
mod prelude;
mod report;
mod require;
mod restrict;
mod site;
mod stmt;
mod types;
mod wgmma;
mod writer;

pub use require::{Requirement, archs, requirements};
pub use site::{LINE, LOG, Message, Piece, Site, VALUES, line};

use crate::error::{Error, Result};
use crate::ir::{Arch, BufferId, DimId, Function, MapId, Places, Span, ValueId};
use hidet_mapping::IndexExpr;

/// The CUDA C++ of a kernel, and what a launch needs.
#[derive(Clone, Debug)]
pub struct Source {
    /// The text, without `#line`.
    pub text: String,
    /// The name of the kernel in its source.
    pub kernel: String,
    /// The name of the `__global__` function.
    pub entry: String,
    /// Its parameters in order.
    pub parameters: Vec<KernelParam>,
    /// Bytes of static shared memory.
    pub static_shared: u32,
    /// Bytes of dynamic shared memory, as a formula of the dims; `0` if there is none.
    pub dynamic_shared: IndexExpr,
    /// The sites at which the kernel may report; a report contains an index into this.
    pub sites: Vec<Site>,
    /// The source position of each line of the text.
    pub lines: Vec<Span>,
    /// The source files; spans index into this.
    pub files: Vec<String>,
}

/// A parameter of the CUDA kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelParam {
    /// The address of a global buffer.
    Tensor(BufferId),
    /// A number.
    Scalar(ValueId),
    /// A symbolic extent, an `int`.
    Dim(DimId),
    /// A tensor map of 128 bytes.
    Map(MapId),
    /// The address of the record to which it reports.
    Report,
    /// The address of the counter of the grid barrier; the counter is 0 before the first launch.
    GridBarrier,
}

impl Source {
    /// Returns the text with `#line` directives, so that compilers, profilers and debuggers refer to the Rust source.
    pub fn text_with_lines(&self) -> String {
        let mut out = String::with_capacity(self.text.len() * 2);
        // The position that the compiler assumes for the next line.
        let mut next = Span::default();
        for (line, span) in self.text.lines().zip(&self.lines) {
            if span.line > 0 && (span.file, span.line) != (next.file, next.line) {
                if let Some(file) = self.files.get(span.file as usize) {
                    out += &format!("#line {} {}\n", span.line, literal::quoted(file));
                    next = *span;
                }
            }
            out += line;
            out.push('\n');
            next.line += 1;
        }
        out
    }

    /// Returns `file:line:column` of a site, if it is known.
    pub fn place_of(&self, site: &Site) -> Option<String> {
        let Span { file, line, column } = site.span;
        let file = self.files.get(file as usize).filter(|_| line > 0)?;
        Some(format!("{file}:{line}:{column}"))
    }

    /// Replaces the numbers of statements by the positions of a function; see [`Function::without_places`].
    pub fn with_places(mut self, places: &Places) -> Source {
        self.lines.iter_mut().for_each(|span| *span = places.resolve(*span));
        self.sites.iter_mut().for_each(|site| site.span = places.resolve(site.span));
        self.files.clone_from(&places.files);
        self
    }

    /// Returns the position in the Rust source of a line of the text, both counted from 1.
    pub fn place(&self, line: usize) -> Option<String> {
        let span = self.lines.get(line.checked_sub(1)?)?;
        (span.line > 0)
            .then(|| format!("{}:{}", self.files.get(span.file as usize).map_or("?", String::as_str), span.line))
    }
}

/// Returns the CUDA C++ of a lowered function for an architecture.
pub fn cuda(function: &Function, arch: Arch) -> Result<Source> {
    require::check(function, arch)?;
    kernel::Generator::new(function).run()
}

/// Returns the bytes of static and of dynamic shared memory per block of a function at any stage of lowering, the latter
/// as a formula of the dims. Only one of them is not 0.
pub fn shared_bytes(function: &Function) -> (u32, IndexExpr) {
    let shared = memory::plan(function);
    (shared.static_bytes, shared.dynamic_bytes.unwrap_or(IndexExpr::Const(0)))
}

/// Returns an error at a position of the function.
fn fault(function: &Function, span: Span, message: impl Into<String>) -> Error {
    Error::Kernel { kernel: function.name.clone(), message: message.into(), place: function.place_of(span) }
}

#[cfg(test)]
mod clash;
#[cfg(test)]
mod overflow;
#[cfg(test)]
mod sweep;
#[cfg(test)]
pub(crate) mod tests;

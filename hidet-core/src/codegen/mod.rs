//! From a lowered function to CUDA C++ for NVRTC.
//!
//! The text needs no include: what it uses of types and helpers stands before the kernel (see [`prelude`]). It is meant
//! to be read: names come from the source, values used once are written where they are used. A node this back end
//! does not know is an error with its place, never a guess.
//!
//! Precondition: the function is verified and lowered (no task loop, no group, no protected access, buffers of
//! rank 1). Knows nothing of devices or of the simulator.

mod access;
mod expr;
mod extent;
mod inline;
mod intrinsic;
mod kernel;
mod leave;
mod let_stmt;
mod literal;
mod memory;
mod names;
mod prelude;
mod report;
mod require;
mod restrict;
mod site;
mod stmt;
mod types;
mod writer;

pub use require::{Requirement, archs, requirements};
pub use site::{LINE, LOG, Message, Piece, Site, VALUES, line};

use crate::error::{Error, Result};
use crate::ir::{Arch, BufferId, DimId, Function, MapId, Places, Span, ValueId};
use hidet_mapping::IndexExpr;

/// CUDA C++ of a kernel, and what is needed to launch it.
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
    /// Shared memory known while compiling, in bytes.
    pub static_shared: u32,
    /// Shared memory given at launch, in bytes, of the dims; `0` where there is none.
    pub dynamic_shared: IndexExpr,
    /// Where the kernel may report; a report holds an index into this.
    pub sites: Vec<Site>,
    /// Where each line of the text came from.
    pub lines: Vec<Span>,
    /// The source files that spans count.
    pub files: Vec<String>,
}

/// What the kernel gets in one of its parameters.
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
    /// The address of the record of what it reports.
    Report,
    /// The address of the word at which the blocks of a cooperative grid meet; 0 before the first launch.
    GridBarrier,
}

impl Source {
    /// The text with `#line` directives, so that compilers, profilers and debuggers speak of the Rust source.
    pub fn text_with_lines(&self) -> String {
        let mut out = String::with_capacity(self.text.len() * 2);
        // What the compiler believes the next line to be.
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

    /// `file:line:column` of a site, where it is known.
    pub fn place_of(&self, site: &Site) -> Option<String> {
        let Span { file, line, column } = site.span;
        let file = self.files.get(file as usize).filter(|_| line > 0)?;
        Some(format!("{file}:{line}:{column}"))
    }

    /// With the positions of a function in place of the numbers of its statements; see
    /// [`Function::without_places`].
    pub fn with_places(mut self, places: &Places) -> Source {
        self.lines.iter_mut().for_each(|span| *span = places.resolve(*span));
        self.sites.iter_mut().for_each(|site| site.span = places.resolve(site.span));
        self.files.clone_from(&places.files);
        self
    }

    /// The place in the Rust source of a line of the text, both counted from 1.
    pub fn place(&self, line: usize) -> Option<String> {
        let span = self.lines.get(line.checked_sub(1)?)?;
        (span.line > 0)
            .then(|| format!("{}:{}", self.files.get(span.file as usize).map_or("?", String::as_str), span.line))
    }
}

/// The CUDA C++ of a lowered function, for an architecture.
pub fn cuda(function: &Function, arch: Arch) -> Result<Source> {
    require::check(function, arch)?;
    kernel::Generator::new(function).run()
}

/// An error at a place of the function.
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

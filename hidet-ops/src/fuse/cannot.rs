//! [`CannotFuse`]: why an operator is not in the kernel of what reads its result.

use std::fmt;

/// Why an operator is not in the kernel of what reads its result: the first condition of fusion that it does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CannotFuse {
    /// Its result is one of the graph, so that it is in memory.
    Output,
    /// Not one kernel alone reads its result.
    Readers,
    /// Several kernels read its result, of which a template makes one: a chain.
    Chain,
    /// Its result is read under another shape, by what is not a kernel: the same memory.
    Reshape,
    /// All that becomes of the product before it leads to it, so that it is in the kernel of that one.
    EndsProduct,
    /// It is made of what a reduction of rows before it has found, so that it is in the kernel of that one.
    EndsRows,
    /// It is made of whole lines, which are a kernel's last operation.
    EndsLine,
    /// What reads it is made of whole lines, of which each term is computed by itself.
    BeforeLine,
    /// The kernel would compute too many values for each element.
    Size,
    /// A product would compute it again for each result of which its elements are terms.
    Repeated,
    /// A product would read larger elements than its operands have.
    Narrows,
    /// Its result is read at computed or several places, or would make the kernel read tensors so.
    Places,
    /// The kernel has another reduction, beside which a product, a convolution or a user's own kernel cannot be.
    Alone,
    /// It is a reduction of other rows than those of the kernel.
    OtherRows,
}

impl fmt::Display for CannotFuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CannotFuse::Output => "its result is an output",
            CannotFuse::Readers => "several kernels read its result",
            CannotFuse::Chain => "several kernels read its result, of which a template makes one",
            CannotFuse::Reshape => "its result is read under another shape, of the same memory",
            CannotFuse::EndsProduct => "it ends the kernel of the product before it",
            CannotFuse::EndsRows => "it ends the kernel that reduces the rows before it",
            CannotFuse::EndsLine => "it is made of whole lines, which are the last operation of a kernel",
            CannotFuse::BeforeLine => "the reader is made of whole lines, of which each term is computed by itself",
            CannotFuse::Size => "the kernel would compute too many values for each element",
            CannotFuse::Repeated => "the product that reads it would compute it again for each of its results",
            CannotFuse::Narrows => "the product that reads it would read larger elements",
            CannotFuse::Places => "it would be read at other places than those of the reader's result",
            CannotFuse::Alone => "a product, a convolution or an own kernel has no other reduction beside it",
            CannotFuse::OtherRows => "it reduces other rows than the reader",
        })
    }
}

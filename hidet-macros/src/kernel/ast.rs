//! The items of a `kernel!`: kernels, device functions, other items.

use proc_macro2::TokenStream;
use syn::{Attribute, Block, Expr, Generics, Ident, Item, ItemFn, Path, Token, Type, Visibility};

/// Everything between the braces of one `kernel!`.
pub struct Module {
    /// The path of the crate `hidet`.
    pub krate: TokenStream,
    /// The items in order.
    pub items: Vec<Part>,
}

/// An item of a `kernel!`.
pub enum Part {
    /// A function with `#[launch(..)]`.
    Kernel(Box<Kernel>),
    /// A function with `#[device]`.
    Device(Box<ItemFn>),
    /// Anything else, which stays as it is.
    Other(Box<Item>),
}

/// A kernel.
pub struct Kernel {
    /// Documentation and other attributes that the function keeps.
    pub attrs: Vec<Attribute>,
    /// `#[launch(..)]`; missing only after an error.
    pub launch: LaunchAttrs,
    /// `pub` and the like.
    pub vis: Visibility,
    /// The token `fn`.
    pub fn_token: Token![fn],
    /// Its name.
    pub name: Ident,
    /// Type and const parameters.
    pub generics: Generics,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// The code that every thread runs.
    pub body: Block,
}

/// `#[launch(grid = .., block = .., cluster = .., min_blocks = .., cooperative, dependent)]`
#[derive(Default)]
pub struct LaunchAttrs {
    /// The number of blocks.
    pub grid: Option<Expr>,
    /// Threads per block.
    pub block: Option<Expr>,
    /// Blocks per cluster.
    pub cluster: Option<Expr>,
    /// The least number of blocks per multiprocessor.
    pub min_blocks: Option<Expr>,
    /// True if all blocks run at the same time, so that they can wait for each other.
    pub cooperative: bool,
    /// True if the kernel may begin before those ahead of it have ended.
    pub dependent: bool,
}

/// A parameter of a kernel.
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Tensor, number or meta value.
    pub kind: ParamKind,
    /// Of an optional parameter, `#[when(biased)] bias: Option<..>`: true if the kernel has it.
    pub when: Option<Expr>,
}

/// The kind of a parameter.
pub enum ParamKind {
    /// `In<T, [rows, cols]>`
    Tensor {
        /// `In`, `Out` or `InOut`, as the user wrote it.
        path: Path,
        /// The type of an element.
        elem: Type,
        /// Extents.
        extents: Vec<Expr>,
        /// True if elements may stay unwritten: `#[partial]`.
        partial: bool,
    },
    /// `InTable<T, [groups, _rows, cols]>`
    Table {
        /// `InTable`, `OutTable` or `InOutTable`, as the user wrote it.
        path: Path,
        /// The type of an element.
        elem: Type,
        /// The number of entries, and the extents of an entry, of which the first may be `_`.
        extents: Vec<Expr>,
    },
    /// `f32`
    Scalar(Type),
    /// `#[meta] tile: Tile`
    Meta {
        /// The token `mut`, if it was written.
        mutable: Option<Token![mut]>,
        /// Its type.
        ty: Type,
    },
}

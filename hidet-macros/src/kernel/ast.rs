//! What stands in a `kernel!`: kernels, device functions, other items.

use proc_macro2::TokenStream;
use syn::{Attribute, Block, Expr, Generics, Ident, Item, ItemFn, Path, Token, Type, Visibility};

/// Everything between the braces of one `kernel!`.
pub struct Module {
    /// The path of the crate `hidet`.
    pub krate: TokenStream,
    /// What it holds.
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
    pub launch: Launch,
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
    /// What every thread does.
    pub body: Block,
}

/// `#[launch(grid = .., block = .., cluster = .., min_blocks = .., cooperative, dependent)]`
#[derive(Default)]
pub struct Launch {
    /// Blocks.
    pub grid: Option<Expr>,
    /// Threads a block.
    pub block: Option<Expr>,
    /// Blocks a cluster.
    pub cluster: Option<Expr>,
    /// The least number of blocks a multiprocessor.
    pub min_blocks: Option<Expr>,
    /// Whether all blocks run at once, so that they can meet.
    pub cooperative: bool,
    /// Whether it may begin before the kernel ahead of it on the stream has ended.
    pub dependent: bool,
}

/// A parameter of a kernel.
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// What it is.
    pub kind: ParamKind,
}

/// What a parameter is.
pub enum ParamKind {
    /// `In<T, [rows, cols]>`
    Tensor {
        /// `In`, `Out` or `InOut`, as the user wrote it.
        path: Path,
        /// The type of an element.
        elem: Type,
        /// Extents.
        extents: Vec<Expr>,
        /// Whether elements may stay unwritten: `#[partial]`.
        partial: bool,
    },
    /// `f32`
    Scalar(Type),
    /// `#[meta] tile: Tile`
    Meta {
        /// Whether it was written `mut`.
        mutable: Option<Token![mut]>,
        /// Its type.
        ty: Type,
    },
}

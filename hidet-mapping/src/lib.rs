//! Task mappings: which worker does which tasks, in which order.
//!
//! A task mapping is `(workers, shape, f)`: a number of workers, the shape of a task domain, and a function from a
//! worker to its ordered list of tasks. This crate contains the algebra, its evaluation, its properties and its
//! drawing. It does not depend on kernels, devices or the IR: the macros use it during expansion, the core during
//! lowering.
//!
//! ```
//! use hidet_mapping::{repeat, spatial};
//!
//! // 128 workers cover a 64 x 8 tile: each does four rows, 16 apart.
//! let load = repeat([4, 1]) * spatial([16, 8]);
//! assert_eq!((load.workers(), load.shape()), (128, [64, 8]));
//! assert_eq!(load.tasks(9).collect::<Vec<_>>(), [[1, 1], [17, 1], [33, 1], [49, 1]]);
//! load.check_cover(false).unwrap();
//! ```
//!
//! Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, section 4.1.

pub mod arith;
mod auto;
mod construct;
mod cover;
mod custom;
mod declare;
pub mod draw;
mod error;
mod eval;
pub mod index;
mod mapping;
mod show;
mod text;

/// The version of this crate, part of the key of cached kernels.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use arith::{Arith, HostArith};
pub use auto::{auto_map, auto_map_ranked, enumerate, factorizations, predicated_auto_map, predicated_auto_map_ranked};
pub use construct::{col_repeat, col_spatial, repeat, spatial};
pub use custom::{CustomFunction, Index, MAX_NODES, MAX_OPERATIONS, Node, Worker, custom, custom_static};
pub use declare::{MAX_CHECKED, MAX_CONST_CHECKED};
pub use error::MappingError;
pub use eval::Tasks;
pub use index::IndexExpr;
pub use mapping::{Atom, AtomKind, MAX_ATOMS, TaskMapping, Unroll};
pub use text::{Coordinates, MAX_RANK, Text};

//! Products by threads of their own, without tensor cores, of any architecture.

mod copied;
mod product;
mod tile;

pub use copied::{CopiedInput, Route};
pub use product::multiply_by_threads;
pub use tile::ThreadTile;

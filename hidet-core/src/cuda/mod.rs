//! The real device: what NVRTC and the driver do, through cudarc's dynamic loading.
//!
//! Nothing of CUDA is needed to build, and nothing is assumed to be there when running: every way in begins with a
//! probe, which gives an error that says what is missing and what to do. cudarc panics where a library or a symbol is
//! missing, so no symbol is called that the probe has not found.

mod binary;
mod context;
pub mod driver;
mod event;
mod memory;
mod module;
pub mod nvrtc;
mod stored;
mod tensor_map;

pub use binary::{BUILD, Binary, Origin, conditions};
pub use context::{Context, Properties, count};
pub use event::{Event, measure};
pub use memory::Memory;
pub use module::{Launch, Module};
pub use tensor_map::encode;

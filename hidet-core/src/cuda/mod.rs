//! CUDA devices: NVRTC and the driver, loaded at run time through cudarc.
//!
//! Building needs no part of CUDA, and running assumes none: every entry point begins with a probe, which returns an
//! error that says what is missing and what to do. cudarc panics if a library or a symbol is missing, so no symbol is
//! called that the probe has not found.

mod binary;
mod context;
pub mod cores;
mod device_lock;
pub mod driver;
mod event;
mod graph;
mod memory;
mod module;
pub mod nvrtc;
mod occupancy;
mod pinned;
mod properties;
mod staging;
mod stored;
mod stream;
mod tensor_map;
mod uses;

pub use binary::{BUILD, Binary, Origin, conditions};
pub use context::{Context, STREAMS, count};
pub use device_lock::DeviceLock;
pub use event::{Event, measure};
pub use graph::Graph;
pub use memory::Memory;
pub use module::{Bare, LaunchConfig, Module};
pub use occupancy::Occupancy;
pub use pinned::Pinned;
pub use properties::Properties;
pub(crate) use stream::CAPTURED;
pub use stream::Stream;
pub use tensor_map::encode;

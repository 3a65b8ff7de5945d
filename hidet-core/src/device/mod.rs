//! One interface to the simulated device and to GPUs: devices and their limits, memory, tensors, streams, graphs.

mod dependencies;
mod forget;
mod graph;
mod interop;
mod pinned;
mod raw_tensor;
mod shape_key;
mod storage;
mod stream;
mod strides;
mod table;
mod tensor;

pub(crate) use dependencies::{Accesses, dependencies, order};
pub use graph::Graph;
pub use interop::dlpack;
pub use pinned::Pinned;
pub use raw_tensor::RawTensor;
pub(crate) use raw_tensor::{ByteRange, overlap};
pub(crate) use shape_key::ShapeKey;
pub use storage::Storage;
pub use stream::{Event, Stream};
pub(crate) use stream::{Recording, is_recorded, new_id, refuse_in_capture};
pub use table::{RawTable, TensorTable, TensorTableMut};
pub use tensor::Tensor;

use crate::cuda;
use crate::error::{Error, Result};
use crate::ir::Arch;
use crate::sim;
use std::fmt;
use std::sync::Arc;

/// The simulated device or a GPU. Cloning returns another handle to the same device.
#[derive(Clone, Debug)]
pub struct Device(DeviceKind);

#[derive(Clone, Debug)]
pub(crate) enum DeviceKind {
    Sim(Arc<sim::Options>),
    Cuda(&'static cuda::Context),
}

/// The limits of a device on launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum blocks along x, y, z.
    pub grid: [u32; 3],
    /// Maximum threads per block.
    pub threads: u32,
    /// Maximum bytes of shared memory per block.
    pub shared: usize,
    /// Maximum blocks per cluster.
    pub cluster: u32,
}

/// The simulated device runs programs for an H200, so it has its limits.
const SIM_LIMITS: Limits =
    Limits { grid: [i32::MAX as u32, 65535, 65535], threads: 1024, shared: 227 * 1024, cluster: 16 };

impl Device {
    /// Returns the device that the variable `HIDET_DEVICE` names (`sim`, `cuda`, `cuda:1`); without it, the first GPU,
    /// or the simulated device if there is no GPU. Returns an error if there is a GPU but no NVRTC, since nothing could
    /// be compiled for it.
    pub fn best() -> Result<Device> {
        match std::env::var_os("HIDET_DEVICE") {
            // Non-UTF-8 values are reported as unknown device names.
            Some(name) if !name.is_empty() => Device::named(&name.to_string_lossy()),
            _ if cuda::count().is_err() => Ok(Device::sim()),
            _ => {
                cuda::nvrtc::version().map_err(|error| Error::Device {
                    device: "cuda:0".to_owned(),
                    message: format!("there is a GPU, but {error}; HIDET_DEVICE=sim runs on the simulated device"),
                })?;
                Device::cuda(0)
            }
        }
    }

    /// Returns the device with a name: `sim`, `cuda`, `cuda:1`.
    pub fn named(name: &str) -> Result<Device> {
        let ordinal = match name {
            "sim" => return Ok(Device::sim()),
            "cuda" => Some(0),
            name => name.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()),
        };
        let unknown = || Error::Device {
            device: name.to_owned(),
            message: "there is no such device; write `sim`, `cuda` or `cuda:1`".to_owned(),
        };
        Device::cuda(ordinal.ok_or_else(unknown)?)
    }

    /// Returns the simulated device, with all checks.
    pub fn sim() -> Device {
        Device::sim_with(sim::Options::default())
    }

    /// Returns the simulated device with the given options.
    pub fn sim_with(options: sim::Options) -> Device {
        Device(DeviceKind::Sim(Arc::new(options)))
    }

    /// Returns the GPU at an index, as the driver counts them.
    pub fn cuda(ordinal: usize) -> Result<Device> {
        Ok(Device(DeviceKind::Cuda(cuda::Context::of(ordinal)?)))
    }

    pub(crate) fn kind(&self) -> &DeviceKind {
        &self.0
    }

    /// Returns true if it is the simulated device.
    pub fn is_sim(&self) -> bool {
        matches!(self.0, DeviceKind::Sim(_))
    }

    /// Returns the context of the GPU, or `None` for the simulated device.
    pub fn as_cuda(&self) -> Option<&'static cuda::Context> {
        match &self.0 {
            DeviceKind::Cuda(context) => Some(context),
            DeviceKind::Sim(_) => None,
        }
    }

    /// Returns the architecture that kernels are compiled for, or `None` for the simulated device.
    pub fn arch(&self) -> Option<Arch> {
        self.as_cuda().map(|context| context.properties.arch)
    }

    /// Returns its limits on launches.
    pub fn limits(&self) -> Limits {
        match &self.0 {
            DeviceKind::Sim(_) => SIM_LIMITS,
            DeviceKind::Cuda(context) => {
                let properties = &context.properties;
                let cluster = if properties.arch.number >= 90 { 16 } else { 1 };
                Limits {
                    grid: properties.grid,
                    threads: properties.threads_per_block,
                    shared: properties.shared_per_block,
                    cluster,
                }
            }
        }
    }

    /// Returns an error that names this device.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.to_string(), message: message.into() }
    }

    /// Waits for all work submitted so far, on all its streams.
    pub fn synchronize(&self) -> Result<()> {
        refuse_in_capture(self, "waiting for the device")?;
        match &self.0 {
            DeviceKind::Sim(_) => {
                sim::host_synchronized();
                Ok(())
            }
            DeviceKind::Cuda(context) => context.synchronize(),
        }
    }

    /// Returns true if both are the same device. All simulated devices are the same: their memory is the host's.
    pub fn is_same(&self, other: &Device) -> bool {
        match (&self.0, &other.0) {
            (DeviceKind::Sim(_), DeviceKind::Sim(_)) => true,
            (DeviceKind::Cuda(a), DeviceKind::Cuda(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }

    /// Returns true if both are the same device, and simulated ones run kernels in the same way: a kernel that was compiled for
    /// one checks what the other would check.
    pub fn runs_alike(&self, other: &Device) -> bool {
        match (&self.0, &other.0) {
            (DeviceKind::Sim(a), DeviceKind::Sim(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => self.is_same(other),
        }
    }
}

impl fmt::Display for Device {
    /// `the simulated device`, or `cuda:0 (NVIDIA H200)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DeviceKind::Sim(_) => f.write_str("the simulated device"),
            DeviceKind::Cuda(context) => write!(f, "{context:?}"),
        }
    }
}

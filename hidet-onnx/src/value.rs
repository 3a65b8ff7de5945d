//! [`Value`]: what is between the nodes of a graph: a tensor on the host or on the device.
//!
//! What is computed of small tensors on the host stays there, so that the arithmetic of shapes needs no device.

use crate::array::Array;
use crate::error::NodeResult;
use hidet::device::Device;
use hidet_ops::{Tensor, TensorType};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

thread_local! {
    static HAS_COMPUTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns what `run` returns, and true if a tensor was computed meanwhile: then what the run consists of may depend on the
/// elements of its inputs, so that it cannot be repeated for others.
pub(crate) fn observed<R>(run: impl FnOnce() -> R) -> (R, bool) {
    let before = HAS_COMPUTED.replace(false);
    let result = run();
    (result, HAS_COMPUTED.replace(before))
}

/// Computes a tensor in the middle of a run.
pub(crate) fn computed(tensor: &Tensor) -> NodeResult<()> {
    HAS_COMPUTED.set(true);
    tensor.compute()?;
    Ok(())
}

/// A value of a run.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// On the host.
    Host(Arc<OnHost>),
    /// On the device of the run, perhaps to be computed.
    Device(Tensor),
}

/// An array, and its copies, which are made once.
#[derive(Debug)]
pub(crate) struct OnHost {
    array: Array,
    /// On the device of the session.
    device: OnceLock<Tensor>,
    /// In memory of the simulated device, which evaluates operators on the host.
    host: OnceLock<Tensor>,
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Device(tensor)
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Value {
        Value::Host(Arc::new(OnHost { array, device: OnceLock::new(), host: OnceLock::new() }))
    }
}

impl Value {
    /// Returns the type of the elements, and the extents.
    pub(crate) fn ty(&self) -> &TensorType {
        match self {
            Value::Host(host) => host.array.ty(),
            Value::Device(tensor) => tensor.ty(),
        }
    }

    /// Returns true if the elements are on the host.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Value::Host(_))
    }

    /// Returns the tensor on a device: that of the session, or if `on_host` the simulated one.
    pub(crate) fn on(&self, device: &Device, on_host: bool) -> NodeResult<Tensor> {
        match self {
            Value::Device(tensor) => Ok(tensor.clone()),
            Value::Host(host) => {
                let copy = if on_host { &host.host } else { &host.device };
                match copy.get() {
                    Some(tensor) => Ok(tensor.clone()),
                    None => {
                        let tensor = host.array.on(device)?;
                        Ok(copy.get_or_init(|| tensor).clone())
                    }
                }
            }
        }
    }

    /// Returns the elements on the host; a tensor on the device is computed.
    pub(crate) fn array(&self) -> NodeResult<Array> {
        match self {
            Value::Host(host) => Ok(host.array.clone()),
            Value::Device(tensor) => {
                computed(tensor)?;
                Ok(Array::of(tensor)?)
            }
        }
    }

    /// Returns the same value without copies on a device.
    pub(crate) fn fresh(&self) -> Value {
        match self {
            Value::Host(host) => Value::from(host.array.clone()),
            Value::Device(tensor) => Value::Device(tensor.clone()),
        }
    }
}

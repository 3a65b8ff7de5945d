//! [`Value`]: what is between the nodes of a graph: a tensor on the host or on the device.
//!
//! What is computed of small tensors on the host stays there, so that the arithmetic of shapes needs no device.

use crate::array::Array;
use crate::error::NodeResult;
use hidet::device::Device;
use hidet::types::Scalar;
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
    /// Images `[n, c, h, w]` that are made with channels last.
    Images(Images),
}

/// The same images in both orders of axes. What nobody reads of them is not computed.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// `[n, c, h, w]`, as the model has them.
    first: Tensor,
    /// `[n, h, w, c]`, as they are in memory.
    last: Tensor,
}

impl Images {
    /// Returns images `[n, h, w, c]`.
    pub(crate) fn of(last: Tensor) -> NodeResult<Images> {
        Ok(Images { first: last.permute(&[0, 3, 1, 2])?, last })
    }

    /// Returns them as `[n, h, w, c]`.
    pub(crate) fn last(&self) -> &Tensor {
        &self.last
    }
}

/// An array, and its copies, which are made once.
#[derive(Debug)]
pub(crate) struct OnHost {
    array: Array,
    /// On the device of the session.
    device: OnceLock<Tensor>,
    /// The same, with the axis 1 moved to the end: the weight of a convolution with channels last.
    last: OnceLock<Tensor>,
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
        let (device, last, host) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Value::Host(Arc::new(OnHost { array, device, last, host }))
    }
}

impl Value {
    /// Returns the type of the elements, and the extents.
    pub(crate) fn ty(&self) -> &TensorType {
        match self {
            Value::Host(host) => host.array.ty(),
            Value::Device(tensor) => tensor.ty(),
            Value::Images(images) => images.first.ty(),
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
            Value::Images(images) => Ok(images.first.clone()),
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

    /// Returns the tensor on the device that is perhaps to be computed.
    pub(crate) fn lazy(&self) -> Option<&Tensor> {
        match self {
            Value::Host(_) => None,
            Value::Device(tensor) => Some(tensor),
            Value::Images(images) => Some(&images.first),
        }
    }

    /// Returns the tensors on the device that there are of it.
    pub(crate) fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Value::Host(host) => host.device.get().into_iter().chain(host.last.get()).collect(),
            Value::Device(tensor) => vec![tensor],
            Value::Images(Images { first, last }) => vec![first, last],
        }
    }

    /// Returns the tensor on the device with its axis 1 moved to the end: of images `[n, h, w, c]`, of weights of convolutions
    /// `[o, h, w, c]`. Constants are moved once.
    pub(crate) fn channels_last(&self, device: &Device) -> NodeResult<Tensor> {
        let moved = |tensor: &Tensor| {
            let order: Vec<usize> = [0].into_iter().chain(2..tensor.ty().rank()).chain([1]).collect();
            tensor.permute(&order)
        };
        match self {
            Value::Images(images) => Ok(images.last.clone()),
            Value::Device(tensor) => Ok(moved(tensor)?),
            Value::Host(host) => match host.last.get() {
                Some(tensor) => Ok(tensor.clone()),
                None => {
                    let tensor = moved(&host.array.on(device)?)?;
                    tensor.compute()?;
                    Ok(host.last.get_or_init(|| tensor).clone())
                }
            },
        }
    }

    /// Returns the elements on the host; a tensor on the device is computed.
    pub(crate) fn array(&self) -> NodeResult<Array> {
        let of = |tensor: &Tensor| {
            computed(tensor)?;
            Ok(Array::of(tensor)?)
        };
        match self {
            Value::Host(host) => Ok(host.array.clone()),
            Value::Device(tensor) => of(tensor),
            Value::Images(images) => of(&images.first),
        }
    }

    /// Returns the value with floats of 32 bits converted to another type, on the host if it is there.
    pub(crate) fn with_floats(&self, dtype: Scalar) -> NodeResult<Value> {
        if self.ty().dtype != Scalar::F32 {
            return Ok(self.clone());
        }
        match self {
            Value::Host(host) => Ok(host.array.narrowed(dtype).into()),
            Value::Device(tensor) => Ok(tensor.cast(dtype)?.into()),
            Value::Images(images) => Ok(Value::Images(Images::of(images.last.cast(dtype)?)?)),
        }
    }

    /// Returns the same value without copies on a device.
    pub(crate) fn fresh(&self) -> Value {
        match self {
            Value::Host(host) => Value::from(host.array.clone()),
            other => other.clone(),
        }
    }

    /// Returns a constant without copies on a device, with elements of `f32` rounded to another type.
    pub(crate) fn narrowed(&self, dtype: Scalar) -> Value {
        match self {
            Value::Host(host) => Value::from(host.array.narrowed(dtype)),
            other => other.clone(),
        }
    }
}

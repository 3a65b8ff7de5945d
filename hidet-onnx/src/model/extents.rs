//! Sessions for all sizes of extents that a model names.

use super::Session;
use crate::error::{Error, Result};
use crate::graph::{Declared, Dim, Node};
use crate::value::{Value, observed};
use hidet::device::{RawTensor, Storage};
use hidet_ops::{Buckets, Extent, Tensor, TensorType, Traced};
use std::ops::RangeInclusive;

impl Session {
    /// Compiles the model for all sizes of a range of an extent that it names (`dim_param`), which is the first axis of its inputs and
    /// outputs: a batch. From then on nothing is compiled: kernels for a few sizes, the buckets, run for all. Other sizes are
    /// refused.
    ///
    /// ```no_run
    /// use hidet::prelude::Device;
    /// use hidet_onnx::Model;
    /// use hidet_ops::Tensor;
    ///
    /// let device = Device::best()?;
    /// let session = Model::load("model.onnx")?.on(&device)?.with_extent("batch", 1..=16)?;
    /// session.save("model.hidet")?;
    /// let five = Tensor::from(&device.tensor(&[0.0f32; 5 * 64], [5, 64])?);
    /// let outputs = session.run(&[("images", five)])?;
    /// # Ok::<(), hidet_onnx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it cannot be proved that each row of the outputs is made of the same row of the inputs alone; the node that mixes rows is
    /// named. And as [`Session::with_extents`].
    pub fn with_extent(self, name: &str, sizes: RangeInclusive<usize>) -> Result<Session> {
        self.with_extents(&[Extent::rows(name, sizes)])
    }

    /// The same for several extents: one may be a range of rows ([`Extent::rows`]), others are lists of sizes
    /// ([`Extent::exactly`]), for each of which kernels are compiled.
    ///
    /// # Errors
    ///
    /// If the model does not say the other extents of its inputs, or looks at elements of tensors on the way, as conditions and
    /// recurrent layers may do; or as [`Session::run`].
    pub fn with_extents(mut self, extents: &[Extent]) -> Result<Session> {
        if let Some(masked) = extents.iter().find(|extent| extent.is_masked()) {
            let why =
                "what is behind a size changes results of a model that is not known; give each size that is needed";
            let (extent, why) = (masked.name().to_owned(), why.to_owned());
            return Err(hidet_ops::Error::Extent { extent, why }.into());
        }
        self.buckets = Some(Buckets::of(extents, |sizes| self.traced(extents, sizes))?);
        Ok(self)
    }

    /// Returns the extents, with the sizes for which the model was compiled.
    pub fn extents(&self) -> &[Extent] {
        self.buckets.as_ref().map_or(&[], Buckets::extents)
    }

    /// Returns the outputs for inputs of zeros of these sizes, to be computed.
    fn traced(&self, extents: &[Extent], sizes: &[usize]) -> Result<Traced> {
        let mut given = Vec::new();
        for declared in &self.graph.inputs {
            let zeros = || {
                let ty = sized(declared, extents, sizes)?;
                let bytes = ty.shape.iter().try_fold(ty.dtype.bytes(), |bytes, extent| bytes.checked_mul(*extent));
                // More than any memory has, if there is no such number.
                let storage = Storage::zeros(&self.target.device, bytes.unwrap_or(usize::MAX))?;
                Ok::<_, Error>(RawTensor::new(&self.target.device, storage, 0, ty.dtype, &ty.shape)?.into())
            };
            let is_required = !self.graph.constants.contains_key(&declared.name);
            given.push(is_required.then(zeros).transpose()?);
        }
        let mut parts = Vec::new();
        let made = &mut |node: &Node, values: &[Value]| {
            let lazy = values.iter().filter_map(Value::lazy);
            parts.extend(lazy.map(|tensor| (node.name.to_string(), tensor.clone())));
        };
        let (outputs, has_computed) = observed(|| self.outputs(given.iter().map(Option::as_ref), made));
        let outputs = outputs?;
        if has_computed {
            let why = "the model looks at elements on the way, as conditions and recurrent layers may do: what runs for other \
                       elements may be something else";
            return Err(Error::Compiled(why.to_owned()));
        }
        let inputs: Vec<Tensor> = given.into_iter().flatten().collect();
        Ok(Traced { inputs, outputs, parts })
    }
}

/// Returns the type of an input for sizes of extents.
fn sized(declared: &Declared, extents: &[Extent], sizes: &[usize]) -> Result<TensorType> {
    let refused = |why: String| Error::Input { name: declared.name.clone(), why };
    let size = |dim: &Dim| match dim {
        Dim::Known(extent) => Ok(*extent),
        Dim::Named(name) => {
            let at = extents.iter().position(|extent| extent.name() == name);
            let size = at.and_then(|at| sizes.get(at)).copied();
            size.ok_or_else(|| refused(format!("it is {declared}: give the sizes of `{name}` too")))
        }
        Dim::Any => Err(refused(format!("it is {declared}: an extent has no name by which its sizes could be given"))),
    };
    let (Some(dtype), Some(shape)) = (declared.dtype, &declared.shape) else {
        return Err(refused(format!("the model does not say its type, but only {declared}")));
    };
    Ok(TensorType::new(dtype, &shape.iter().map(size).collect::<Result<Vec<usize>>>()?))
}

//! [`Buckets`]: kept runs for a few sizes of extents, which compute for all sizes between them.
//!
//! A request runs in the smallest bucket that holds it: its inputs are the front of those of the bucket, what is behind them repeats
//! their elements, and of the outputs the front is returned. That nothing behind changes the front is proved for rows
//! ([`Extent::rows`]), or promised by the caller ([`Extent::masked`]). A request makes no plan and compiles nothing. Each bucket has
//! memory of its own for inputs and outputs; what is between is in one arena.

mod axes;
mod extent;

pub use extent::Extent;

use crate::error::{Error, Result, TensorType};
use crate::graph::{FlowGraph, NodeId, Origin};
use crate::independence;
use crate::memory::ReplayMemory;
use crate::replay::Replay;
use crate::saved;
use crate::shared::{Shared, key};
use crate::tensor::Tensor;
use axes::Types;
use extent::Padding;
use hidet::cache::codec::{Encode, Reader};
use hidet::device::{Device, RawTensor};
use std::path::Path;

/// What is to be computed for some sizes of the extents, and is not yet.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    /// The inputs: in memory, with any elements for which the outputs can be computed.
    pub inputs: Vec<Tensor>,
    /// The outputs.
    pub outputs: Vec<Tensor>,
    /// Tensors on the way in the order in which they are made, with names by which an error says where it is. They may be missing.
    pub parts: Vec<(String, Tensor)>,
}

/// Kept runs of a computation for a few sizes of its extents, which compute for all sizes between them. They share the arena and
/// the constants, such as weights.
///
/// ```
/// use hidet::prelude::Device;
/// use hidet_ops::{Buckets, Extent, Tensor, Traced};
///
/// let device = Device::sim();
/// let w = Tensor::from(&device.tensor(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?);
/// let rows = |values: &[f32]| device.tensor(values, [values.len() / 2, 2]).map(|rows| Tensor::from(&rows));
/// let buckets = Buckets::of(&[Extent::rows("batch", 1..=5)], |sizes| {
///     let x = rows(&vec![0.0; 2 * sizes[0]])?;
///     let y = x.matmul(&w)?.relu()?;
///     Ok::<_, hidet_ops::Error>(Traced { inputs: vec![x], outputs: vec![y], parts: Vec::new() })
/// })?;
/// // Three rows run in the bucket of four.
/// let y = buckets.run(&[&rows(&[1.0, 0.0, 0.0, 1.0, -1.0, 1.0])?])?;
/// assert_eq!(y[0].shape(), [3, 2]);
/// assert_eq!(y[0].to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 2.0, 2.0]);
/// let error = buckets.run(&[&rows(&[0.0; 12])?]).map(|_| ()).unwrap_err().to_string();
/// assert_eq!(error, "extent `batch`: it is 6, but kernels were compiled for 1 to 5");
/// # Ok::<(), hidet_ops::Error>(())
/// ```
pub struct Buckets {
    extents: Vec<Extent>,
    inputs: Vec<Types>,
    outputs: Vec<Types>,
    /// For each choice of one size of each extent, the last one changing first.
    runs: Vec<Replay>,
}

impl Buckets {
    /// Computes `trace` for each choice of sizes of the extents, and keeps the launches. `trace` returns what is to be computed
    /// for such sizes, of any size between them too. It depends on nothing else, and what it computes of the inputs by itself, so that
    /// their elements are asked for, would count as constant.
    ///
    /// # Errors
    ///
    /// Those of `trace`; if the extents cannot be, or shapes do not follow them; [`Error::Extent`] if an extent is one of rows that
    /// cannot be proved to be independent, with the operator that mixes them; or as [`Replay::of`].
    pub fn of<E: From<Error>>(
        extents: &[Extent],
        mut trace: impl FnMut(&[usize]) -> std::result::Result<Traced, E>,
    ) -> std::result::Result<Buckets, E> {
        extent::check(extents)?;
        let choices = extent::choices(extents);
        let traced = choices.iter().map(|sizes| trace(sizes)).collect::<std::result::Result<Vec<Traced>, E>>()?;
        // For each extent what is traced of its smallest size, while the others have their largest.
        let mut probes = Vec::new();
        for sizes in extent::probes(extents) {
            probes.push((trace(&sizes)?, sizes));
        }
        let types = |tensors: fn(&Traced) -> &Vec<Tensor>| {
            let own = |traced: &Traced| tensors(traced).iter().map(|tensor| tensor.ty().clone()).collect();
            let probes: Vec<_> = probes.iter().map(|(traced, sizes)| (sizes.as_slice(), own(traced))).collect();
            let all = choices.iter().zip(&traced).map(|(sizes, traced)| (sizes.as_slice(), own(traced)));
            axes::types(extents, &probes, &all.collect::<Vec<_>>())
        };
        let inputs = types(|traced| &traced.inputs)?;
        if let Some(at) = extent::missing(extents, |at| inputs.iter().any(|types| types.has(at))) {
            let (extent, why) = (extents[at].name.clone(), "no input has it".to_owned());
            return Err(Error::Extent { extent, why }.into());
        }
        if let Some(rows) = extents.iter().position(|extent| extent.padding == Padding::Rows) {
            for (sizes, large) in choices.iter().zip(&traced) {
                for few in extents[rows].padded(sizes[rows]) {
                    let mut own = sizes.clone();
                    own[rows] = few;
                    prove(extents[rows].name(), [large, &trace(&own)?], [sizes[rows], few])?;
                }
            }
        }
        let outputs = types(|traced| &traced.outputs)?;
        drop(probes);
        let (mut runs, mut shared) = (Vec::new(), Shared::default());
        // The largest arena comes first. What was traced is given up as soon as it is kept.
        for traced in traced.into_iter().rev() {
            runs.push(Replay::sharing(&all(&traced.inputs), &all(&traced.outputs), &mut shared)?);
        }
        runs.reverse();
        Ok(Buckets { extents: extents.to_vec(), inputs, outputs, runs })
    }

    /// Returns the extents.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Returns the types of the inputs, with names of extents: `f32[batch, 3]`.
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.iter().map(|types| types.text(&self.extents)).collect()
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Returns the kept runs, with the sizes of the extents that each is for.
    pub fn runs(&self) -> impl Iterator<Item = (Vec<usize>, &Replay)> {
        extent::choices(&self.extents).into_iter().zip(&self.runs)
    }

    /// Returns the memory for tensors between launches: that of the bucket that needs the most, in which the others are too.
    pub fn memory(&self) -> ReplayMemory {
        self.runs.iter().map(Replay::memory).max_by_key(|memory| memory.arena).unwrap_or_default()
    }

    /// Returns the sizes of the extents in inputs of these types.
    ///
    /// # Errors
    ///
    /// If the inputs have other types, or a size is not one that the runs are for.
    pub fn sizes(&self, inputs: &[&Tensor]) -> Result<Vec<usize>> {
        let types: Vec<TensorType> = inputs.iter().map(|input| input.ty().clone()).collect();
        let wanted = || self.inputs().join(", ");
        let refused = |inputs, why| Error::Operator { operator: "buckets", inputs, why };
        let Some(sizes) = axes::sizes(&self.extents, &self.inputs, &types) else {
            return Err(refused(types, format!("the launches are for {}", wanted())));
        };
        self.extents.iter().zip(&sizes).try_for_each(|(extent, size)| extent.holds(*size))?;
        Ok(sizes)
    }

    /// Computes the outputs of inputs of any sizes that the runs are for.
    ///
    /// # Errors
    ///
    /// As [`Buckets::sizes`], and as [`Replay::run`].
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let sizes = self.sizes(inputs)?;
        let bucket = extent::bucket(&self.extents, &sizes);
        let shapes: Vec<Vec<usize>> = self.outputs.iter().map(|types| types.of(&sizes).shape).collect();
        match self.runs.get(bucket) {
            Some(run) => run.run_part(inputs, Some(&shapes)),
            None => Err(Error::Program("a bucket is missing; make it again".to_owned())),
        }
    }

    /// Returns the buckets as bytes, which [`Buckets::from_bytes`] loads without compiling anything: as
    /// [`Replay::to_bytes`], with weights and kernels once.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut note = Vec::new();
        self.extents.encode(&mut note);
        self.inputs.encode(&mut note);
        self.outputs.encode(&mut note);
        Replay::noted_to_bytes(&self.runs.iter().collect::<Vec<&Replay>>(), note)
    }

    /// Returns the buckets that these bytes hold, as [`Replay::from_bytes`].
    ///
    /// # Errors
    ///
    /// As [`Replay::from_bytes`].
    pub fn from_bytes(device: &Device, bytes: &[u8]) -> Result<Buckets> {
        let (runs, note) = Replay::noted_from_bytes(device, bytes)?;
        let mut reader = Reader::new(&note);
        let types = |reader: &mut Reader| Some((reader.read()?, reader.read()?, reader.read()?));
        let (extents, inputs, outputs) = types(&mut reader).ok_or_else(saved::damaged)?;
        let buckets = Buckets { extents, inputs, outputs, runs };
        let fits = |(sizes, run): (Vec<usize>, &Replay)| {
            let types = |all: &[Types]| all.iter().map(|types| types.of(&sizes)).collect::<Vec<TensorType>>();
            run.inputs().eq(types(&buckets.inputs)) && run.outputs().eq(types(&buckets.outputs))
        };
        // There are no more choices than runs, so that they can be listed.
        let choices = buckets.extents.iter().try_fold(1usize, |all, extent| all.checked_mul(extent.buckets().len()));
        let is_whole = choices == Some(buckets.runs.len());
        if is_whole && buckets.runs().all(fits) { Ok(buckets) } else { Err(saved::damaged()) }
    }

    /// Writes the buckets to a file, as [`Buckets::to_bytes`].
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or as [`Buckets::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::write(path.as_ref(), &self.to_bytes()?)
    }

    /// Reads buckets from a file, as [`Buckets::from_bytes`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or as [`Buckets::from_bytes`].
    pub fn load(device: &Device, path: impl AsRef<Path>) -> Result<Buckets> {
        saved::read(path.as_ref(), |bytes| Buckets::from_bytes(device, bytes))
    }
}

/// Proves that results of few rows are the first ones of many.
fn prove(extent: &str, [large, small]: [&Traced; 2], counts: [usize; 2]) -> Result<()> {
    let [(graph, tensors), (smaller, others)] =
        [large, small].map(|traced| Tensor::graph_from(&all(&traced.outputs), &all(&traced.inputs)));
    let mut is_constant = |node: NodeId, other: NodeId| match (tensors.get(node.0), others.get(other.0)) {
        (Some(Some(large)), Some(Some(small))) => is_front(small, large),
        _ => Ok(false),
    };
    let given = large.inputs.len();
    let Err(mixed) = independence::prove([&graph, &smaller], counts, given, &mut is_constant)? else { return Ok(()) };
    let place = place(&graph, mixed.node, &tensors, &large.parts);
    let why = format!(
        "rows are not proved to be independent: {place}: {}; instead of a range, give each size that is needed by itself",
        mixed.why
    );
    Err(Error::Extent { extent: extent.to_owned(), why })
}

fn all(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// Returns true if a tensor that is in memory has the first elements of another one, or all.
fn is_front(small: &Tensor, large: &Tensor) -> Result<bool> {
    let [small, large] = [small.compute()?, large.compute()?];
    let place = |raw: &RawTensor| (key(raw.storage()), raw.offset(), raw.strides().to_vec());
    Ok(small.scalar() == large.scalar()
        && (place(&small) == place(&large) || large.to_bytes()?.starts_with(&small.to_bytes()?)))
}

/// Returns the words for a node in an error.
fn place(graph: &FlowGraph, node: NodeId, tensors: &[Option<Tensor>], parts: &[(String, Tensor)]) -> String {
    let own = match &graph.node(node).origin {
        Origin::Input => format!("a tensor {} that is there before", graph.node(node).ty),
        Origin::Task { task, .. } => {
            let inputs: Vec<String> = task.inputs.iter().map(TensorType::to_string).collect();
            format!("`{}` of {}", task.name, inputs.join(" and "))
        }
    };
    // Of operators that are put together, the last one has a tensor.
    let made = tensors[node.0..].iter().flatten().next();
    let part = made.and_then(|made| parts.iter().find(|(_, part)| part.is_made_of(made)));
    part.map_or(own.clone(), |(name, _)| format!("{name}, in {own}"))
}

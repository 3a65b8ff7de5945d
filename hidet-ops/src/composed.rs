//! Operators whose definition is kept: put together once for inputs of the same types, and from then on a graph.
//!
//! A definition is many small allocations, which would be most of the host's time of an operator that is run again.

use crate::error::{Result, TensorType};
use crate::expr::Mixer;
use crate::graph::{FlowGraph, Origin};
use crate::plans::Kept;
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The most definitions that are kept.
const MOST: usize = 4096;

/// What an operator is, for inputs of some types.
struct Known {
    name: &'static str,
    numbers: Vec<u64>,
    types: Vec<TensorType>,
    kept: Arc<Kept>,
}

impl Known {
    fn is(&self, name: &str, numbers: &[u64], inputs: &[&Tensor]) -> bool {
        self.name == name && self.numbers == numbers && self.types.iter().eq(inputs.iter().map(|input| input.ty()))
    }
}

/// The definitions of this process, by a hash of what they are for.
static KNOWN: LazyLock<Mutex<HashMap<u64, Vec<Known>>>> = LazyLock::new(Mutex::default);

/// An operator on some inputs.
struct Key<'a> {
    name: &'static str,
    /// Its numbers, and for each input the first one that is the same tensor: of a tensor that is two inputs, the graph is
    /// another one.
    numbers: Vec<u64>,
    inputs: &'a [&'a Tensor],
    hash: u64,
}

impl<'a> Key<'a> {
    fn new(name: &'static str, numbers: &[u64], inputs: &'a [&'a Tensor]) -> Key<'a> {
        let first = |input: &&Tensor| inputs.iter().position(|other| other.is_identical(input)).unwrap_or(0) as u64;
        let numbers: Vec<u64> = numbers.iter().copied().chain(inputs.iter().map(first)).collect();
        let mut hasher = Mixer::default();
        (name, &numbers).hash(&mut hasher);
        inputs.iter().for_each(|input| input.ty().hash(&mut hasher));
        Key { name, numbers, inputs, hash: hasher.finish() }
    }

    /// Returns what is kept for it.
    fn find(&self) -> Option<Arc<Kept>> {
        let all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&self.hash)?.iter().find(|known| known.is(self.name, &self.numbers, self.inputs))?;
        Some(known.kept.clone())
    }

    /// Keeps what it was found to be, if that is a graph that ends with its result.
    fn keep(self, built: &Tensor) {
        let is_last = |graph: &FlowGraph| {
            let last = graph.nodes().next_back();
            last.is_some_and(|node| graph.is_output(node.id) && !matches!(node.origin, Origin::Input))
        };
        let Some(graph) = built.graph_of(self.inputs).filter(is_last) else { return };
        let types = self.inputs.iter().map(|input| input.ty().clone()).collect();
        let known = Known { name: self.name, numbers: self.numbers, types, kept: Arc::new(Kept::new(graph)) };
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.entry(self.hash).or_default().push(known);
    }
}

/// Returns what `build` makes of the inputs, which depends on nothing but their types, the name and the numbers. It is called
/// if it has not been for the same.
///
/// # Errors
///
/// Those of `build`, and if the inputs are not on one device.
pub(crate) fn composed(
    name: &'static str,
    numbers: &[u64],
    inputs: &[&Tensor],
    build: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    let key = Key::new(name, numbers, inputs);
    if let Some(kept) = key.find() {
        #[cfg(debug_assertions)]
        if let Some(again) = build()?.graph_of(inputs) {
            assert!(again.is_same(&kept.graph), "`{name}` depends on more than its types and numbers");
        }
        return Tensor::of_graph(name, &kept, inputs);
    }
    let built = build()?;
    key.keep(&built);
    Ok(built)
}

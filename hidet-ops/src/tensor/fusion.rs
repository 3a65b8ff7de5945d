//! [`Fusion`]: the kernels that computing tensors takes, and why there are not fewer.

use super::Tensor;
use crate::error::Result;
use crate::fuse::{self, CannotFuse, Division, Step};
use crate::graph::{FlowGraph, NodeId};
use crate::run;
use crate::templates;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What computing tensors takes, to be looked at: operators, the kernels that they are fused into, and why those are not one.
///
/// ```
/// use hidet::prelude::Device;
/// use hidet_ops::Tensor;
/// use hidet_ops::fuse::CannotFuse;
///
/// let device = Device::sim();
/// let x = Tensor::from(&device.tensor(&[0.5f32; 256], [16, 16])?);
/// let y = x.matmul(&x)?.relu()?;
/// let fusion = Tensor::fusion(&[&y.matmul(&x)?])?;
/// assert_eq!(fusion.kernels.iter().map(|kernel| kernel.name.as_str()).collect::<Vec<_>>(), ["matmul_relu", "matmul"]);
/// assert_eq!(fusion.boundaries[0].why, CannotFuse::EndsProduct);
/// # Ok::<(), hidet_ops::Error>(())
/// ```
pub struct Fusion {
    /// The operators; tensors that are computed already are its inputs.
    pub graph: FlowGraph,
    /// The kernels, in an order in which they can run. Operators of none are reshapes: the same memory.
    pub kernels: Vec<FusedKernel>,
    /// The tensors between kernels, in the order of those that read them.
    pub boundaries: Vec<Boundary>,
    /// Of the nodes of the graph, as far as there are any.
    tensors: Vec<Option<Tensor>>,
}

/// Operators that are one kernel.
#[derive(Clone, Debug)]
pub struct FusedKernel {
    /// The names of the operators in order.
    pub name: String,
    /// The operators, each behind those of them that it is computed of.
    pub operators: Vec<NodeId>,
    /// What it reads.
    pub inputs: Vec<NodeId>,
    /// What it writes.
    pub output: NodeId,
    /// What computes it, in order. There are several if operands are copied for a kernel, or its results summed.
    pub launches: Vec<FusedLaunch>,
}

/// A launch of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedLaunch {
    /// The name of the kernel.
    pub kernel: String,
    /// The template or rule that makes it.
    pub template: &'static str,
}

/// A tensor that one kernel writes and another one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The number of the kernel that writes it.
    pub from: usize,
    /// The number of the kernel that reads it.
    pub to: usize,
    /// The tensor.
    pub tensor: NodeId,
    /// Why the operator that makes the tensor is not in the kernel that reads it.
    pub why: CannotFuse,
}

impl Tensor {
    /// Returns the kernels that computing tensors on one device takes. Nothing is computed or compiled.
    ///
    /// # Errors
    ///
    /// If there is no implementation for an operator.
    pub fn fusion(tensors: &[&Tensor]) -> Result<Fusion> {
        let (graph, nodes) = Tensor::graph_from(tensors, &[]);
        let Division { steps, apart } = fuse::division(&graph);
        let mut fusion = Fusion { graph, kernels: Vec::new(), boundaries: Vec::new(), tensors: nodes };
        let Some(first) = tensors.first() else { return Ok(fusion) };
        let given = first.given();
        // Layers of a model are the same kernels again and again.
        let mut chains: HashSet<usize> = HashSet::new();
        let mut known: HashMap<String, Vec<FusedLaunch>> = HashMap::new();
        let (mut makers, mut same): (HashMap<NodeId, usize>, HashMap<NodeId, NodeId>) =
            (HashMap::new(), HashMap::new());
        for step in steps {
            let group = match step {
                Step::Reshape { node, input } => {
                    same.insert(node, input);
                    continue;
                }
                Step::Kernel(group) => *group,
            };
            let text = group.fused.text();
            let launches = match known.get(&text) {
                Some(launches) => launches.clone(),
                None => {
                    let launches = templates::launches(&group.fused, &given);
                    let launches = launches.map_err(|why| run::failed(first.device(), why))?.into_iter();
                    let launches = launches.map(|(kernel, template)| FusedLaunch { kernel, template });
                    known.entry(text).or_insert(launches.collect()).clone()
                }
            };
            let to = fusion.kernels.len();
            for input in &group.inputs {
                let mut tensor = *input;
                while let Some(other) = same.get(&tensor) {
                    tensor = *other;
                }
                if let (Some(from), Some(why)) = (makers.get(&tensor), apart.get(&tensor)) {
                    let boundary = Boundary { from: *from, to, tensor, why: *why };
                    if !fusion.boundaries.contains(&boundary) {
                        fusion.boundaries.push(boundary);
                    }
                }
            }
            makers.insert(group.node, to);
            if !group.fused.producers.is_empty() {
                chains.insert(to);
            }
            fusion.kernels.push(FusedKernel {
                name: group.fused.name,
                operators: group.operators,
                inputs: group.inputs,
                output: group.node,
                launches,
            });
        }
        // Readers that were several when the graph was divided may be one kernel in the end.
        let readers: HashSet<(NodeId, usize)> = fusion.boundaries.iter().map(|own| (own.tensor, own.to)).collect();
        for boundary in fusion.boundaries.iter_mut().filter(|own| own.why == CannotFuse::Readers) {
            if readers.iter().filter(|(tensor, _)| *tensor == boundary.tensor).count() == 1 {
                boundary.why = match chains.contains(&boundary.to) {
                    true => CannotFuse::Chain,
                    false => CannotFuse::Reshape,
                };
            }
        }
        Ok(fusion)
    }
}

impl Fusion {
    /// Returns the node of a tensor, if it is one of those that the tensors are computed of.
    pub fn node_of(&self, tensor: &Tensor) -> Option<NodeId> {
        let is_own = |own: &Option<Tensor>| own.as_ref().is_some_and(|own| own.is_identical(tensor));
        self.tensors.iter().position(is_own).map(NodeId)
    }

    /// Returns the number of launches.
    pub fn launches(&self) -> usize {
        self.kernels.iter().map(|kernel| kernel.launches.len()).sum()
    }
}

impl fmt::Debug for Fusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fusion").field("kernels", &self.kernels).field("boundaries", &self.boundaries).finish()
    }
}

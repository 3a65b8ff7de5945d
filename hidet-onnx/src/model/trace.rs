//! [`Trace`]: what a run of a model would do, looked at instead of done.

use super::Session;
use crate::error::{NodeName, Result};
use crate::graph::text;
use crate::value::{Value, observed};
use hidet_ops::graph::{NodeId, Origin};
use hidet_ops::{Fusion, Tensor, TensorType};
use std::collections::HashMap;

/// What a run of a model for some inputs would do: the types of its values, and the kernels that its nodes become.
pub struct Trace {
    /// The kernels, and why there are not fewer.
    pub fusion: Fusion,
    /// True if elements of tensors were looked at on the way, as conditions and recurrent layers may do: the kernels that
    /// computed these ran and are not among the others, and for other elements there may be others.
    pub has_computed: bool,
    /// The values of the model that are nodes of the fusion's graph, by their numbers.
    names: Vec<Option<String>>,
    /// For which nodes of the model they are.
    makers: Vec<Option<NodeName>>,
    types: HashMap<String, TensorType>,
    /// The names of the inputs that were given.
    given: Vec<String>,
}

impl Trace {
    /// Returns the value of the model that a node of the fusion's graph is: an input, an initializer, or a result. Operators on
    /// the way to a result are not values.
    pub fn value(&self, node: NodeId) -> Option<&str> {
        self.names.get(node.0)?.as_deref()
    }

    /// Returns true if a node of the fusion's graph is an input of the run.
    pub fn is_input(&self, node: NodeId) -> bool {
        self.value(node).is_some_and(|name| self.given.iter().any(|own| own == name))
    }

    /// Returns the node of the model for which an operator is. What gives an output the wanted type is for no node.
    pub fn maker(&self, node: NodeId) -> Option<&NodeName> {
        self.makers.get(node.0)?.as_ref()
    }

    /// Returns the type of a value of the model.
    pub fn ty(&self, value: &str) -> Option<&TensorType> {
        self.types.get(value)
    }
}

impl Session {
    /// Returns what a run for these inputs would do. Only what is needed to know it is computed.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_onnx::Model;
    /// use hidet_ops::Tensor;
    ///
    /// let device = Device::sim();
    /// let model = Model::load("../examples/digits/digits.onnx")?;
    /// let images = Tensor::from(&device.tensor(&[0.5f32; 128], [2, 64])?);
    /// let session = model.on(&device)?;
    /// let trace = session.trace(&[("images", images)])?;
    /// assert_eq!(trace.fusion.kernels.len(), 3);
    /// assert_eq!(trace.ty("chances").map(|ty| ty.to_string()).as_deref(), Some("f32[2, 10]"));
    /// assert!(session.text(Some(&trace)).contains(": f32[2, 10]"));
    /// # Ok::<(), hidet_onnx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn trace(&self, inputs: &[(&str, Tensor)]) -> Result<Trace> {
        let given = self.checked(inputs)?;
        // The first name of a tensor is that of the node that makes it: others may pass it on.
        let mut known: Vec<(String, Option<NodeName>, Value)> = Vec::new();
        for (declared, tensor) in self.graph.inputs.iter().zip(&given) {
            known.extend(tensor.clone().map(|tensor| (declared.name.clone(), None, tensor.into())));
        }
        let made = &mut |node: &crate::graph::Node, values: &[Value]| {
            for (name, value) in node.outputs.iter().zip(values).filter(|(name, _)| !name.is_empty()) {
                known.push((name.clone(), Some(node.name.clone()), value.clone()));
            }
        };
        let (outputs, has_computed) = observed(|| self.outputs(given.iter().map(Option::as_ref), made));
        let outputs = outputs?;
        let types = known.iter().map(|(name, _, value)| (name.clone(), value.ty().clone())).collect();
        // A constant has memory on the device when something has read it there.
        let constants = self.graph.constants.iter();
        known.extend(constants.map(|(name, value)| (name.clone(), None, value.clone())));
        let fusion = Tensor::fusion(&outputs.iter().collect::<Vec<&Tensor>>())?;
        let count = fusion.graph.nodes().count();
        let (mut names, mut makers) = (vec![None; count], vec![None; count]);
        for (name, maker, value) in known {
            for NodeId(at) in value.tensors().into_iter().filter_map(|tensor| fusion.node_of(tensor)) {
                if names[at].is_none() {
                    (names[at], makers[at]) = (Some(name.clone()), maker.clone());
                }
            }
        }
        // What has no name is on the way to what reads it.
        for node in fusion.graph.nodes().rev() {
            let NodeId(at) = node.id;
            if matches!(node.origin, Origin::Task { .. }) && names[at].is_none() {
                makers[at] = fusion.graph.users(node.id).iter().find_map(|user| makers[user.0].clone());
            }
        }
        let given = inputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(Trace { fusion, has_computed, names, makers, types, given })
    }

    /// Returns the graph as text, as [`Model::text`](super::Model::text), with the types that a trace has found.
    pub fn text(&self, trace: Option<&Trace>) -> String {
        text::text(&self.graph, trace.map_or(&HashMap::new(), |trace| &trace.types))
    }
}

//! Operators by a kernel of the user's.

use super::refused;
use crate::error::Result;
use crate::expr::Element64;
use crate::graph::FlowGraph;
use crate::task::{Bound, Compute, Task, TaskKernel};
use crate::tensor::Tensor;
use hidet::dsl::Template;
use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::sync::Arc;

impl Tensor {
    /// Returns the result of an operator that a kernel of the user's computes. Its parameters are the inputs, in order, and
    /// the result; their types are those of the tensors, and it may use whatever the language has. `meaning` is the same by
    /// operators that are there: it says what the kernel computes, gives the [reference](Tensor::reference), and is not
    /// run. `schedule` is what the kernel is made with, such as the sizes of its tiles; its `Debug` text must show all of it,
    /// and `kernel` must not capture anything: kernels whose schedules have equal texts are compiled once.
    ///
    /// Operators before and after it that compute element by element become part of the kernel, without a change to it: it
    /// reads and writes views. What a view cannot do, such as a tensor map (TMA) of something computed, makes them kernels
    /// of their own.
    ///
    /// ```
    /// use hidet::prelude::*;
    /// use hidet_ops::{Result, Tensor};
    ///
    /// kernel! {
    ///     /// y = x scaled row by row.
    ///     #[launch(grid = m, block = threads as u32)]
    ///     fn scale_rows(#[meta] threads: i32, x: In<f32, [m, n]>, scale: In<f32, [m]>, y: Out<f32, [m, n]>) {
    ///         let row = block_idx().x;
    ///         for col in (thread_id()..n).step_by(threads) {
    ///             y[[row, col]] = x[[row, col]] * scale[[row]];
    ///         }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let x = Tensor::from(&device.tensor(&[1.0f32, -2.0, 3.0, 4.0], [2, 2])?);
    /// let scale = Tensor::from(&device.tensor(&[10.0f32, 0.5], [2])?);
    /// let meaning = x.mul(&scale.reshape(&[2, 1])?)?;
    /// let y = Tensor::by_kernel("scale_rows", &[&x, &scale], &meaning, 32, scale_rows)?.relu()?;
    /// assert_eq!(y.kernels(), ["scale_rows_relu"]);
    /// assert_eq!(y.to_vec::<f32>()?, [10.0, 0.0, 1.5, 2.0]);
    /// assert_eq!(y.reference()?, [10.0, 0.0, 1.5, 2.0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the meaning is made of other tensors than the inputs. Parameters with other types, ranks or extents than the
    /// tensors have are an error when the result is computed.
    pub fn by_kernel<S, A, K>(
        name: &'static str,
        inputs: &[&Tensor],
        meaning: &Tensor,
        schedule: S,
        kernel: K,
    ) -> Result<Tensor>
    where
        S: Clone + Debug + PartialEq + Send + Sync + 'static,
        A: 'static,
        K: Fn(S) -> Template<A> + Send + Sync + 'static,
    {
        const { assert!(size_of::<K>() == 0, "the kernel captures something: pass it as the schedule") }
        let types = inputs.iter().map(|input| input.ty().clone()).collect::<Vec<_>>();
        let Some(definition) = meaning.graph_of(inputs) else {
            let types: Vec<_> = types.iter().collect();
            return Err(refused(name, &types, "what it means is made of other tensors than its inputs"));
        };
        let own = OwnKernel { definition, schedule, kernel };
        let compute = Compute::Kernel(Arc::new(own));
        Tensor::apply(Task { name, inputs: types, output: meaning.ty().clone(), compute }, inputs)
    }
}

/// A kernel, and what it computes.
struct OwnKernel<S, K> {
    definition: FlowGraph,
    schedule: S,
    kernel: K,
}

impl<S, A, K> TaskKernel for OwnKernel<S, K>
where
    S: Clone + Debug + PartialEq + Send + Sync + 'static,
    A: 'static,
    K: Fn(S) -> Template<A> + Send + Sync + 'static,
{
    fn bind(&self, name: &str, bound: Bound) -> Template<()> {
        (self.kernel)(self.schedule.clone()).bind(name, bound)
    }

    fn evaluate(&self, inputs: &[Vec<Element64>]) -> std::result::Result<Vec<Element64>, String> {
        self.definition.evaluate(inputs)
    }

    fn is_same(&self, other: &dyn TaskKernel) -> bool {
        let other: &dyn Any = other;
        let same = |other: &Self| self.schedule == other.schedule && self.definition.is_same(&other.definition);
        other.downcast_ref::<Self>().is_some_and(same)
    }

    fn text(&self) -> String {
        format!("{:?} {:?} of {}", TypeId::of::<K>(), self.schedule, self.definition)
    }
}

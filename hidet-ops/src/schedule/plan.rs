//! [`Plan`]: the kernels that compute a task, in order.

use super::Parameters;
use crate::error::TensorType;
use crate::fuse::FusedTask;
use hidet::dsl::Template;

/// What computes a task: kernels, and tasks that are planned by themselves, each with a result of its own. That of the last
/// one is the result.
#[derive(Default)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
}

/// A step of a plan.
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) inputs: Vec<Source>,
    pub(crate) output: TensorType,
}

/// What a step does.
pub(crate) enum Work {
    /// It runs a kernel.
    Kernel(KernelPlan),
    /// It computes a task.
    Fused(FusedTask),
}

/// An input of a step.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// That of the task.
    Input(usize),
    /// The same, with these extents: without axes that are always read at 0, and with axes that are one axis of the kernel.
    InputAs(usize, Vec<usize>),
    /// The result of a step.
    Step(usize),
}

/// A kernel to be compiled, and which inputs are its arguments.
pub struct KernelPlan {
    /// The kernel. Its parameters are those below, and behind them the result.
    pub(crate) template: Template<()>,
    /// Its parameters.
    pub(crate) parameters: Parameters,
    /// The extents of the result in the kernel.
    pub(crate) result: Vec<usize>,
}

impl KernelPlan {
    /// Returns a kernel whose result has the coordinates of its parameters.
    pub(crate) fn new(template: Template<()>, parameters: Parameters) -> KernelPlan {
        let result = parameters.result().to_vec();
        KernelPlan { template, parameters, result }
    }

    /// Returns the kernel with a result of other extents.
    pub(crate) fn with_result(self, extents: &[usize]) -> KernelPlan {
        KernelPlan { result: extents.to_vec(), ..self }
    }
}

impl Plan {
    /// Returns a plan of one kernel, which reads the inputs of a task and computes its result.
    pub(crate) fn of(kernel: KernelPlan, fused: &FusedTask) -> Plan {
        let mut plan = Plan::default();
        plan.kernel(kernel, (0..fused.inputs.len()).map(Source::Input).collect(), fused.output.clone());
        plan
    }

    /// Lets the kernels begin before those ahead of them have ended: they wait before they access global memory.
    pub(crate) fn dependent(self) -> Plan {
        let work = |work: Work| match work {
            Work::Kernel(kernel) => Work::Kernel(KernelPlan { template: kernel.template.dependent(), ..kernel }),
            Work::Fused(fused) => Work::Fused(fused),
        };
        Plan { steps: self.steps.into_iter().map(|step| Step { work: work(step.work), ..step }).collect() }
    }

    /// Adds a kernel.
    pub(crate) fn kernel(&mut self, kernel: KernelPlan, inputs: Vec<Source>, output: TensorType) {
        self.steps.push(Step { work: Work::Kernel(kernel), inputs, output });
    }

    /// Adds a task that is planned by itself.
    pub(crate) fn fused(&mut self, fused: FusedTask, inputs: Vec<Source>) {
        let output = fused.output.clone();
        self.steps.push(Step { work: Work::Fused(fused), inputs, output });
    }

    /// Adds a copy of an input, of which `extents` are those that it has for the kernel.
    pub(crate) fn copy(&mut self, copy: FusedTask, input: usize, extents: Vec<usize>) {
        self.fused(copy, vec![Source::InputAs(input, extents)]);
    }

    /// Returns the result of the last step.
    pub(crate) fn last(&self) -> Source {
        Source::Step(self.steps.len() - 1)
    }

    /// Returns the inputs of a kernel: those of a task, but copies of those that have one.
    pub(crate) fn sources(&self, inputs: usize) -> Vec<Source> {
        let copy = |number: usize| {
            let is_copy = |step: &Step| matches!(step.inputs.as_slice(), [Source::InputAs(own, _)] if *own == number);
            self.steps.iter().position(is_copy).map_or(Source::Input(number), Source::Step)
        };
        (0..inputs).map(copy).collect()
    }
}

//! Plans: what is done to compute a graph, kept for graphs that come again.

use crate::fuse::{self, Group, Step};
use crate::graph::{FlowGraph, NodeId};
use crate::run::{self, Compiled};
use crate::schedule::Given;
use hidet::kernel::compiling;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;

/// The most graphs that are kept.
const MOST_GRAPHS: usize = 4096;

/// A step of a plan.
pub(crate) enum PlannedStep {
    /// A task runs, whose result is the value of a node.
    Task { task: Box<Compiled>, node: NodeId, inputs: Vec<NodeId> },
    /// A node has the elements of another one under another shape.
    Reshape { node: NodeId, input: NodeId },
}

/// A graph, and the steps that compute it.
pub(crate) struct Plan {
    pub(crate) graph: FlowGraph,
    pub(crate) steps: Vec<PlannedStep>,
    compiled: OnceLock<()>,
}

impl Plan {
    /// Compiles the kernels of a plan that is new, on as many threads as there are, for inputs as they usually are.
    pub(crate) fn compile(&self, given: &Given) {
        self.compiled.get_or_init(|| {
            let tasks = self.steps.iter().filter_map(|step| match step {
                PlannedStep::Task { task, .. } => Some(task),
                PlannedStep::Reshape { .. } => None,
            });
            // Layers of a model are the same kernels again and again.
            let mut texts = HashSet::new();
            let tasks: Vec<_> = tasks.filter(|task| texts.insert(task.fused.text())).collect();
            let threads = thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
            if threads < 2 {
                return;
            }
            let next = AtomicUsize::new(0);
            let work = || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    task.compile(given);
                }
            };
            compiling(tasks.len(), || {
                thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
            });
        });
    }
}

/// A graph that is computed again and again, and what is done for it.
pub(crate) struct Kept {
    pub(crate) graph: FlowGraph,
    plan: OnceLock<Arc<Plan>>,
}

impl Kept {
    /// Keeps a graph.
    pub(crate) fn new(graph: FlowGraph) -> Kept {
        Kept { graph, plan: OnceLock::new() }
    }

    /// Returns what is done to compute it.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.plan.get_or_init(|| of(self.graph.clone())).clone()
    }
}

/// The plans of this process, by the hash of their graph.
static PLANS: LazyLock<Mutex<HashMap<u64, Vec<Arc<Plan>>>>> = LazyLock::new(Mutex::default);

/// Returns what is done to compute a graph.
pub(crate) fn of(graph: FlowGraph) -> Arc<Plan> {
    let known = || PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let hash = graph.hash();
    let found = known().get(&hash).and_then(|plans| plans.iter().find(|plan| plan.graph.is_same(&graph)).cloned());
    if let Some(plan) = found {
        return plan;
    }
    run::count();
    let step = |step: Step| match step {
        Step::Kernel(group) => {
            let Group { fused, node, inputs, .. } = *group;
            PlannedStep::Task { task: Box::new(Compiled::new(fused)), node, inputs }
        }
        Step::Reshape { node, input } => PlannedStep::Reshape { node, input },
    };
    let steps = fuse::steps(&graph).into_iter().map(step).collect();
    let plan = Arc::new(Plan { graph, steps, compiled: OnceLock::new() });
    let mut known = known();
    if known.len() >= MOST_GRAPHS {
        known.clear();
    }
    known.entry(hash).or_default().push(plan.clone());
    plan
}

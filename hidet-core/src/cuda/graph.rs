//! Graphs: work recorded once and launched any number of times by one call.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::module::Bare;
use super::stream::Stream;
use crate::error::Result;
use cudarc::driver::sys::{
    CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC, CUDA_KERNEL_NODE_PARAMS, CUgraph, CUgraphDependencyType, CUgraphEdgeData,
    CUgraphExec, CUgraphNode,
};
use std::sync::Arc;

/// An edge along which a kernel may begin when all blocks of the one ahead have let it, or have ended.
const PROGRAMMATIC: CUgraphEdgeData = CUgraphEdgeData {
    from_port: CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC as u8,
    to_port: 0,
    type_: CUgraphDependencyType::CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC as u8,
    reserved: [0; 5],
};

/// A graph, ready to run.
pub struct Graph {
    context: &'static Context,
    exec: CUgraphExec,
    /// The index by which streams remember it.
    name: u32,
}

// SAFETY: the driver synchronizes launches of a graph from several threads; nothing else is done with it here.
unsafe impl Send for Graph {}
unsafe impl Sync for Graph {}

impl Graph {
    /// Makes a graph ready to run, and destroys its plan.
    pub(super) fn instantiate(context: &'static Context, plan: CUgraph) -> Result<Graph> {
        let _entered = context.enter()?;
        let mut graph = Graph { context, exec: std::ptr::null_mut(), name: context.name_of(&Arc::from("a graph")) };
        // SAFETY: the plan is the driver's, and destroyed once.
        unsafe {
            let status = (context.driver.cuGraphInstantiateWithFlags)(&mut graph.exec, plan, 0);
            let _ = (context.driver.cuGraphDestroy)(plan);
            context.check("cuGraphInstantiate", status)?;
        }
        Ok(graph)
    }

    /// Builds a graph of launches, node by node. Each waits for the earlier ones that `after` lists for it; a `None`
    /// does nothing but wait. A dependent launch begins when their blocks have let it or have ended, and waits itself, if the driver
    /// knows such edges (CUDA 12.3). Returns an error if a launch is cooperative, which such a node cannot be, or belongs to
    /// another device.
    ///
    /// # Safety
    /// Whenever the graph runs, the kernels and the tensors of the launches must still exist, and nothing else may use
    /// the tensors meanwhile: the graph keeps nothing alive and waits for nothing. All threads of a dependent launch must wait
    /// for those ahead of it before they end, so that its end is after theirs.
    pub unsafe fn of(context: &'static Context, launches: &[Option<&Bare>], after: &[Vec<usize>]) -> Result<Graph> {
        for bare in launches.iter().flatten() {
            if bare.launch.cooperative {
                return Err(context.error("a cooperative launch cannot be a node of a graph that is built by hand"));
            }
            if !std::ptr::eq(bare.context(), context) {
                return Err(context.error(format!("a launch on {:?} cannot be a node of a graph here", bare.context())));
            }
        }
        let _entered = context.enter()?;
        let driver = context.driver;
        let mut plan = std::ptr::null_mut();
        // SAFETY: the pointer is valid for a write.
        context.check("cuGraphCreate", unsafe { (driver.cuGraphCreate)(&mut plan, 0) })?;
        // Of each launch its node; of one that does nothing those that it waits for.
        let mut nodes: Vec<Vec<CUgraphNode>> = Vec::new();
        for (number, bare) in launches.iter().enumerate() {
            let earlier = after.get(number).into_iter().flatten();
            let mut earlier: Vec<CUgraphNode> =
                earlier.filter_map(|number| nodes.get(*number)).flatten().copied().collect();
            earlier.sort_unstable();
            earlier.dedup();
            let Some(bare) = bare else {
                nodes.push(earlier);
                continue;
            };
            let mut added = std::ptr::null_mut();
            let early = driver.add_graph_edges.filter(|_| bare.launch.dependent && !earlier.is_empty());
            let plain = if early.is_some() { &[][..] } else { &earlier[..] };
            // SAFETY: the node is complete, and the driver copies the parameters.
            let mut status = unsafe {
                (driver.cuGraphAddKernelNode_v2)(&mut added, plan, plain.as_ptr(), plain.len(), &bare.node())
            };
            if let Some(add) = early.filter(|_| status == 0) {
                let (to, edges) = (vec![added; earlier.len()], vec![PROGRAMMATIC; earlier.len()]);
                // SAFETY: the arrays have as many items, and the nodes are those of the plan.
                status = unsafe { add(plan, earlier.as_ptr(), to.as_ptr(), edges.as_ptr(), earlier.len()) };
            }
            if let Err(error) = context.check("a node of a graph", status) {
                // SAFETY: the plan is destroyed once.
                let _ = unsafe { (driver.cuGraphDestroy)(plan) };
                return Err(error);
            }
            nodes.push(vec![added]);
        }
        Graph::instantiate(context, plan)
    }

    /// Submits it to a stream, under the device's lock.
    pub fn launch(&self, _: &DeviceLock, stream: Stream) -> Result<()> {
        // SAFETY: the graph is ready, and the context is current.
        let status = unsafe { (self.context.driver.cuGraphLaunch)(self.exec, stream.queue.stream) };
        stream.queue.note_launch(self.name);
        self.context.check("launching a graph", status)
    }
}

impl Bare {
    /// Returns the launch as the parameters of a node.
    fn node(&self) -> CUDA_KERNEL_NODE_PARAMS {
        let launch = &self.launch;
        CUDA_KERNEL_NODE_PARAMS {
            func: self.function,
            gridDimX: launch.grid[0],
            gridDimY: launch.grid[1],
            gridDimZ: launch.grid[2],
            blockDimX: launch.block[0],
            blockDimY: launch.block[1],
            blockDimZ: launch.block[2],
            sharedMemBytes: launch.shared,
            kernelParams: self.pointers.as_ptr().cast_mut(),
            extra: std::ptr::null_mut(),
            kern: std::ptr::null_mut(),
            ctx: std::ptr::null_mut(),
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the graph is destroyed once; the driver keeps it while it runs.
        unsafe { self.context.destroy(self.exec, self.context.driver.cuGraphExecDestroy) }
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph on {:?}", self.context)
    }
}

//! The resources of a kernel before it is compiled, on any machine: what a tuner needs to leave out schedules that cannot
//! run, and what fills a multiprocessor.

use crate::codegen;
use crate::error::{Error, Result};
use crate::intrinsics::Meaning;
use crate::ir::{Arch, Function, Multiprocessor, Stmt};
use crate::passes;

/// The resources of a kernel, without compiling it.
///
/// ```
/// use hidet::ir::Arch;
/// use hidet::kernel::Estimate;
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n / 256, block = 256)]
///     fn reverse_tiles(x: In<f32, [n]>, y: Out<f32, [n]>) {
///         let tile = shared::<f32>([256]);
///         tile[[thread_id()]] = x[[block_idx().x * 256 + thread_id()]];
///         sync_threads();
///         y[[block_idx().x * 256 + thread_id()]] = tile[[255 - thread_id()]];
///     }
/// }
///
/// let estimate = Estimate::of(&reverse_tiles().build()?, &[])?;
/// assert_eq!((estimate.threads, estimate.shared()), (256, 1024));
/// assert_eq!(estimate.blocks_at_most("sm_90a".parse::<Arch>()?), Some(8));
/// # Ok::<(), hidet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Threads per block.
    pub threads: u32,
    /// Bytes of static shared memory per block, as ptxas reports them.
    pub static_shared: u32,
    /// Bytes of dynamic shared memory per block, which a launch asks for.
    pub dynamic_shared: u32,
    /// A lower bound of the registers per thread, if nothing is kept in local memory: accumulators and other data that
    /// loops carry, operands of tensor cores. A kernel needs more, for addresses, indices and intermediate results.
    pub registers_at_least: u32,
    /// True if warp groups give registers to each other (`setmaxnreg`): a thread may then have more registers than the
    /// number that the kernel is launched with, which ptxas reports.
    pub moves_registers: bool,
}

impl Estimate {
    /// Estimates the resources of a function at any stage of lowering. After lowering the registers are more exact, and
    /// the shared memory that checks need is included. `dims` are the values of its symbolic extents; they may be left
    /// out if the size of its shared memory does not depend on them. Returns an error if it does, or if shared memory
    /// is larger than 4 GiB.
    pub fn of(function: &Function, dims: &[i64]) -> Result<Estimate> {
        let (static_shared, dynamic) = codegen::shared_bytes(function);
        let fail = |why: String| Error::Kernel {
            kernel: function.name.clone(),
            message: format!("the size of its shared memory: {why}"),
            place: function.own_place(),
        };
        let bytes = dynamic.eval(dims).map_err(|why| fail(why.to_owned()))?;
        let dynamic_shared = u32::try_from(bytes).map_err(|_| fail(format!("{bytes} bytes are not possible")))?;
        let mut moves_registers = false;
        function.each_stmt(&mut |_, stmt| {
            if let Stmt::Call { intrinsic, .. } = stmt {
                moves_registers |= matches!(intrinsic.row().meaning, Meaning::SetMaxRegisters { .. });
            }
        });
        Ok(Estimate {
            threads: function.launch.threads(),
            static_shared,
            dynamic_shared,
            registers_at_least: passes::registers_at_least(function),
            moves_registers,
        })
    }

    /// Returns the bytes of shared memory per block, static and dynamic.
    pub fn shared(&self) -> u32 {
        self.static_shared.saturating_add(self.dynamic_shared)
    }

    /// Returns the most resident blocks per multiprocessor of an architecture: 0 if not even one fits without
    /// spills. The registers that the kernel really needs may leave room for fewer. Returns `None` if the architecture
    /// is unknown.
    pub fn blocks_at_most(&self, arch: Arch) -> Option<u32> {
        let limits = Multiprocessor::of(arch)?;
        let registers = (!self.moves_registers).then_some(self.registers_at_least);
        if self.registers_at_least > Multiprocessor::MAX_REGISTERS {
            return Some(0);
        }
        Some(limits.holds(self.threads, registers, self.shared()))
    }
}

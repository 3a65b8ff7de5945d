//! How the threads of a kernel that may fault exit, so that no thread waits forever for one that has exited.
//!
//! A thread that finds a fault records it and returns, without a trap, so that the context stays usable. The other
//! threads notice at the points where they wait:
//! - barriers of the block and of the cluster do not wait for threads that have exited;
//! - waits for mbarriers, and loops without a known end, give up;
//! - named barriers, and the synchronization of warp groups before wgmma, use shared memory instead (`hidet_meet`), so
//!   that either all threads give up or none;
//! - all lanes of a warp check before an instruction that needs whole warps;
//! - registers are not moved between warp groups (`setmaxnreg`): the receiver could wait forever.
//!
//! Shared memory of another block of the cluster no longer exists after that block has exited. So threads of clusters
//! check before each call with an address, and linger for a millisecond before they exit.

use super::kernel::Generator;
use crate::intrinsics::{Meaning, Operand, Row, Together};

impl Generator<'_> {
    /// Returns the statement by which a thread exits after a fault.
    pub(super) fn leave(&self) -> &'static str {
        if self.is_cluster() { "{ hidet_linger(); return; }" } else { "return;" }
    }

    fn is_cluster(&self) -> bool {
        self.function.launch.cluster != [1, 1, 1]
    }

    /// In a kernel that may fault, writes the checks before a call and returns true if they replace the call.
    /// `mbarrier` is the prefix of the helpers that wait for an mbarrier.
    pub(super) fn before_call(&mut self, row: &Row, mbarrier: &str, operands: &[String]) -> bool {
        let Some(report) = self.report.clone().filter(|_| self.faults) else { return false };
        let leave = self.leave();
        let mut ask = |condition: String| self.out.line(format!("if ({condition}) {leave}"));
        match (row.meaning, row.together) {
            (Meaning::MbarrierWait, _) => {
                ask(format!("!{mbarrier}_wait_unless({report}, {}, {})", operands[0], operands[1]));
                return true;
            }
            (Meaning::BarrierSync | Meaning::BarrierArrive, _) => {
                let wait = row.meaning == Meaning::BarrierSync;
                let (barrier, threads) = (&operands[0], &operands[1]);
                ask(format!("!hidet_meet<{wait}>({report}, hidet_barriers + ({barrier}), {threads})"));
                return true;
            }
            (Meaning::Wgmma { .. } | Meaning::WgmmaFence, _) => {
                ask(format!("!hidet_meet<true>({report}, hidet_barriers + 16 + hidet_warp_group(), 128)"));
            }
            _ if row.name.starts_with("setmaxnreg.") => return true,
            (_, Together::Warp) => ask(format!("hidet_warp_faulted({report})")),
            _ => {
                let addresses = row.operands.iter().any(|operand| matches!(operand, Operand::Address { .. }));
                if addresses && self.function.launch.cluster != [1, 1, 1] {
                    self.out.line(format!("if (hidet_faulted({report})) {leave}"));
                }
            }
        }
        false
    }
}

/// Returns true if a kernel that may fault implements this intrinsic by a barrier in shared memory.
pub(super) fn meets(row: &Row) -> bool {
    matches!(row.meaning, Meaning::BarrierSync | Meaning::BarrierArrive | Meaning::Wgmma { .. } | Meaning::WgmmaFence)
}

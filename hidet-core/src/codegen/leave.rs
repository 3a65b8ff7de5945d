//! How the threads of a kernel that may fault end, so that none waits for ever for one that ended.
//!
//! A thread that finds a fault records it and returns: no trap, so the context stays usable. The others come to know at
//! what they wait for:
//! - barriers of the block and of the cluster do not wait for threads that ended;
//! - waits for mbarriers, and loops without an end of their own, give up;
//! - named barriers, and warp groups before they multiply together, meet in shared memory instead, by `hidet_meet`,
//!   where all give up or none;
//! - all lanes of a warp ask before an instruction that takes whole warps;
//! - registers are not handed from one warp group to another: the second could wait for ever.
//!
//! Shared memory of another block of the cluster is gone once that block ended. So threads of clusters ask before each
//! call with an address, and linger for a millisecond before they end.

use super::kernel::Generator;
use crate::intrinsics::{Meaning, Operand, Row, Together};

impl Generator<'_> {
    /// The statement that ends a thread after a fault.
    pub(super) fn leave(&self) -> &'static str {
        if self.is_cluster() { "{ hidet_linger(); return; }" } else { "return;" }
    }

    fn is_cluster(&self) -> bool {
        self.function.launch.cluster != [1, 1, 1]
    }

    /// In a kernel that may fault: what is written before a call, and whether that stands for the call. `mbarrier` begins
    /// the names of the helpers that wait for an mbarrier.
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

/// Whether a kernel that may fault meets in shared memory where it calls this.
pub(super) fn meets(row: &Row) -> bool {
    matches!(row.meaning, Meaning::BarrierSync | Meaning::BarrierArrive | Meaning::Wgmma { .. } | Meaning::WgmmaFence)
}

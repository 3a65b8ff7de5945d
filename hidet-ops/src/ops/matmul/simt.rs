//! Matrix products in f32 without tensor cores: the schedule of the paper.

use crate::fuse::FusedTask;
use crate::schedule::{Implementation, KernelPlan};
use hidet::device::Device;

/// Products whose terms are added in f32, by threads.
pub(super) struct MatmulSimt;

impl Implementation for MatmulSimt {
    fn name(&self) -> &'static str {
        "matmul_simt"
    }

    fn plan(&self, _: &FusedTask, _: &Device) -> Result<KernelPlan, String> {
        Err("not yet".to_owned())
    }
}

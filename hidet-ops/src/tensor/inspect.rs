//! What computing a tensor takes, to be looked at.

use super::Tensor;
use crate::error::Result;
use crate::fuse::{self, Group};
use crate::run;
use crate::templates;
use hidet::ir::Function;

impl Tensor {
    /// Returns the names of the kernels that computing it takes, in order; none if it is computed already.
    pub fn kernels(&self) -> Vec<String> {
        let own = |group: Group| {
            let is_chain = !group.fused.producers.is_empty();
            let names = is_chain.then(|| templates::names(&group.fused, &self.given()).ok()).flatten();
            let names = names.map(|names| names.into_iter().map(|(kernel, _)| kernel).collect());
            names.unwrap_or_else(|| vec![group.fused.name])
        };
        fuse::groups(&self.graph().0).into_iter().flat_map(own).collect()
    }

    /// Returns the names of the implementations of those kernels, in order.
    ///
    /// # Errors
    ///
    /// If there is none for an operator.
    pub fn templates(&self) -> Result<Vec<&'static str>> {
        let mut all = Vec::new();
        for group in fuse::groups(&self.graph().0) {
            let names = templates::names(&group.fused, &self.given());
            let names = names.map_err(|why| run::failed(self.device(), why))?;
            all.extend(names.into_iter().map(|(_, implementation)| implementation));
        }
        Ok(all)
    }

    /// Returns the IR of the kernels that computing it takes, in order, to be looked at, or compiled for another architecture
    /// (`HIDET_OPS_ARCH` chooses those of one).
    ///
    /// # Errors
    ///
    /// If there is none for an operator, or one cannot be built.
    pub fn functions(&self) -> Result<Vec<Function>> {
        let one = |group: Group| templates::functions(&group.fused, &self.given());
        let all = fuse::groups(&self.graph().0).into_iter().map(one).collect::<std::result::Result<Vec<_>, String>>();
        Ok(all.map_err(|why| run::failed(self.device(), why))?.concat())
    }
}

//! Launches on the simulated device.

use super::{BoundDims, CompileOptions, Printer, RawArg};
use crate::device::{Device, DeviceKind, RawTensor, Storage};
use crate::error::{Error, Result};
use crate::ir::{Access, Function, Param};
use crate::sim::LaunchPlace;
use crate::{passes, sim};
use std::sync::Arc;

/// A kernel lowered for the simulator.
#[derive(Debug)]
pub(super) struct Instance {
    lowered: Function,
    options: Arc<sim::Options>,
}

impl Instance {
    pub(super) fn new(
        function: &Function,
        device: &Device,
        options: &CompileOptions,
        wide_index: bool,
    ) -> Result<Instance> {
        let DeviceKind::Sim(sim) = device.kind() else {
            return Err(Error::Device { device: device.to_string(), message: "is not simulated".to_owned() });
        };
        let checks = sim.checks.bounds || options.checks;
        let lowered =
            passes::lower(function, &passes::LoweringOptions { wide_index, checks, contract: options.contract })?;
        Ok(Instance { lowered, options: sim.clone() })
    }

    pub(super) fn launch(
        &self,
        function: &Function,
        args: &[RawArg],
        binding: &BoundDims,
        printer: &Printer,
        place: LaunchPlace,
    ) -> Result<()> {
        let mut arguments =
            sim::LaunchArguments { dims: binding.dims.clone(), place: Some(place), ..sim::LaunchArguments::default() };
        for (param, arg) in function.params.iter().zip(args) {
            for tensor in arg.tensors() {
                let Some(place) = tensor.given_away() else { continue };
                let Param::Tensor { buffer, access } = param else { continue };
                let (name, at) = (&function.buffers[*buffer].name, function.own_place());
                let does = if *access == Access::Out { "writes" } else { "reads" };
                let message = format!(
                    "argument `{name}`, which the kernel ({at}) {does}, is a tensor whose memory was given to another one, \
                     by `forget` at {place}; use it before, or give the other one different memory"
                );
                return Err(Error::Launch { kernel: function.name.clone(), message });
            }
            let simulated = |tensor: &RawTensor| match &tensor.storage {
                Storage::Sim(memory) => Ok(sim::TensorArg { memory: memory.clone(), offset: tensor.offset }),
                Storage::Cuda(_) => {
                    let message = "a tensor on a GPU was given to a simulated kernel".to_owned();
                    Err(Error::Launch { kernel: function.name.clone(), message })
                }
            };
            match arg {
                RawArg::Scalar(value) => arguments.scalars.push(*value),
                RawArg::Tensor(tensor) => arguments.tensors.push(simulated(tensor)?),
                RawArg::Table(table) => {
                    let entries = table.entries().iter().map(|tensor| Ok((simulated(tensor)?, tensor.len())));
                    let entries = entries.collect::<Result<_>>()?;
                    arguments.tables.push(sim::TableArg { entries, table: simulated(table.table())? });
                }
            }
        }
        let report = sim::run_lowered(&self.lowered, function, &arguments, &self.options);
        printer.print(match &report {
            Ok(report) => &report.printed,
            Err(failure) => failure.printed(),
        });
        report.map(drop).map_err(Error::from)
    }
}

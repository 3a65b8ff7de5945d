//! What runs a workload: hidet, and the programs beside which it is measured.

use crate::near;
use hidet_onnx::Arithmetic;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executor {
    /// Ours.
    Hidet,
    /// PyTorch's own model, eager, under a CUDA graph.
    Torch,
    /// The same, compiled.
    TorchCompile,
    /// ONNX Runtime with its CUDA provider.
    Ort,
    /// TVM, tuned by MetaSchedule.
    Tvm,
}

/// All of them, in the order of tables and pictures.
pub const ALL: [Executor; 5] = [Executor::Hidet, Executor::Torch, Executor::TorchCompile, Executor::Ort, Executor::Tvm];

impl Executor {
    /// Its name in tables and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Executor::Hidet => "hidet",
            Executor::Torch => "torch",
            Executor::TorchCompile => "torch.compile",
            Executor::Ort => "ort",
            Executor::Tvm => "tvm",
        }
    }

    /// Its settings, in the words of the artifact where it has them. The artifact had `f32` alone for all but hidet, so the
    /// others have the floats behind theirs.
    pub fn config(self, arithmetic: Arithmetic, trials: usize) -> String {
        let floats = match arithmetic {
            // Nobody else has three products of tf32.
            Arithmetic::F32 | Arithmetic::Tf32x3 => "fp32",
            Arithmetic::Tf32 => "tf32",
            Arithmetic::F16 => "fp16",
            Arithmetic::Bf16 => "bf16",
        };
        match self {
            // Space 0, default schedules; sums are in f32 always, and parts along k are chosen by the schedule.
            Executor::Hidet => {
                let unit = if arithmetic == Arithmetic::F32 { "simt" } else { "mma" };
                format!("sp0_{unit}_{arithmetic}_f32_pk_default")
            }
            Executor::Torch => floats.to_owned(),
            Executor::TorchCompile => format!("default_{floats}"),
            Executor::Ort => format!("provider_cuda_{floats}"),
            Executor::Tvm => format!("trial_{trials}_{floats}"),
        }
    }

    /// How the process of the peers calls it.
    pub fn program(self, trials: usize) -> String {
        match self {
            Executor::Tvm => format!("tvm:{trials}"),
            other => other.name().to_owned(),
        }
    }
}

/// Returns the programs beside hidet that these names mean, in order and each once; `none` alone means nothing.
pub fn named(names: &[String]) -> Result<Vec<Executor>, String> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let others = || ALL.into_iter().filter(|executor| *executor != Executor::Hidet);
    if let Some(name) = names.iter().find(|name| others().all(|own| own.name() != name.as_str())) {
        let known: Vec<&str> = others().map(Executor::name).collect();
        let hint = near::hint(name, known.iter().copied());
        return Err(format!(
            "--against {name}: there is no such program{hint}; there are {}, or none",
            known.join(", ")
        ));
    }
    Ok(others().filter(|own| names.iter().any(|name| name == own.name())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        let named = |names: &[&str]| named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(named(&["ort", "torch", "ort"]), Ok(vec![Executor::Torch, Executor::Ort]));
        assert_eq!(named(&["none"]), Ok(vec![]));
        let error = named(&["torch", "torch.compil"]).unwrap_err();
        assert!(
            error.contains("did you mean `torch.compile`?; there are torch, torch.compile, ort, tvm, or none"),
            "{error}"
        );
        for wrong in ["hidet", "", "none"] {
            assert!(named(&["torch", wrong]).unwrap_err().starts_with(&format!("--against {wrong}: ")));
        }
    }

    #[test]
    fn configurations_have_the_words_of_the_artifact() {
        assert_eq!(Executor::Hidet.config(Arithmetic::F32, 64), "sp0_simt_f32_f32_pk_default");
        assert_eq!(Executor::Hidet.config(Arithmetic::F16, 64), "sp0_mma_f16_f32_pk_default");
        assert_eq!(Executor::Ort.config(Arithmetic::F32, 64), "provider_cuda_fp32");
        assert_eq!(Executor::Tvm.config(Arithmetic::F16, 64), "trial_64_fp16");
    }
}

//! From a program to the IR that devices run: each kernel lowered, in one of the ways in which users' kernels are.

use hidet::ir::Function;
use hidet::passes::{self, LoweringOptions};
use hidet::testing::random::Program;

/// How the kernels of a seed are compiled: half of all as launches do it, the others with an option changed.
#[derive(Clone, Debug)]
pub struct Way {
    /// The options of the passes.
    pub options: LoweringOptions,
    /// True if unneeded guards are left out for the extents, as in launches.
    specialised: bool,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LoweringOptions { wide_index, checks, contract } = self.options;
        let words = [
            (true, "compiled"),
            (checks, "with checks"),
            (wide_index, "with wide indices"),
            (!contract, "without contraction"),
            (self.specialised, "for its extents"),
        ];
        let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        f.write_str(&words.join(" "))
    }
}

impl Way {
    /// Returns the way of a seed.
    pub fn of(seed: u64) -> Way {
        let plain = LoweringOptions::default();
        // Not a remainder of the seed, which decides the kind of the program: each kind is compiled in every way.
        match seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61 {
            1 => Way { options: LoweringOptions { checks: true, ..plain }, specialised: false },
            3 => Way { options: LoweringOptions { wide_index: true, ..plain }, specialised: false },
            5 => Way { options: LoweringOptions { contract: false, ..plain }, specialised: false },
            7 => {
                Way { options: LoweringOptions { contract: false, checks: true, wide_index: true }, specialised: false }
            }
            even => Way { options: plain, specialised: even == 4 },
        }
    }

    /// Lowers the kernels of a program.
    pub fn lower(&self, program: &Program) -> Result<Vec<Function>, String> {
        program.kernels.iter().map(|kernel| self.kernel(kernel, &program.dims)).collect()
    }

    fn kernel(&self, kernel: &Function, dims: &[i64]) -> Result<Function, String> {
        let say = |error: hidet::Error| error.to_string();
        if self.specialised {
            let instances = passes::bounds_report(kernel).map_err(say)?.instances;
            if let Some(conditions) = instances.iter().find(|conditions| conditions.hold(dims)) {
                return passes::lower(&passes::specialise(kernel, conditions), &self.options).map_err(say);
            }
        }
        passes::lower(kernel, &self.options).map_err(say)
    }
}

//! Many kernels as one CUDA program, which NVRTC compiles in less time than each by itself.

use hidet::codegen::{self, Source};
use hidet::cuda::nvrtc;
use hidet::ir::{Arch, Function};
use hidet::mapping::IndexExpr;
use std::collections::HashSet;

/// The text between the helpers and the kernel.
const KERNEL: &str = "extern \"C\" __global__";

/// Returns the CUDA text of lowered kernels, each with a name that is unique in the batch.
pub fn sources(kernels: &[Function], batch_index: usize, arch: Arch) -> Result<Vec<Source>, String> {
    let source = |(number, kernel): (usize, &Function)| {
        let kernel = Function { name: format!("k{batch_index}_{number}"), ..kernel.clone() };
        codegen::cuda(&kernel, arch).map_err(|error| error.to_string())
    };
    kernels.iter().enumerate().map(source).collect()
}

/// Merges several texts into one: each helper once, at its first position, so that each follows the helpers that it
/// uses.
pub fn merged(sources: &[&Source]) -> Source {
    let (mut heads, mut kernels, mut seen) = (String::new(), String::new(), HashSet::new());
    for source in sources {
        let (head, kernel) = source.text.split_at(source.text.find(KERNEL).unwrap_or(0));
        for helper in head.split("\n\n").map(str::trim).filter(|helper| !helper.is_empty()) {
            if seen.insert(helper) {
                heads += helper;
                heads += "\n\n";
            }
        }
        kernels += kernel;
    }
    Source {
        text: heads + &kernels,
        kernel: sources.first().map_or_else(String::new, |source| source.kernel.clone()),
        entry: sources.first().map_or_else(String::new, |source| source.entry.clone()),
        parameters: Vec::new(),
        static_shared: 0,
        dynamic_shared: IndexExpr::Const(0),
        sites: Vec::new(),
        lines: Vec::new(),
        files: Vec::new(),
    }
}

/// Compiles several kernels to machine code.
pub fn compile(sources: &[&Source], arch: Arch) -> Result<Vec<u8>, String> {
    let mut source = merged(sources);
    source.lines = vec![Default::default(); source.text.lines().count()];
    nvrtc::compile(&source, arch).map(|cubin| cubin.image().to_vec()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::families::FAMILIES;
    use super::super::lower::Way;
    use super::*;

    #[test]
    fn many_kernels_are_one_program() {
        if !hidet::testing::nvrtc::available().unwrap() {
            return;
        }
        let arch = Arch { number: 90, specific: true };
        let programs = FAMILIES.iter().flat_map(|family| (0..8).map(|seed| (seed, (family.make)(seed))));
        let all: Vec<Source> = programs
            .enumerate()
            .flat_map(|(index, (seed, program))| sources(&Way::of(seed).lower(&program).unwrap(), index, arch).unwrap())
            .collect();
        let all: Vec<&Source> = all.iter().collect();
        let text = merged(&all).text;
        assert_eq!(text.matches(KERNEL).count(), all.len());
        compile(&all, arch).unwrap();
    }
}

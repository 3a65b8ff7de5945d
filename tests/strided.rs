//! Kernels of the registry with strides that come with the launch: which of them can run so, what NVRTC makes of these, and
//! that a launch refuses strides that a kernel cannot take, by name.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use hidet::cuda::nvrtc;
use hidet::ir::{BufferId, Function, Param, text, verify};
use hidet::prelude::*;
use hidet::{codegen, passes};
use hidet_examples::registry;

/// Kernels that need contiguous arguments, with the reason.
const CONTIGUOUS: &[(&str, &str)] = &[];

/// Returns the tensors of a kernel that have rows.
fn with_rows(function: &Function) -> Vec<BufferId> {
    let tensor = |param: &Param| match param {
        Param::Tensor { buffer, .. } => Some(*buffer).filter(|id| function.buffers[*id].shape.len() > 1),
        Param::Scalar { .. } => None,
    };
    function.params.iter().filter_map(tensor).collect()
}

#[test]
fn kernels_take_strides_in_every_pass_and_in_nvrtc() {
    let nvrtc = nvrtc::version();
    assert!(nvrtc.is_ok() || std::env::var_os("CI").is_none(), "on CI, NVRTC must be there");
    let mut refused = Vec::new();
    for entry in registry::all() {
        let built = (entry.build)().unwrap();
        let tensors = with_rows(&built);
        if tensors.is_empty() {
            continue;
        }
        let strided = match passes::strided(&built, &tensors) {
            Ok(strided) => strided,
            Err(error) => {
                refused.push((entry.name, error.to_string()));
                continue;
            }
        };
        for wide_index in [false, true] {
            let options = passes::LoweringOptions { wide_index, checks: wide_index, ..Default::default() };
            let lowered = passes::lower_with(&strided, &options, &mut |pass, function| {
                verify::check(function).unwrap_or_else(|error| panic!("{} after {}: {error}", entry.name, pass.name));
            });
            let lowered = lowered.unwrap();
            let printed = text::print(&lowered);
            assert_eq!(text::print(&text::parse(&printed).unwrap()), printed, "{}", entry.name);
            let arch = *codegen::archs(&lowered).last().unwrap();
            let source = codegen::cuda(&lowered, arch).unwrap();
            assert!(source.text.contains("_stride_0"), "{}\n{}", entry.name, source.text);
            if nvrtc.is_ok() {
                let cubin = nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
                let usage = cubin.usage;
                if entry.name.starts_with("matmul") && !wide_index {
                    let spilled = usage.spill_stores + usage.spill_loads;
                    assert_eq!((spilled, usage.stack), (0, 0), "{} keeps data in local memory", entry.name);
                }
            }
        }
    }
    let expected: Vec<&str> = CONTIGUOUS.iter().map(|(name, _)| *name).collect();
    assert_eq!(refused.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected, "{refused:?}");
    for ((name, error), (_, why)) in refused.iter().zip(CONTIGUOUS) {
        assert!(error.contains(why), "{name}: {error}");
    }
}

//! Compiles kernels with NVRTC for every architecture that supports them. Needs no GPU.

use crate::codegen;
use crate::cuda::nvrtc::{self, Usage};
use crate::error::Result;
use crate::ir::{Arch, Function};
use crate::passes;

/// Returns true if NVRTC can be used. If it is missing, this is reported on standard error, so that a skipped test is
/// visible; with the variable `CI` set, it is an error.
pub fn available() -> Result<bool> {
    match nvrtc::version() {
        Ok(_) => Ok(true),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            eprintln!("skipped, no NVRTC: {error}");
            Ok(false)
        }
    }
}

/// Lowers a kernel, compiles it for every architecture of [`Arch::TESTED`] that supports it, and returns what ptxas
/// reports for each, or `None` if NVRTC is missing.
pub fn compile_everywhere(
    function: &Function,
    options: &passes::LoweringOptions,
) -> Result<Option<Vec<(Arch, Usage)>>> {
    if !available()? {
        return Ok(None);
    }
    let lowered = passes::lower(function, options)?;
    let compile = |arch: Arch| -> Result<(Arch, Usage)> {
        Ok((arch, nvrtc::compile(&codegen::cuda(&lowered, arch)?, arch)?.usage))
    };
    codegen::archs(&lowered).into_iter().map(compile).collect::<Result<Vec<_>>>().map(Some)
}

//! A kernel through NVRTC, for every architecture that has what it uses. Needs no GPU.

use crate::codegen;
use crate::cuda::nvrtc::{self, Usage};
use crate::error::Result;
use crate::ir::{Arch, Function};
use crate::passes;

/// Whether NVRTC can be used. Where it is missing that is said on the error stream, so that a test can be skipped for
/// all to see; with the variable `CI` set it is an error.
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

/// Lowers a kernel and compiles it for every architecture of [`Arch::TESTED`] that has what it uses; what ptxas says of
/// each. `None` where NVRTC is missing.
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

//! Compiles a function to machine code: passes, codegen and NVRTC, with the cache in front of them.
//!
//! The first key of the cache is the IR without source positions, together with everything that decides what it
//! compiles to: the build of this crate, options, architecture, version of NVRTC. A hit costs one lookup. The second
//! key is the CUDA text without `#line`: it finds the machine code where the passes have changed but the text has not.
//!
//! A stored kernel names statements by number. Each function that finds it puts its own positions in their place, so
//! that faults name the right lines after an edit elsewhere in the file. The line table *in* the machine code is that
//! of the function that was compiled. Where a profiler is attached (`CUDA_INJECTION64_PATH` is set) or
//! `HIDET_LINES=exact`, the positions are part of both keys, so that the profiler shows the right lines.
//!
//! This module knows architectures, not devices: kernels compile on machines without a GPU.

use super::cores;
use super::nvrtc::{self, Cubin};
use super::stored::Stored;
use crate::cache::{Cache, Digest, EntryKind, Flights};
use crate::codegen::{self, Source};
use crate::error::Result;
use crate::ir::{Arch, Function, text};
use crate::passes::{self, Conditions, LoweringOptions};
use std::sync::{Arc, OnceLock};

/// A hash of the sources of this crate; see `build.rs`.
pub const BUILD: &str = env!("HIDET_BUILD");

/// A compiled kernel, ready to load.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Its CUDA text, and what a launch needs. Handles are those of the compacted function.
    pub source: Source,
    /// Its machine code.
    pub cubin: Arc<Cubin>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a kernel came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was compiled.
    Compiled,
    /// Its CUDA text was generated, and its machine code came from the cache.
    Text,
    /// All of it came from the cache or from an image.
    Stored,
}

/// A kernel whose source names statements by number.
type Shared = (Source, Arc<Cubin>, Origin);

impl Binary {
    /// Returns the kernel for an architecture, from the cache or compiled now.
    pub fn of(cache: &Cache, function: &Function, arch: Arch, options: &LoweringOptions) -> Result<Binary> {
        let tool = nvrtc::fingerprint(arch)?;
        let lines = exact_lines();
        let ir = if lines { text::print_with_spans(function) } else { text::print(function) };
        let key = Digest::of(&[
            BUILD.as_bytes(),
            format!("{options:?} {arch} {}", hidet_mapping::VERSION).as_bytes(),
            tool.as_bytes(),
            ir.as_bytes(),
        ]);

        let (plain, places) = function.without_places();
        let make = || -> Result<Shared> {
            if let Some(found) = stored(cache, key) {
                return Ok(found);
            }
            let _lock = cache.file_lock(key);
            // Another process may have compiled it while this one waited.
            if let Some(found) = stored(cache, key) {
                return Ok(found);
            }
            // An error must name a source line, so the text is generated again with positions.
            let source = match generate(&plain, arch, options) {
                Ok(source) => source,
                Err(_) => generate(function, arch, options)?,
            };
            let placed = source.clone().with_places(&places);
            let text = if lines { placed.text_with_lines() } else { placed.text.clone() };
            let binary = Digest::of(&[tool.as_bytes(), text.as_bytes()]);
            let (cubin, origin) = match cache.get(EntryKind::Binary, binary) {
                Some(Stored(cubin)) => (cubin, Origin::Text),
                None => {
                    let cubin = Arc::new(nvrtc::compile(&placed, arch)?);
                    cache.put(EntryKind::Binary, binary, &Stored(cubin.clone()));
                    (cubin, Origin::Compiled)
                }
            };
            cache.put(EntryKind::Kernel, key, &(source.clone(), binary));
            Ok((source, cubin, origin))
        };
        static FLIGHTS: OnceLock<Flights<Result<Shared>>> = OnceLock::new();
        let flight = Digest::of(&[&key.0, cache.folder().map_or(&[], |folder| folder.as_os_str().as_encoded_bytes())]);
        let (source, cubin, origin) = FLIGHTS.get_or_init(Flights::default).run(flight, make)?;
        Ok(Binary { source: source.with_places(&places), cubin, origin })
    }

    /// Compiles several kernels at once, on all cores, each as [`Binary::of`] does.
    pub fn all(cache: &Cache, functions: &[Function], arch: Arch, options: &LoweringOptions) -> Vec<Result<Binary>> {
        let make = |function: &Function| Binary::of(cache, function, arch, options);
        nvrtc::expecting(functions.len(), || cores::each(functions, |function| function.stmts.len(), make))
    }
}

fn stored(cache: &Cache, key: Digest) -> Option<Shared> {
    let (source, binary) = cache.get::<(Source, Digest)>(EntryKind::Kernel, key)?;
    let Stored(cubin) = cache.get(EntryKind::Binary, binary)?;
    Some((source, cubin, Origin::Stored))
}

fn generate(function: &Function, arch: Arch, options: &LoweringOptions) -> Result<Source> {
    codegen::cuda(&passes::lower(function, options)?, arch)
}

/// Returns the conditions on extents under which a kernel needs fewer guards, the fewest guards first, from the cache
/// or computed now.
pub fn conditions(cache: &Cache, function: &Function) -> Result<Vec<Conditions>> {
    let key = Digest::of(&[BUILD.as_bytes(), text::print(function).as_bytes()]);
    if let Some(conditions) = cache.get(EntryKind::Bounds, key) {
        return Ok(conditions);
    }
    let conditions = passes::bounds_report(function)?.instances;
    cache.put(EntryKind::Bounds, key, &conditions);
    Ok(conditions)
}

/// Returns true if the line tables in machine code must be exact.
fn exact_lines() -> bool {
    std::env::var_os("CUDA_INJECTION64_PATH").is_some_and(|path| !path.is_empty())
        || std::env::var_os("HIDET_LINES").is_some_and(|value| value == "exact")
}

#[cfg(test)]
mod tests;

//! NVRTC: compiles CUDA C++ to cubins in process, and reads what ptxas reports.

mod library;

use crate::codegen::Source;
use crate::error::{Error, Result};
use crate::ir::Arch;
use cudarc::nvrtc::sys;
use library::{Lent, library};
use std::ffi::{CString, c_char};
use std::thread;

/// Machine code of a kernel.
#[derive(Clone, Debug)]
pub struct Cubin {
    image: Vec<u8>,
    /// The resources that ptxas reports.
    pub usage: Usage,
    /// The complete log of the compiler.
    pub log: String,
}

impl Cubin {
    /// Wraps machine code and its compiler log. The driver trusts the image, so it must be complete: NVRTC's own, or a
    /// stored one whose checksum matches.
    pub(super) fn new(image: Vec<u8>, log: String) -> Cubin {
        Cubin { image, usage: usage(&log), log }
    }

    /// Wraps machine code that this process did not compile, without a log.
    ///
    /// # Safety
    /// The driver trusts the image: it must be complete, as NVRTC produced it.
    pub unsafe fn from_image(image: Vec<u8>) -> Cubin {
        Cubin::new(image, String::new())
    }

    /// Returns the image, as the driver loads it.
    pub fn image(&self) -> &[u8] {
        &self.image
    }
}

/// The resources that a kernel uses, as ptxas reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Registers per thread.
    pub registers: u32,
    /// Bytes of spill stores: written to local memory because registers ran out.
    pub spill_stores: u32,
    /// Bytes of spill loads.
    pub spill_loads: u32,
    /// Bytes of stack frame (local memory) per thread.
    pub stack: u32,
    /// Bytes of static shared memory.
    pub shared: u32,
    /// Log lines about lost performance: serialized wgmma, ignored `setmaxnreg`.
    pub losses: Vec<String>,
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::Device { device: "NVRTC".to_owned(), message: message.into() }
}

/// Returns the version of NVRTC, major and minor, or an error that says why it cannot be used.
pub fn version() -> Result<(i32, i32)> {
    library().map(|library| library.version)
}

/// Runs `work` while another thread loads NVRTC, which takes some ten milliseconds, and waits for both.
pub fn while_loading<R>(work: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        // If the thread cannot be started, NVRTC is loaded on first use.
        let _ = thread::Builder::new().spawn_scoped(scope, || drop(library()));
        work()
    })
}

/// Runs `work`, which compiles about `kernels` kernels: this decides whether copies of NVRTC are worth loading.
pub fn expecting<R>(kernels: usize, work: impl FnOnce() -> R) -> R {
    library::expecting(kernels, work)
}

/// Status codes with their own error message.
const INVALID_OPTION: u32 = 5;
const COMPILATION: u32 = 6;
const BUILTIN_OPERATION_FAILURE: u32 = 7;

/// Returns the options of every compilation. The IR decides on FMA contraction, so that both devices agree. From CUDA
/// 13 on, NVRTC keeps results on disk; those come without a log, thus without registers and spills, so that cache is
/// not used. Texture types and CUDA's runtime functions, which no kernel uses, cost four milliseconds per compilation
/// where they are declared.
fn options(target: &str) -> Vec<String> {
    let recent = version().is_ok_and(|version| version >= (13, 0));
    ["--std=c++17", "--fmad=false", "-lineinfo", "--ptxas-options=-v", "--diag-suppress=177,550"]
        .into_iter()
        .chain(recent.then_some(["--no-cache", "--minimal"]).into_iter().flatten())
        .map(str::to_owned)
        .chain([format!("--gpu-architecture={target}")])
        .collect()
}

/// Returns everything but the text that decides what is compiled: the compiler, by version and size, and its options.
pub fn fingerprint(arch: Arch) -> Result<String> {
    let library = library()?;
    let ((major, minor), bytes) = (library.version, library.bytes);
    Ok(format!("NVRTC {major}.{minor} of {bytes} bytes {}", options(&arch.to_string()).join(" ")))
}

/// Compiles a kernel for an architecture.
pub fn compile(source: &Source, arch: Arch) -> Result<Cubin> {
    let program = Program::new(source, &arch.to_string(), arch)?;
    // SAFETY: the program is alive; the size is what the second function writes.
    let image = unsafe { program.output(program.api.nvrtcGetCUBINSize, program.api.nvrtcGetCUBIN) }?;
    Ok(Cubin::new(image, program.log.clone()))
}

/// Compiles a kernel to PTX, for reading.
pub fn ptx(source: &Source, arch: Arch) -> Result<String> {
    let program = Program::new(source, &arch.to_string().replace("sm_", "compute_"), arch)?;
    // SAFETY: as in `compile`.
    let text = unsafe { program.output(program.api.nvrtcGetPTXSize, program.api.nvrtcGetPTX) }?;
    Ok(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned())
}

/// A compiled program, destroyed at the end.
struct Program {
    api: Lent,
    handle: sys::nvrtcProgram,
    log: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the handle was created and is destroyed once. A failure only leaks memory.
        let _ = unsafe { (self.api.nvrtcDestroyProgram)(&mut self.handle) };
    }
}

impl Program {
    fn new(source: &Source, target: &str, arch: Arch) -> Result<Program> {
        let library = library()?;
        let refused = |log: String| Error::Compile { kernel: source.kernel.clone(), arch: arch.to_string(), log };
        let text = CString::new(source.text_with_lines()).map_err(|_| refused("the text contains a NUL".to_owned()))?;
        let name =
            CString::new(format!("{}.cu", source.entry)).map_err(|_| refused("the name contains a NUL".to_owned()))?;
        let options: Vec<CString> =
            options(target).into_iter().filter_map(|option| CString::new(option).ok()).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();

        let mut program = Program { api: library.lend(), handle: std::ptr::null_mut(), log: String::new() };
        // SAFETY: the strings end with NUL and live longer than the call; there are no headers.
        let status = unsafe {
            (program.api.nvrtcCreateProgram)(
                &mut program.handle,
                text.as_ptr(),
                name.as_ptr(),
                0,
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        program.check(status)?;
        // SAFETY: the program was created; the options live longer than the call.
        let status =
            unsafe { (program.api.nvrtcCompileProgram)(program.handle, pointers.len() as i32, pointers.as_ptr()) };
        // SAFETY: as in `compile`.
        let log = unsafe { program.output(program.api.nvrtcGetProgramLogSize, program.api.nvrtcGetProgramLog) };
        program.log = String::from_utf8_lossy(&log.unwrap_or_default()).trim_end_matches('\0').trim_end().to_owned();
        match status {
            0 => Ok(program),
            COMPILATION => Err(refused(program.log.clone())),
            INVALID_OPTION => {
                let (major, minor) = library.version;
                Err(refused(format!("NVRTC {major}.{minor} does not know this architecture: {}", program.log)))
            }
            BUILTIN_OPERATION_FAILURE => {
                Err(unavailable(format!("{}\nput libnvrtc-builtins beside libnvrtc on LD_LIBRARY_PATH", program.log)))
            }
            status => Err(refused(format!("{}: {}", program.api.describe(status), program.log))),
        }
    }

    /// Returns an output; `size` returns its size and `write` writes it.
    ///
    /// # Safety
    /// `write` must write at most as many bytes as `size` returns.
    unsafe fn output(
        &self,
        size: unsafe extern "C" fn(sys::nvrtcProgram, *mut usize) -> u32,
        write: unsafe extern "C" fn(sys::nvrtcProgram, *mut c_char) -> u32,
    ) -> Result<Vec<u8>> {
        let mut bytes = 0;
        // SAFETY: the program is alive, and both functions are those of its copy of the library.
        self.check(unsafe { size(self.handle, &mut bytes) })?;
        let mut out = vec![0u8; bytes];
        // SAFETY: as above; the buffer has that size.
        self.check(unsafe { write(self.handle, out.as_mut_ptr().cast()) })?;
        Ok(out)
    }

    fn check(&self, status: u32) -> Result<()> {
        if status == 0 { Ok(()) } else { Err(unavailable(self.api.describe(status))) }
    }
}

/// Parses the resources that ptxas reports in a log.
fn usage(log: &str) -> Usage {
    let mut usage = Usage::default();
    for line in log.lines() {
        // The number before a word: `16 bytes stack frame, 0 bytes spill stores`.
        let before = |what: &str| -> u32 {
            let words = line.find(what).map(|at| line[..at].trim_end());
            words.and_then(|words| words.rsplit([' ', ',']).next()?.parse().ok()).unwrap_or(0)
        };
        usage.stack = usage.stack.max(before("bytes stack frame"));
        usage.spill_stores += before("bytes spill stores");
        usage.spill_loads += before("bytes spill loads");
        usage.registers = usage.registers.max(before("registers"));
        usage.shared = usage.shared.max(before("bytes smem"));
        if line.contains("Potential Performance Loss") || line.contains("(C75") {
            usage.losses.push(line.trim().to_owned());
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_ptxas_is_read() {
        let log = "ptxas info    : 7 bytes gmem, 16 bytes cmem[4]\n\
                   ptxas info    : Compiling entry function 'kern' for 'sm_75'\n\
                   ptxas         .     16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n\
                   ptxas info    : Used 24 registers, used 1 barriers, 16 bytes cumulative stack size, 256 bytes smem\n\
                   ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized";
        let usage = usage(log);
        assert_eq!((usage.registers, usage.stack, usage.shared), (24, 16, 256));
        assert_eq!((usage.spill_stores, usage.spill_loads, usage.losses.len()), (8, 12, 1));
    }
}

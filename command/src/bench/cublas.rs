//! The baseline cuBLAS in f32: the fastest of its own choices and of cuBLASLt's, all in true f32 arithmetic (no TF32).

use super::contestant::Contestant;
use super::cublaslt;
use super::gemm::Gemm;
use super::library::{self, check, functions};
use super::problem::say;
use hidet::cuda::Context;
use hidet::prelude::Device;
use hidet::tune;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::rc::Rc;

type Handle = *mut c_void;

functions! {
    /// The functions of cuBLAS that are used here.
    Functions {
        cublasCreate_v2(handle: *mut Handle);
        cublasDestroy_v2(handle: Handle);
        cublasSetStream_v2(handle: Handle, stream: *mut c_void);
        cublasSetMathMode(handle: Handle, mode: i32);
        cublasGemmEx(
            handle: Handle, left_transposed: i32, right_transposed: i32, m: i32, n: i32, k: i32, alpha: *const f32,
            left: *const c_void, left_type: i32, left_ld: i32, right: *const c_void, right_type: i32, right_ld: i32,
            beta: *const f32, result: *mut c_void, result_type: i32, result_ld: i32, compute: i32, algorithm: i32,
        );
    }
}

/// Ways to call it: `CUBLAS_COMPUTE_32F` and its pedantic form, which forbids every other arithmetic; the library's
/// choice (`CUBLAS_GEMM_DEFAULT`) and its own measurement (`CUBLAS_GEMM_AUTOTUNE`, new in 13).
const WAYS: [(&str, i32, i32); 4] = [
    ("32F, default", 68, -1),
    ("32F pedantic, default", 69, -1),
    ("32F, autotuned", 68, 999),
    ("32F pedantic, autotuned", 69, 999),
];

/// A handle of the library, on the stream of a context.
struct Library {
    functions: Functions,
    context: &'static Context,
    handle: Handle,
}

impl Library {
    fn new(context: &'static Context) -> Result<Library, String> {
        // cuBLAS needs cuBLASLt. Loading it first makes the loader use the one found here.
        library::load("cublasLt", "nvidia-cublas")?;
        let functions = Functions::find(library::load("cublas", "nvidia-cublas")?)?;
        // Makes the context current in this thread, where the library looks for it.
        context.make_current().map_err(|error| error.to_string())?;
        let mut library = Library { functions, context, handle: null_mut() };
        let calls = &library.functions;
        // SAFETY: the pointer is valid for a write; the stream lives as long as the context. 0: the default math, which
        // computes f32 in f32.
        unsafe {
            check("cublasCreate", (calls.cublasCreate_v2)(&mut library.handle))?;
            check("cublasSetStream", (calls.cublasSetStream_v2)(library.handle, context.stream_handle()))?;
            check("cublasSetMathMode", (calls.cublasSetMathMode)(library.handle, 0))?;
        }
        Ok(library)
    }

    fn launch(&self, gemm: &Gemm, compute: i32, algorithm: i32) -> Result<(), String> {
        let view = gemm.column_major();
        let [m, n, k] = view.shape.map(|extent| extent as i32);
        let (ty, alpha, beta) = (gemm.data_type()?, 1f32, 0f32);
        // SAFETY: the memory is alive as long as the contestant and as large as the extents say; the numbers are read
        // during the call.
        let code = unsafe {
            (self.functions.cublasGemmEx)(
                self.handle,
                i32::from(view.left_transposed),
                0,
                m,
                n,
                k,
                &alpha,
                gemm.b.address() as *const c_void,
                ty,
                view.left[0] as i32,
                gemm.a.address() as *const c_void,
                ty,
                view.right[0] as i32,
                &beta,
                gemm.c.address() as *mut c_void,
                ty,
                m,
                compute,
                algorithm,
            )
        };
        check("cublasGemmEx", code)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // Its work may still be running, and the library expects its context to be current.
        if !self.handle.is_null() && self.context.synchronize().is_ok() {
            // SAFETY: the handle was created, and is destroyed once.
            let _ = unsafe { (self.functions.cublasDestroy_v2)(self.handle) };
        }
    }
}

/// Returns the fastest of all ways.
pub fn best(device: &Device, gemm: &Gemm) -> Result<Contestant, String> {
    let context = device.as_cuda().ok_or("cublas: the library needs a GPU")?;
    let library = Rc::new(Library::new(context).map_err(|why| format!("cublas: {why}"))?);
    let mut candidates: Vec<Contestant> = WAYS
        .into_iter()
        .map(|(name, compute, algorithm)| {
            let (library, gemm) = (library.clone(), gemm.clone());
            let launch = move || library.launch(&gemm, compute, algorithm);
            Contestant::new("cublas", format!("cublasGemmEx {name}"), launch)
        })
        .collect();
    for candidate in cublaslt::candidates(context, gemm).map_err(|why| format!("cublas: {why}"))? {
        let detail = format!("cuBLASLt {}", candidate.note);
        candidates.push(candidate.called("cublas", detail));
    }
    let asked = candidates.len();
    let (best, able) = tune::fastest(device, candidates).map_err(say)?;
    let detail = format!("{}; fastest of {able} of {asked}", best.note);
    Ok(best.called("cublas", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_every_function() {
        match library::load("cublasLt", "nvidia-cublas").and_then(|_| library::load("cublas", "nvidia-cublas")) {
            Ok(library) => assert!(Functions::find(library).is_ok()),
            Err(why) => assert!(why.contains("was not found; install the CUDA toolkit"), "{why}"),
        }
    }
}

//! The baseline cuBLASLt: the fastest of all algorithms that its heuristics propose.

use super::contestant::Contestant;
use super::gemm::Gemm;
use super::library::{self, check, functions};
use super::problem::say;
use hidet::cuda::{Context, Memory};
use hidet::prelude::Device;
use hidet::tune;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::rc::Rc;

type Handle = *mut c_void;

/// An algorithm, opaque data of the library.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct Algorithm([u64; 8]);

/// An algorithm proposed by a heuristic.
#[repr(C)]
#[derive(Clone, Copy)]
struct Proposal {
    algorithm: Algorithm,
    workspace: usize,
    status: i32,
    waves: f32,
    reserved: [i32; 4],
}

functions! {
    /// The functions of cuBLASLt that are used here.
    Functions {
        cublasLtCreate(handle: *mut Handle);
        cublasLtDestroy(handle: Handle);
        cublasLtMatmulDescCreate(desc: *mut Handle, compute: i32, scale: i32);
        cublasLtMatmulDescSetAttribute(desc: Handle, attribute: i32, value: *const c_void, bytes: usize);
        cublasLtMatmulDescDestroy(desc: Handle);
        cublasLtMatrixLayoutCreate(layout: *mut Handle, ty: i32, rows: u64, cols: u64, ld: i64);
        cublasLtMatrixLayoutDestroy(layout: Handle);
        cublasLtMatmulPreferenceCreate(preference: *mut Handle);
        cublasLtMatmulPreferenceSetAttribute(preference: Handle, attribute: i32, value: *const c_void, bytes: usize);
        cublasLtMatmulPreferenceDestroy(preference: Handle);
        cublasLtMatmulAlgoGetHeuristic(
            handle: Handle, desc: Handle, a: Handle, b: Handle, c: Handle, d: Handle, preference: Handle, asked: i32,
            proposals: *mut Proposal, given: *mut i32,
        );
        cublasLtMatmulAlgoConfigGetAttribute(
            algorithm: *const Algorithm, attribute: i32, value: *mut c_void, bytes: usize, written: *mut usize,
        );
        cublasLtMatmul(
            handle: Handle, desc: Handle, alpha: *const f32, a: *const c_void, a_layout: Handle, b: *const c_void,
            b_layout: Handle, beta: *const f32, c: *const c_void, c_layout: Handle, d: *mut c_void, d_layout: Handle,
            algorithm: *const Algorithm, workspace: *mut c_void, workspace_bytes: usize, stream: *mut c_void,
        );
    }
}

/// `CUBLAS_COMPUTE_32F`: sums in f32; products of f32 are exact f32 too, since TF32 must be requested explicitly.
const COMPUTE_F32: i32 = 68;
/// `CUDA_R_32F`.
const F32: i32 = 0;
/// `CUBLASLT_MATMUL_DESC_TRANSA`.
const TRANSPOSE_LEFT: i32 = 3;
/// `CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES`.
const WORKSPACE: i32 = 1;

/// The most workspace of an algorithm in bytes: what is requested here, and what the library uses by default on Hopper.
const WORKSPACES: [usize; 2] = [64 << 20, 32 << 20];
/// The number of proposals requested.
const PROPOSALS: usize = 64;

/// A product, described to the library.
struct Product {
    functions: Functions,
    context: &'static Context,
    gemm: Gemm,
    handle: Handle,
    desc: Handle,
    left: Handle,
    right: Handle,
    result: Handle,
    workspace: Memory,
}

impl Product {
    fn new(context: &'static Context, gemm: &Gemm) -> Result<Product, String> {
        let functions = Functions::find(library::load("cublasLt", "nvidia-cublas")?)?;
        let ty = gemm.data_type()?;
        let workspace = Memory::new(context, WORKSPACES[0]).map_err(|error| error.to_string())?;
        // Makes the context current in this thread, where the library looks for it.
        context.make_current().map_err(|error| error.to_string())?;
        let mut product = Product {
            functions,
            context,
            gemm: gemm.clone(),
            handle: null_mut(),
            desc: null_mut(),
            left: null_mut(),
            right: null_mut(),
            result: null_mut(),
            workspace,
        };
        let view = gemm.column_major();
        let calls = &product.functions;
        let transposed = i32::from(view.left_transposed);
        let layout = |layout: *mut Handle, [rows, cols]: [usize; 2]| {
            // SAFETY: the pointer is valid for a write.
            let code = unsafe { (calls.cublasLtMatrixLayoutCreate)(layout, ty, rows as u64, cols as u64, rows as i64) };
            check("cublasLtMatrixLayoutCreate", code)
        };
        // SAFETY: pointers are valid for writes; the attribute is read during the call.
        unsafe {
            check("cublasLtCreate", (calls.cublasLtCreate)(&mut product.handle))?;
            let code = (calls.cublasLtMatmulDescCreate)(&mut product.desc, COMPUTE_F32, F32);
            check("cublasLtMatmulDescCreate", code)?;
            let value = (&raw const transposed).cast();
            let code = (calls.cublasLtMatmulDescSetAttribute)(product.desc, TRANSPOSE_LEFT, value, 4);
            check("cublasLtMatmulDescSetAttribute", code)?;
        }
        layout(&mut product.left, view.left)?;
        layout(&mut product.right, view.right)?;
        layout(&mut product.result, [view.shape[0], view.shape[1]])?;
        Ok(product)
    }

    /// All algorithms that the heuristics propose, each once.
    fn proposals(&self) -> Result<Vec<Proposal>, String> {
        let mut all: Vec<Proposal> = Vec::new();
        for workspace in WORKSPACES {
            let mut proposals =
                [Proposal { algorithm: Algorithm([0; 8]), workspace: 0, status: 0, waves: 0.0, reserved: [0; 4] };
                    PROPOSALS];
            let (mut preference, mut given) = (null_mut(), 0);
            let calls = &self.functions;
            // SAFETY: the descriptions were created; the array has room for as many proposals as are asked for.
            unsafe {
                check("cublasLtMatmulPreferenceCreate", (calls.cublasLtMatmulPreferenceCreate)(&mut preference))?;
                let value = (&raw const workspace).cast();
                let limited = (calls.cublasLtMatmulPreferenceSetAttribute)(preference, WORKSPACE, value, 8);
                let asked = (calls.cublasLtMatmulAlgoGetHeuristic)(
                    self.handle,
                    self.desc,
                    self.left,
                    self.right,
                    self.result,
                    self.result,
                    preference,
                    PROPOSALS as i32,
                    proposals.as_mut_ptr(),
                    &mut given,
                );
                let _ = (calls.cublasLtMatmulPreferenceDestroy)(preference);
                check("cublasLtMatmulPreferenceSetAttribute", limited)?;
                check("cublasLtMatmulAlgoGetHeuristic", asked)?;
            }
            for proposal in proposals.iter().take(given.max(0) as usize).filter(|proposal| proposal.status == 0) {
                if all.iter().all(|other| other.algorithm != proposal.algorithm) {
                    all.push(*proposal);
                }
            }
        }
        Ok(all)
    }

    /// Launches the product by one algorithm.
    fn launch(&self, algorithm: &Algorithm) -> Result<(), String> {
        let (alpha, beta) = (1f32, 0f32);
        let Gemm { a, b, c, .. } = &self.gemm;
        // SAFETY: the memory is alive as long as `self` and as large as the descriptions say; the numbers are read
        // during the call.
        let code = unsafe {
            (self.functions.cublasLtMatmul)(
                self.handle,
                self.desc,
                &alpha,
                b.address() as *const c_void,
                self.left,
                a.address() as *const c_void,
                self.right,
                &beta,
                c.address() as *const c_void,
                self.result,
                c.address() as *mut c_void,
                self.result,
                algorithm,
                self.workspace.address() as *mut c_void,
                self.workspace.len(),
                self.context.stream_handle(),
            )
        };
        check("cublasLtMatmul", code)
    }

    /// Returns the numbers that identify an algorithm within the library.
    fn describe(&self, algorithm: &Algorithm) -> String {
        let names = ["algorithm", "tile", "split-k"];
        let mut text = Vec::new();
        for (attribute, name) in names.iter().enumerate() {
            let (mut value, mut written) = (0i32, 0usize);
            let pointer = (&raw mut value).cast();
            // SAFETY: the value has room for the four bytes that these attributes take.
            let code = unsafe {
                (self.functions.cublasLtMatmulAlgoConfigGetAttribute)(
                    algorithm,
                    attribute as i32,
                    pointer,
                    4,
                    &mut written,
                )
            };
            if code == 0 {
                text.push(format!("{name} {value}"));
            }
        }
        text.join(" ")
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // Its work may still be running, and the library expects its context to be current.
        if self.context.synchronize().is_err() {
            return;
        }
        let calls = &self.functions;
        // SAFETY: each was created, and is destroyed once. Failures at the end are ignored.
        unsafe {
            for layout in [self.left, self.right, self.result] {
                if !layout.is_null() {
                    let _ = (calls.cublasLtMatrixLayoutDestroy)(layout);
                }
            }
            if !self.desc.is_null() {
                let _ = (calls.cublasLtMatmulDescDestroy)(self.desc);
            }
            if !self.handle.is_null() {
                let _ = (calls.cublasLtDestroy)(self.handle);
            }
        }
    }
}

/// Returns every algorithm that the heuristics propose.
pub fn candidates(context: &'static Context, gemm: &Gemm) -> Result<Vec<Contestant>, String> {
    let product = Rc::new(Product::new(context, gemm)?);
    let contestant = |proposal: Proposal| {
        let product = product.clone();
        let detail = format!("{}, {} bytes of workspace", product.describe(&proposal.algorithm), proposal.workspace);
        Contestant::new("cublaslt", detail, move || product.launch(&proposal.algorithm))
    };
    Ok(product.proposals()?.into_iter().map(contestant).collect())
}

/// Returns the fastest of them.
pub fn best(device: &Device, gemm: &Gemm) -> Result<Contestant, String> {
    let context = device.as_cuda().ok_or("cublaslt: the library needs a GPU")?;
    let candidates = candidates(context, gemm).map_err(|why| format!("cublaslt: {why}"))?;
    let proposed = candidates.len();
    let (best, able) = tune::fastest(device, candidates).map_err(say)?;
    let detail = format!("{}; fastest of {able} of {proposed} proposed", best.note);
    Ok(best.called("cublaslt", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_every_function() {
        match library::load("cublasLt", "nvidia-cublas") {
            Ok(library) => assert!(Functions::find(library).is_ok()),
            Err(why) => assert!(why.contains("libcublasLt.so.13 was not found; install"), "{why}"),
        }
    }

    #[test]
    fn the_library_reads_proposals_where_it_wrote_them() {
        assert_eq!((size_of::<Algorithm>(), size_of::<Proposal>()), (64, 96));
        assert_eq!(std::mem::offset_of!(Proposal, status), 72);
    }
}

//! The driver: its functions, found by name, and what its error codes mean.

use crate::error::{Error, Result};
use cudarc::driver::sys::{self, *};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::sync::OnceLock;

/// The oldest supported driver, as `cuDriverGetVersion` reports it: CUDA 12.0.
const OLDEST: i32 = 12000;

/// `cuGraphAddDependencies_v2`.
type AddGraphEdges = unsafe extern "C" fn(
    graph: CUgraph,
    from: *const CUgraphNode,
    to: *const CUgraphNode,
    edges: *const CUgraphEdgeData,
    count: usize,
) -> u32;

/// Returns the address of a function, if the driver has it. Of one type for all, so that the lookup is compiled once.
fn address(name: &str) -> Option<*const c_void> {
    // SAFETY: the library is present, as `probe` has checked; the symbol is looked up, not called.
    unsafe { sys::culib().get::<*const c_void>(name.as_bytes()) }.ok().map(|found| *found)
}

macro_rules! calls {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        /// The functions of the driver that are used here. A status is a plain number, because newer drivers have codes
        /// that the bindings do not know.
        #[allow(non_snake_case, missing_docs)]
        pub struct Driver {
            /// The CUDA version the driver supports, 1000 * major + 10 * minor.
            pub version: i32,
            /// Number of devices.
            pub devices: i32,
            /// Adds edges that say how a node waits for another; from CUDA 12.3 on.
            pub add_graph_edges: Option<AddGraphEdges>,
            $(pub $name: unsafe extern "C" fn($($arg: $ty),*) -> u32,)*
        }

        /// The names of all functions of the driver that are used here.
        pub const FUNCTIONS: &[&str] = &[$(stringify!($name)),*];

        impl Driver {
            /// Finds every function, or returns the name of the first that is missing.
            fn find() -> Result<Driver, &'static str> {
                Ok(Driver {
                    version: 0,
                    devices: 0,
                    // SAFETY: the type is that of the driver's function of this name.
                    add_graph_edges: address("cuGraphAddDependencies_v2")
                        .map(|found| unsafe { transmute::<*const c_void, AddGraphEdges>(found) }),
                    $($name: {
                        let address = address(stringify!($name)).ok_or(stringify!($name))?;
                        // SAFETY: as above.
                        unsafe { transmute::<*const c_void, unsafe extern "C" fn($($ty),*) -> u32>(address) }
                    },)*
                })
            }
        }
    };
}

calls! {
    cuInit(flags: c_uint);
    cuDriverGetVersion(version: *mut c_int);
    cuGetErrorName(status: u32, name: *mut *const c_char);
    cuGetErrorString(status: u32, text: *mut *const c_char);
    cuDeviceGetCount(count: *mut c_int);
    cuDeviceGet(device: *mut CUdevice, ordinal: c_int);
    cuDeviceGetName(name: *mut c_char, len: c_int, device: CUdevice);
    cuDeviceGetAttribute(value: *mut c_int, attribute: CUdevice_attribute, device: CUdevice);
    cuDeviceTotalMem_v2(bytes: *mut usize, device: CUdevice);
    cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice);
    cuDevicePrimaryCtxRelease_v2(device: CUdevice);
    cuCtxSetCurrent(context: CUcontext);
    cuCtxGetCurrent(context: *mut CUcontext);
    cuCtxPushCurrent_v2(context: CUcontext);
    cuCtxPopCurrent_v2(context: *mut CUcontext);
    cuStreamCreate(stream: *mut CUstream, flags: c_uint);
    cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: c_uint);
    cuStreamBeginCapture_v2(stream: CUstream, mode: CUstreamCaptureMode);
    cuStreamEndCapture(stream: CUstream, graph: *mut CUgraph);
    cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize);
    cuMemFree_v2(address: CUdeviceptr);
    cuMemAllocAsync(address: *mut CUdeviceptr, bytes: usize, stream: CUstream);
    cuMemFreeAsync(address: CUdeviceptr, stream: CUstream);
    cuDeviceGetDefaultMemPool(pool: *mut CUmemoryPool, device: CUdevice);
    cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: c_uint);
    cuMemFreeHost(address: *mut c_void);
    cuMemPoolTrimTo(pool: CUmemoryPool, keep: usize);
    cuMemPoolSetAttribute(pool: CUmemoryPool, attribute: CUmemPool_attribute, value: *mut c_void);
    cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream);
    cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream);
    cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream);
    cuMemcpyPeerAsync(
        to: CUdeviceptr, to_context: CUcontext, from: CUdeviceptr, from_context: CUcontext, bytes: usize, stream: CUstream
    );
    cuMemsetD8Async(to: CUdeviceptr, byte: u8, bytes: usize, stream: CUstream);
    cuModuleLoadData(module: *mut CUmodule, image: *const c_void);
    cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char);
    cuModuleUnload(module: CUmodule);
    cuFuncSetAttribute(function: CUfunction, attribute: CUfunction_attribute, value: c_int);
    cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: *mut c_int, function: CUfunction, threads: c_int, shared: usize);
    cuOccupancyMaxActiveClusters(clusters: *mut c_int, function: CUfunction, config: *const CUlaunchConfig);
    cuLaunchKernel(
        function: CUfunction, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint,
        block_z: c_uint, shared: c_uint, stream: CUstream, params: *mut *mut c_void, extra: *mut *mut c_void
    );
    cuLaunchKernelEx(config: *const CUlaunchConfig, function: CUfunction, params: *mut *mut c_void, extra: *mut *mut c_void);
    cuEventCreate(event: *mut CUevent, flags: c_uint);
    cuEventRecord(event: CUevent, stream: CUstream);
    cuEventSynchronize(event: CUevent);
    cuEventQuery(event: CUevent);
    cuEventElapsedTime(milliseconds: *mut f32, start: CUevent, end: CUevent);
    cuEventDestroy_v2(event: CUevent);
    cuGraphCreate(graph: *mut CUgraph, flags: c_uint);
    cuGraphAddKernelNode_v2(
        node: *mut CUgraphNode, graph: CUgraph, after: *const CUgraphNode, count: usize,
        params: *const CUDA_KERNEL_NODE_PARAMS
    );
    cuGraphInstantiateWithFlags(exec: *mut CUgraphExec, graph: CUgraph, flags: u64);
    cuGraphLaunch(exec: CUgraphExec, stream: CUstream);
    cuGraphExecDestroy(exec: CUgraphExec);
    cuGraphDestroy(graph: CUgraph);
    cuTensorMapEncodeTiled(
        map: *mut CUtensorMap, ty: CUtensorMapDataType, rank: u32, address: *mut c_void, extents: *const u64,
        strides: *const u64, tile: *const u32, steps: *const u32, interleave: CUtensorMapInterleave,
        swizzle: CUtensorMapSwizzle, promotion: CUtensorMapL2promotion, fill: CUtensorMapFloatOOBfill
    );
    cuTensorMapEncodeIm2col(
        map: *mut CUtensorMap, ty: CUtensorMapDataType, rank: u32, address: *mut c_void, extents: *const u64,
        strides: *const u64, lower: *const c_int, upper: *const c_int, channels: u32, pixels: u32, steps: *const u32,
        interleave: CUtensorMapInterleave, swizzle: CUtensorMapSwizzle, promotion: CUtensorMapL2promotion,
        fill: CUtensorMapFloatOOBfill
    );
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::Device { device: "CUDA".to_owned(), message: message.into() }
}

/// Returns the driver, initialised and with at least one device, or an error that says why it cannot be used.
pub fn driver() -> Result<&'static Driver> {
    static DRIVER: OnceLock<Result<Driver>> = OnceLock::new();
    DRIVER.get_or_init(probe).as_ref().map_err(Clone::clone)
}

fn probe() -> Result<Driver> {
    // SAFETY: loading the driver runs only its initialisers.
    if !unsafe { sys::is_culib_present() } {
        return Err(unavailable(
            "no NVIDIA driver: libcuda.so.1 was not found; install the NVIDIA driver (525 or newer), or take \
             the simulated device: `Device::sim()`, `--device sim`",
        ));
    }
    // The version comes first: an old driver may lack functions, and its version says more than their names.
    // SAFETY: the type is the driver's.
    let get_version = unsafe { sys::culib().get::<unsafe extern "C" fn(*mut c_int) -> u32>(b"cuDriverGetVersion") };
    let Ok(get_version) = get_version else {
        return Err(unavailable(
            "the libcuda that was found is not an NVIDIA driver: it lacks `cuDriverGetVersion`; reinstall the driver",
        ));
    };
    let mut version = 0;
    // SAFETY: the pointer is valid for a write.
    let status = unsafe { get_version(&mut version) };
    if status == 0 && version < OLDEST {
        return Err(unavailable(format!(
            "the NVIDIA driver supports at most CUDA {}, and hidet needs {}: install driver 525 or newer",
            version_name(version),
            version_name(OLDEST)
        )));
    }
    let mut driver = Driver::find().map_err(|name| {
        let version = version_name(version);
        unavailable(format!(
            "the NVIDIA driver (CUDA {version}) lacks `{name}`; its installation is broken or too old: reinstall it"
        ))
    })?;
    driver.version = version;
    // SAFETY: the functions were found; pointers are valid for a write.
    let status = unsafe { (driver.cuInit)(0) };
    if status != 0 {
        let remedy = match status {
            100 => "; the driver sees no GPU (is CUDA_VISIBLE_DEVICES empty? is /dev/nvidia0 there?)",
            803 => "; the kernel module and libcuda are of different versions: reboot, or reinstall the driver",
            999 => "; the driver is in a bad state: see `nvidia-smi` and `dmesg`",
            _ => "",
        };
        return Err(unavailable(format!("cuInit failed: {}{remedy}", driver.describe(status))));
    }
    // SAFETY: as above.
    let status = unsafe { (driver.cuDeviceGetCount)(&mut driver.devices) };
    if status != 0 || driver.devices == 0 {
        return Err(unavailable("the NVIDIA driver finds no device (is CUDA_VISIBLE_DEVICES empty?)"));
    }
    Ok(driver)
}

/// Formats a version number, such as 12040 as `12.4`.
pub fn version_name(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Returns true if the process's context is unusable after this error.
pub fn is_sticky(status: u32) -> bool {
    // Illegal address, launch timeout, device assert, hardware stack, illegal instruction, misaligned address, invalid
    // address space, invalid program counter, launch failure, ECC, and kin.
    matches!(status, 214 | 700 | 702 | 710 | 714..=719 | 721 | 724..=726)
}

impl Driver {
    /// Returns the name of a status and its meaning.
    pub fn describe(&self, status: u32) -> String {
        let get = |call: unsafe extern "C" fn(u32, *mut *const c_char) -> u32| {
            let mut text = std::ptr::null();
            // SAFETY: the driver returns a constant string, or fails.
            unsafe {
                if call(status, &mut text) != 0 || text.is_null() {
                    return None;
                }
                Some(CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        };
        match (get(self.cuGetErrorName), get(self.cuGetErrorString)) {
            (Some(name), Some(text)) => format!("{name} ({status}): {text}"),
            (Some(name), None) => format!("{name} ({status})"),
            _ => format!("error {status}"),
        }
    }
}

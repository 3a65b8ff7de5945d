//! A loaded kernel and its launch.

use super::context::Context;
use super::driver::version_name;
use super::nvrtc::{self, Cubin};
use crate::error::Result;
use cudarc::driver::sys::{CUfunction, CUfunction_attribute, CUlaunchConfig, CUmodule};
use std::ffi::{CString, c_void};
use std::sync::Arc;

/// Shared memory a block has without asking.
const SHARED_WITHOUT_ASKING: usize = 48 * 1024;

/// A kernel on a device.
pub struct Module {
    context: Arc<Context>,
    entry: Arc<str>,
    module: CUmodule,
    function: CUfunction,
}

// SAFETY: modules and functions may be used from every thread.
unsafe impl Send for Module {}
unsafe impl Sync for Module {}

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Module {
    /// Loads a cubin and finds its kernel.
    pub fn load(context: &Arc<Context>, cubin: &Cubin, entry: &str) -> Result<Module> {
        context.bind()?;
        let driver = context.driver;
        let name = CString::new(entry).map_err(|_| context.error("the name of the kernel holds a NUL"))?;
        let mut loaded = Module {
            context: context.clone(),
            entry: entry.into(),
            module: std::ptr::null_mut(),
            function: std::ptr::null_mut(),
        };
        // SAFETY: the image is a whole cubin, which the driver copies.
        let status = unsafe { (driver.cuModuleLoadData)(&mut loaded.module, cubin.image.as_ptr().cast()) };
        // No image for the device, an unsupported version, an invalid image.
        if matches!(status, 200 | 209 | 222 | 218) {
            let (major, minor) = nvrtc::version().unwrap_or_default();
            let driver_version = version_name(driver.version);
            return Err(context.error(format!(
                "`{entry}`, compiled by NVRTC {major}.{minor}, is refused by the driver (CUDA {driver_version}): {}; where \
                 NVRTC is the newer of the two, update the driver or use an older NVRTC",
                driver.describe(status)
            )));
        }
        context.check("loading the kernel", status)?;
        // SAFETY: the module was loaded; the name ends with NUL.
        let status = unsafe { (driver.cuModuleGetFunction)(&mut loaded.function, loaded.module, name.as_ptr()) };
        context.check("finding the kernel", status)?;
        Ok(loaded)
    }

    /// Allows the kernel that many bytes of dynamic shared memory.
    pub fn allow_shared(&self, bytes: usize) -> Result<()> {
        if bytes <= SHARED_WITHOUT_ASKING {
            return Ok(());
        }
        self.context.bind()?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function is loaded.
        let status = unsafe { (self.context.driver.cuFuncSetAttribute)(self.function, attribute, bytes as i32) };
        self.context.check("asking for shared memory", status)
    }

    /// Allows clusters of more than eight blocks.
    pub fn allow_large_clusters(&self) -> Result<()> {
        self.context.bind()?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
        // SAFETY: the function is loaded.
        let status = unsafe { (self.context.driver.cuFuncSetAttribute)(self.function, attribute, 1) };
        self.context.check("asking for large clusters", status)
    }

    /// Launches the kernel; it runs when the stream comes to it.
    ///
    /// # Safety
    /// `params` must point to one value for each parameter of the kernel, of its type, and the kernel must not touch
    /// memory that is not its own.
    pub unsafe fn launch(&self, launch: &Launch, params: &mut [*mut c_void]) -> Result<()> {
        let context = &self.context;
        context.bind()?;
        let config = CUlaunchConfig {
            gridDimX: launch.grid[0],
            gridDimY: launch.grid[1],
            gridDimZ: launch.grid[2],
            blockDimX: launch.block[0],
            blockDimY: launch.block[1],
            blockDimZ: launch.block[2],
            sharedMemBytes: launch.shared,
            hStream: context.stream,
            // Clusters are part of the kernel (`__cluster_dims__`).
            attrs: std::ptr::null_mut(),
            numAttrs: 0,
        };
        // SAFETY: the configuration is complete; the parameters are the caller's duty.
        let status = unsafe {
            (context.driver.cuLaunchKernelEx)(&config, self.function, params.as_mut_ptr(), std::ptr::null_mut())
        };
        context.note_launch(&self.entry);
        context.check("the launch", status)
    }

    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // A kernel may still run; unloading waits for it.
        if !self.module.is_null() && self.context.bind().is_ok() {
            // SAFETY: the module is given back once.
            let _ = unsafe { (self.context.driver.cuModuleUnload)(self.module) };
        }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module on {:?}", self.context)
    }
}

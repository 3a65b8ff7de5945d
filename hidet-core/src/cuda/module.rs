//! Loaded kernels and their launches.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::driver::version_name;
use super::nvrtc::{self, Cubin};
use super::occupancy::{Occupancy, room};
use super::stream::Stream;
use crate::error::Result;
use cudarc::driver::sys::{
    CUfunction, CUfunction_attribute, CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue, CUlaunchConfig,
    CUmodule,
};
use std::ffi::{CString, c_void};
use std::sync::Arc;

/// Bytes of dynamic shared memory that a block may use without opting in.
const SHARED_WITHOUT_ASKING: usize = 48 * 1024;

/// A kernel loaded on a device.
pub struct Module {
    context: &'static Context,
    /// The index by which streams remember it.
    name: u32,
    function: CUfunction,
    _image: Arc<Image>,
}

/// A loaded cubin, which may contain several kernels.
struct Image {
    context: &'static Context,
    module: CUmodule,
}

// SAFETY: modules and functions may be used from every thread.
unsafe impl Send for Module {}
unsafe impl Sync for Module {}
unsafe impl Send for Image {}
unsafe impl Sync for Image {}

/// The configuration of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads per block along each axis.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// Blocks per cluster along each axis, as the kernel declares them.
    pub cluster: [u32; 3],
    /// All blocks must be resident at once.
    pub cooperative: bool,
    /// A programmatic dependent launch: it may start before the work ahead of it, on the stream or in the graph, has finished.
    pub dependent: bool,
}

impl Module {
    /// Loads a cubin and finds the kernel with this entry. Messages call the kernel `name`.
    pub fn load(context: &'static Context, cubin: &Cubin, name: &str, entry: &str) -> Result<Module> {
        let missing = || context.error("a kernel without a name");
        Module::load_all(context, cubin, &[(name, entry)])?.pop().ok_or_else(missing)
    }

    /// Loads a cubin and finds several of its kernels, in this order, each given as its name in messages and its entry
    /// in the cubin.
    pub fn load_all(context: &'static Context, cubin: &Cubin, kernels: &[(&str, &str)]) -> Result<Vec<Module>> {
        let _entered = context.enter()?;
        let driver = context.driver;
        let mut image = Image { context, module: std::ptr::null_mut() };
        // SAFETY: the image is a complete cubin, which the driver copies.
        let status = unsafe { (driver.cuModuleLoadData)(&mut image.module, cubin.image().as_ptr().cast()) };
        // Invalid image, no image for the device, unsupported PTX version, invalid PTX.
        if matches!(status, 200 | 209 | 222 | 218) {
            let (major, minor) = nvrtc::version().unwrap_or_default();
            let driver_version = version_name(driver.version);
            let (name, _) = kernels.first().copied().unwrap_or_default();
            return Err(context.error(format!(
                "the driver (CUDA {driver_version}) refuses `{name}`, compiled by NVRTC {major}.{minor}: {}; if NVRTC \
                 is the newer of the two, update the driver or use an older NVRTC",
                driver.describe(status)
            )));
        }
        context.check("loading the kernel", status)?;
        let image = Arc::new(image);
        let find = |(name, entry): &(&str, &str)| {
            let entry = CString::new(*entry).map_err(|_| context.error("the name of the kernel contains a NUL"))?;
            let mut function = std::ptr::null_mut();
            // SAFETY: the module was loaded; the entry ends with NUL.
            let status = unsafe { (driver.cuModuleGetFunction)(&mut function, image.module, entry.as_ptr()) };
            context.check("finding the kernel", status)?;
            Ok(Module { context, name: context.name_of(&Arc::from(*name)), function, _image: image.clone() })
        };
        kernels.iter().map(find).collect()
    }

    /// Allows the kernel `bytes` of dynamic shared memory.
    pub fn allow_shared(&self, bytes: usize) -> Result<()> {
        if bytes <= SHARED_WITHOUT_ASKING {
            return Ok(());
        }
        let _entered = self.context.enter()?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function is loaded.
        let status = unsafe { (self.context.driver.cuFuncSetAttribute)(self.function, attribute, bytes as i32) };
        self.context.check("asking for shared memory", status)
    }

    /// Allows clusters of more than eight blocks.
    pub fn allow_large_clusters(&self) -> Result<()> {
        let _entered = self.context.enter()?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
        // SAFETY: the function is loaded.
        let status = unsafe { (self.context.driver.cuFuncSetAttribute)(self.function, attribute, 1) };
        self.context.check("asking for large clusters", status)
    }

    /// Submits a launch of the kernel to the stream, under the device's lock.
    ///
    /// # Safety
    /// `params` must point to one value per parameter of the kernel, of the parameter's type, and the kernel must not
    /// access memory outside of its arguments.
    #[inline]
    pub unsafe fn launch(
        &self,
        _: &DeviceLock,
        stream: Stream,
        launch: &LaunchConfig,
        params: *mut *mut c_void,
    ) -> Result<()> {
        // SAFETY: the caller's duty.
        let status = unsafe { launch.submit(stream, self.function, params) };
        stream.queue.note_launch(self.name);
        self.context.check("the launch", status)
    }

    /// Returns a launch that can be repeated without any checks.
    ///
    /// # Safety
    /// As for [`Module::launch`], whenever it is launched.
    pub unsafe fn bare(
        &self,
        launch: LaunchConfig,
        params: Vec<Box<dyn std::any::Any + Send + Sync>>,
        pointers: Vec<*mut c_void>,
    ) -> Bare {
        Bare { context: self.context, name: self.name, function: self.function, launch, pointers, _params: params }
    }

    /// Returns the occupancy of a launch, as the driver computes it.
    pub fn occupancy(&self, launch: &LaunchConfig) -> Result<Occupancy> {
        let (context, driver) = (self.context, self.context.driver);
        let _entered = context.enter()?;
        let threads = launch.block.iter().product::<u32>();
        let (mut blocks, mut clusters) = (0, None);
        // SAFETY: the pointers are valid for a write; the function is loaded.
        unsafe {
            let shared = launch.shared as usize;
            let status = (driver.cuOccupancyMaxActiveBlocksPerMultiprocessor)(
                &mut blocks,
                self.function,
                threads as i32,
                shared,
            );
            context.check("asking for the occupancy", status)?;
            if launch.cluster.iter().product::<u32>() > 1 {
                let config = launch.config(context.stream(), &mut []);
                let mut count = 0;
                let status = (driver.cuOccupancyMaxActiveClusters)(&mut count, self.function, &config);
                context.check("asking for the occupancy of clusters", status)?;
                clusters = Some(count as u32);
            }
        }
        let blocks = blocks as u32;
        let (warps, room) = (blocks * threads.div_ceil(32), room(context.properties.arch));
        Ok(Occupancy { blocks, warps, room, clusters })
    }

    /// Returns the device.
    pub fn context(&self) -> &'static Context {
        self.context
    }
}

impl LaunchConfig {
    fn config(&self, stream: Stream, attributes: &mut [CUlaunchAttribute]) -> CUlaunchConfig {
        CUlaunchConfig {
            gridDimX: self.grid[0],
            gridDimY: self.grid[1],
            gridDimZ: self.grid[2],
            blockDimX: self.block[0],
            blockDimY: self.block[1],
            blockDimZ: self.block[2],
            sharedMemBytes: self.shared,
            hStream: stream.queue.stream,
            attrs: attributes.as_mut_ptr(),
            numAttrs: attributes.len() as u32,
        }
    }

    /// Returns the launch attributes, and how many of them apply.
    fn attributes(&self) -> ([CUlaunchAttribute; 2], usize) {
        use CUlaunchAttributeID::{
            CU_LAUNCH_ATTRIBUTE_COOPERATIVE, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
        };
        // Both values are an `int` at the start of the union.
        let of = |id| CUlaunchAttribute { id, pad: [0; 4], value: CUlaunchAttributeValue { cooperative: 1 } };
        let (all, early) =
            (of(CU_LAUNCH_ATTRIBUTE_COOPERATIVE), of(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION));
        match (self.cooperative, self.dependent) {
            (true, dependent) => ([all, early], 1 + dependent as usize),
            (false, dependent) => ([early, all], dependent as usize),
        }
    }

    /// Calls the driver and returns its status. Clusters are part of the kernel (`__cluster_dims__`).
    ///
    /// # Safety
    /// As for [`Module::launch`].
    #[inline]
    unsafe fn submit(&self, stream: Stream, function: CUfunction, params: *mut *mut c_void) -> u32 {
        let ([x, y, z], [bx, by, bz]) = (self.grid, self.block);
        let (driver, queue, none) = (stream.context.driver, stream.queue.stream, std::ptr::null_mut());
        if self.cooperative || self.dependent {
            let (mut attributes, count) = self.attributes();
            let config = self.config(stream, &mut attributes[..count]);
            // SAFETY: the caller's duty.
            return unsafe { (driver.cuLaunchKernelEx)(&config, function, params, none) };
        }
        // SAFETY: the caller's duty.
        unsafe { (driver.cuLaunchKernel)(function, x, y, z, bx, by, bz, self.shared, queue, params, none) }
    }
}

/// A launch whose parameters are ready: the driver call to which every launch boils down. It knows neither arguments nor
/// their memory, and keeps nothing alive.
pub struct Bare {
    context: &'static Context,
    name: u32,
    pub(super) function: CUfunction,
    pub(super) launch: LaunchConfig,
    /// Pointers to each parameter.
    pub(super) pointers: Vec<*mut c_void>,
    /// The values behind the pointers.
    _params: Vec<Box<dyn std::any::Any + Send + Sync>>,
}

// SAFETY: the pointers are to values that it owns, which nobody changes.
unsafe impl Send for Bare {}
unsafe impl Sync for Bare {}

impl Bare {
    /// Submits the launch to a stream, under the device's lock.
    ///
    /// # Safety
    /// The kernel and the tensors that it was made with must still exist, and the stream must have waited for earlier
    /// uses of the tensors.
    pub unsafe fn submit(&self, _: &DeviceLock, stream: Stream) -> Result<()> {
        // SAFETY: the caller's duty; the driver only reads the parameters.
        let status = unsafe { self.launch.submit(stream, self.function, self.pointers.as_ptr().cast_mut()) };
        stream.queue.note_launch(self.name);
        self.context.check("the launch", status)
    }

    /// Launches the kernel by one call of the driver and returns its status. The context must be current
    /// ([`Context::make_current`]).
    ///
    /// # Safety
    /// The tensors it was made with must still exist, and nothing else may use them meanwhile.
    #[inline]
    pub unsafe fn launch(&mut self, stream: Stream) -> u32 {
        // SAFETY: the caller's duty.
        unsafe { self.launch.submit(stream, self.function, self.pointers.as_mut_ptr()) }
    }

    /// Returns the device.
    pub fn context(&self) -> &'static Context {
        self.context
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the module is unloaded once; unloading waits for kernels that still run.
        unsafe { self.context.destroy(self.module, self.context.driver.cuModuleUnload) }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module on {:?}", self.context)
    }
}

//! A device with its primary context and its stream.

use super::driver::{Driver, driver, is_sticky};
use crate::error::{Error, Result};
use crate::ir::Arch;
use cudarc::driver::sys::{CUcontext, CUdevice, CUdevice_attribute, CUmemPool_attribute, CUstream};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The number of devices; why there is none otherwise.
pub fn count() -> Result<usize> {
    Ok(driver()?.devices as usize)
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Its name, as the driver tells it.
    pub name: String,
    /// Its architecture; the `a` variant from 9.0 on, as a cubin is made for exactly this device.
    pub arch: Arch,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of second-level cache.
    pub l2: usize,
    /// Bytes of shared memory a block may use when it asks for more.
    pub shared_per_block: usize,
    /// Bytes of shared memory a multiprocessor has.
    pub shared_per_multiprocessor: usize,
    /// Threads a block may have.
    pub threads_per_block: u32,
    /// Largest number of blocks along x, y, z.
    pub grid: [u32; 3],
    /// Clock in kHz.
    pub clock: u32,
    async_memory: bool,
}

/// A device, its primary context and one stream on which everything is ordered.
pub struct Context {
    /// The driver.
    pub(super) driver: &'static Driver,
    /// Which device.
    pub ordinal: usize,
    device: CUdevice,
    context: CUcontext,
    pub(super) stream: CUstream,
    /// What is known of the device.
    pub properties: Properties,
    /// The error after which the context cannot be used.
    dead: OnceLock<String>,
    /// Kernels launched since the device was last waited for, oldest first: an error found later is one of theirs.
    recent: Mutex<VecDeque<Arc<str>>>,
}

/// How many kernels are remembered.
const RECENT: usize = 8;

// SAFETY: contexts and streams may be used from every thread; each call makes the context current first.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    /// The context of a device, one for the whole process.
    pub fn of(ordinal: usize) -> Result<Arc<Context>> {
        static CONTEXTS: OnceLock<Mutex<HashMap<usize, Arc<Context>>>> = OnceLock::new();
        let mut contexts = CONTEXTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = contexts.get(&ordinal) {
            return Ok(context.clone());
        }
        let context = Arc::new(Context::new(ordinal)?);
        contexts.insert(ordinal, context.clone());
        Ok(context)
    }

    fn new(ordinal: usize) -> Result<Context> {
        let driver = driver()?;
        let fail = |message: String| Error::Device { device: format!("cuda:{ordinal}"), message };
        if ordinal >= driver.devices as usize {
            return Err(fail(format!("there is no device {ordinal}; the driver finds {}", driver.devices)));
        }
        let check = |what: &str, status: u32| match status {
            0 => Ok(()),
            status => Err(fail(format!("{what} failed: {}", driver.describe(status)))),
        };
        let (mut device, mut context, mut stream) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: pointers are valid for a write; handles come from the calls before.
        unsafe {
            check("cuDeviceGet", (driver.cuDeviceGet)(&mut device, ordinal as i32))?;
            let properties = properties(driver, device, &check)?;
            check("cuDevicePrimaryCtxRetain", (driver.cuDevicePrimaryCtxRetain)(&mut context, device))?;
            check("cuCtxSetCurrent", (driver.cuCtxSetCurrent)(context))?;
            // 1: the stream does not wait for the default stream, nor that for it.
            check("cuStreamCreate", (driver.cuStreamCreate)(&mut stream, 1))?;
            if properties.async_memory {
                // Memory given back stays with the process: asking the system again at each use is slow.
                let (mut pool, mut keep) = (std::ptr::null_mut(), u64::MAX);
                check("cuDeviceGetDefaultMemPool", (driver.cuDeviceGetDefaultMemPool)(&mut pool, device))?;
                let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
                let keep = (&mut keep as *mut u64).cast();
                check("cuMemPoolSetAttribute", (driver.cuMemPoolSetAttribute)(pool, attribute, keep))?;
            }
            Ok(Context {
                driver,
                ordinal,
                device,
                context,
                stream,
                properties,
                dead: OnceLock::new(),
                recent: Mutex::default(),
            })
        }
    }

    /// `cuda:0`
    pub fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    /// An error of this device.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.name(), message: message.into() }
    }

    /// The driver's handle of the stream (`CUstream`), for libraries that put their own work there; it lives as long as
    /// the context, which must be current in the thread that uses it: [`Context::synchronize`] makes it so.
    pub fn stream_handle(&self) -> *mut std::ffi::c_void {
        self.stream.cast()
    }

    /// Makes the context current in this thread, where it is not lost.
    pub(super) fn bind(&self) -> Result<()> {
        if let Some(why) = self.dead.get() {
            return Err(self.error(format!("the device cannot be used any more in this process, after: {why}")));
        }
        // SAFETY: the context lives as long as `self`.
        self.check("cuCtxSetCurrent", unsafe { (self.driver.cuCtxSetCurrent)(self.context) })
    }

    /// An error where a call failed. One that loses the context is remembered.
    pub(super) fn check(&self, what: &str, status: u32) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let text = format!("{what} failed: {}", self.driver.describe(status));
        if is_sticky(status) {
            let _ = self.dead.set(text.clone());
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let names: Vec<String> = recent.iter().map(|name| format!("`{name}`")).collect();
            let text = match names.as_slice() {
                [] => text,
                names => format!("{text}; kernels launched since the device was last waited for: {}", names.join(", ")),
            };
            return Err(self.error(format!(
                "{text}\nthe context is lost: restart the process; run the kernel on the simulated device, or compile it \
                 with checks, to find the line"
            )));
        }
        Err(self.error(text))
    }

    /// Waits for everything asked of the device so far.
    pub fn synchronize(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as `self`.
        self.check("cuStreamSynchronize", unsafe { (self.driver.cuStreamSynchronize)(self.stream) })?;
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Remembers that a kernel was launched.
    pub(super) fn note_launch(&self, kernel: &Arc<str>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(kernel.clone());
    }

    /// Whether memory is given out in the order of the stream.
    pub(super) fn async_memory(&self) -> bool {
        self.properties.async_memory
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the stream and the context are given back once. Errors at the end of the process are nobody's.
        unsafe {
            let _ = (self.driver.cuStreamDestroy_v2)(self.stream);
            let _ = (self.driver.cuDevicePrimaryCtxRelease_v2)(self.device);
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.properties.name)
    }
}

/// # Safety
/// `device` is the driver's.
unsafe fn properties(
    driver: &Driver,
    device: CUdevice,
    check: &impl Fn(&str, u32) -> Result<()>,
) -> Result<Properties> {
    use CUdevice_attribute::*;
    let attribute = |which: CUdevice_attribute| -> Result<u32> {
        let mut value = 0;
        // SAFETY: the pointer is valid for a write.
        check("cuDeviceGetAttribute", unsafe { (driver.cuDeviceGetAttribute)(&mut value, which, device) })?;
        Ok(value as u32)
    };
    let mut name = [0u8; 256];
    // SAFETY: the buffer has the length that is told.
    check("cuDeviceGetName", unsafe { (driver.cuDeviceGetName)(name.as_mut_ptr().cast(), 255, device) })?;
    let mut memory = 0;
    // SAFETY: the pointer is valid for a write.
    check("cuDeviceTotalMem", unsafe { (driver.cuDeviceTotalMem_v2)(&mut memory, device) })?;
    let major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Properties {
        name: String::from_utf8_lossy(name).into_owned(),
        arch: Arch { number: major * 10 + minor, specific: major >= 9 },
        multiprocessors: attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        memory,
        l2: attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)? as usize,
        shared_per_block: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
        shared_per_multiprocessor: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)? as usize,
        threads_per_block: attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        grid: [
            attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X)?,
            attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y)?,
            attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)?,
        ],
        clock: attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE).unwrap_or(0),
        async_memory: attribute(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? != 0,
    })
}

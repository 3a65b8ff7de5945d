//! A device with its primary context and its streams, and the errors after the context is lost.

use super::device_lock::DeviceLock;
use super::driver::{Driver, driver, is_sticky};
use super::nvrtc;
use super::properties::Properties;
use super::stream::{Queue, Stream};
use crate::error::{Error, Result};
use cudarc::driver::sys::{CUcontext, CUdevice, CUmemPool_attribute, CUmemoryPool};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Returns the number of devices, or an error if the driver cannot be used.
pub fn count() -> Result<usize> {
    Ok(driver()?.devices as usize)
}

/// Maximum number of streams per device, including the default stream.
pub const STREAMS: usize = 64;

/// A device, its primary context and its streams. There is one per device, which lives as long as the process.
pub struct Context {
    /// The driver.
    pub(super) driver: &'static Driver,
    /// Index of the device, as the driver counts them.
    pub ordinal: usize,
    pub(super) context: CUcontext,
    /// The pool for stream-ordered allocation; null if the device does not support it.
    pool: CUmemoryPool,
    default: Queue,
    /// The other streams, created on first use and then kept: a dropped stream is handed out again.
    others: [OnceLock<Queue>; STREAMS],
    /// One bit per stream that is in use.
    taken: Mutex<u64>,
    /// One bit per stream that is captured; see [`super::DeviceLock`].
    pub(super) captured: Mutex<u64>,
    /// Properties of the device.
    pub properties: Properties,
    /// The error after which the context cannot be used.
    dead: OnceLock<String>,
    /// The names of all kernels; streams remember their launches by index into it.
    names: Mutex<Vec<Arc<str>>>,
    /// Bytes of device memory that this process holds.
    held: AtomicUsize,
    /// Pinned buffers through which the host copies.
    pub(super) staging: super::staging::Staging,
}

// SAFETY: contexts and streams may be used from every thread; each call makes the context current first.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

/// Keeps a context current in this thread; dropping it restores the previous one.
pub(super) struct Entered<'a> {
    driver: &'a Driver,
    pushed: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.pushed {
            let mut popped = std::ptr::null_mut();
            // SAFETY: the context was pushed by this thread.
            let _ = unsafe { (self.driver.cuCtxPopCurrent_v2)(&mut popped) };
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// Returns the context of a device, one for the whole process.
    pub fn of(ordinal: usize) -> Result<&'static Context> {
        static CONTEXTS: OnceLock<Mutex<HashMap<usize, &'static Context>>> = OnceLock::new();
        let mut contexts = lock(CONTEXTS.get_or_init(Mutex::default));
        if let Some(context) = contexts.get(&ordinal) {
            return Ok(context);
        }
        driver()?;
        let context = nvrtc::while_loading(|| Context::new(ordinal))?;
        let context: &'static Context = Box::leak(Box::new(context));
        contexts.insert(ordinal, context);
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
        let (mut device, mut context) = (0, std::ptr::null_mut());
        // SAFETY: pointers are valid for a write; handles come from the calls before. A failure releases the retained
        // context.
        unsafe {
            check("cuDeviceGet", (driver.cuDeviceGet)(&mut device, ordinal as i32))?;
            let properties = Properties::of(driver, device, &check)?;
            check("cuDevicePrimaryCtxRetain", (driver.cuDevicePrimaryCtxRetain)(&mut context, device))?;
            Context::retained(driver, ordinal, device, context, properties, &check)
                .inspect_err(|_| _ = (driver.cuDevicePrimaryCtxRelease_v2)(device))
        }
    }

    /// # Safety
    /// The context must be the device's primary one, and be retained as long as the result lives.
    unsafe fn retained(
        driver: &'static Driver,
        ordinal: usize,
        device: CUdevice,
        context: CUcontext,
        properties: Properties,
        check: &impl Fn(&str, u32) -> Result<()>,
    ) -> Result<Context> {
        let mut pool = std::ptr::null_mut();
        // SAFETY: as above.
        unsafe {
            check("cuCtxPushCurrent", (driver.cuCtxPushCurrent_v2)(context))?;
            let _entered = Entered { driver, pushed: true };
            if properties.async_memory {
                // Freed memory stays with the process: asking the system again at each use is slow.
                let mut keep = u64::MAX;
                check("cuDeviceGetDefaultMemPool", (driver.cuDeviceGetDefaultMemPool)(&mut pool, device))?;
                let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
                let keep = (&mut keep as *mut u64).cast();
                check("cuMemPoolSetAttribute", (driver.cuMemPoolSetAttribute)(pool, attribute, keep))?;
            }
            Ok(Context {
                driver,
                ordinal,
                context,
                pool,
                default: Queue::new(driver, 0, check)?,
                others: [const { OnceLock::new() }; STREAMS],
                taken: Mutex::new(1),
                captured: Mutex::new(0),
                properties,
                dead: OnceLock::new(),
                names: Mutex::default(),
                held: AtomicUsize::new(0),
                staging: Default::default(),
            })
        }
    }

    /// Returns the name of the device, such as `cuda:0`.
    pub fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    /// Returns an error that names this device.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.name(), message: message.into() }
    }

    /// Returns the driver's handle of the default stream (`CUstream`), for libraries that submit their own work to it.
    /// It lives as long as the process. Such libraries need the context to be current: [`Context::make_current`].
    pub fn stream_handle(&self) -> *mut std::ffi::c_void {
        self.default.stream.cast()
    }

    /// Makes the context current in this thread, for libraries that expect it.
    pub fn make_current(&self) -> Result<()> {
        self.alive()?;
        // SAFETY: the context lives as long as the process.
        self.check("cuCtxSetCurrent", unsafe { (self.driver.cuCtxSetCurrent)(self.context) })
    }

    fn alive(&self) -> Result<()> {
        match self.dead.get() {
            None => Ok(()),
            Some(why) => {
                Err(self
                    .error(format!("the context is lost and cannot be used any more in this process, because: {why}")))
            }
        }
    }

    /// Makes the context current in this thread until the result is dropped, or returns an error if the context is
    /// lost. A thread that had no current context keeps this one.
    pub(super) fn enter(&self) -> Result<Entered<'_>> {
        self.alive()?;
        let driver = self.driver;
        let mut current = std::ptr::null_mut();
        // SAFETY: the pointer is valid for a write; the context lives as long as the process.
        unsafe {
            self.check("cuCtxGetCurrent", (driver.cuCtxGetCurrent)(&mut current))?;
            if current == self.context {
                return Ok(Entered { driver, pushed: false });
            }
            if current.is_null() {
                self.check("cuCtxSetCurrent", (driver.cuCtxSetCurrent)(self.context))?;
                return Ok(Entered { driver, pushed: false });
            }
            self.check("cuCtxPushCurrent", (driver.cuCtxPushCurrent_v2)(self.context))?;
        }
        Ok(Entered { driver, pushed: true })
    }

    /// Destroys a driver object, unless it is null or the context is lost. A failure only leaks it.
    ///
    /// # Safety
    /// The object must belong to this context, be of the kind that `destroy` takes, and not be used afterwards.
    pub(super) unsafe fn destroy<T>(&self, object: *mut T, destroy: unsafe extern "C" fn(*mut T) -> u32) {
        if object.is_null() {
            return;
        }
        if let Ok(_entered) = self.enter() {
            // SAFETY: the caller's duty.
            let _ = unsafe { destroy(object) };
        }
    }

    /// Returns an error if a call failed. An error that loses the context is remembered.
    #[inline]
    pub(super) fn check(&self, what: &str, status: u32) -> Result<()> {
        if status == 0 { Ok(()) } else { Err(self.failure(what, status)) }
    }

    /// Returns an error if a call made outside of this module failed, such as [`super::Bare::launch`].
    #[inline]
    pub fn status(&self, what: &str, status: u32) -> Result<()> {
        self.check(what, status)
    }

    #[cold]
    pub(super) fn failure(&self, what: &str, status: u32) -> Error {
        let text = format!("{what} failed: {}", self.driver.describe(status));
        if !is_sticky(status) {
            return self.error(text);
        }
        let names = lock(&self.names);
        let launched = self.queues().flat_map(|queue| queue.recent());
        let launched: Vec<String> =
            launched.filter_map(|name| Some(format!("`{}`", names.get(name as usize)?))).collect();
        let text = match launched.as_slice() {
            [] => text,
            names => format!("{text}; kernels launched since the last synchronization: {}", names.join(", ")),
        };
        let text = self.dead.get_or_init(|| text);
        self.error(format!(
            "{text}\nthe context is lost: restart the process; run the kernel on the simulated device, or compile it \
             with checks, to find the line"
        ))
    }

    /// Returns the streams that exist.
    fn queues(&self) -> impl Iterator<Item = &Queue> {
        std::iter::once(&self.default).chain(self.others.iter().filter_map(OnceLock::get))
    }

    fn queue(&self, index: usize) -> &Queue {
        self.others.get(index).and_then(OnceLock::get).unwrap_or(&self.default)
    }

    /// Returns the default stream.
    pub fn stream(&'static self) -> Stream {
        Stream { context: self, queue: &self.default }
    }

    /// Returns the stream at an index.
    pub(super) fn stream_at(&'static self, index: usize) -> Stream {
        Stream { context: self, queue: self.queue(index) }
    }

    /// Returns an unused stream, to be returned by [`Context::give_back`], or an error if all are in use.
    pub fn take_stream(&'static self) -> Result<Stream> {
        let _entered = self.enter()?;
        let mut taken = lock(&self.taken);
        let index = taken.trailing_ones() as usize;
        if index >= STREAMS {
            return Err(
                self.error(format!("all {STREAMS} streams are in use; drop one, or share one between several tasks"))
            );
        }
        let queue = match self.others[index].get() {
            Some(queue) => queue,
            None => {
                // SAFETY: the context is current.
                let queue = unsafe { Queue::new(self.driver, index, &|what, status| self.check(what, status)) }?;
                self.others[index].get_or_init(|| queue)
            }
        };
        *taken |= 1 << index;
        Ok(Stream { context: self, queue })
    }

    /// Makes the stream available to others; work submitted to it still runs.
    pub fn give_back(&self, stream: Stream) {
        if stream.queue.index != 0 {
            *lock(&self.taken) &= !(1 << stream.queue.index);
        }
    }

    /// Makes a stream wait for all work submitted so far to others, given by their bits.
    #[cold]
    pub(super) fn order(&self, lock: &DeviceLock, queue: &Queue, others: u64) -> Result<()> {
        for index in (0..STREAMS).filter(|index| others >> index & 1 == 1) {
            let event = self.queue(index).mark(lock, self)?;
            // SAFETY: both live as long as the context.
            let status = unsafe { (self.driver.cuStreamWaitEvent)(queue.stream, event, 0) };
            self.check("cuStreamWaitEvent", status)?;
        }
        Ok(())
    }

    /// Waits for all work submitted so far, on all streams of the device.
    pub fn synchronize(&'static self) -> Result<()> {
        self.queues().try_for_each(|queue| Stream { context: self, queue }.synchronize())
    }

    /// Returns the index by which streams remember a kernel.
    pub(super) fn name_of(&self, kernel: &Arc<str>) -> u32 {
        let mut names = lock(&self.names);
        let known = names.iter().position(|name| name == kernel);
        known.unwrap_or_else(|| {
            names.push(kernel.clone());
            names.len() - 1
        }) as u32
    }

    /// Returns true if the device supports stream-ordered allocation.
    pub(super) fn async_memory(&self) -> bool {
        self.properties.async_memory
    }

    /// Counts bytes that were allocated (positive) or freed (negative).
    pub(super) fn hold(&self, bytes: isize) {
        self.held.fetch_add(bytes as usize, Relaxed);
    }

    /// Returns the bytes of device memory that tensors of this process hold.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Returns free and total bytes as the driver counts them: what this process keeps in its pool is not free.
    pub fn memory_info(&self) -> Result<(usize, usize)> {
        let _entered = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: both pointers are valid for a write.
        let status = unsafe { (self.driver.cuMemGetInfo_v2)(&mut free, &mut total) };
        self.check("cuMemGetInfo", status).map(|()| (free, total))
    }

    /// Waits for the device, then returns memory that no tensor uses to the system, for other processes.
    pub fn trim(&'static self) -> Result<()> {
        self.synchronize()?;
        if self.pool.is_null() {
            return Ok(());
        }
        let _entered = self.enter()?;
        // SAFETY: the pool is the device's.
        self.check("cuMemPoolTrimTo", unsafe { (self.driver.cuMemPoolTrimTo)(self.pool, 0) })
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.properties.name)
    }
}

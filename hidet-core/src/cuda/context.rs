//! A device with its primary context and its streams, and what is left to say once the context is lost.

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

/// The number of devices; why there is none otherwise.
pub fn count() -> Result<usize> {
    Ok(driver()?.devices as usize)
}

/// How many streams a device has at once, the default stream among them.
pub const STREAMS: usize = 64;

/// A device, its primary context and its streams. There is one for each device, which lives as long as the process.
pub struct Context {
    /// The driver.
    pub(super) driver: &'static Driver,
    /// Which device.
    pub ordinal: usize,
    pub(super) context: CUcontext,
    /// Memory in the order of streams comes from here; null where the device has no such memory.
    pool: CUmemoryPool,
    default: Queue,
    /// The others, made when first asked for and then kept: a stream that was dropped is given out again.
    others: [OnceLock<Queue>; STREAMS],
    /// A bit for each stream that someone has.
    taken: Mutex<u64>,
    /// A bit for each stream that is captured; see [`super::DeviceLock`].
    pub(super) captured: Mutex<u64>,
    /// What is known of the device.
    pub properties: Properties,
    /// The error after which the context cannot be used.
    dead: OnceLock<String>,
    /// The names of all kernels, by which streams remember what was launched on them.
    names: Mutex<Vec<Arc<str>>>,
    /// Bytes of device memory that this process holds.
    held: AtomicUsize,
    /// Page-locked buffers through which the host copies.
    pub(super) staging: super::staging::Staging,
}

// SAFETY: contexts and streams may be used from every thread; each call makes the context current first.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

/// While this lives, a context is current in this thread; what was current before comes back with its end.
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
    /// The context of a device, one for the whole process.
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
        // SAFETY: pointers are valid for a write; handles come from the calls before. What is retained is released where
        // nobody will have it.
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
                // Memory given back stays with the process: asking the system again at each use is slow.
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

    /// `cuda:0`
    pub fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    /// An error of this device.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.name(), message: message.into() }
    }

    /// The driver's handle of the default stream (`CUstream`), for libraries that put their own work there; it lives as
    /// long as the process. Such libraries need the context to be current: [`Context::make_current`].
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
            Some(why) => Err(self.error(format!(
                "the context is lost and nothing can be done on it any more in this process, since: {why}"
            ))),
        }
    }

    /// Makes the context current in this thread for a while, where it is not lost. A thread that has none keeps it.
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

    /// Gives a thing of the driver back, where there is one and the context is not lost. A failure leaves it behind, no more.
    ///
    /// # Safety
    /// The thing must be of this context, of the kind that the function gives back, and not be used afterwards.
    pub(super) unsafe fn destroy<T>(&self, thing: *mut T, by: unsafe extern "C" fn(*mut T) -> u32) {
        if thing.is_null() {
            return;
        }
        if let Ok(_entered) = self.enter() {
            // SAFETY: the caller's duty.
            let _ = unsafe { by(thing) };
        }
    }

    /// An error where a call failed. One that loses the context is remembered.
    #[inline]
    pub(super) fn check(&self, what: &str, status: u32) -> Result<()> {
        if status == 0 { Ok(()) } else { Err(self.failure(what, status)) }
    }

    /// An error where a call made outside of here failed, such as [`super::Bare::launch`].
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
            names => format!("{text}; kernels launched since the device was last waited for: {}", names.join(", ")),
        };
        let text = self.dead.get_or_init(|| text);
        self.error(format!(
            "{text}\nthe context is lost: restart the process; run the kernel on the simulated device, or compile it with \
             checks, to find the line"
        ))
    }

    /// The streams there are.
    fn queues(&self) -> impl Iterator<Item = &Queue> {
        std::iter::once(&self.default).chain(self.others.iter().filter_map(OnceLock::get))
    }

    fn queue(&self, index: usize) -> &Queue {
        self.others.get(index).and_then(OnceLock::get).unwrap_or(&self.default)
    }

    /// The default stream.
    pub fn stream(&'static self) -> Stream {
        Stream { context: self, queue: &self.default }
    }

    /// The stream of that number.
    pub(super) fn stream_at(&'static self, index: usize) -> Stream {
        Stream { context: self, queue: self.queue(index) }
    }

    /// A stream that nobody has; given back by [`Context::give_back`].
    pub fn take_stream(&'static self) -> Result<Stream> {
        let _entered = self.enter()?;
        let mut taken = lock(&self.taken);
        let index = taken.trailing_ones() as usize;
        if index >= STREAMS {
            return Err(
                self.error(format!("{STREAMS} streams are in use; drop one, or use one for more than one thing"))
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

    /// Lets others have the stream; what was asked of it still happens.
    pub fn give_back(&self, stream: Stream) {
        if stream.queue.index != 0 {
            *lock(&self.taken) &= !(1 << stream.queue.index);
        }
    }

    /// Lets a stream wait for everything asked so far of others, given by their bits.
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

    /// Waits for everything asked of the device so far, on all its streams.
    pub fn synchronize(&'static self) -> Result<()> {
        self.queues().try_for_each(|queue| Stream { context: self, queue }.synchronize())
    }

    /// The number by which streams remember a kernel.
    pub(super) fn name_of(&self, kernel: &Arc<str>) -> u32 {
        let mut names = lock(&self.names);
        let known = names.iter().position(|name| name == kernel);
        known.unwrap_or_else(|| {
            names.push(kernel.clone());
            names.len() - 1
        }) as u32
    }

    /// Whether memory is given out in the order of the stream.
    pub(super) fn async_memory(&self) -> bool {
        self.properties.async_memory
    }

    /// Notes that so many bytes more, or less, are held.
    pub(super) fn hold(&self, bytes: isize) {
        self.held.fetch_add(bytes as usize, Relaxed);
    }

    /// Bytes of device memory that tensors of this process hold.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Bytes free and bytes in all, as the driver counts them: what this process keeps in its pool is not free.
    pub fn memory_info(&self) -> Result<(usize, usize)> {
        let _entered = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: both pointers are valid for a write.
        let status = unsafe { (self.driver.cuMemGetInfo_v2)(&mut free, &mut total) };
        self.check("cuMemGetInfo", status).map(|()| (free, total))
    }

    /// Waits for the device, and gives memory that no tensor uses back to the system, for other processes.
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

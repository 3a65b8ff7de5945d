//! The library NVRTC: its functions, found by name, and copies of it.
//!
//! NVRTC may be called from many threads, but its front end, a sixth of a compilation, runs under one lock of the
//! library: sixteen threads are no faster than five. A copy of its file is another library with a lock of its own.
//! Copies are made in memory when many kernels are compiled at once, and stay loaded.

use super::unavailable;
use crate::error::Result;
use cudarc::nvrtc::sys::{self, nvrtcProgram};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{OnceLock, PoisonError, RwLock};

macro_rules! calls {
    ($($name:ident($($ty:ty),*) -> $result:ty;)*) => {
        /// The functions of one copy. A status is a plain number, because newer versions have codes that the bindings
        /// do not know.
        #[allow(non_snake_case)]
        pub(super) struct Api { $(pub $name: unsafe extern "C" fn($($ty),*) -> $result,)* }

        impl Api {
            /// Looks every function up by name with `find`, or returns the name of the first that is missing.
            fn find(find: &dyn Fn(&CStr) -> *const c_void) -> Result<Api, &'static str> {
                Ok(Api { $($name: {
                    const NAME: &str = concat!(stringify!($name), "\0");
                    let address = CStr::from_bytes_until_nul(NAME.as_bytes()).map_or(std::ptr::null(), find);
                    if address.is_null() {
                        return Err(stringify!($name));
                    }
                    // SAFETY: the address is that of the function of this name, whose type is NVRTC's.
                    unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn($($ty),*) -> $result>(address) }
                },)* })
            }
        }
    };
}

calls! {
    nvrtcVersion(*mut c_int, *mut c_int) -> u32;
    nvrtcCreateProgram(*mut nvrtcProgram, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char) -> u32;
    nvrtcCompileProgram(nvrtcProgram, c_int, *const *const c_char) -> u32;
    nvrtcDestroyProgram(*mut nvrtcProgram) -> u32;
    nvrtcGetProgramLogSize(nvrtcProgram, *mut usize) -> u32;
    nvrtcGetProgramLog(nvrtcProgram, *mut c_char) -> u32;
    nvrtcGetCUBINSize(nvrtcProgram, *mut usize) -> u32;
    nvrtcGetCUBIN(nvrtcProgram, *mut c_char) -> u32;
    nvrtcGetPTXSize(nvrtcProgram, *mut usize) -> u32;
    nvrtcGetPTX(nvrtcProgram, *mut c_char) -> u32;
    nvrtcGetErrorString(u32) -> *const c_char;
}

impl Api {
    /// Returns the meaning of a status.
    pub(super) fn describe(&self, status: u32) -> String {
        // SAFETY: NVRTC returns a constant string for every status, or null.
        let text = unsafe {
            let text = (self.nvrtcGetErrorString)(status);
            if text.is_null() { c"an error" } else { CStr::from_ptr(text) }
        };
        format!("{} ({status})", text.to_string_lossy())
    }
}

/// NVRTC and its copies.
pub(super) struct Library {
    /// Version, major and minor.
    pub version: (i32, i32),
    /// Its file, if known.
    file: Option<PathBuf>,
    /// Size of its file in bytes, which distinguishes builds of one version; 0 if unknown.
    pub bytes: u64,
    first: Instance,
    copies: RwLock<Vec<&'static Instance>>,
    /// Copies that threads are loading at the moment. One that fails stays counted: it would fail again.
    making: AtomicUsize,
}

/// One copy, and the number of threads that use it.
struct Instance {
    api: Api,
    users: AtomicUsize,
}

/// A copy in use.
pub(super) struct Lent(&'static Instance);

impl std::ops::Deref for Lent {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.0.api
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Relaxed);
    }
}

/// Returns NVRTC, or an error that says why it cannot be used.
pub(super) fn library() -> Result<&'static Library> {
    static LIBRARY: OnceLock<Result<Library>> = OnceLock::new();
    LIBRARY.get_or_init(probe).as_ref().map_err(Clone::clone)
}

fn probe() -> Result<Library> {
    // SAFETY: loading NVRTC runs only its initialisers.
    if !unsafe { sys::is_culib_present() } {
        return Err(unavailable(
            "libnvrtc.so was not found; install the CUDA toolkit (12 or newer), or `pip install nvidia-cuda-nvrtc`, \
             and put the folder of libnvrtc.so.13 (or .12) on LD_LIBRARY_PATH; without it, kernels run on the \
             simulated device",
        ));
    }
    // SAFETY: the symbol is looked up, not called.
    let find = |name: &CStr| unsafe {
        sys::culib().get::<*const c_void>(name.to_bytes()).map_or(std::ptr::null(), |address| *address)
    };
    keep_freed_memory();
    let api = Api::find(&find).map_err(|name| {
        unavailable(format!(
            "the NVRTC that was found lacks `{name}`; it is older than CUDA 12: install a newer one and put it first \
             on LD_LIBRARY_PATH"
        ))
    })?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both pointers are valid for a write.
    match unsafe { (api.nvrtcVersion)(&mut major, &mut minor) } {
        0 => {}
        status => return Err(unavailable(format!("nvrtcVersion failed: {}", api.describe(status)))),
    }
    let file = loader::file_of(api.nvrtcVersion as *const c_void);
    let bytes = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |data| data.len());
    let first = Instance { api, users: AtomicUsize::new(0) };
    Ok(Library { version: (major, minor), file, bytes, first, copies: RwLock::default(), making: AtomicUsize::new(0) })
}

/// Frees one large block, which makes the allocator keep more freed memory (`mallopt(3)`: the thresholds are dynamic,
/// up to 32 MiB). A compilation frees ten megabytes at its end, which otherwise go back to the system at once. This
/// saves a compilation 2,000 page faults, a twentieth of its time, and more where many threads share the process's
/// memory map.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity((32 << 20) - (64 << 10))));
}

impl Library {
    /// Returns the copy that the fewest threads use, or a new one if many kernels are expected and all copies are busy.
    pub(super) fn lend(&'static self) -> Lent {
        if EXPECTED.load(Relaxed) >= MANY && self.all_busy() {
            // If that fails, the existing copies do the work.
            if let Some(copy) = self.copy() {
                copy.users.fetch_add(1, Relaxed);
                self.copies.write().unwrap_or_else(PoisonError::into_inner).push(copy);
                self.making.fetch_sub(1, Relaxed);
                return Lent(copy);
            }
        }
        let copies = self.copies.read().unwrap_or_else(PoisonError::into_inner);
        let all = std::iter::once(&self.first).chain(copies.iter().copied());
        let instance = all.min_by_key(|instance| instance.users.load(Relaxed)).unwrap_or(&self.first);
        instance.users.fetch_add(1, Relaxed);
        Lent(instance)
    }

    /// Returns true if another copy, beside those loaded or being loaded, would have work. The caller then loads it.
    fn all_busy(&self) -> bool {
        let copies = self.copies.read().unwrap_or_else(PoisonError::into_inner);
        let users: usize =
            std::iter::once(&self.first).chain(copies.iter().copied()).map(|copy| copy.users.load(Relaxed)).sum();
        let there = 1 + copies.len();
        let claim =
            |making: usize| (there + making < MOST && users >= THREADS * (there + making)).then_some(making + 1);
        self.making.fetch_update(Relaxed, Relaxed, claim).is_ok()
    }

    /// Loads another copy.
    fn copy(&self) -> Option<&'static Instance> {
        let api = loader::copy(self.file.as_ref()?, self.version)?;
        Some(Box::leak(Box::new(Instance { api, users: AtomicUsize::new(0) })))
    }
}

/// Number of kernels that callers have announced.
static EXPECTED: AtomicUsize = AtomicUsize::new(0);

/// The number of kernels from which copies are worth it: loading one takes a hundred milliseconds.
const MANY: usize = 24;

/// Number of threads that one copy serves with little waiting.
const THREADS: usize = 4;

/// Maximum number of copies, the first included; each takes a hundred megabytes.
const MOST: usize = 8;

/// Runs `work`, which compiles about `kernels` kernels.
pub(super) fn expecting<R>(kernels: usize, work: impl FnOnce() -> R) -> R {
    struct Done(usize);
    impl Drop for Done {
        fn drop(&mut self) {
            EXPECTED.fetch_sub(self.0, Relaxed);
        }
    }
    EXPECTED.fetch_add(kernels, Relaxed);
    let _done = Done(kernels);
    work()
}

/// Calls of the dynamic loader.
#[cfg(target_os = "linux")]
mod loader {
    use super::Api;
    use std::ffi::c_uint;
    use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    /// The structure that `dladdr` of POSIX 2024 fills.
    #[repr(C)]
    struct Info {
        file: *const c_char,
        base: *const c_void,
        symbol: *const c_char,
        address: *const c_void,
    }

    unsafe extern "C" {
        fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
        fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *const c_void;
        fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    }

    /// Child processes do not inherit the file.
    const CLOSE_ON_EXEC: c_uint = 1;

    /// `RTLD_NOW`: all symbols are bound at once, and stay local to the library.
    const NOW: c_int = 2;

    /// Returns the file that contains the function at an address.
    pub fn file_of(address: *const c_void) -> Option<PathBuf> {
        let null = std::ptr::null();
        let mut info = Info { file: null as *const c_char, base: null, symbol: null as *const c_char, address: null };
        // SAFETY: the structure is valid for a write; the name belongs to the loader and ends with NUL.
        let name = unsafe {
            if dladdr(address, &mut info) == 0 || info.file.is_null() {
                return None;
            }
            CStr::from_ptr(info.file)
        };
        Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
    }

    /// Loads a copy of a file as a separate library.
    pub fn copy(file: &Path, (major, minor): (i32, i32)) -> Option<Api> {
        // A copy looks for the library of built-in functions in its own folder, which does not have it, and then by name,
        // which finds the one that is already loaded. Without it a copy cannot compile.
        let built_in = file.with_file_name(format!("libnvrtc-builtins.so.{major}.{minor}"));
        let built_in = CString::new(built_in.into_os_string().into_vec()).ok()?;
        // SAFETY: as below.
        if unsafe { dlopen(built_in.as_ptr(), NOW) }.is_null() {
            return None;
        }
        // A file in memory, because a folder may be full, shared or mounted `noexec`.
        // SAFETY: the name ends with NUL; the descriptor is owned by the file from here on.
        let mut to = match unsafe { memfd_create(c"hidet-nvrtc".as_ptr(), CLOSE_ON_EXEC) } {
            descriptor if descriptor < 0 => return None,
            descriptor => unsafe { File::from_raw_fd(descriptor) },
        };
        std::io::copy(&mut File::open(file).ok()?, &mut to).ok()?;
        let name = CString::new(format!("/proc/self/fd/{}", to.as_raw_fd())).ok()?;
        // SAFETY: loading NVRTC runs only its initialisers.
        let library = unsafe { dlopen(name.as_ptr(), NOW) };
        if library.is_null() {
            return None;
        }
        // The loader identifies libraries by name, so the number of this descriptor must not be reused.
        let _ = to.into_raw_fd();
        // SAFETY: the library is loaded and never unloaded; the symbol is looked up, not called.
        Api::find(&|name| unsafe { dlsym(library, name.as_ptr()) }).ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod loader {
    use super::Api;
    use std::ffi::c_void;
    use std::path::{Path, PathBuf};

    pub fn file_of(_: *const c_void) -> Option<PathBuf> {
        None
    }

    pub fn copy(_: &Path, _: (i32, i32)) -> Option<Api> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn copies_are_libraries_of_their_own_that_work() {
        if !crate::testing::nvrtc::available().unwrap() {
            return;
        }
        let library = library().unwrap();
        let copies = [library.copy().unwrap(), library.copy().unwrap()];
        let compile = |instance: &Instance| instance.api.nvrtcCompileProgram as usize;
        let all = [&library.first, copies[0], copies[1]].map(compile);
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert!(copies.iter().all(|copy| works(&copy.api)) && library.bytes > 1 << 20);
    }

    /// Returns true if a copy compiles, for which it must find the library of built-in functions.
    fn works(api: &Api) -> bool {
        let mut program = std::ptr::null_mut();
        let (text, none) = (c"__global__ void k() {}", std::ptr::null());
        // SAFETY: the strings end with NUL; there are no headers and no options; the program is destroyed once.
        unsafe {
            let created = (api.nvrtcCreateProgram)(&mut program, text.as_ptr(), text.as_ptr(), 0, none, none);
            assert_eq!(created, 0);
            let compiled = (api.nvrtcCompileProgram)(program, 0, none);
            (api.nvrtcDestroyProgram)(&mut program);
            compiled == 0
        }
    }

    #[test]
    fn copies_are_lent_evenly_and_returned() {
        if !crate::testing::nvrtc::available().unwrap() {
            return;
        }
        let library = library().unwrap();
        // Few kernels: no copy, regardless of the number of threads.
        let lent: Vec<Lent> = (0..3 * THREADS).map(|_| library.lend()).collect();
        assert!(library.first.users.load(Relaxed) >= 3 * THREADS || !library.copies.read().unwrap().is_empty());
        drop(lent);
        expecting(2, || assert!(EXPECTED.load(Relaxed) >= 2));
    }
}

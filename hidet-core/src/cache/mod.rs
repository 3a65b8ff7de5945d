//! Compiled kernels on disk, shared by all processes of a user.
//!
//! A cache is a folder of entries: bytes under a name that is the hash of all they were made from. It knows nothing of
//! what the bytes mean. An entry is written to a file of its own and renamed, and carries a checksum over name and
//! content: what is damaged, cut, or stands under a wrong name is not found, and written anew. Threads that want one
//! entry wait for the first of them ([`Flights`]), processes too ([`FileLock`]); where two write one entry all the same, the
//! later one wins, and it is as good.
//!
//! Trouble with the folder never reaches a launch: reading gives nothing, writing is given up, and the first trouble of a
//! process is told once on standard error. The folder is bounded: entries not used for the longest time go first.
//!
//! | variable | meaning |
//! |---|---|
//! | `HIDET_CACHE` | the folder; `off` for none; otherwise `hidet` in the user's folder for caches |
//! | `HIDET_CACHE_LIMIT` | how many MiB it may hold (1024) |

pub mod codec;
mod digest;
mod entry;
mod evict;
mod file_lock;
mod flight;
mod folder;

pub use digest::Digest;
pub use entry::VERSION;
pub use evict::Status;
pub use file_lock::FileLock;
pub use flight::Flights;

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What an entry holds; the extension of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// CUDA text and all that a launch needs beside machine code, by the IR.
    Kernel,
    /// Machine code, by the CUDA text.
    Binary,
    /// The extents under which guards are needless, by the IR.
    Bounds,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [EntryKind; 3] = [EntryKind::Kernel, EntryKind::Binary, EntryKind::Bounds];

    /// The extension of files.
    pub const fn name(self) -> &'static str {
        match self {
            EntryKind::Kernel => "kernel",
            EntryKind::Binary => "binary",
            EntryKind::Bounds => "bounds",
        }
    }
}

/// A folder of entries, or none.
#[derive(Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Bytes it may hold.
    limit: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Bytes written since the folder was last looked through.
    written: AtomicU64,
    trouble: OnceLock<String>,
}

/// How fresh the time of use of an entry is kept.
const USED: Duration = Duration::from_secs(60);

impl Cache {
    /// The cache of this process, as the environment says; none, and that is told, where it cannot be understood.
    pub fn global() -> &'static Cache {
        static GLOBAL: OnceLock<Cache> = OnceLock::new();
        GLOBAL.get_or_init(|| match folder::limit() {
            Ok(limit) => Cache::new(folder::folder(), limit),
            Err(why) => {
                let cache = Cache::off();
                cache.report(&why, &format!("compiled kernels are not kept: {why}"));
                cache
            }
        })
    }

    /// A cache in that folder, which is made when first written to, of at most `limit` bytes.
    pub fn at(folder: impl Into<PathBuf>, limit: u64) -> Cache {
        Cache::new(Some(folder.into()), limit)
    }

    /// No cache: nothing is found, nothing is kept.
    pub fn off() -> Cache {
        Cache::new(None, 0)
    }

    fn new(folder: Option<PathBuf>, limit: u64) -> Cache {
        // So that the first entry written by a process looks after what others left.
        let written = AtomicU64::new(u64::MAX / 2);
        let (hits, misses) = Default::default();
        Cache { folder, limit, hits, misses, written, trouble: OnceLock::new() }
    }

    /// The folder, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// How many entries were found and not found by this process.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// The first trouble this process had with the folder.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    fn path(&self, kind: EntryKind, name: Digest) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{name}.{}", kind.name())))
    }

    /// The entry of that name, as `decode` reads it; `None` where there is none that is whole.
    pub fn get<T: codec::Encode>(&self, kind: EntryKind, name: Digest) -> Option<T> {
        let found = self.path(kind, name).and_then(|path| {
            let value = codec::decode(&entry::read(&path, kind, name)?)?;
            touch(&path);
            Some(value)
        });
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps an entry under that name.
    pub fn put(&self, kind: EntryKind, name: Digest, value: &impl codec::Encode) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(kind, name)) else { return };
        let bytes = codec::encode(value);
        match entry::write(folder, &path, kind, name, &bytes) {
            Ok(()) => {
                // Looking through a folder is worth it once in a sixteenth of what it may hold.
                let written = self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if written > self.limit / 16 {
                    self.written.store(0, Ordering::Relaxed);
                    evict::shrink(folder, self.limit);
                }
            }
            Err(why) => {
                let folder = folder.display();
                let message = format!(
                    "compiled kernels cannot be kept in {folder}: {why}; set HIDET_CACHE to another folder, or to `off`"
                );
                self.report(&why.to_string(), &message);
            }
        }
    }

    /// Says once that kernels are not kept.
    fn report(&self, why: &str, message: &str) {
        if self.trouble.set(why.to_owned()).is_ok() {
            // Where that cannot be written, there is nobody to tell.
            let _ = writeln!(stderr(), "hidet: {message}");
        }
    }

    /// What the folder holds; why it cannot be used otherwise.
    pub fn status(&self) -> Status {
        let status = evict::status(self.folder.as_deref(), self.limit);
        // Without a folder only the settings can be in trouble.
        let settings = || self.trouble().filter(|_| self.folder.is_none()).map(str::to_owned);
        Status { trouble: status.trouble.clone().or_else(settings), ..status }
    }

    /// Removes all entries; how many and how many bytes. Files that are not entries stay.
    pub fn clear(&self) -> std::io::Result<(u64, u64)> {
        self.folder.as_deref().map_or(Ok((0, 0)), evict::clear)
    }
}

/// Remembers that an entry was used now.
fn touch(path: &Path) {
    let now = SystemTime::now();
    let fresh = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age < USED);
    let used = path.metadata().and_then(|data| data.modified());
    if !used.is_ok_and(fresh) {
        // A folder that is read only keeps the order it has.
        let _ = std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now));
    }
}

#[cfg(test)]
mod tests;

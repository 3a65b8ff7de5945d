//! Compiled kernels on disk, shared by all processes of a user.
//!
//! A cache is a folder of entries: bytes under a name (their key) that is the hash of everything they were made from.
//! The cache does not know what the bytes mean. An entry is written to a temporary file and renamed, and carries a
//! checksum over name and content: an entry that is damaged, cut off, or stands under a wrong name counts as missing
//! and is written again. Threads that want one entry wait for the first of them ([`Flights`]), and so do processes
//! ([`FileLock`]); if two write one entry nevertheless, the later one wins, and both are equally valid.
//!
//! Problems with the folder never make a launch fail: reads find nothing, writes are abandoned, and a process reports
//! its first problem once on standard error. The size of the folder is bounded: the least recently used entries are
//! evicted.
//!
//! | variable | meaning |
//! |---|---|
//! | `HIDET_CACHE` | the folder; `off` for none; by default `hidet` in the user's cache folder |
//! | `HIDET_CACHE_LIMIT` | its maximum size in MiB; by default 1024 |

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

/// The kind of an entry, which decides the extension of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// CUDA text and everything else that a launch needs beside machine code, by the IR.
    Kernel,
    /// Machine code, by the CUDA text.
    Binary,
    /// The conditions on extents under which guards are needless, by the IR.
    Bounds,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [EntryKind; 3] = [EntryKind::Kernel, EntryKind::Binary, EntryKind::Bounds];

    /// Returns the extension of its files.
    pub const fn name(self) -> &'static str {
        match self {
            EntryKind::Kernel => "kernel",
            EntryKind::Binary => "binary",
            EntryKind::Bounds => "bounds",
        }
    }
}

/// A folder of entries, or a cache that is off.
#[derive(Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Maximum bytes.
    limit: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Bytes written since the last eviction.
    written: AtomicU64,
    trouble: OnceLock<String>,
}

/// Precision of an entry's time of use.
const USED: Duration = Duration::from_secs(60);

impl Cache {
    /// Returns the cache of this process, as the environment variables configure it. If they are invalid, the cache is
    /// off, which is reported.
    pub fn global() -> &'static Cache {
        static GLOBAL: OnceLock<Cache> = OnceLock::new();
        GLOBAL.get_or_init(|| match folder::limit() {
            Ok(limit) => Cache::new(folder::folder(), limit),
            Err(why) => {
                let cache = Cache::off();
                cache.report(&why, &format!("compiled kernels are not cached: {why}"));
                cache
            }
        })
    }

    /// Returns a cache of at most `limit` bytes in a folder, which is created on the first write.
    pub fn at(folder: impl Into<PathBuf>, limit: u64) -> Cache {
        Cache::new(Some(folder.into()), limit)
    }

    /// Returns a cache that is off: it finds and stores nothing.
    pub fn off() -> Cache {
        Cache::new(None, 0)
    }

    fn new(folder: Option<PathBuf>, limit: u64) -> Cache {
        // Large, so that the first entry that a process writes triggers an eviction.
        let written = AtomicU64::new(u64::MAX / 2);
        let (hits, misses) = Default::default();
        Cache { folder, limit, hits, misses, written, trouble: OnceLock::new() }
    }

    /// Returns the folder, or `None` if the cache is off.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Returns the numbers of hits and misses of this process.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// Returns the first problem that this process had with the folder.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    fn path(&self, kind: EntryKind, name: Digest) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{name}.{}", kind.name())))
    }

    /// Returns the decoded entry under a name, or `None` if there is no valid one.
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

    /// Stores an entry under a name.
    pub fn put(&self, kind: EntryKind, name: Digest, value: &impl codec::Encode) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(kind, name)) else { return };
        let bytes = codec::encode(value);
        match entry::write(folder, &path, kind, name, &bytes) {
            Ok(()) => {
                // Listing the folder is worth it once per sixteenth of its limit.
                let written = self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if written > self.limit / 16 {
                    self.written.store(0, Ordering::Relaxed);
                    evict::shrink(folder, self.limit);
                }
            }
            Err(why) => {
                let folder = folder.display();
                let message = format!(
                    "compiled kernels cannot be cached in {folder}: {why}; set HIDET_CACHE to another folder or to \
                     `off`"
                );
                self.report(&why.to_string(), &message);
            }
        }
    }

    /// Reports once that kernels are not cached.
    fn report(&self, why: &str, message: &str) {
        if self.trouble.set(why.to_owned()).is_ok() {
            // If standard error is closed, the problem cannot be reported.
            let _ = writeln!(stderr(), "hidet: {message}");
        }
    }

    /// Returns the status of the folder, and the problem if it cannot be used.
    pub fn status(&self) -> Status {
        let status = evict::status(self.folder.as_deref(), self.limit);
        // Without a folder, only the settings can have a problem.
        let settings = || self.trouble().filter(|_| self.folder.is_none()).map(str::to_owned);
        Status { trouble: status.trouble.clone().or_else(settings), ..status }
    }

    /// Removes all entries and returns their number and their bytes. Files that are not entries stay.
    pub fn clear(&self) -> std::io::Result<(u64, u64)> {
        self.folder.as_deref().map_or(Ok((0, 0)), evict::clear)
    }
}

/// Sets the time of use of an entry to now.
fn touch(path: &Path) {
    let now = SystemTime::now();
    let fresh = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age < USED);
    let used = path.metadata().and_then(|data| data.modified());
    if !used.is_ok_and(fresh) {
        // In a read-only folder the order stays as it is.
        let _ = std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now));
    }
}

#[cfg(test)]
mod tests;

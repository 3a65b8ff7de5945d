//! File locks: if several processes are about to make the same entry, one makes it and the others find it.
//!
//! The lock is on a file under the entry's name; the system releases it when its process ends. It only saves work and
//! protects nothing: if locks do not work, or the process that holds one is stopped, the others continue after a while,
//! and the entry is made twice. Removing the file while another process waits for it does no harm either, because a
//! process that gets the lock looks for the entry first.

use super::evict::UNFINISHED;
use super::{Cache, Digest};
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Maximum time of waiting; compiling a kernel takes less.
const WAIT: Duration = Duration::from_secs(60);

/// Interval between attempts to lock.
const PAUSE: Duration = Duration::from_millis(3);

/// A held lock, released when dropped.
#[derive(Debug)]
pub struct FileLock(Option<(File, PathBuf)>);

impl Cache {
    /// Locks a name, waiting at most a minute while another process or thread holds the lock.
    pub fn file_lock(&self, name: Digest) -> FileLock {
        FileLock(self.folder().and_then(|folder| {
            fs::create_dir_all(folder).ok()?;
            let path = folder.join(format!("{name}.lock.{UNFINISHED}"));
            let file = File::options().create(true).append(true).open(&path).ok()?;
            let begin = Instant::now();
            loop {
                match file.try_lock() {
                    Ok(()) => return Some((file, path)),
                    Err(TryLockError::WouldBlock) if begin.elapsed() < WAIT => thread::sleep(PAUSE),
                    Err(_) => return None,
                }
            }
        }))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Some((file, path)) = self.0.take() {
            // Removed before it is unlocked, so that a later process creates a new file.
            let _ = fs::remove_file(path);
            let _ = file.unlock();
        }
    }
}

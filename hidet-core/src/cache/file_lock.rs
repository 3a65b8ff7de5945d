//! [`FileLock`]: of several processes that are about to make the same entry, one makes it and the others find it.
//!
//! A lock on a file of that name, which the system takes back from a process that ends. It saves work and protects
//! nothing: where locks do not work, or a process that holds one is stopped, the others go on after a while, and the
//! entry is made twice. A file that is removed while another process waits for it does no harm either: a process
//! that gets the lock looks for the entry first.

use super::evict::UNFINISHED;
use super::{Cache, Digest};
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Nobody waits longer: compiling a kernel takes less.
const WAIT: Duration = Duration::from_secs(60);

/// How often a process that waits looks again.
const PAUSE: Duration = Duration::from_millis(3);

/// The lock on one entry; other processes wait for it until it is dropped.
#[derive(Debug)]
pub struct FileLock(Option<(File, PathBuf)>);

impl Cache {
    /// Waits until no other process or thread holds the lock for that name.
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
            // Removed before it is unlocked, so that who comes now begins a new one.
            let _ = fs::remove_file(path);
            let _ = file.unlock();
        }
    }
}

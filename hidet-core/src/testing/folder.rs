//! A folder for a test, removed with all in it at the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty folder of its own.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one, whose name begins with `name`.
    pub fn new(name: &str) -> std::io::Result<Folder> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hidet-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind lies where the system cleans up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

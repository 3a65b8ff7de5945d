//! The folder as a whole: its status, and eviction when it exceeds its limit.

use super::{EntryKind, folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The extension of files that are being written.
pub(super) const UNFINISHED: &str = "unfinished";

/// The age from which such a file counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The status of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The folder, unless the cache is off.
    pub folder: Option<PathBuf>,
    /// Number of entries of each of [`EntryKind::ALL`].
    pub entries: [u64; 3],
    /// Bytes of all entries.
    pub bytes: u64,
    /// Maximum bytes.
    pub limit: u64,
    /// Times of use of the least and the most recently used entry.
    pub used: Option<(SystemTime, SystemTime)>,
    /// The reason why nothing can be stored there, if any.
    pub trouble: Option<String>,
}

/// A file of the folder.
struct File {
    path: PathBuf,
    /// Its kind; `None` for an unfinished file.
    kind: Option<EntryKind>,
    bytes: u64,
    used: SystemTime,
}

impl File {
    /// Returns true if it is an unfinished file that no process writes any more.
    fn is_abandoned(&self) -> bool {
        let age = SystemTime::now().duration_since(self.used);
        self.kind.is_none() && age.is_ok_and(|age| age > ABANDONED)
    }
}

/// Returns all entries and unfinished files of a folder. Other files are ignored.
fn files(folder: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else { continue };
        let kind = EntryKind::ALL.into_iter().find(|kind| kind.name() == extension);
        if kind.is_none() && extension != UNFINISHED {
            continue;
        }
        // Another process may have removed it meanwhile.
        let Ok(data) = path.symlink_metadata() else { continue };
        if data.is_file() {
            let used = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(File { path, kind, bytes: data.len(), used });
        }
    }
    Ok(files)
}

/// Removes abandoned files and, if the folder has more than `limit` bytes, the least recently used entries until four
/// fifths of the limit are left. Files that cannot be removed stay.
pub(super) fn shrink(folder: &Path, limit: u64) {
    let Ok(mut files) = files(folder) else { return };
    files.retain(|file| !(file.is_abandoned() && fs::remove_file(&file.path).is_ok()));
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    if bytes <= limit {
        return;
    }
    files.retain(|file| file.kind.is_some());
    files.sort_unstable_by_key(|file| file.used);
    for file in files {
        if bytes <= limit / 5 * 4 {
            break;
        }
        if fs::remove_file(&file.path).is_ok() {
            bytes -= file.bytes;
        }
    }
}

/// Returns the status of a folder.
pub(super) fn status(folder: Option<&Path>, limit: u64) -> Status {
    let mut status =
        Status { folder: folder.map(Path::to_owned), entries: [0; 3], bytes: 0, limit, used: None, trouble: None };
    let Some(folder) = folder else { return status };
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            status.trouble = Some(error.to_string());
            return status;
        }
    };
    for file in &files {
        for (count, kind) in status.entries.iter_mut().zip(EntryKind::ALL) {
            *count += u64::from(file.kind == Some(kind));
        }
        status.bytes += file.bytes;
        let (first, last) = status.used.unwrap_or((file.used, file.used));
        status.used = Some((first.min(file.used), last.max(file.used)));
    }
    status.trouble = folder::probe(folder).err().map(|error| error.to_string());
    status
}

/// Removes all entries and returns their number and their bytes. Files that other processes are writing stay.
pub(super) fn clear(folder: &Path) -> io::Result<(u64, u64)> {
    let files = match files(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        files => files?,
    };
    let mut removed = (0, 0);
    for file in files.iter().filter(|file| file.kind.is_some() || file.is_abandoned()) {
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(()) => removed = (removed.0 + u64::from(file.kind.is_some()), removed.1 + file.bytes),
        }
    }
    Ok(removed)
}

//! The file of an entry: magic and version, length, checksum, content.

use super::{Digest, EntryKind};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The version of the file format.
pub const VERSION: u32 = 2;

/// The first bytes of a file: the magic, with the version as its last byte.
const MAGIC: [u8; 8] = *b"hidet\0\0\x02";
const _: () = assert!(MAGIC[7] as u32 == VERSION);

/// Size in bytes of magic, length and checksum.
const HEADER: usize = 8 + 8 + Digest::BYTES;

fn checksum(kind: EntryKind, name: Digest, content: &[u8]) -> Digest {
    Digest::of(&[kind.name().as_bytes(), &name.0, content])
}

/// Returns the content of an entry, or `None` if the file is missing, cannot be read, or is not what was written under
/// this name.
pub(super) fn read(path: &Path, kind: EntryKind, name: Digest) -> Option<Vec<u8>> {
    let mut file = fs::File::open(path).ok()?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_first_chunk::<8>()?;
    let (len, sum) = rest.split_first_chunk::<8>()?;
    let size = file.metadata().ok()?.len();
    // The length is checked before anything of that size is allocated.
    if *magic != MAGIC || u64::from_le_bytes(*len).checked_add(HEADER as u64) != Some(size) {
        return None;
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).ok()?;
    (checksum(kind, name, &content).0 == *sum).then_some(content)
}

/// Creates a temporary file for writing and returns it with its path. No two processes use the same one, even if they
/// have the same process id, as in containers that share a folder.
pub(super) fn create(folder: &Path, name: &str) -> io::Result<(fs::File, PathBuf)> {
    loop {
        // The keys of a hash map are random and differ between maps.
        let random = RandomState::new().hash_one(std::process::id());
        let path = folder.join(format!("{name}.{random:016x}.{}", super::evict::UNFINISHED));
        match fs::File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((made?, path)),
        }
    }
}

/// Writes an entry to a temporary file and renames it, so that no process ever sees a part of it.
pub(super) fn write(folder: &Path, path: &Path, kind: EntryKind, name: Digest, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (mut file, beside) = create(folder, &name.to_string())?;
    let write = || {
        file.write_all(&MAGIC)?;
        file.write_all(&(content.len() as u64).to_le_bytes())?;
        file.write_all(&checksum(kind, name, content).0)?;
        file.write_all(content)?;
        drop(file);
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

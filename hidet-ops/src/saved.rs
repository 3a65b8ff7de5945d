//! Programs as bytes, from which they are loaded without compiling anything.
//!
//! A magic number with the version of the format; a checksum of all that follows; the build of hidet; the architecture; and
//! the content: arenas, constants and kernels, each once for all programs, and of each program its buffers and the launches with
//! their arguments. Of memory that holds something before the first launch, such as weights, the bytes are part of it. A note
//! says what several programs are for. On a GPU kernels are images with machine code; those of the
//! simulated device are text, which it lowers again. Everything is checked when it is read, but the checksum does not
//! protect from bytes that somebody made to do harm.

mod content;
mod loader;
mod writer;

use crate::error::{Error, Result};
use crate::file;
use crate::program::Program;
use hidet::cache::Digest;
use hidet::cache::codec::{Encode, Reader};
use hidet::cuda::BUILD;
use hidet::device::Device;
use std::fs;
use std::path::Path;

/// The first bytes: the magic, with the version of the format as its last byte.
const MAGIC: [u8; 8] = *b"hidetpr\x03";

fn refused(why: impl Into<String>) -> Error {
    Error::Program(why.into())
}

pub(crate) fn damaged() -> Error {
    refused("it is damaged or incomplete; make it again")
}

/// Returns what the machine code of a device is for.
fn arch(device: &Device) -> String {
    device.arch().map_or_else(|| "the simulated device".to_owned(), |arch| arch.to_string())
}

/// Returns programs with a note as bytes.
pub(crate) fn to_bytes(programs: &[&Program], note: Vec<u8>, device: &Device) -> Result<Vec<u8>> {
    let (saved, constants) = writer::saved(programs, note, device)?;
    let mut out = [&MAGIC[..], &[0; Digest::BYTES]].concat();
    let (checksum, checked) = (MAGIC.len()..out.len(), out.len());
    BUILD.to_owned().encode(&mut out);
    arch(device).encode(&mut out);
    saved.encode(&mut out);
    constants.iter().for_each(|bytes| out.extend_from_slice(bytes));
    let digest = Digest::of(&[&out[checked..]]);
    out[checksum].copy_from_slice(&digest.0);
    Ok(out)
}

/// Returns the programs that these bytes hold, on a device: their kernels are loaded, and their memory is there. The note comes
/// too.
///
/// # Errors
///
/// If the bytes are not programs or damaged, or it is of another version or build, or for another architecture; and if the
/// device has not enough memory.
pub(crate) fn from_bytes(bytes: &[u8], device: &Device) -> Result<(Vec<Program>, Vec<u8>)> {
    match bytes.get(..MAGIC.len()) {
        Some(magic) if magic == MAGIC => {}
        Some(magic) if magic[..7] == MAGIC[..7] => {
            return Err(refused(format!(
                "it has version {} of the format, and this build of hidet reads version {}; make it again",
                magic[7], MAGIC[7]
            )));
        }
        _ => return Err(refused("the bytes are not a compiled program")),
    }
    let mut reader = Reader::new(&bytes[MAGIC.len()..]);
    let checksum: Digest = reader.read().ok_or_else(damaged)?;
    if Digest::of(&[reader.rest()]) != checksum {
        return Err(damaged());
    }
    let (build, own): (String, String) = reader.read().zip(reader.read()).ok_or_else(damaged)?;
    if build != BUILD {
        return Err(refused("it was made by another build of hidet; make it again with this one"));
    }
    if own != arch(device) {
        let why = format!("it is for {own}, but {device} needs one for {}; make it there", arch(device));
        return Err(refused(why));
    }
    let saved = reader.read().ok_or_else(damaged)?;
    loader::loaded(saved, reader.rest(), device)
}

/// Writes bytes to a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| refused(format!("{}: {error}", path.display())))
}

/// Returns what `load` makes of the bytes of a file, whose path is added to errors.
pub(crate) fn read<T>(path: &Path, load: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    let bytes = file::read(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
    load(&bytes).map_err(|error| match error {
        Error::Program(why) => refused(format!("{}: {why}", path.display())),
        other => other,
    })
}

//! Large files, such as those of weights, read by several threads.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;

/// The bytes that each thread reads at least.
const PART: usize = 16 << 20;

/// The most threads: a few fill the bandwidth of memory.
const MOST_THREADS: usize = 8;

/// Returns the bytes of a file. Of one that the system has in memory, most of the time goes into the pages of the buffer that
/// they are copied to, which several threads share.
///
/// # Errors
///
/// If the file cannot be read, or there is not enough memory.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let bytes = usize::try_from(metadata.len()).map_err(|_| ErrorKind::OutOfMemory)?;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(bytes / PART);
    if threads < 2 || !metadata.is_file() {
        return fs::read(path);
    }
    // Zeroed memory is that of pages that nobody has touched, but it cannot be refused.
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| ErrorKind::OutOfMemory)?;
    let mut all = vec![0; bytes];
    let part = bytes.div_ceil(threads);
    thread::scope(|scope| {
        let reads: Vec<_> = all
            .chunks_mut(part)
            .enumerate()
            .map(|(number, chunk)| {
                let file = &file;
                scope.spawn(move || read_at(file, chunk, (number * part) as u64))
            })
            .collect();
        let failed = || io::Error::other("a thread that read it failed");
        reads.into_iter().try_for_each(|read| read.join().map_err(|_| failed())?)
    })?;
    Ok(all)
}

#[cfg(unix)]
fn read_at(file: &File, to: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut to: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !to.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, to, offset)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (to, offset) = (&mut to[count..], offset + count as u64);
    }
    Ok(())
}

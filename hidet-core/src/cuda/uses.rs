//! The streams that used an allocation, so that the next use knows what to wait for.
//!
//! Streams are bits of a word. Work on a stream comes after all earlier work on that stream, so it is enough to know
//! which stream wrote last and which have read since. A single stream never waits.

use super::device_lock::DeviceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The uses of an allocation that the next use must wait for. They are accessed only under the device's lock, which
/// orders them; the words are atomic so that memory can be shared between threads.
#[derive(Debug)]
pub(super) struct Uses {
    /// The stream that wrote last.
    wrote: AtomicU64,
    /// Other streams that have read since, and have therefore waited for that write.
    read: AtomicU64,
}

impl Uses {
    /// Returns the uses of memory that a stream has just allocated.
    pub(super) fn by(stream: u64) -> Uses {
        Uses { wrote: AtomicU64::new(stream), read: AtomicU64::new(0) }
    }

    /// Notes a use by a stream and returns the streams whose work so far must be done before it.
    #[inline]
    pub(super) fn note(&self, _: &DeviceLock, stream: u64, write: bool) -> u64 {
        self.noted(stream, write)
    }

    #[inline]
    fn noted(&self, stream: u64, write: bool) -> u64 {
        let (wrote, read) = (self.wrote.load(Relaxed), self.read.load(Relaxed));
        // Masks instead of branches: a launch does this for each tensor, and after the driver's work few branches are
        // predicted correctly. `knows` is true if the stream wrote last or has read since. The cases:
        //
        // | use   | `knows` | waits for                   | `wrote` after | `read` after         |
        // |-------|---------|-----------------------------|---------------|----------------------|
        // | read  | yes     | nothing                     | unchanged     | unchanged            |
        // | read  | no      | the writer                  | unchanged     | and this stream      |
        // | write | any     | writer and readers but self | this stream   | nobody               |
        let mask = |condition: bool| 0u64.wrapping_sub(u64::from(condition));
        let (write, knows) = (mask(write), mask((wrote == stream) | (read & stream != 0)));
        self.wrote.store(write & stream | !write & wrote, Relaxed);
        self.read.store(!write & (read | !knows & stream), Relaxed);
        write & (wrote | read) & !stream | !write & !knows & wrote
    }

    /// Returns the stream that wrote last.
    pub(super) fn writer(&self, _: &DeviceLock) -> u64 {
        self.wrote.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 1;
    const B: u64 = 2;
    const C: u64 = 4;

    #[test]
    fn one_stream_never_waits() {
        let uses = Uses::by(A);
        assert_eq!([false, true, false, true].map(|write| uses.noted(A, write)), [0; 4]);
    }

    #[test]
    fn a_read_waits_once_for_the_writer_and_a_write_for_all() {
        let uses = Uses::by(A);
        assert_eq!(uses.noted(B, false), A);
        assert_eq!(uses.noted(B, false), 0);
        assert_eq!(uses.noted(C, false), A);
        assert_eq!(uses.noted(B, true), A | C);
        assert_eq!(uses.noted(B, false), 0);
        assert_eq!(uses.noted(A, false), B);
        assert_eq!(uses.noted(C, true), A | B);
    }
}

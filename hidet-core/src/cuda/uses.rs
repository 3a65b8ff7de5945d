//! Which streams used some memory, so that the next use knows what to wait for.
//!
//! Streams are bits of a word. Whatever a stream is asked comes after what it was asked before, so it is enough to know
//! who wrote last and who has read since; one stream alone never waits and, after its first use, never stores.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

/// The uses of some memory that the next must wait for.
#[derive(Debug)]
pub(super) struct Uses {
    /// The stream that wrote last.
    wrote: AtomicU64,
    /// Other streams that have read what it wrote, which therefore have waited for it.
    read: AtomicU64,
}

impl Uses {
    /// Of memory that this stream has allocated.
    pub(super) fn by(stream: u64) -> Uses {
        Uses { wrote: AtomicU64::new(stream), read: AtomicU64::new(0) }
    }

    /// Notes a use by a stream; the streams that must have come to where they are now before it.
    #[inline]
    pub(super) fn note(&self, stream: u64, write: bool) -> u64 {
        let (wrote, read) = (self.wrote.load(Acquire), self.read.load(Acquire));
        if write {
            if wrote != stream || read != 0 {
                self.wrote.store(stream, Release);
                self.read.store(0, Release);
            }
            (wrote | read) & !stream
        } else if wrote == stream || read & stream != 0 {
            0
        } else {
            self.read.fetch_or(stream, AcqRel);
            wrote
        }
    }

    /// The streams that used it.
    pub(super) fn all(&self) -> u64 {
        self.wrote.load(Acquire) | self.read.load(Acquire)
    }

    /// The stream that wrote last.
    pub(super) fn writer(&self) -> u64 {
        self.wrote.load(Acquire)
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
        assert_eq!([false, true, false, true].map(|write| uses.note(A, write)), [0; 4]);
    }

    #[test]
    fn a_read_waits_once_for_the_writer_and_a_write_for_all() {
        let uses = Uses::by(A);
        assert_eq!(uses.note(B, false), A);
        assert_eq!(uses.note(B, false), 0);
        assert_eq!(uses.note(C, false), A);
        assert_eq!(uses.all(), A | B | C);
        assert_eq!(uses.note(B, true), A | C);
        assert_eq!((uses.writer(), uses.all()), (B, B));
        assert_eq!(uses.note(A, false), B);
        assert_eq!(uses.note(C, true), A | B);
    }
}

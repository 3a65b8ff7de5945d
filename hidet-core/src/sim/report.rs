//! The report of a launch on the simulated device: faults with the source lines of both parties, counters, printed
//! lines.

use crate::ir::Span;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The results of a launch beside its memory.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The counters.
    pub counters: Counters,
    /// The lines that the kernel printed, by block and in the order of execution.
    pub printed: Vec<String>,
}

/// Counters of a launch. All but `lane_operations` are counted only if [`Options::counters`](super::Options::counters)
/// is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Operations of the IR except constants, times the lanes that ran them.
    pub lane_operations: u64,
    /// Bytes read from global memory.
    pub global_read: u64,
    /// Bytes written to global memory.
    pub global_written: u64,
    /// Warp-wide accesses to global memory.
    pub global_accesses: u64,
    /// Sectors of 32 bytes that those touched; the minimum is the number of bytes divided by 32.
    pub global_sectors: u64,
    /// Warp-wide accesses to shared memory.
    pub shared_accesses: u64,
    /// Passes over the 32 banks beyond the single pass that a conflict-free access of 128 bytes takes.
    pub bank_conflicts: u64,
}

impl Counters {
    pub(super) fn add(&mut self, other: &Counters) {
        self.lane_operations += other.lane_operations;
        self.global_read += other.global_read;
        self.global_written += other.global_written;
        self.global_accesses += other.global_accesses;
        self.global_sectors += other.global_sectors;
        self.shared_accesses += other.shared_accesses;
        self.bank_conflicts += other.bank_conflicts;
    }
}

/// A sum of the counters of many launches. Cloning gives another handle to the same sum.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Counters>>);

impl PartialEq for Tally {
    /// Returns true if both are handles to the same sum.
    fn eq(&self, other: &Tally) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Tally {
    pub(super) fn add(&self, counters: &Counters) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(counters);
    }

    /// Returns the sum so far and resets it to zero.
    pub fn take(&self) -> Counters {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// Two unordered accesses to one location, at least one of them a write.
    Race,
    /// An access outside of a buffer.
    OutOfBounds,
    /// A read of memory that was never written.
    Uninitialised,
    /// An element of an output that no thread of the launch wrote.
    Unwritten,
    /// A block barrier that not all threads of the block reach.
    DivergentBarrier,
    /// Threads that wait forever.
    Deadlock,
    /// A block that runs more instructions than allowed ([`Options::steps`](super::Options::steps)); the kernel may
    /// still be correct.
    Limit,
    /// An access to the shared memory of another block of the cluster that does not exist at that time: the block has
    /// ended, may not have begun, or there is no block of that rank.
    ClusterPeer,
    /// A barrier with the wrong number of arrivals, or used before it was initialised.
    Barrier,
    /// A number of registers per thread that a warp group cannot have.
    Registers,
    /// An access that is not aligned to its size.
    Misaligned,
    /// A write of a thread that is not made visible to an asynchronous operation by a proxy fence.
    Proxy,
    /// An asynchronous operation that is not waited for before its thread or block ends.
    Unfinished,
    /// A failed `assert!`.
    Assert,
    /// An operation without a defined result: an integer division by zero, a shift by too many bits, a shuffle from a
    /// lane that does not take part.
    Arithmetic,
}

impl FaultKind {
    /// Returns its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::Race => "race",
            FaultKind::OutOfBounds => "out of bounds",
            FaultKind::Uninitialised => "uninitialised read",
            FaultKind::Unwritten => "unwritten output",
            FaultKind::DivergentBarrier => "divergent barrier",
            FaultKind::Deadlock => "deadlock",
            FaultKind::Limit => "limit",
            FaultKind::ClusterPeer => "cluster peer",
            FaultKind::Barrier => "misused barrier",
            FaultKind::Registers => "invalid register count",
            FaultKind::Misaligned => "misaligned access",
            FaultKind::Proxy => "missing proxy fence",
            FaultKind::Unfinished => "unfinished operation",
            FaultKind::Assert => "assertion failed",
            FaultKind::Arithmetic => "undefined operation",
        }
    }
}

/// A thread or operation that took part in a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its position in the source.
    pub span: Span,
    /// The position as `file:line:column`.
    pub place: String,
    /// Who it is and what it did.
    pub what: String,
}

/// An error of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The kernel.
    pub kernel: String,
    /// A description, and how to mend it.
    pub message: String,
    /// The party where it was detected.
    pub party: Party,
    /// The other parties, if it is between several.
    pub others: Vec<Party>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)?;
        for party in std::iter::once(&self.party).chain(&self.others) {
            write!(f, "\n  --> {}: {}", party.place, party.what)?;
        }
        Ok(())
    }
}

/// The error of a launch on the simulated device.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The launch could not start: an argument does not fit, or the kernel uses a feature that is not simulated.
    #[error("kernel `{kernel}` cannot run on the simulated device: {message}")]
    Refused {
        /// The kernel.
        kernel: String,
        /// The reason, and where.
        message: String,
    },
    /// The kernel has faults.
    #[error("kernel `{kernel}` is faulty\n{}", list(.faults, *.more))]
    Faults {
        /// The kernel.
        kernel: String,
        /// The faults in a fixed order, each pair of positions once.
        faults: Vec<Fault>,
        /// The number of further faults.
        more: usize,
        /// The lines that it printed before.
        printed: Vec<String>,
    },
}

impl Failure {
    /// Returns the faults; none if the launch was refused.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Failure::Refused { .. } => &[],
            Failure::Faults { faults, .. } => faults,
        }
    }

    /// Returns the lines that the kernel printed before it failed.
    pub fn printed(&self) -> &[String] {
        match self {
            Failure::Refused { .. } => &[],
            Failure::Faults { printed, .. } => printed,
        }
    }
}

impl From<Failure> for crate::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { kernel, message } => crate::Error::Launch { kernel, message },
            Failure::Faults { kernel, faults, more, .. } => {
                crate::Error::Fault { kernel, report: format!("\n{}", list(&faults, more)) }
            }
        }
    }
}

fn list(faults: &[Fault], more: usize) -> String {
    let mut text: Vec<String> = faults.iter().map(Fault::to_string).collect();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join("\n")
}

//! What a launch on the simulated device reports: faults with the places of both parties, counters, printed lines.

use crate::ir::Span;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a launch did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How much of everything.
    pub counters: Counters,
    /// What the kernel printed, by block and in the order of execution.
    pub printed: Vec<String>,
}

/// How much a launch did. Everything but `lane_operations` is counted only where the options ask for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Operations of the IR, constants not counted, times the lanes that ran them.
    pub lane_operations: u64,
    /// Bytes read from global memory.
    pub global_read: u64,
    /// Bytes written to global memory.
    pub global_written: u64,
    /// Warp-wide accesses to global memory.
    pub global_accesses: u64,
    /// Sectors of 32 bytes that those touched; the fewest possible are the bytes divided by 32.
    pub global_sectors: u64,
    /// Warp-wide accesses to shared memory.
    pub shared_accesses: u64,
    /// How many passes over the 32 banks those took beyond the one a conflict-free access of 128 bytes takes.
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

impl Tally {
    pub(super) fn add(&self, counters: &Counters) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(counters);
    }

    /// The sum so far, which begins anew.
    pub fn take(&self) -> Counters {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// Two accesses to one location, one of them a write, that nothing orders.
    Race,
    /// An access outside of a buffer.
    OutOfBounds,
    /// A read of memory that nothing was written to.
    Uninitialised,
    /// An element of an output that no thread of the launch wrote.
    Unwritten,
    /// A barrier of the block that not all of its threads reach.
    DivergentBarrier,
    /// Threads that wait for what cannot happen.
    Deadlock,
    /// A block runs for longer than is allowed ([`Options::steps`](super::Options::steps)), which may be right.
    Limit,
    /// The shared memory of another block of the cluster, which is not there: the block has ended, may not have begun,
    /// or there is none of that rank.
    ClusterPeer,
    /// A barrier with the wrong number of arrivals, or used before it was initialised.
    Barrier,
    /// An access that is not aligned to its size.
    Misaligned,
    /// A write of a thread that no proxy fence makes visible to an asynchronous operation.
    Proxy,
    /// Asynchronous work that nobody waits for before its thread or block ends.
    Unfinished,
    /// `assert!` did not hold.
    Assert,
    /// An operation without a result: an integer divided by zero, a shift too far, a shuffle from a lane that does
    /// not take part.
    Arithmetic,
}

impl FaultKind {
    /// In words.
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
            FaultKind::Misaligned => "misaligned access",
            FaultKind::Proxy => "missing proxy fence",
            FaultKind::Unfinished => "unfinished operation",
            FaultKind::Assert => "assertion failed",
            FaultKind::Arithmetic => "undefined operation",
        }
    }
}

/// One of those who took part in a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Where it was.
    pub span: Span,
    /// The same as `file:line:column`.
    pub place: String,
    /// Who did what.
    pub what: String,
}

/// Something a kernel did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The kernel.
    pub kernel: String,
    /// What happened, and what to do.
    pub message: String,
    /// Where it was noticed.
    pub party: Party,
    /// The others, for a fault between several.
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

/// Why a launch on the simulated device failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// It could not start: an argument does not fit, or the kernel uses what is not simulated.
    #[error("kernel `{kernel}` cannot run on the simulated device: {message}")]
    Refused {
        /// The kernel.
        kernel: String,
        /// Why, and where.
        message: String,
    },
    /// The kernel did something wrong.
    #[error("kernel `{kernel}` is faulty\n{}", list(.faults, *.more))]
    Faults {
        /// The kernel.
        kernel: String,
        /// What, in a fixed order, each pair of places once.
        faults: Vec<Fault>,
        /// How many more there were.
        more: usize,
        /// What it printed until then.
        printed: Vec<String>,
    },
}

impl Failure {
    /// The faults; none where the launch was refused.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Failure::Refused { .. } => &[],
            Failure::Faults { faults, .. } => faults,
        }
    }

    /// What the kernel printed before it failed.
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

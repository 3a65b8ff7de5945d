//! What can go wrong, in words for the user of the library.

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel itself is wrong: found while building or verifying it.
    #[error("kernel `{kernel}`: {message}\n  --> {place}")]
    Kernel {
        /// Its name.
        kernel: String,
        /// What is wrong and what to do.
        message: String,
        /// `file:line:column`
        place: String,
    },
    /// The text form of a kernel could not be read.
    #[error("line {line}: {message}")]
    Parse {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The arguments of a launch do not fit the kernel.
    #[error("launch of `{kernel}`: {message}")]
    Launch {
        /// The kernel.
        kernel: String,
        /// Which argument, what was expected, what was given.
        message: String,
    },
    /// The kernel did something wrong while it ran.
    #[error("kernel `{kernel}` failed: {report}")]
    Fault {
        /// The kernel.
        kernel: String,
        /// What happened, where, and between whom.
        report: String,
    },
    /// A device is missing or refuses.
    #[error("{device}: {message}")]
    Device {
        /// Which.
        device: String,
        /// What happened and what to do.
        message: String,
    },
    /// The device's compiler refused the kernel.
    #[error("kernel `{kernel}` does not compile for {arch}: {log}")]
    Compile {
        /// The kernel.
        kernel: String,
        /// The architecture.
        arch: String,
        /// What the compiler said.
        log: String,
    },
}

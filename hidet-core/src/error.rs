//! What can go wrong, in words for the user of the library.

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do. It shows in words under `{:?}` too, as a `main` that returns it and `unwrap`
/// print it.
#[derive(Clone, thiserror::Error)]
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

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_main_is_words() {
        let (kernel, message, place) = ("k".to_owned(), "a block of 0 threads".to_owned(), "k.rs:3:1".to_owned());
        let error = Error::Kernel { kernel, message, place };
        assert_eq!(format!("{error:?}"), "kernel `k`: a block of 0 threads\n  --> k.rs:3:1");
    }
}

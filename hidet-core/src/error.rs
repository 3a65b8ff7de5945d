//! Errors, with messages for the users of the library.

/// The result of the fallible functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: what is wrong, where, and what to do. `{:?}` shows the same text as `{}`, for `unwrap` and for a `main`
/// that returns it.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel is invalid; found while building or verifying it.
    #[error("kernel `{kernel}`: {message}\n  --> {place}")]
    Kernel {
        /// The name of the kernel.
        kernel: String,
        /// What is wrong and what to do.
        message: String,
        /// `file:line:column`
        place: String,
    },
    /// The text form of a kernel could not be read.
    #[error("line {line}: {message}")]
    Parse {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The arguments of a launch do not match the kernel.
    #[error("launch of `{kernel}`: {message}")]
    Launch {
        /// The name of the kernel.
        kernel: String,
        /// The argument, what was expected, and what was given.
        message: String,
    },
    /// The kernel did something invalid while it ran.
    #[error("kernel `{kernel}` failed: {report}")]
    Fault {
        /// The name of the kernel.
        kernel: String,
        /// What happened, where, and in which threads.
        report: String,
    },
    /// A device is missing or reports an error.
    #[error("{device}: {message}")]
    Device {
        /// The device.
        device: String,
        /// What happened and what to do.
        message: String,
    },
    /// An element type is not among those that are supported: see [`dispatch!`](crate::dispatch).
    #[error("elements of type {given} are not supported here, only {supported}\n  --> {place}")]
    ElementType {
        /// The type.
        given: String,
        /// The types that are supported.
        supported: String,
        /// `file:line:column`
        place: String,
    },
    /// The device's compiler rejected the kernel.
    #[error("kernel `{kernel}` does not compile for {arch}: {log}")]
    Compile {
        /// The name of the kernel.
        kernel: String,
        /// The architecture.
        arch: String,
        /// The output of the compiler.
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

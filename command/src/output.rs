//! Standard output of the command. `println!` and `print!` of this crate write here, so that a closed pipe, as with
//! `head`, and a full disk do not cause a panic.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};
use std::process::exit;

/// The status of a program that a closed pipe ended, in a shell: 128 plus the number of the signal.
const CLOSED: i32 = 141;

/// Writes, or ends the process: silently if the pipe is closed.
pub fn write(text: Arguments<'_>) {
    let mut stdout = stdout().lock();
    if let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        if error.kind() == ErrorKind::BrokenPipe {
            exit(CLOSED);
        }
        complain(format_args!("standard output: {error}"));
        exit(1);
    }
}

/// Writes an error to standard error. If that fails too, the error is lost.
pub fn complain(message: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

macro_rules! print {
    ($($text:tt)*) => { $crate::output::write(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($text)*))) };
}

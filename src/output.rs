//! Standard output of the command. `println!` and `print!` of this crate write here, so that a reader who has enough, as
//! `head` has, and a full disk are no panics.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};
use std::process::exit;

/// What a shell tells of a program that a closed pipe ended: 128 and the number of that signal.
const CLOSED: i32 = 141;

/// Writes, or ends the process: without a word where nobody reads any more.
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

/// Says on standard error what is wrong; where that cannot be written either, there is nobody to tell.
pub fn complain(message: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

macro_rules! print {
    ($($text:tt)*) => { $crate::output::write(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($text)*))) };
}

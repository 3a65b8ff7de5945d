//! Progress of long work on stderr, if it is a terminal: how much is done, and how long the rest takes.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

/// One line that is overwritten.
pub struct Progress {
    what: String,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// Progress of that work; shown if stderr is a terminal.
    pub fn new(what: &str) -> Progress {
        Progress { what: what.to_owned(), since: Instant::now(), shown: stderr().is_terminal() }
    }

    /// Shows that `done` of `all` steps are done.
    pub fn step(&self, done: usize, all: usize) {
        if self.shown {
            let left = match done {
                0 => String::new(),
                done => {
                    let seconds = self.since.elapsed().as_secs_f64() / done as f64 * (all - done) as f64;
                    format!(", {seconds:.0} s left")
                }
            };
            let mut stderr = stderr();
            let _ = write!(stderr, "\r\x1b[K{}: {done} of {all}{left}", self.what);
            let _ = stderr.flush();
        }
    }

    /// Clears the line.
    pub fn done(&self) {
        if self.shown {
            let mut stderr = stderr();
            let _ = write!(stderr, "\r\x1b[K");
            let _ = stderr.flush();
        }
    }
}

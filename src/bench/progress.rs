//! Progress of long work on stderr, where a person looks at it: how far, and how much longer.

use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

/// One line that is written over itself.
pub struct Progress {
    what: String,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// Of that work; shown where stderr is a terminal.
    pub fn new(what: &str) -> Progress {
        Progress { what: what.to_owned(), since: Instant::now(), shown: stderr().is_terminal() }
    }

    /// Of work too short to be shown.
    pub fn silent() -> Progress {
        Progress { what: String::new(), since: Instant::now(), shown: false }
    }

    /// Says that `done` of `all` steps are done.
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

//! The child process as seen by the parent: programs go in, endings come out, and a child that exits or hangs is
//! replaced.

use super::child::CHILD;
use super::job::{Ending, Job};
use super::wire::{Reader, Writer, receive};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The most time for starting a child: it makes a context, and waits for cleanup of an earlier one.
const START: Duration = Duration::from_secs(120);

/// Programs with the machine code of all their kernels.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The machine code.
    pub image: Vec<u8>,
    /// The programs.
    pub jobs: Vec<Job>,
}

/// Runs programs in a child process on a GPU.
pub struct Runner {
    device: String,
    /// The most time of a program.
    limit: Duration,
    child: Option<Running>,
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: Receiver<Vec<u8>>,
}

impl Runner {
    /// On the device of that name.
    pub fn new(device: &str, limit: Duration) -> Runner {
        Runner { device: device.to_owned(), limit, child: None }
    }

    /// Runs programs. Returns how each ends, or an error if no child can be started.
    pub fn run(&mut self, batch: &Batch) -> Result<Vec<Ending>, String> {
        let mut endings = Vec::new();
        while endings.len() < batch.jobs.len() {
            let mut running = match self.child.take() {
                Some(running) => running,
                None => start(&self.device)?,
            };
            match running.answer(batch, self.limit, &mut endings) {
                None => self.child = Some(running),
                // The first program without an answer is the one that was running.
                Some(why) => endings.push(Ending::Trouble(why)),
            }
        }
        Ok(endings)
    }
}

fn start(device: &str) -> Result<Running, String> {
    let program = std::env::current_exe().map_err(|error| format!("the command itself was not found: {error}"))?;
    let mut child = Command::new(program)
        .args(["check", "--only", "random", "--device", device])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting a process for the GPU: {error}"))?;
    let (Some(to), Some(mut out)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("a process for the GPU has no pipes".to_owned());
    };
    let (send, from) = channel();
    std::thread::spawn(move || {
        while let Some(message) = receive(&mut out) {
            if send.send(message).is_err() {
                return;
            }
        }
    });
    let running = Running { child, to, from };
    match running.from.recv_timeout(START) {
        Ok(_) => Ok(running),
        Err(_) => Err("a process for the GPU did not start; its messages are above".to_owned()),
    }
}

impl Running {
    /// Adds the endings of programs that have none yet. Returns the reason if the child cannot continue.
    fn answer(&mut self, batch: &Batch, limit: Duration, endings: &mut Vec<Ending>) -> Option<String> {
        let mut message = Writer::default();
        message.bytes(&batch.image);
        message.all(&batch.jobs[endings.len()..], |to, job| job.write(to));
        // A child that has exited is noticed below.
        let _ = message.send(&mut self.to);
        while endings.len() < batch.jobs.len() {
            let ending = match self.from.recv_timeout(limit) {
                Ok(answer) => Ending::read(&mut Reader::new(&answer)),
                Err(RecvTimeoutError::Timeout) => {
                    return Some(format!("hung: it had not ended after {} s", limit.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                    return Some(format!("the process died: {status}"));
                }
            };
            match ending {
                Ending::Trouble(why) if why.contains("context is lost") => return Some(first_line(&why)),
                ending => endings.push(ending),
            }
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may hang, or have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

//! The process that measures another program, such as PyTorch: it is given a case, and times one replay whenever it is asked.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The process.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a script, if Python has what it needs. `HIDET_PEER` is the path of another one.
    pub fn start(script: &str) -> Result<Peer, String> {
        Peer::start_with(script, Stdio::inherit())
    }

    /// The same; what libraries print goes to a file.
    pub fn start_logged(script: &str, log: File) -> Result<Peer, String> {
        Peer::start_with(script, log.into())
    }

    fn start_with(script: &str, errors: Stdio) -> Result<Peer, String> {
        let script = std::env::var_os("HIDET_PEER").map_or_else(|| script.into(), PathBuf::from);
        if !script.is_file() {
            return Err(format!(
                "there is no {}; run in the root of the repository, or set HIDET_PEER",
                script.display()
            ));
        }
        let mut command = Command::new("python3");
        command.arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(|error| format!("python3: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("python3 has no input or output".to_owned());
        };
        let mut peer = Peer { child, input, output: BufReader::new(output) };
        match peer.line() {
            Ok(line) if line == "ready" => Ok(peer),
            Ok(line) => Err(line),
            Err(why) => Err(why),
        }
    }

    /// Makes it ready to time a case, of which one replay has `repeats`. Returns what it has to say about the case: nothing, or
    /// in which way it is measured otherwise than others.
    pub fn prepare(&mut self, case: &str, repeats: usize) -> Result<String, String> {
        let answer = self.ask(&format!("case {repeats} {case}"))?;
        match answer.strip_prefix("ready") {
            Some(remark) => Ok(remark.trim_start_matches([',', ' ']).to_owned()),
            None => Err(answer),
        }
    }

    /// Returns the versions of what it measures, in words.
    pub fn versions(&mut self) -> Result<String, String> {
        self.ask("versions")
    }

    /// Returns the microseconds of a case, of one replay.
    pub fn time(&mut self) -> Result<f64, String> {
        let line = self.ask("time")?;
        line.parse().map_err(|_| line.clone())
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .map_err(|error| format!("the other program: {error}"))?;
        self.line()
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("its process has ended".to_owned()),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(format!("the other program: {error}")),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The processes of the programs beside which is measured: one for each, started when it is needed first.

use super::executor::Executor;
use crate::operators::peer::Peer;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

/// What measures whole models and layers.
const SCRIPT: &str = "benches/models_peer.py";

/// The processes.
pub struct Peers {
    /// What their libraries print.
    log: PathBuf,
    /// Why a program cannot be started at all is kept, so that it is not tried again.
    running: HashMap<Executor, Result<Peer, String>>,
    /// The versions of the programs that were started.
    pub versions: Vec<(Executor, String)>,
}

impl Peers {
    /// No process yet; what the libraries of later ones print is added to that file.
    pub fn new(log: PathBuf) -> Peers {
        Peers { log, running: HashMap::new(), versions: Vec::new() }
    }

    /// Makes a program ready to time a case. Returns what it has to say about it.
    pub fn prepare(&mut self, executor: Executor, case: &str, calls: usize) -> Result<String, String> {
        if !self.running.contains_key(&executor) {
            let started = self.start(executor);
            self.running.insert(executor, started);
        }
        self.ask(executor, |peer| peer.prepare(case, calls))
    }

    /// Returns the milliseconds of one call of the case.
    pub fn sample(&mut self, executor: Executor) -> Result<f64, String> {
        Ok(self.ask(executor, Peer::time)? / 1e3)
    }

    fn start(&mut self, executor: Executor) -> Result<Peer, String> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut peer = Peer::start_logged(SCRIPT, log)?;
        let versions = peer.versions()?;
        if !self.versions.iter().any(|(own, _)| *own == executor) {
            self.versions.push((executor, versions));
        }
        Ok(peer)
    }

    /// Asks a process. One that fails is ended, as nothing is known of its GPU memory; the next case has a new one.
    fn ask<T>(
        &mut self,
        executor: Executor,
        question: impl FnOnce(&mut Peer) -> Result<T, String>,
    ) -> Result<T, String> {
        let answer = match self.running.get_mut(&executor) {
            Some(Ok(peer)) => question(peer),
            Some(Err(why)) => return Err(why.clone()),
            None => return Err("its process has ended".to_owned()),
        };
        if answer.is_err() {
            self.running.remove(&executor);
        }
        answer
    }
}

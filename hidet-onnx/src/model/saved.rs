//! The runs of a session that are kept, as a compiled model.

use super::{Session, Types};
use crate::compiled;
use crate::error::{Error, Result};
use crate::graph::Declared;
use hidet_ops::Replay;
use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError};

impl Session {
    /// Returns the runs that are kept as bytes of a compiled model, which [`Compiled`](crate::Compiled) loads without the
    /// model, for inputs of the same types on a device of the same architecture.
    ///
    /// # Errors
    ///
    /// If no run is kept: the model has not run yet, or looks at elements on the way.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if runs.is_empty() && self.buckets.is_none() {
            return Err(Error::Compiled(
                "there is no run to be kept: run the model first; one that looks at elements on the way, as conditions \
                 and recurrent layers may do, cannot be compiled"
                    .to_owned(),
            ));
        }
        let mut runs: Vec<(Types, Arc<Replay>)> = runs.into_iter().collect();
        // The same runs are the same bytes.
        runs.sort_by_key(|(types, _)| format!("{types:?}"));
        let runs: Vec<(Vec<bool>, &Replay)> =
            runs.iter().map(|(types, replay)| (types.iter().map(Option::is_some).collect(), &**replay)).collect();
        let names = |all: &'_ [Declared]| all.iter().map(|declared| declared.name.clone()).collect::<Vec<String>>();
        let is_required = |input: &Declared| !self.graph.constants.contains_key(&input.name);
        let required = self.graph.inputs.iter().map(is_required).collect();
        let buckets = self.buckets.as_ref().map(|buckets| (required, buckets));
        compiled::to_bytes(names(&self.graph.inputs), names(&self.graph.outputs), &runs, buckets)
    }

    /// Writes the runs that are kept to a file, as [`Session::to_bytes`].
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or as [`Session::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, bytes) = (path.as_ref(), self.to_bytes()?);
        fs::write(path, bytes).map_err(|error| Error::File { path: path.to_owned(), why: error.to_string() })
    }
}

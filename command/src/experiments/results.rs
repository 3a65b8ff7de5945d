//! The rows of results in a file, which a later run reads, so that it measures only what is missing.

use super::row::{Key, Row};
use crate::bench::csv;
use std::fs;
use std::path::{Path, PathBuf};

/// The file and its rows.
pub struct Results {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Results {
    /// Opens the file, which need not be there yet.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has other content.
    pub fn open(path: &Path) -> Result<Results, String> {
        let failed = |why: String| format!("{}: {why}", path.display());
        let mut rows = Vec::new();
        if path.exists() {
            let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let lines = csv::rows(&text);
            if lines.first() != csv::rows(&Row::names()).first() {
                let names = Row::names();
                let columns = names.trim_end();
                return Err(failed(format!(
                    "it is not a file of results, whose columns are {columns}; choose another --output"
                )));
            }
            for (at, line) in lines.iter().enumerate().skip(1) {
                rows.push(Row::of(line).map_err(|why| failed(format!("row {}: {why}; remove the row", at + 1)))?);
            }
        }
        Ok(Results { path: path.to_owned(), rows })
    }

    /// Returns the row of a configuration and machine.
    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// Adds a row, or puts it in the place of an earlier one, and writes the file. It is never half written.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn put(&mut self, row: Row) -> Result<(), String> {
        match self.rows.iter_mut().find(|own| own.key == row.key) {
            Some(own) => *own = row,
            None => self.rows.push(row),
        }
        let text: String = std::iter::once(Row::names()).chain(self.rows.iter().map(Row::fields)).collect();
        let new = self.path.with_extension("csv.new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    /// A file of that name that is not there.
    fn none(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("hidet_{name}_{}.csv", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn rows_are_kept_and_replaced() {
        let path = none("results");
        let mut results = Results::open(&path).unwrap();
        let (hidet, tvm) = (row("hidet", "sp0", Ok((1.0, None))), row("tvm", "trial_64", Err("it is not here")));
        results.put(hidet.clone()).unwrap();
        results.put(tvm.clone()).unwrap();
        let mut results = Results::open(&path).unwrap();
        assert_eq!((results.get(&hidet.key), results.get(&tvm.key)), (Some(&hidet), Some(&tvm)));
        let other = Key { gpu: "another".to_owned(), ..hidet.key.clone() };
        assert_eq!(results.get(&other), None);
        let now = row("tvm", "trial_64", Ok((3.0, Some(-1.0))));
        results.put(now.clone()).unwrap();
        let results = Results::open(&path).unwrap();
        assert_eq!((results.get(&tvm.key), results.rows.len()), (Some(&now), 2));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn other_files_are_not_overwritten() {
        let path = none("other_results");
        fs::write(&path, "name,age\nA,3\n").unwrap();
        let error = |path: &Path| Results::open(path).map(|_| ()).unwrap_err();
        assert!(error(&path).contains("it is not a file of results, whose columns are BatchSize,Model,"));
        fs::write(&path, Row::names() + "1,resnet50\r\n").unwrap();
        assert!(error(&path).contains("row 2: it has 2 fields, but must have 10; remove the row"));
        fs::write(&path, "").unwrap();
        assert!(error(&path).contains("it is not a file of results"));
        fs::remove_file(&path).unwrap();
        assert!(Results::open(Path::new("/nowhere/results.csv")).unwrap().put(row("a", "b", Err("c"))).is_err());
    }
}

//! Counts of programs, and the tables that show them.

use super::families::FAMILIES;
use hidet::testing::random::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The most reasons shown.
const REASONS: usize = 12;

/// The counts of programs of a kind.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// The checkers were silent, and results were compared.
    compared: usize,
    /// A checker reported something.
    discarded: usize,
    /// A result differed.
    different: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.compared + self.discarded
    }
}

/// The outcome of a program.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Its results are the same everywhere.
    Equal,
    /// Its results differ.
    Different,
    /// It is faulty, with the first words of the reason.
    Discarded(String),
}

/// The counts of a run.
#[derive(Default)]
pub struct Tally {
    families: BTreeMap<usize, Counts>,
    cells: BTreeMap<Cell, Counts>,
    reasons: BTreeMap<(usize, String), usize>,
}

impl Tally {
    /// Counts a program of a family.
    pub fn add(&mut self, family: usize, cells: &[Cell], fate: &Fate) {
        let count = |counts: &mut Counts| match fate {
            Fate::Equal => counts.compared += 1,
            Fate::Different => {
                counts.compared += 1;
                counts.different += 1;
            }
            Fate::Discarded(_) => counts.discarded += 1,
        };
        count(self.families.entry(family).or_default());
        let mut cells = cells.to_vec();
        cells.sort_unstable();
        cells.dedup();
        for cell in cells {
            count(self.cells.entry(cell).or_default());
        }
        if let Fate::Discarded(reason) = fate {
            *self.reasons.entry((family, reason.clone())).or_default() += 1;
        }
    }

    /// Returns the number of programs that were compared.
    pub fn compared(&self) -> usize {
        self.families.values().map(|counts| counts.compared).sum()
    }

    /// Returns the tables.
    pub fn text(&self, took: Duration) -> String {
        let mut text = String::new();
        let head = ["compared", "discarded", "share", "differ"];
        if !self.cells.is_empty() {
            let [order, memory, access] =
                [|cell: &Cell| cell.order, |cell: &Cell| cell.memory, |cell: &Cell| cell.access]
                    .map(|part| self.cells.keys().map(|cell| part(cell).len()).max().unwrap_or(0).max(6));
            let _ = write!(text, "{:order$}  {:memory$}  {:access$}", "order", "memory", "access");
            let _ = writeln!(text, "{}", row(head));
            for (cell, counts) in &self.cells {
                let _ = write!(text, "{:order$}  {:memory$}  {:access$}", cell.order, cell.memory, cell.access);
                let _ = writeln!(text, "{}", row(columns(counts)));
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{:12}{} {:>10}", "family", row(head), "per second");
        let name = |family: &usize| FAMILIES.get(*family).map_or("?", |family| family.name);
        let mut total = Counts::default();
        for (family, counts) in &self.families {
            let _ = writeln!(text, "{:12}{} {:>10}", name(family), row(columns(counts)), rate(counts, took));
            total.compared += counts.compared;
            total.discarded += counts.discarded;
            total.different += counts.different;
        }
        let _ = writeln!(text, "{:12}{} {:>10}", "all", row(columns(&total)), rate(&total, took));
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        if !reasons.is_empty() {
            text.push_str("\nreasons for discarding\n");
        }
        for ((family, reason), count) in reasons.iter().take(REASONS) {
            let _ = writeln!(text, "{count:>10}  {}: {reason}", name(family));
        }
        if reasons.len() > REASONS {
            let _ = writeln!(text, "            and {} more reasons", reasons.len() - REASONS);
        }
        text
    }
}

fn rate(counts: &Counts, took: Duration) -> String {
    format!("{:.1}", counts.all() as f64 / took.as_secs_f64().max(1e-3))
}

fn columns(counts: &Counts) -> [String; 4] {
    let share = 100.0 * counts.discarded as f64 / counts.all().max(1) as f64;
    [counts.compared.to_string(), counts.discarded.to_string(), format!("{share:.1}%"), counts.different.to_string()]
}

fn row(columns: [impl std::fmt::Display; 4]) -> String {
    columns.map(|column| format!(" {column:>10}")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown() {
        let cell = Cell { order: "sync.threads", memory: "shared", access: "scalar" };
        let mut tally = Tally::default();
        tally.add(0, &[cell, cell], &Fate::Equal);
        tally.add(0, &[cell], &Fate::Different);
        tally.add(0, &[], &Fate::Equal);
        tally.add(0, &[cell], &Fate::Discarded("race: a write".to_owned()));
        let text = tally.text(Duration::from_secs(2));
        let line = |start: &str| {
            text.lines().find(|line| line.starts_with(start)).unwrap().split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(line("sync.threads")[3..], ["2", "1", "33.3%", "1"]);
        assert_eq!(line("all")[1..], ["3", "1", "25.0%", "1", "2.0"]);
        assert!(text.contains("         1  kernel: race: a write"), "{text}");
    }
}

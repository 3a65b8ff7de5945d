//! The results of a run so far, shared by its threads.

use super::families::FAMILIES;
use super::program::{Case, Stage, Stop};
use super::shrink::Prober;
use super::table::{Fate, Tally};
use super::{Request, filetest};
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Differences that are reduced and printed with their programs.
const SHOWN: usize = 5;

/// The interval of progress reports if stderr is not a terminal.
const SELDOM: Duration = Duration::from_secs(20);

/// The interval if it is a terminal.
const OFTEN: Duration = Duration::from_millis(500);

/// A run.
pub struct State {
    count: usize,
    since: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tally: Tally,
    done: usize,
    differences: Vec<(Case, Different)>,
    trouble: Option<String>,
    reported: Duration,
}

/// A difference in a program.
struct Different {
    stage: Stage,
    what: String,
}

impl State {
    /// The state of a run over that many programs.
    pub fn new(count: usize) -> State {
        State { count, since: Instant::now(), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records how a case ended.
    pub fn end(&self, case: Case, how: Result<(), Stop>) {
        let mut inner = self.inner();
        inner.done += 1;
        let (fate, problem) = match how {
            Ok(()) => (Fate::Equal, None),
            Err(Stop::Different(stage, what)) => (Fate::Different, Some(Different { stage, what })),
            Err(Stop::Discarded(why)) => (Fate::Discarded(why), None),
        };
        inner.tally.add(case.family, &case.program.cells, &fate);
        if let Some(what) = problem {
            println!("{}", title(&case, &what));
            inner.differences.push((case, what));
        }
        self.progress(&mut inner);
    }

    /// Records why nothing more can be run.
    pub fn give_up(&self, why: String) {
        self.inner().trouble = Some(why);
    }

    fn progress(&self, inner: &mut Inner) {
        let (now, watched) = (self.since.elapsed(), stderr().is_terminal());
        if now < inner.reported + if watched { OFTEN } else { SELDOM } {
            return;
        }
        inner.reported = now;
        let left = now.as_secs_f64() / inner.done as f64 * self.count.saturating_sub(inner.done) as f64;
        let text =
            format!("{} of {} programs, {} differ, {left:.0} s left", inner.done, self.count, inner.differences.len());
        let _ = match watched {
            true => write!(stderr(), "\r\x1b[K{text}"),
            false => writeln!(stderr(), "{text}"),
        };
        let _ = stderr().flush();
    }

    /// Prints the results, with the first differences reduced. Returns true if nothing differs.
    pub fn report(self, request: &Request, mut prober: Prober) -> Result<bool, String> {
        let took = self.since.elapsed();
        if stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!("\n{}", inner.tally.text(took));
        for (case, different) in inner.differences.iter().take(SHOWN) {
            let smaller = prober.shrink(case, different.stage, Instant::now() + request.shrink);
            let smaller = filetest::text(&smaller, &title(case, different));
            match &request.shrunk {
                None => println!("{smaller}"),
                Some(folder) => {
                    let path = folder.join(format!("{}_{}.hir", FAMILIES[case.family].name, case.seed));
                    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &smaller));
                    written.map_err(|error| format!("{}: {error}\n{smaller}", path.display()))?;
                    println!("{}\n{smaller}", path.display());
                }
            }
        }
        let (compared, differ) = (inner.tally.compared(), inner.differences.len());
        println!("{compared} programs compared in {:.0} s, {differ} differ", took.as_secs_f64());
        match inner.trouble {
            Some(why) => Err(why),
            None if compared == 0 && self.count > 0 => Err("no program was compared".to_owned()),
            None => Ok(differ == 0),
        }
    }
}

/// Returns the command that repeats a program that differs, and the difference.
fn title(case: &Case, Different { stage, what }: &Different) -> String {
    let family = FAMILIES[case.family].name;
    let cells: String = case.program.cells.iter().map(|cell| format!("\n    {cell}")).collect();
    let compiled = case.way.to_string();
    format!("DIFFERENT ({stage}): --family {family} --seed {} --count 1: {what}\n    {compiled}{cells}", case.seed)
}

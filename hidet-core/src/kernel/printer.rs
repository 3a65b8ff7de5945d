//! Receivers of the lines that a kernel prints.
//!
//! The lines arrive when the launch has ended, even if it ended with a fault. They are sorted by block; lines of one
//! block are in the order in which they were printed, which is unspecified between warps. On a GPU a launch has room
//! for 1 MiB of numbers; the number of lines that did not fit is reported on standard error.

use std::fmt;
use std::io::{Write, stdout};
use std::sync::Arc;

/// The receiver of the lines of `print!`: standard output or a function.
///
/// ```
/// use hidet::kernel::{CompileOptions, Printer};
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = 1, block = 1)]
///     fn show(x: In<f32, [n]>) {
///         for i in 0..n { print!("x[{i}] is {:.2}", x[[i]]); }
///     }
/// }
///
/// let device = Device::sim();
/// let (send, lines) = std::sync::mpsc::channel();
/// let printer = Printer::new(move |line| drop(send.send(line.to_owned())));
/// let options = CompileOptions { printer, ..CompileOptions::default() };
/// show().compile_with(&device, &options)?.launch(&device.tensor(&[0.5, -2.0], [2])?)?;
/// assert_eq!(lines.try_iter().collect::<Vec<String>>(), ["x[0] is 0.50", "x[1] is -2.00"]);
/// # Ok::<(), hidet::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Printer(Option<Arc<dyn Fn(&str) + Send + Sync>>);

impl Printer {
    /// Returns a printer that passes each line, without its newline, to a function: on the launching thread, before the
    /// launch returns.
    pub fn new(take: impl Fn(&str) + Send + Sync + 'static) -> Printer {
        Printer(Some(Arc::new(take)))
    }

    pub(super) fn print(&self, lines: &[String]) {
        for line in lines {
            match &self.0 {
                Some(take) => take(line),
                // A closed standard output is no reason to fail the launch.
                None => drop(writeln!(stdout(), "{line}")),
            }
        }
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Printer(a function)" } else { "Printer(standard output)" })
    }
}

//! `hidet inspect`: a kernel at every stage of compilation, and its machine code beside the Rust source.

use super::{Outcome, say};
use crate::examples::registry;
use crate::near;
use clap::Args;
use hidet::inspect::{Detail, FINDING, inspect};
use hidet::kernel::{CompileOptions, Image};
use std::io::IsTerminal;
use std::path::PathBuf;

/// The kernel and what to print of it.
#[derive(Args)]
pub struct Inspect {
    /// The kernel, by name or prefix; without one, all names are listed.
    kernel: Option<String>,
    /// The architecture.
    #[arg(long, default_value = "sm_90a")]
    arch: String,
    /// Print only the IR as it was built and after the last pass.
    #[arg(long)]
    brief: bool,
    /// Print only the machine code: instructions under their Rust lines, their mix, and what may cost time.
    #[arg(long)]
    sass: bool,
    /// Write the compiled kernel to this file, from which it loads without NVRTC, instead of printing.
    #[arg(long, conflicts_with_all = ["brief", "sass"])]
    image: Option<PathBuf>,
    /// Compile with checks of every access that is not proved to be in bounds.
    #[arg(long)]
    checks: bool,
}

impl Inspect {
    /// Prints all stages.
    pub fn run(&self) -> Outcome {
        let entries = registry::all();
        let Some(name) = &self.kernel else {
            entries.iter().for_each(|entry| println!("{}", entry.name));
            return Ok(true);
        };
        let entry = named(&entries, name).ok_or_else(|| {
            let hint = near::hint(name, entries.iter().map(|entry| entry.name));
            format!("there is no kernel `{name}`{hint}\n`hidet inspect` lists them")
        })?;
        let function = (entry.build)().map_err(say)?;
        if let Some(file) = &self.image {
            let options = CompileOptions { checks: self.checks, ..CompileOptions::default() };
            let image = Image::of(function, self.arch.parse().map_err(say)?, &options).map_err(say)?;
            return match std::fs::write(file, image.to_bytes()) {
                Ok(()) => Ok(true),
                Err(error) => Err(format!("{} was not written: {error}", file.display())),
            };
        }
        let detail = match (self.sass, self.brief) {
            (true, _) => Detail::Sass,
            (false, true) => Detail::Brief,
            (false, false) => Detail::All,
        };
        let stages = inspect(&function, self.arch.parse().map_err(say)?, detail, self.checks).map_err(say)?;
        let coloured = std::io::stdout().is_terminal();
        for line in stages.text.lines() {
            match line.strip_prefix(FINDING) {
                Some(finding) if coloured => println!("\x1b[31m{finding}\x1b[0m"),
                _ => println!("{line}"),
            }
        }
        Ok(!self.sass || stages.has_machine_code)
    }
}

/// Returns the kernel of that name; else the first that has it before `<`, else the first that begins with it.
fn named<'a>(entries: &'a [registry::Entry], name: &str) -> Option<&'a registry::Entry> {
    let beginning = |with: &str| entries.iter().find(|entry| entry.name.starts_with(with));
    let whole = entries.iter().find(|entry| entry.name == name);
    whole.or_else(|| beginning(&format!("{name}<"))).or_else(|| beginning(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_found_by_its_name_before_one_that_begins_with_it() {
        let entries = registry::all();
        let found = |name| named(&entries, name).map(|entry| entry.name);
        assert_eq!(found("softmax"), Some("softmax<f32>"));
        assert_eq!(found("softmax_f"), Some("softmax_fast<f32, 768>"));
        assert_eq!(found("softmax<f16>"), Some("softmax<f16>"));
        assert_eq!(found("no_such"), None);
    }
}

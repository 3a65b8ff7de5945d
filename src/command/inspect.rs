//! `hidet inspect`: a kernel at every stage of compilation, and its machine code beside the Rust source.

use super::{Outcome, sass, say};
use crate::examples::registry;
use crate::near;
use clap::Args;
use hidet::codegen::Source;
use hidet::cuda::Occupancy;
use hidet::cuda::nvrtc::{self, Cubin};
use hidet::ir::{Arch, Function, text};
use hidet::{codegen, passes};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::IsTerminal;

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
        let arch: Arch = self.arch.parse().map_err(say)?;

        let function = (entry.build)().map_err(say)?;
        let lowered = self.lower(entry.name, &function)?;
        let source = codegen::cuda(&lowered, arch).map_err(say)?;
        if !self.sass {
            println!("// CUDA for {arch}\n{}", source.text);
        }
        if let Err(missing) = nvrtc::version() {
            println!("// no PTX and no SASS: {missing}");
            return Ok(!self.sass);
        }
        if !self.sass {
            println!("// PTX\n{}", nvrtc::ptx(&source, arch).map_err(say)?);
        }
        let cubin = nvrtc::compile(&source, arch).map_err(say)?;
        let code = sass::disassemble(cubin.image());
        match &code {
            Ok(code) => println!("// SASS for {arch}\n{}", sass::listing(code, &Lines::default().reader())),
            Err(why) => println!("// no SASS: {why}"),
        }
        summary(&function, &source, &cubin, arch, code.as_deref().unwrap_or_default());
        Ok(!self.sass || code.is_ok())
    }

    /// Lowers the function, and prints the IR after each pass.
    fn lower(&self, name: &str, function: &Function) -> Result<Function, String> {
        let options = passes::LoweringOptions { checks: self.checks, ..passes::LoweringOptions::default() };
        if self.sass {
            return passes::lower(function, &options).map_err(say);
        }
        println!("// {name} as built\n{}", text::print(function));
        let mut last = text::print(function);
        let lowered = passes::lower_with(function, &options, &mut |pass, function| {
            let now = text::print(function);
            if now == last {
                println!("// {}: nothing changed", pass.name);
            } else if !self.brief {
                println!("// after {}\n{now}", pass.name);
            }
            last = now;
        })
        .map_err(say)?;
        if self.brief {
            println!("// lowered\n{last}");
        }
        Ok(lowered)
    }
}

/// Returns the kernel of that name; else the first that has it before `<`, else the first that begins with it.
fn named<'a>(entries: &'a [registry::Entry], name: &str) -> Option<&'a registry::Entry> {
    let beginning = |with: &str| entries.iter().find(|entry| entry.name.starts_with(with));
    let whole = entries.iter().find(|entry| entry.name == name);
    whole.or_else(|| beginning(&format!("{name}<"))).or_else(|| beginning(name))
}

/// Prints the resources of a kernel, the warps per multiprocessor, the mix of its instructions, and what may cost time.
fn summary(function: &Function, source: &Source, cubin: &Cubin, arch: Arch, code: &[sass::Instruction]) {
    let usage = &cubin.usage;
    let spilled = usage.spill_stores + usage.spill_loads;
    let dynamic = source.dynamic_shared.as_const();
    let shared = dynamic.map(|bytes| bytes as u32 + usage.shared);
    println!("{:<30} {:>7}", "registers", usage.registers);
    println!("{:<30} {:>7}", "bytes spilled", spilled);
    println!("{:<30} {:>7}", "bytes of local memory", usage.stack);
    match shared {
        Some(bytes) => println!("{:<30} {bytes:>7}", "bytes of shared memory"),
        None => println!("{:<30} depends on the shapes of a launch", "bytes of shared memory"),
    }
    if let Some(bytes) = shared {
        match Occupancy::estimate(arch, function.launch.threads(), usage.registers, bytes) {
            Some(occupancy) => println!("{:<30} {occupancy}", "occupancy"),
            None => println!("{:<30} the limits of {arch} are not known", "occupancy"),
        }
    }
    if !code.is_empty() {
        println!("\n{}", sass::mix(code));
    }
    let mut findings = usage.losses.clone();
    if spilled > 0 {
        findings.push(format!("{spilled} bytes of registers are spilled to local memory"));
    } else if usage.stack > 0 {
        findings.push(format!(
            "{} bytes of local memory per thread: an index into a register array is not constant; make it \
             constant by `#[unroll]` or a task mapping",
            usage.stack
        ));
    }
    findings.extend(sass::findings(code));
    for finding in findings {
        match std::io::stdout().is_terminal() {
            true => println!("\x1b[31m{finding}\x1b[0m"),
            false => println!("finding: {finding}"),
        }
    }
}

/// Lines of source files, read once.
#[derive(Default)]
struct Lines {
    files: RefCell<HashMap<String, Vec<String>>>,
}

impl Lines {
    fn reader(&self) -> impl Fn(&str, u32) -> Option<String> + '_ {
        |file, line| {
            let mut files = self.files.borrow_mut();
            let lines = files.entry(file.to_owned()).or_insert_with(|| {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                text.lines().map(str::to_owned).collect()
            });
            lines.get(line.checked_sub(1)? as usize).cloned()
        }
    }
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

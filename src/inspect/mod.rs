//! A kernel at every stage of compilation, and its machine code beside the Rust source: what `hidet inspect` prints, of any
//! kernel.

mod sass;

use hidet_core::codegen::{self, Source};
use hidet_core::cuda::Occupancy;
use hidet_core::cuda::nvrtc::{self, Cubin};
use hidet_core::ir::{Arch, Function, text};
use hidet_core::{Result, passes};
use std::cell::RefCell;
use std::collections::HashMap;

/// What is shown of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// The IR after each pass, CUDA, PTX and machine code.
    #[default]
    All,
    /// The same, but the IR only as it was built and after the last pass.
    Brief,
    /// The machine code: instructions under their Rust lines, their mix, and what may cost time.
    Sass,
}

/// A kernel at every stage of compilation: see [`inspect`].
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The stages. Lines about what may cost time begin with [`FINDING`].
    pub text: String,
    /// True if the machine code is among them: for PTX NVRTC is needed, and for machine code `nvdisasm` too.
    pub has_machine_code: bool,
}

/// The beginning of lines about what may cost time.
pub const FINDING: &str = "finding: ";

/// Returns a kernel at every stage of compilation for an architecture, or an error if it cannot be compiled. With `checks`,
/// each access that is not proved to be in bounds is checked.
///
/// ```
/// use hidet::inspect::{Detail, inspect};
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n.div_ceil(128), block = 128)]
///     fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
///         let i = block_idx().x * 128 + thread_id();
///         if i < n {
///             y[[i]] = x[[i]] * 2.0;
///         }
///     }
/// }
///
/// let stages = inspect(&double().build()?, "sm_90a".parse()?, Detail::All, false)?;
/// assert!(stages.text.contains("// double as built") && stages.text.contains("__global__ void"));
/// assert_eq!(stages.has_machine_code, stages.text.contains("// SASS for sm_90a"));
/// # Ok::<(), hidet::Error>(())
/// ```
pub fn inspect(function: &Function, arch: Arch, detail: Detail, checks: bool) -> Result<Inspection> {
    let mut stages = Stages { text: String::new(), detail };
    let lowered = stages.lower(function, checks)?;
    let source = codegen::cuda(&lowered, arch)?;
    if detail != Detail::Sass {
        stages.add(format_args!("// CUDA for {arch}\n{}", source.text));
    }
    if let Err(missing) = nvrtc::version() {
        stages.add(format_args!("// no PTX and no SASS: {missing}"));
        return Ok(Inspection { text: stages.text, has_machine_code: false });
    }
    if detail != Detail::Sass {
        stages.add(format_args!("// PTX\n{}", nvrtc::ptx(&source, arch)?));
    }
    let cubin = nvrtc::compile(&source, arch)?;
    let code = sass::disassemble(cubin.image());
    match &code {
        Ok(code) => {
            stages.add(format_args!("// SASS for {arch}\n{}", sass::listing(code, &Lines::default().reader())));
        }
        Err(why) => stages.add(format_args!("// no SASS: {why}")),
    }
    stages.summary(function, (&source, &cubin, code.as_deref().unwrap_or_default()), arch);
    Ok(Inspection { text: stages.text, has_machine_code: code.is_ok() })
}

/// The text of the stages so far.
struct Stages {
    text: String,
    detail: Detail,
}

impl Stages {
    fn add(&mut self, lines: std::fmt::Arguments<'_>) {
        self.text += &format!("{lines}\n");
    }

    /// Lowers the function, and adds the IR after each pass.
    fn lower(&mut self, function: &Function, checks: bool) -> Result<Function> {
        let options = passes::LoweringOptions { checks, ..passes::LoweringOptions::default() };
        if self.detail == Detail::Sass {
            return passes::lower(function, &options);
        }
        let mut last = text::print(function);
        self.add(format_args!("// {} as built\n{last}", function.name));
        let lowered = passes::lower_with(function, &options, &mut |pass, function| {
            let now = text::print(function);
            if now == last {
                self.add(format_args!("// {}: nothing changed", pass.name));
            } else if self.detail == Detail::All {
                self.add(format_args!("// after {}\n{now}", pass.name));
            }
            last = now;
        })?;
        if self.detail == Detail::Brief {
            self.add(format_args!("// lowered\n{last}"));
        }
        Ok(lowered)
    }

    /// Adds the resources of a kernel, the warps per multiprocessor, the mix of its instructions, and what may cost time.
    fn summary(&mut self, function: &Function, compiled: (&Source, &Cubin, &[sass::Instruction]), arch: Arch) {
        let (source, cubin, code) = compiled;
        let usage = &cubin.usage;
        let spilled = usage.spill_stores + usage.spill_loads;
        let dynamic = source.dynamic_shared.as_const();
        let shared = dynamic.map(|bytes| bytes as u32 + usage.shared);
        self.add(format_args!("{:<30} {:>7}", "registers", usage.registers));
        self.add(format_args!("{:<30} {:>7}", "bytes spilled", spilled));
        self.add(format_args!("{:<30} {:>7}", "bytes of local memory", usage.stack));
        match shared {
            Some(bytes) => self.add(format_args!("{:<30} {bytes:>7}", "bytes of shared memory")),
            None => self.add(format_args!("{:<30} depends on the shapes of a launch", "bytes of shared memory")),
        }
        if let Some(bytes) = shared {
            match Occupancy::estimate(arch, function.launch.threads(), usage.registers, bytes) {
                Some(occupancy) => self.add(format_args!("{:<30} {occupancy}", "occupancy")),
                None => self.add(format_args!("{:<30} the limits of {arch} are not known", "occupancy")),
            }
        }
        if !code.is_empty() {
            self.add(format_args!("\n{}", sass::mix(code)));
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
            self.add(format_args!("{FINDING}{finding}"));
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

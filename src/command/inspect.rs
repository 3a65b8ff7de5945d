//! `hidet inspect`: a kernel at every stage of compilation.

use super::{Outcome, say};
use crate::examples::registry;
use clap::Args;
use hidet::cuda::{Occupancy, nvrtc};
use hidet::ir::{Arch, text};
use hidet::{codegen, passes};
use std::process::Command;

/// What to show.
#[derive(Args)]
pub struct Inspect {
    /// The kernel, by name or beginning of it; without one, all names are listed.
    kernel: Option<String>,
    /// The architecture.
    #[arg(long, default_value = "sm_90a")]
    arch: String,
    /// Show the IR as it was built and after the last pass only.
    #[arg(long)]
    brief: bool,
}

impl Inspect {
    /// Prints everything there is.
    pub fn run(&self) -> Outcome {
        let entries = registry::all();
        let Some(name) = &self.kernel else {
            entries.iter().for_each(|entry| println!("{}", entry.name));
            return Ok(true);
        };
        let entry = entries
            .iter()
            .find(|entry| entry.name == name)
            .or_else(|| entries.iter().find(|entry| entry.name.starts_with(name.as_str())))
            .ok_or_else(|| format!("there is no kernel `{name}`; `hidet inspect` lists them"))?;
        let arch = Arch::from_name(&self.arch)
            .ok_or_else(|| format!("`{}` is no architecture; write it like sm_80 or sm_90a", self.arch))?;

        let function = (entry.build)().map_err(say)?;
        println!("// {} as built\n{}", entry.name, text::print(&function));
        let mut last = text::print(&function);
        let lowered = passes::lower_with(&function, &passes::Options::default(), &mut |pass, function| {
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
        let source = codegen::cuda(&lowered, arch).map_err(say)?;
        println!("// CUDA for {arch}\n{}", source.text);
        if let Err(missing) = nvrtc::version() {
            println!("// no PTX and no SASS: {missing}");
            return Ok(true);
        }
        println!("// PTX\n{}", nvrtc::ptx(&source, arch).map_err(say)?);
        let cubin = nvrtc::compile(&source, arch).map_err(say)?;
        let usage = &cubin.usage;
        println!(
            "// {} registers, {} bytes spilled, {} bytes of shared memory",
            usage.registers,
            usage.spill_stores + usage.spill_loads,
            usage.shared
        );
        // What a launch needs is known here where it is the same for all shapes.
        if let Ok(dynamic) = source.dynamic_shared.eval(&[]) {
            let shared = usage.shared + dynamic as u32;
            match Occupancy::estimate(arch, function.launch.threads(), usage.registers, shared) {
                Some(occupancy) => println!("// with {dynamic} bytes of dynamic shared memory: {occupancy}"),
                None => println!("// the limits of {arch} are not known"),
            }
        }
        println!("{}", disassemble(&cubin.image)?);
        Ok(true)
    }
}

/// SASS, where `cuobjdump` is found.
fn disassemble(image: &[u8]) -> Result<String, String> {
    let path = std::env::temp_dir().join(format!("hidet-{}.cubin", std::process::id()));
    std::fs::write(&path, image).map_err(|error| format!("{}: {error}", path.display()))?;
    let output = Command::new("cuobjdump").arg("--dump-sass").arg(&path).output();
    let _ = std::fs::remove_file(&path);
    Ok(match output {
        Ok(output) if output.status.success() => format!("// SASS\n{}", String::from_utf8_lossy(&output.stdout)),
        Ok(output) => format!("// no SASS: cuobjdump says {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(_) => "// no SASS: cuobjdump is not on the PATH; it comes with the CUDA toolkit".to_owned(),
    })
}

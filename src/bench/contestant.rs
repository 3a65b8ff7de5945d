//! One who takes part in a measurement: a name, and how to launch once.

use hidet::cuda::nvrtc::Usage;
use hidet::dsl::Template;
use hidet::prelude::*;

/// A kernel of ours or a rival, with its arguments.
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    /// What is known of it: registers of a kernel, the algorithm a library chose.
    pub detail: String,
    /// Whether it writes the result that the problem checks. A copy of as many bytes does not.
    pub solves: bool,
    launch: Box<dyn FnMut() -> Result<(), String>>,
}

impl Contestant {
    /// One that is launched so.
    pub fn new(name: &str, detail: String, launch: impl FnMut() -> Result<(), String> + 'static) -> Contestant {
        Contestant { name: name.to_owned(), detail, solves: true, launch: Box::new(launch) }
    }

    /// A kernel of ours, compiled for the device.
    pub fn kernel<Args: 'static>(
        name: &str,
        device: &Device,
        template: Template<Args>,
        mut launch: impl FnMut(&Kernel<Args>) -> hidet::Result<()> + 'static,
    ) -> Result<Contestant, String> {
        let kernel = template.compile(device).map_err(|error| error.to_string())?;
        let detail = kernel.compiled().usage().map_or_else(String::new, describe);
        Ok(Contestant::new(name, detail, move || launch(&kernel).map_err(|error| error.to_string())))
    }

    /// The same by another name, with other details.
    pub fn called(self, name: &str, detail: String) -> Contestant {
        Contestant { name: name.to_owned(), detail, ..self }
    }

    /// The same, which solves nothing.
    pub fn unchecked(self) -> Contestant {
        Contestant { solves: false, ..self }
    }

    /// Launches once; the device may still be busy afterwards.
    pub fn launch(&mut self) -> Result<(), String> {
        (self.launch)().map_err(|why| format!("{}: {why}", self.name))
    }
}

/// Registers, and what speaks against a kernel.
fn describe(usage: &Usage) -> String {
    let mut text = format!("{} registers", usage.registers);
    let spilled = usage.spill_stores + usage.spill_loads;
    if spilled > 0 {
        text += &format!(", {spilled} bytes SPILLED");
    }
    for loss in &usage.losses {
        text += &format!(", {loss}");
    }
    text
}

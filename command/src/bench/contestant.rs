//! A benchmark entry: a name, and how to launch it once.

use hidet::dsl::Template;
use hidet::kernel::{Compiled, Resources};
use hidet::prelude::*;
use hidet::tune::Repeatable;

/// A kernel of ours or a baseline, with its arguments.
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    /// Details known in advance: the algorithm that a library chose, a schedule.
    pub note: String,
    /// True if it writes the result that the problem checks. A copy of as many bytes does not.
    pub solves: bool,
    launch: Box<dyn FnMut() -> Result<(), String>>,
    /// The compiled kernel, if it is a kernel of ours.
    compiled: Option<Compiled>,
}

impl Contestant {
    /// An entry that is launched by `launch`.
    pub fn new(name: &str, note: String, launch: impl FnMut() -> Result<(), String> + 'static) -> Contestant {
        Contestant { name: name.to_owned(), note, solves: true, launch: Box::new(launch), compiled: None }
    }

    /// A kernel of ours, compiled for the device.
    pub fn kernel<Args: 'static>(
        name: &str,
        device: &Device,
        template: Template<Args>,
        mut launch: impl FnMut(&Kernel<Args>) -> hidet::Result<()> + 'static,
    ) -> Result<Contestant, String> {
        let kernel = template.compile(device).map_err(|error| error.to_string())?;
        let compiled = Some(kernel.compiled().clone());
        let launch = move || launch(&kernel).map_err(|error| error.to_string());
        Ok(Contestant { compiled, ..Contestant::new(name, String::new(), launch) })
    }

    /// The same entry under another name, with another note.
    pub fn called(self, name: &str, note: String) -> Contestant {
        Contestant { name: name.to_owned(), note, ..self }
    }

    /// Returns the note, and the resources that the last launch of a kernel used.
    pub fn detail(&self) -> String {
        let resources = self.compiled.as_ref().and_then(|compiled| compiled.resources().ok()?);
        [Some(self.note.clone()), resources.as_ref().map(describe)]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The same entry, marked as writing no result.
    pub fn unchecked(self) -> Contestant {
        Contestant { solves: false, ..self }
    }
}

impl Repeatable for Contestant {
    fn launch(&mut self) -> hidet::Result<()> {
        (self.launch)().map_err(|message| hidet::Error::Device { device: self.name.clone(), message })
    }
}

/// Describes registers, resident blocks per multiprocessor, and anything that suggests a slow kernel.
fn describe(resources: &Resources) -> String {
    let Resources { usage, occupancy, .. } = resources;
    let mut text = format!("{} registers, {occupancy}", usage.registers);
    let spilled = usage.spill_stores + usage.spill_loads;
    if spilled > 0 {
        text += &format!(", {spilled} bytes SPILLED");
    }
    for loss in &usage.losses {
        text += &format!(", {loss}");
    }
    text
}

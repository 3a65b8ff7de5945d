//! The machine that a measurement was made on.

use hidet::cuda::driver::{driver, version_name};
use hidet::cuda::{Context, nvrtc};

/// GPU, software and host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The name of the GPU.
    pub gpu: String,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// The highest clock of the GPU in MHz.
    pub clock: u32,
    /// The CUDA version of the driver.
    pub driver: String,
    /// The version of NVRTC.
    pub nvrtc: String,
    /// The host's processor.
    pub cpu: String,
}

impl Machine {
    /// Returns the machine of a context.
    pub fn of(context: &Context) -> Machine {
        let properties = &context.properties;
        Machine {
            gpu: properties.name.clone(),
            multiprocessors: properties.multiprocessors,
            clock: properties.clock / 1000,
            driver: driver().map_or_else(|_| String::new(), |driver| version_name(driver.version)),
            nvrtc: nvrtc::version().map_or_else(|_| String::new(), |(major, minor)| format!("{major}.{minor}")),
            cpu: cpu(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { gpu, multiprocessors, clock, driver, nvrtc, cpu } = self;
        write!(f, "{gpu}, {multiprocessors} multiprocessors")?;
        if *clock > 0 {
            write!(f, ", {clock} MHz")?;
        }
        write!(f, "; driver CUDA {driver}, NVRTC {nvrtc}; {cpu}")
    }
}

/// Returns the name of the first processor in the text of `/proc/cpuinfo`.
fn cpu(text: &str) -> String {
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(cpu("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: Other\n"), "Fast CPU @ 3 GHz");
        assert_eq!(cpu(""), "unknown processor");
    }
}

//! The subcommands, one per file. Each returns true if all is well, or an error message for the user.

pub mod bench;
pub mod cache;
pub mod check;
#[cfg(feature = "models")]
pub mod compile;
pub mod doctor;
#[cfg(feature = "models")]
pub mod experiment;
pub mod inspect;
#[cfg(feature = "models")]
pub mod profile;
#[cfg(feature = "models")]
pub mod run;
#[cfg(feature = "models")]
pub mod show;
pub mod viz;

use hidet::prelude::Device;

/// The result of a subcommand.
pub type Outcome = Result<bool, String>;

/// Returns the device of that name; `best` is a GPU if there is one, else the simulated device.
fn device(name: &str) -> Result<Device, String> {
    match name {
        "best" => Device::best(),
        name => Device::named(name),
    }
    .map_err(say)
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! The subcommands, one a file. Each gives whether all is well, or a message for the user.

pub mod bench;
pub mod cache;
pub mod check;
pub mod doctor;
pub mod inspect;
mod sass;
pub mod viz;

/// What a subcommand gives.
pub type Outcome = Result<bool, String>;

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! The subcommands, one per file. Each returns true if all is well, or an error message for the user.

pub mod bench;
pub mod cache;
pub mod check;
pub mod doctor;
pub mod inspect;
pub mod viz;

/// The result of a subcommand.
pub type Outcome = Result<bool, String>;

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

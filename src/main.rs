//! The `hidet` command.

fn main() {}

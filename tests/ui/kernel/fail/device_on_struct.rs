//! `#[device]` is for functions.

use hidet::prelude::*;

#[device]
struct S;

fn main() {}

use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn zero() -> TaskMapping<2> {
    repeat([1, 4]).attrs("u0") * spatial([8, 1])
}

#[task_mapping]
fn three() -> TaskMapping<2> {
    repeat([1, 4]).attrs(". . u")
}

#[task_mapping]
fn unknown() -> TaskMapping<2> {
    repeat([1, 4]).attrs("p")
}

#[task_mapping]
fn no_loop() -> TaskMapping<2> {
    spatial([1, 4]).attrs("u")
}

fn main() {}

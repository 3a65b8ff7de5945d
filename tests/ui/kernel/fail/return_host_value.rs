//! A meta value cannot depend on the device.

use hidet::prelude::*;

#[device]
fn lanes_of(x: Expr<f32>) -> i32 {
    if x > 0.0 { return 4; }
    1
}

fn main() {}

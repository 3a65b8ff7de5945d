//! A plain function has Rust's own operators.

use hidet::prelude::*;

fn relu(x: Expr<f32>) -> Expr<f32> {
    if x > 0.0 { x } else { 0.0 }
}

fn main() {}

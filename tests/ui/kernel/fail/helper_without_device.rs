//! A helper that compares or indexes needs `#[device]`.

use hidet::prelude::*;

fn clip(x: Expr<f32>, top: Expr<f32>) -> Expr<f32> {
    if x < top { x } else { top }
}

fn positive(x: Expr<f32>) -> bool {
    x > 0.0
}

fn diagonal(x: In<f32, 2>, i: Expr<i32>) {
    x[[i, i]];
}

fn main() {}

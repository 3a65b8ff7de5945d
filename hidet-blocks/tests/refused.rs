//! What the parts cannot take is refused when the kernel is built.

#![allow(clippy::unwrap_used)]

use hidet::blocks::{Pipeline, StagedInput, TiledOutput, load_stage, multiply};
use hidet::prelude::*;

/// How the kernel uses the parts.
#[derive(Clone, Copy)]
struct Use {
    stages: i32,
    filled: i32,
    a: [i32; 2],
    b: [i32; 2],
    cols: i32,
}

/// A use that is right.
const RIGHT: Use = Use { stages: 2, filled: 2, a: [64, 64], b: [64, 64], cols: 64 };

kernel! {
    #[launch(grid = (n.div_ceil(64), m.div_ceil(64)), block = 256)]
    fn product(#[meta] part: Use, a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<f32, [m, n]>) {
        let a = StagedInput::new(a, part.stages, part.a);
        let b = StagedInput::new(b, part.stages, part.b);
        let c = TiledOutput::<f32, bf16, 2>::new(c, 1, part.cols);
        let at = Pipeline::new(part.filled, 1, 1).start();
        let (row, col) = (block_idx().y * 64, block_idx().x * 64);
        #[warp_group(0)]
        {
            if thread_id() == 0 {
                for step in 0..(k + 63) / 64 {
                    load_stage(&at, (&a, (row, step * 64)), (&b, (col, step * 64)));
                }
                c.load_operand(&b, &at, (row, col));
            }
        }
        #[warp_group(1)]
        {
            let sums = registers::<f32>([32]);
            sums.fill(0.0);
            multiply(sums, (&a, &b), &at, (0, (row, 0)), (k + 63) / 64);
            c.store(sums, (&b, &at), 0, (row, col));
            c.finish();
        }
    }
}

type Parameters = (In<bf16, 2>, In<bf16, 2>, In<bf16, 2>, Out<bf16, 2>);
const NAMES: [&str; 4] = ["a[m, k]", "b[n, k]", "residual[m, n]", "c[m, n]"];

/// The kernel with a residual.
fn fused(part: Use) -> Template<Parameters> {
    product(part).fuse("fused", NAMES, |(a, b, residual, c): Parameters| {
        (
            a,
            b,
            c.map_store_with((residual,), |sum: Expr<f32>, (residual,), _| (sum + residual.to::<f32>()).to::<bf16>()),
        )
    })
}

fn refused(template: Template<Parameters>, message: &str) {
    let error = template.build().map(drop).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_right_use_is_taken() {
    fused(RIGHT).build().unwrap();
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let tiles =
        "2 stages of tiles of 64 x 96 bf16, each loaded by 1 blocks: columns must be a multiple of 64 (128 bytes)";
    refused(fused(Use { a: [64, 96], ..RIGHT }), tiles);
    refused(fused(Use { stages: 0, ..RIGHT }), "0 stages of tiles of 64 x 64 bf16");
    refused(fused(Use { filled: 3, ..RIGHT }), "a pipeline of 3 stages fills an input of 2");
    refused(fused(Use { a: [64, 128], ..RIGHT }), "tiles of 128 and 64 columns are multiplied along their columns");
    refused(fused(Use { cols: 100, ..RIGHT }), "100 columns of 1 warp groups: they must be a multiple of 64");
    refused(fused(Use { b: [32, 64], ..RIGHT }), "need tiles of the input with as many rows");
}

#[test]
fn a_prologue_that_cannot_be_applied_is_refused() {
    let template = fused(RIGHT)
        .fuse("scaled", NAMES, |(a, b, residual, c): Parameters| (a, b.map(|value, _| value + value), residual, c));
    refused(template, "this input has a prologue, but tensor cores read its tiles as they were copied");
}

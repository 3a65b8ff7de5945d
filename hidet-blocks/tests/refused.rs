//! What the parts cannot take is refused when the kernel is built.

#![allow(clippy::unwrap_used)]

use hidet::blocks::{
    AsyncTiles, CopiedInput, Pipeline, Route, StagedInput, ThreadTile, TiledOutput, load_stage, multiply,
    multiply_by_threads,
};
use hidet::prelude::*;

/// How the kernel uses the parts.
#[derive(Clone, Copy)]
struct Use {
    stages: i32,
    filled: i32,
    a: [i32; 2],
    b: [i32; 2],
    cols: i32,
    loads: bool,
}

/// A use that is right.
const RIGHT: Use = Use { stages: 2, filled: 2, a: [64, 64], b: [64, 64], cols: 64, loads: true };

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
                if part.loads {
                    c.load_operand(&b, &at, (row, col));
                }
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

fn refused<P>(template: Template<P>, message: &str) {
    let error = template.build().map(drop).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_right_use_is_taken() {
    fused(RIGHT).build().unwrap();
}

#[test]
fn operands_that_are_not_loaded_are_refused() {
    refused(fused(Use { loads: false, ..RIGHT }), "a kernel calls `load_operand` before `store` in its text");
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let tiles = "2 stages of tiles of 64 x 96 bf16: columns must be a multiple of 64 (128 bytes)";
    refused(fused(Use { a: [64, 96], ..RIGHT }), tiles);
    refused(fused(Use { stages: 0, ..RIGHT }), "0 stages of tiles of 64 x 64 bf16");
    refused(fused(Use { filled: 3, ..RIGHT }), "a pipeline of 3 stages fills an input of 2");
    refused(fused(Use { filled: 1, ..RIGHT }), "a product needs a pipeline of two stages or more");
    refused(fused(Use { a: [64, 128], ..RIGHT }), "tiles of 128 and 64 columns are multiplied along their columns");
    refused(
        fused(Use { cols: 100, ..RIGHT }),
        "100 columns of 1 warp groups, stored in boxes of [64, 64]: columns must be a multiple of 64",
    );
    refused(fused(Use { b: [32, 64], ..RIGHT }), "need tiles of the input with as many rows");
}

#[test]
fn a_prologue_that_cannot_be_applied_is_refused() {
    let template = fused(RIGHT)
        .fuse("scaled", NAMES, |(a, b, residual, c): Parameters| (a, b.map(|value, _| value + value), residual, c));
    refused(template, "this input has a prologue, but tensor cores read its tiles as they were copied");
}

/// How threads copy tiles: lines and depth of those of a and of b, threads, and the route of a.
type Copies = ([u32; 2], [u32; 2], u32, Route);

kernel! {
    #[launch(grid = (n.div_ceil(64), m.div_ceil(32)), block = 32)]
    fn by_threads(#[meta] copies: Copies, a: In<f32, [m, k]>, b: In<f32, [k, n]>, c: Out<f32, [m, n]>) {
        let (a_tile, b_tile, threads, route) = copies;
        let tile = ThreadTile { block_warps: [1, 1], warp_outer: [2, 2] };
        let first = [block_idx().y * 32, block_idx().x * 64];
        let origin = tile.inwards(first, [m, n]);
        let a = CopiedInput::new(a, (1, route), a_tile, threads, origin[0]);
        let b = CopiedInput::new(b, (0, Route::Registers), b_tile, threads, origin[1]);
        let sums = tile.registers();
        sums.fill(0.0);
        multiply_by_threads(&tile, sums, (&a, &b), k);
        tile.store(sums, c, 1, origin, first);
    }
}

#[test]
fn copies_that_do_not_fit_are_refused() {
    by_threads(([32, 4], [64, 4], 32, Route::Registers)).build().unwrap();
    let refuse = |copies: Copies, message: &str| refused(by_threads(copies), message);
    refuse(([32, 4], [64, 8], 32, Route::Registers), "tiles of 4 and 8 along k are multiplied");
    refuse(([32, 4], [32, 4], 32, Route::Registers), "32 threads multiply 64 lines, but 32 threads copy 32 lines");
    refuse(([32, 4], [64, 4], 64, Route::Registers), "but 64 threads copy 32 lines of this input");
    refuse(([32, 5], [64, 4], 32, Route::Registers), "32 threads copy tiles of 32 lines and 5 along axis 1");
    refuse(([32, 0], [64, 4], 32, Route::Registers), "32 threads copy tiles of 32 lines and 0 along axis 1");
    refuse(([32, 1], [64, 1], 32, Route::Registers), "tiles of 1 and 1 along k are multiplied");
    refuse(([32, 4], [64, 4], 32, Route::Asynchronous(4)), "copies begin at column 4 of a tile of 4");
    type Products = (In<f32, 2>, In<f32, 2>, Out<f32, 2>);
    let computed = by_threads(([32, 4], [64, 4], 32, Route::Asynchronous(0))).fuse(
        "doubled",
        ["a[m, k]", "b[k, n]", "c[m, n]"],
        |(a, b, c): Products| (a.map(|v, _| v + v), b, c),
    );
    refused(computed, "is computed");
}

kernel! {
    #[launch(grid = 1, block = 128)]
    fn stored(c: Out<f32, [m, n]>) {
        let output = TiledOutput::<f32, f32, 2>::new(c, 1, 64);
        let sums = registers::<f32>([32]);
        sums.fill(0.0);
        output.store_box(sums, 0, (0, 0));
    }

    #[launch(grid = 1, block = 128)]
    fn in_rows_of_32(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let tiles = AsyncTiles::new(x, 2, [64, 32], 128);
        tiles.copy(0.into_expr(), (0.into_expr(), 0.into_expr()));
        y[[0, 0]] = 0.0;
    }
}

#[test]
fn elements_of_other_sizes_are_refused() {
    refused(stored(), "an output of f32 is stored by TMA: its elements must have 16 bits");
    refused(in_rows_of_32(), "2 stages of tiles of 64 x 32 f32: elements have 16 bits");
}

// Numbers of threads other than the block's, and plain numbers that their type cannot hold, are errors of `build`.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 64)]
    pub fn half(x: In<f32, [64]>, y: Out<f32, [1]>) {
        y[[0]] = block_sum::<32>(x[[thread_id()]]);
    }

    #[launch(grid = 1, block = (32, 2))]
    pub fn twice(x: In<f32, [64]>, y: Out<f32, [1]>) {
        y[[0]] = block_max::<128>(x[[thread_id()]]);
    }

    #[launch(grid = 1, block = 64)]
    pub fn scan(x: In<f32, [64]>, y: Out<f32, [1]>) {
        y[[0]] = block_scan_add::<32>(x[[thread_id()]]).0;
    }

    #[launch(grid = 1, block = 48)]
    pub fn odd(x: In<f32, [64]>, y: Out<f32, [1]>) {
        y[[0]] = block_sum::<48>(x[[thread_id()]]);
    }

    #[launch(grid = 1, block = 32)]
    pub fn compared(x: In<u8, [n]>, y: Out<u8, [n]>) {
        if x[[0]] < 256 { y[[0]] = 1; }
    }

    #[launch(grid = 1, block = 32)]
    pub fn added(x: In<u8, [n]>, y: Out<u8, [n]>) {
        y[[0]] = x[[0]] + 300;
    }

    #[launch(grid = 1, block = 32)]
    pub fn multiplied(x: In<i8, [n]>, y: Out<i8, [n]>) {
        y[[0]] = x[[0]] * 200;
    }

    #[launch(grid = 1, block = 32)]
    pub fn wide(x: In<i32, [n]>, y: Out<i32, [n]>) {
        y[[0]] = 3000000000 + x[[0]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn negative(x: In<u32, [n]>, y: Out<u32, [n]>) {
        if x[[0]] > -1 { y[[0]] = 1; }
    }

    #[launch(grid = 1, block = 32)]
    pub fn stored(y: Out<u8, [n]>) {
        y[[0]] = lit(300);
    }

    #[launch(grid = 1, block = 32)]
    pub fn fraction<T: Num>(y: Out<T, [n]>) {
        y[[0]] = lit(0.5);
    }

    #[launch(grid = 1, block = 32)]
    pub fn beyond(x: In<f16, [n]>, y: Out<f16, [n]>) {
        y[[0]] = x[[0]] + 7e4;
    }

    #[launch(grid = 1, block = 32)]
    pub fn fits(x: In<u8, [n]>, y: Out<u8, [n]>, z: Out<i8, [n]>, w: Out<f16, [n]>) {
        y[[0]] = x[[0]] + 255;
        z[[0]] = lit(-128);
        w[[0]] = lit(0.1);
        w[[1]] = lit(f64::INFINITY);
        w[[2]] = lit(2049);
    }
}

#[track_caller]
fn refused<A>(kernel: Template<A>, line: u32, words: &str) {
    let message = kernel.build().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(words), "{message}");
    assert!(message.contains(&format!("numbers_that_do_not_fit.rs:{line}:")), "{message}");
}

fn main() {
    refused(half(), 8, "this call is for 32 threads, but the block has 64: write `::<64>`");
    refused(twice(), 13, "this call is for 128 threads, but the block has 64");
    refused(scan(), 18, "this call is for 32 threads, but the block has 64");
    refused(odd(), 23, "a block of 48 threads: this needs a multiple of 32");
    refused(compared(), 28, "256 does not fit `u8`, which holds 0 to 255");
    refused(added(), 33, "300 does not fit `u8`");
    refused(multiplied(), 38, "200 does not fit `i8`, which holds -128 to 127");
    refused(wide(), 43, "3000000000 does not fit `i32`, which holds -2147483648 to 2147483647");
    refused(negative(), 48, "-1 does not fit `u32`, which holds 0 to 4294967295");
    refused(stored(), 53, "300 does not fit `u8`");
    refused(fraction::<i32>(), 58, "0.5 does not fit `i32`");
    assert!(fraction::<f16>().build().is_ok());
    refused(beyond(), 63, "70000.0 does not fit `f16`: it is beyond the largest");
    assert!(fits().build().is_ok());
}

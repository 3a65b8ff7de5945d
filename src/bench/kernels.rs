//! Kernels of the measuring side: random data, a copy to compare with, and loops that reach the peaks.

use hidet::prelude::*;

kernel! {
    /// Scrambles 32 bits so that neighbours share nothing.
    #[device]
    fn scramble(x: Expr<u32>) -> Expr<u32> {
        let x = (x ^ (x >> 16)) * 0x7feb_352d;
        let x = (x ^ (x >> 15)) * 0x846c_a68b;
        x ^ (x >> 16)
    }

    /// Random numbers of mean 0 and variance 1, nearly normal (sums of four uniform ones), the same on every device.
    #[launch(grid = n.div_ceil(256), block = 256)]
    pub fn fill<T: Float>(y: Out<T, [n]>, seed: u32) {
        let i = block_idx().x * 256 + thread_idx().x;
        if i < n {
            let first = scramble(i as u32 ^ seed);
            let second = scramble(first + 0x9e37_79b9);
            let sum = (first & 0xffff) + (first >> 16) + (second & 0xffff) + (second >> 16);
            // The sum of four numbers of 16 bits has mean 2^17 - 2 and deviation 2^16 / sqrt 3.
            y[[i]] = ((sum as f32 - 131070.0) * 2.642_917e-5) as T;
        }
    }

    /// y = x, 16 bytes an access, four accesses in flight a thread.
    #[launch(grid = n / 4096, block = 256)]
    pub fn copy16(x: In<f32, [n]>, y: Out<f32, [n]>) {
        require(n.multiple_of(4096), "n must be a multiple of 4096");
        let first = block_idx().x * 4096 + thread_idx().x * 4;
        let held = [0, 1, 2, 3].map(|part| x.load::<4>((first + part * 1024,)));
        for (part, value) in unroll(held.into_iter().enumerate()) {
            y.store((first + part as i32 * 1024,), value);
        }
    }
}

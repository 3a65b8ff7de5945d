//! One source, many kernels: generic over the element type and over a tile that computes mappings and layouts.

use hidet::prelude::*;

/// The shape of a block's tile.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Warps per block.
    pub warps: [u32; 2],
    /// Repetitions of a warp's lanes.
    pub outer: [u32; 2],
    /// Adjacent elements per lane.
    pub inner: [u32; 2],
    /// Depth along k.
    pub depth: u32,
}

impl Tile {
    /// Returns the rows and columns that a block computes.
    pub fn extent(&self) -> [u32; 2] {
        [self.warps[0] * self.outer[0] * 4 * self.inner[0], self.warps[1] * self.outer[1] * 8 * self.inner[1]]
    }

    /// Returns the threads per block.
    pub fn threads(&self) -> u32 {
        32 * self.warps[0] * self.warps[1]
    }

    /// Assigns the elements of a tile of a to the threads that load them.
    pub fn load_a(&self) -> TaskMapping<2> {
        auto_map([self.extent()[0], self.depth], self.threads())
    }

    /// Assigns the elements of a tile of b to the threads that load them.
    pub fn load_b(&self) -> TaskMapping<2> {
        auto_map([self.depth, self.extent()[1]], self.threads())
    }

    /// Assigns the elements of a tile of c to the threads that compute them.
    pub fn own(&self) -> TaskMapping<2> {
        spatial(self.warps) * repeat(self.outer) * spatial([4, 8]) * repeat(self.inner)
    }
}

kernel! {
    /// c = a * b for each of a batch, computed in f32.
    #[launch(
        grid = (n.div_ceil(tile.extent()[1]), m.div_ceil(tile.extent()[0]), batch),
        block = tile.threads(),
    )]
    pub fn batch_matmul<T: Float>(
        #[meta] tile: Tile,
        a: In<T, [batch, m, k]>,
        b: In<T, [batch, k, n]>,
        c: Out<T, [batch, m, n]>,
    ) {
        let [block_m, block_n] = tile.extent().map(|extent| extent as i32);
        let depth = tile.depth as i32;
        let (load_a, load_b, own) = (tile.load_a(), tile.load_b(), tile.own());
        let a_shared = shared::<T>([2, depth, block_m]);
        let b_shared = shared::<T>([2, depth, block_n]);
        let a_staged = registers::<T>(load_a.register_layout());
        let b_staged = registers::<T>(load_b.register_layout());
        let sums = registers::<f32>(own.register_layout());
        let t = thread_id();
        let (a, b, c) = (a.slice(block_idx().z), b.slice(block_idx().z), c.slice(block_idx().z));
        let (row0, col0) = (block_idx().y * block_m, block_idx().x * block_n);
        sums.fill(0.0);
        for (i, p) in load_a.on(t) {
            a_shared[[0, p, i]] = a.get((row0 + i, p));
        }
        for (p, j) in load_b.on(t) {
            b_shared[[0, p, j]] = b.get((p, col0 + j));
        }
        sync_threads();
        let tiles = (k + (depth - 1)) / depth;
        for step in 0..tiles {
            let (now, next) = (step % 2, (step + 1) % 2);
            let start = (step + 1) * depth;
            if step + 1 < tiles {
                for (i, p) in load_a.on(t) {
                    a_staged[[i, p]] = a.get((row0 + i, start + p));
                }
                for (p, j) in load_b.on(t) {
                    b_staged[[p, j]] = b.get((start + p, col0 + j));
                }
            }
            for p in 0..depth {
                for (i, j) in own.on(t) {
                    sums[[i, j]] += a_shared[[now, p, i]] as f32 * b_shared[[now, p, j]] as f32;
                }
            }
            if step + 1 < tiles {
                for (i, p) in load_a.on(t) {
                    a_shared[[next, p, i]] = a_staged[[i, p]];
                }
                for (p, j) in load_b.on(t) {
                    b_shared[[next, p, j]] = b_staged[[p, j]];
                }
            }
            sync_threads();
        }
        for (i, j) in own.on(t) {
            c.set((row0 + i, col0 + j), sums[[i, j]] as T);
        }
    }
}

//! Matrix product, fourth step: the double-buffered kernel of the paper, at its default schedule.
//!
//! While one tile is multiplied, the next one is copied from global to shared memory: the tile of b asynchronously, the
//! tile of a through registers as in the paper, or asynchronously too. While one column of a tile is multiplied, the
//! next column is loaded from shared memory into registers. Tiles come in pairs, so that the address of each in shared
//! memory is a constant. The loops have no conditions: the first tile along k is the partial one, the last one is
//! peeled off, and a tile that would extend beyond c is moved inwards and stores only elements that no other block
//! stores.
//!
//! Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, figure 8.

use hidet::prelude::*;

/// The shape of the tiles. A block has `block_warps` warps; each owns `warp_outer` times 4 x 8 lanes of `warp_inner`
/// elements.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Warps per block.
    pub block_warps: [u32; 2],
    /// Repetitions of a warp's lanes.
    pub warp_outer: [u32; 2],
    /// Adjacent elements per lane; both are 4 here, one 16-byte access.
    pub warp_inner: [u32; 2],
    /// Depth of a tile along k.
    pub block_k: u32,
    /// The least number of resident blocks per multiprocessor, which bounds the registers per thread.
    pub min_blocks: u32,
    /// Copies a asynchronously if true. Its tile is stored transposed, so a warp requests eight elements of four rows,
    /// and an asynchronous copy writes shared memory once per row: profilers report bank conflicts, yet it is faster.
    pub asynchronous: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::PAPER
    }
}

impl Schedule {
    /// The default of the paper: 128 x 128 x 8, 256 threads, and two blocks per multiprocessor.
    pub const PAPER: Schedule = Schedule {
        block_warps: [4, 2],
        warp_outer: [2, 2],
        warp_inner: [4, 4],
        block_k: 8,
        min_blocks: 2,
        asynchronous: false,
    };

    /// The same with asynchronous copies of a.
    pub const fn asynchronous(self) -> Schedule {
        Schedule { asynchronous: true, ..self }
    }

    /// Returns the threads per block.
    pub fn threads(&self) -> u32 {
        32 * self.block_warps[0] * self.block_warps[1]
    }

    /// Returns the rows and columns of c that a block computes.
    pub fn tile(&self) -> [u32; 2] {
        let extent =
            |axis: usize, lanes| self.block_warps[axis] * self.warp_outer[axis] * lanes * self.warp_inner[axis];
        [extent(0, 4), extent(1, 8)]
    }

    /// Returns the rows of a, or columns of b, that all threads load at the same time.
    fn lines(&self) -> u32 {
        self.threads() / self.block_k
    }

    /// Assigns the elements of a tile of a to the threads that load them.
    fn load_a(&self) -> TaskMapping<2> {
        repeat([self.tile()[0] / self.lines(), 1]) * spatial([self.lines(), self.block_k])
    }

    /// Assigns the elements of a tile of b to the threads that load them.
    fn load_b(&self) -> TaskMapping<2> {
        repeat([1, self.tile()[1] / self.lines()]) * spatial([self.block_k, self.lines()])
    }

    /// Assigns the elements of a tile of c to the threads that own them.
    fn own(&self) -> TaskMapping<2> {
        spatial(self.block_warps) * repeat(self.warp_outer) * spatial([4, 8]) * repeat(self.warp_inner)
    }

    /// The rows of the mapping that repeats `inner` for each thread, without its columns.
    fn rows(&self, inner: u32) -> TaskMapping<2> {
        let lanes = spatial(self.block_warps) * repeat([self.warp_outer[0], 1]) * spatial([4, 8]);
        (lanes * repeat([inner, 1])).project([1])
    }

    /// The columns of the mapping that repeats `inner` for each thread, without its rows.
    fn cols(&self, inner: u32) -> TaskMapping<2> {
        let lanes = spatial(self.block_warps) * repeat([1, self.warp_outer[1]]) * spatial([4, 8]);
        (lanes * repeat([1, inner])).project([0])
    }

    /// The layout of a thread's operands along one axis in registers, double-buffered.
    fn fragment(&self, axis: usize, lanes: u32) -> Layout {
        let owned = Layout::local([self.block_warps[axis]])
            * Layout::row_major([self.warp_outer[axis]])
            * Layout::local([lanes])
            * Layout::row_major([self.warp_inner[axis]]);
        Layout::row_major([2]) + owned
    }
}

kernel! {
    /// c = a * b.
    #[launch(
        grid = (n.div_ceil(schedule.tile()[1]), m.div_ceil(schedule.tile()[0])),
        block = schedule.threads(),
        min_blocks = schedule.min_blocks
    )]
    pub fn matmul_double_buffered(
        #[meta] schedule: Schedule,
        a: In<f32, [m, k]>,
        b: In<f32, [k, n]>,
        c: Out<f32, [m, n]>,
    ) {
        let [block_m, block_n] = schedule.tile().map(|extent| extent as i32);
        let (block_k, lines, asynchronous) = (schedule.block_k as i32, schedule.lines() as i32, schedule.asynchronous);
        let (load_a, load_b, own) = (schedule.load_a(), schedule.load_b(), schedule.own());
        let (group_rows, group_cols) = (schedule.rows(1), schedule.cols(1));
        let [inner_rows, inner_cols] = schedule.warp_inner;
        let (own_rows, own_cols) = (schedule.rows(inner_rows), schedule.cols(inner_cols));

        // Threads 8 apart store a column of a: 4 elements of padding per row put them into different banks.
        let a_shared = shared::<f32>([2, block_k, block_m + 4]);
        let b_shared = shared::<f32>([2, block_k, block_n]);
        let a_frag = registers::<f32>(schedule.fragment(0, 4));
        let b_frag = registers::<f32>(schedule.fragment(1, 8));
        let a_stage = registers::<f32>(load_a.register_layout());
        let sums = registers::<f32>(own.register_layout());

        let t = thread_id();
        let (first_row, first_col) = (block_idx().y * block_m, block_idx().x * block_n);
        let (row0, col0) = (first_row.min(m - block_m), first_col.min(n - block_n));
        sums.fill(0.0);

        let tiles = ((k + (block_k - 1)) / block_k).max(1);
        let partial = k - (tiles - 1) * block_k;
        for (i, p) in load_a.on(t) {
            a_shared[[0, p, i]] = if p < partial { a.get((row0 + i, p)) } else { 0.0 };
        }
        for (p, j) in load_b.on(t) {
            b_shared[[0, p, j]] = if p < partial { b.get((p, col0 + j)) } else { 0.0 };
        }
        sync_threads();
        for (i, _) in group_rows.on(t) {
            a_frag.store((0, i * 4), a_shared.load::<4>((0, 0, i * 4)));
        }
        for (_, j) in group_cols.on(t) {
            b_frag.store((0, j * 4), b_shared.load::<4>((0, 0, j * 4)));
        }

        for last in [false, true] {
            let (from, to) = if last { (tiles - 1, tiles) } else { (tiles - tiles, tiles - 1) };
            'pairs: for first in (from..to).step_by(2) {
                for half in unroll(0..(if last { 1 } else { 2 })) {
                    let tile = first + half;
                    if half == 1 && tile >= to {
                        break 'pairs;
                    }
                    let (now, next) = (tile % 2, (tile + 1) % 2);
                    let start = partial + tile * block_k;
                    for p in unroll(0..block_k) {
                        let (this, other) = (p % 2, (p + 1) % 2);
                        if !last {
                            for (i, q) in load_a.on(t) {
                                if asynchronous && p == 0 {
                                    // Nothing is read for coordinates before the first row.
                                    let count = if row0 + i >= 0 { 1 } else { 0 };
                                    cp_async_partial::<1>(&a_shared[[next, q, i]], &a[[row0 + i, start + q]], count);
                                } else if !asynchronous && p == i / lines % block_k {
                                    a_stage[[i, q]] = a.get((row0 + i, start + q));
                                }
                            }
                            // Issued later than the copies of a: copies that begin together delay each other.
                            if p == (if asynchronous { 0 } else { block_k / 2 }) {
                                for (q, j) in load_b.on(t) {
                                    let count = if col0 + j >= 0 { 1 } else { 0 };
                                    cp_async_partial::<1>(&b_shared[[next, q, j]], &b[[start + q, col0 + j]], count);
                                }
                            }
                        }
                        if p == block_k - 1 && !last {
                            if !asynchronous {
                                for (i, q) in load_a.on(t) {
                                    a_shared[[next, q, i]] = a_stage[[i, q]];
                                }
                            }
                            cp_async_wait_all();
                            sync_threads();
                        }
                        // The next column: of this tile, or the first of the next tile, if there is one.
                        let (from, column) = if p == block_k - 1 { (next, 0) } else { (now, p + 1) };
                        if p < block_k - 1 || !last {
                            for (i, _) in group_rows.on(t) {
                                a_frag.store((other, i * 4), a_shared.load::<4>((from, column, i * 4)));
                            }
                            for (_, j) in group_cols.on(t) {
                                b_frag.store((other, j * 4), b_shared.load::<4>((from, column, j * 4)));
                            }
                        }
                        for (i, j) in own.on(t) {
                            sums[[i, j]] = a_frag[[this, i]].mul_add(b_frag[[this, j]], sums[[i, j]]);
                        }
                    }
                }
            }
        }
        for (i, _) in own_rows.on(t) {
            if row0 + i >= first_row {
                for (_, j) in own_cols.on(t) {
                    if col0 + j >= first_col {
                        c.set((row0 + i, col0 + j), sums[[i, j]]);
                    }
                }
            }
        }
    }
}

/// Multiplies two matrices of awkward shape.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (37, 41, 29);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_double_buffered(Schedule::default()).compile(device)?;
    kernel.launch(&device.tensor(&a, [m, k])?, &device.tensor(&b, [k, n])?, &mut c)?;
    let c = c.to_vec()?;
    for i in 0..m {
        for j in 0..n {
            assert_eq!(c[i * n + j], (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum::<f32>());
        }
    }
    println!("c[0, 0] = {}", c[0]);
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}

// Memory at a rank, its atomics and mbarriers, asynchronous stores to it, a grid barrier; and errors.

use hidet::prelude::*;

kernel! {
    /// Each block of a cluster sends its number to the next one, and counts itself in the first one's memory.
    #[launch(grid = 8, block = 32, cluster = 4)]
    pub fn ring(y: Out<i32, [8, 32]>, counts: Out<i32, [2]>) {
        let inbox = shared::<i32>([2, 32]);
        let count = shared::<i32>([1]);
        let full = mbarriers(2);
        let (rank, i) = (cluster_rank(), thread_id());
        let next = (rank + 1) % cluster_size();
        if i == 0 {
            count[[0]] = 0;
            full.init(0, 32);
            full.init(1, 1);
            full.arrive_expect(1, 128);
            mbarrier_init_fence();
        }
        cluster_sync();
        inbox.at_rank(next)[[0, i]] = rank;
        full.at_rank(next).arrive(0);
        cluster_store_async(&inbox.row(1).at_rank(next)[[i]], rank * 10, full.at_rank(next).at(1));
        full.wait(0, 0);
        full.wait(1, 0);
        if i == 0 {
            atomic_add(&count.at_rank(0)[[0]], 1);
        }
        y[[block_idx().x, i]] = inbox[[0, i]] + inbox[[1, i]];
        cluster_arrive();
        cluster_wait();
        if rank == 0 && i == 0 {
            counts[[block_idx().x / 4]] = count[[0]];
        }
    }

    /// Adds what all blocks have written.
    #[launch(grid = 4, block = 32, cooperative)]
    pub fn meet(x: InOut<i32, [128]>, y: Out<i32, [128]>) {
        let i = block_idx().x * 32 + thread_id();
        x[[i]] = i;
        grid_sync();
        y[[i]] = x[[127 - i]];
    }

    /// A launch that may begin early, and waits.
    #[launch(grid = n.div_ceil(32), block = 32, dependent)]
    pub fn early(x: In<i32, [n]>, y: Out<i32, [n]>) {
        grid_wait();
        let i = block_idx().x * 32 + thread_id();
        y.set((i,), x.get((i,)));
        grid_launch();
    }

    #[launch(grid = 1, block = 32)]
    pub fn peer_of_global(x: InOut<i32, [32]>) {
        x.at_rank(0)[[thread_id()]] = 1;
    }

    #[launch(grid = 2, block = 32, cluster = 2)]
    pub fn wait_at_peer() {
        mbarriers(1).at_rank(1).wait(0, 0);
    }

    #[launch(grid = 2, block = 32, cluster = 2)]
    pub fn two_peers() {
        let s = shared::<i32>([32]);
        cluster_store_async(&s.at_rank(1)[[0]], 1, mbarriers(1).at_rank(0).at(0));
    }

    #[launch(grid = 1, block = 32)]
    pub fn alone() {
        grid_sync();
    }

    /// A launch that may begin early, and waits where a pass says.
    #[launch(grid = 1, block = 32, dependent)]
    pub fn early_by_itself(x: InOut<i32, [32]>) {
        x[[thread_id()]] += 1;
    }
}

fn refused<A>(template: hidet::dsl::Template<A>, why: &str) {
    let checked = template.build().and_then(|function| hidet::ir::verify::check(&function));
    assert!(checked.as_ref().is_err_and(|checked| checked.to_string().contains(why)), "{checked:?}");
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let (mut y, mut counts) = (device.empty::<i32, 2>([8, 32])?, device.empty::<i32, 1>([2])?);
    ring().compile(&device)?.launch(&mut y, &mut counts)?;
    let from = |block: usize| ((block + 3) % 4) as i32 * 11;
    assert_eq!(y.to_vec()?, (0..256).map(|i| from(i / 32)).collect::<Vec<i32>>());
    assert_eq!(counts.to_vec()?, [4, 4]);

    let (mut x, mut y) = (device.zeros::<i32, 1>([128])?, device.empty::<i32, 1>([128])?);
    meet().compile(&device)?.launch(&mut x, &mut y)?;
    assert_eq!(y.to_vec()?, (0..128).rev().collect::<Vec<i32>>());

    let mut y = device.empty::<i32, 1>([128])?;
    early().compile(&device)?.launch(&x, &mut y)?;
    assert_eq!(y.to_vec()?, (0..128).collect::<Vec<i32>>());

    let mut x = device.zeros::<i32, 1>([32])?;
    let kernel = early_by_itself().compile(&device)?;
    (0..3).try_for_each(|_| kernel.launch(&mut x))?;
    assert_eq!(x.to_vec()?, [3; 32]);

    refused(peer_of_global(), "`at_rank` applies to shared memory of this block");
    refused(wait_at_peer(), "`mbarrier.wait` cannot reach the shared memory of another block");
    refused(two_peers(), "all addresses of this call must lie in one block");
    refused(alone(), "launch it with `cooperative`");
    Ok(())
}

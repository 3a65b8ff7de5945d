// Products of a warp group, with operands that threads write to swizzled shared memory, one of them contiguous along n.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 128)]
    pub fn k(a: In<bf16, [64, 64]>, b: In<bf16, [64, 16]>, d: Out<f32, [64, 16]>) {
        let left = shared::<bf16>(matrix_layout::<bf16>([64, 64], Swizzle::B128));
        let right = shared::<bf16>(matrix_layout::<bf16>([64, 16], Swizzle::B32));
        for (m, k) in (repeat([32, 1]) * spatial([2, 64])).on(thread_id()) {
            left[[m, k]] = a[[m, k]];
        }
        for (k, n) in (repeat([8, 1]) * spatial([8, 16])).on(thread_id()) {
            right[[k, n]] = b[[k, n]];
        }
        fence_proxy_async();
        sync_threads();
        let held = wgmma_accumulator(16);
        let sums = registers::<f32>(held.register_layout());
        sums.fill(0.0);
        wgmma_fence();
        for p in unroll((0..64).step_by(16)) {
            wgmma::<16>(&sums[[0, 0]], &left[[0, p]], (&right[[p, 0]]).transposed());
        }
        wgmma_sub::<16>(&sums[[0, 0]], &left[[0, 16]], (&right[[16, 0]]).transposed());
        wgmma_commit();
        wgmma_wait(0);
        for (m, n) in held.on(thread_id()) {
            d[[m, n]] = sums[[m, n]];
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let a: Vec<bf16> = (0..4096).map(|i| bf16::from_f32((i % 7) as f32 - 3.0)).collect();
    let b: Vec<bf16> = (0..1024).map(|i| bf16::from_f32((i % 5) as f32 - 2.0)).collect();
    let mut d = device.zeros::<f32, 2>([64, 16])?;
    k().compile(&device)?.launch(&device.tensor(&a, [64, 64])?, &device.tensor(&b, [64, 16])?, &mut d)?;
    // The second sixteen of k are added and subtracted.
    let product = |m: usize, n: usize| {
        let depth = (0..64).filter(|k| !(16..32).contains(k));
        depth.map(|k| a[m * 64 + k].to_f32() * b[k * 16 + n].to_f32()).sum::<f32>()
    };
    let expected: Vec<f32> = (0..1024).map(|at| product(at / 16, at % 16)).collect();
    assert_eq!(d.to_vec()?, expected);
    Ok(())
}

// A product of the tensor cores of a warp, with fragments loaded and stored by the mappings of the instruction.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(a: In<i8, [16, 32]>, b: In<i8, [32, 8]>, d: Out<i32, [16, 8]>) {
        let fragments = mma_fragments([16, 8, 32], 1);
        let left = registers::<i8>(fragments.a.register_layout());
        let right = registers::<i8>(fragments.b.register_layout());
        let sums = registers::<i32>(fragments.d.register_layout());
        for (m, k) in fragments.a.on(lane_id()) {
            left[[m, k]] = a[[m, k]];
        }
        for (k, n) in fragments.b.on(lane_id()) {
            right[[k, n]] = b[[k, n]];
        }
        sums.fill(0);
        mma_m16n8k32(&sums[[0, 0]], &left[[0, 0]], &right[[0, 0]]);
        for (m, n) in fragments.d.on(lane_id()) {
            d[[m, n]] = sums[[m, n]];
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let a: Vec<i8> = (0..512).map(|i| (i % 7) as i8 - 3).collect();
    let b: Vec<i8> = (0..256).map(|i| (i % 5) as i8 - 2).collect();
    let mut d = device.zeros::<i32, 2>([16, 8])?;
    k().compile(&device)?.launch(&device.tensor(&a, [16, 32])?, &device.tensor(&b, [32, 8])?, &mut d)?;
    let product = |m: usize, n: usize| (0..32).map(|k| a[m * 32 + k] as i32 * b[k * 8 + n] as i32).sum::<i32>();
    let expected: Vec<i32> = (0..128).map(|at| product(at / 8, at % 8)).collect();
    assert_eq!(d.to_vec()?, expected);
    Ok(())
}

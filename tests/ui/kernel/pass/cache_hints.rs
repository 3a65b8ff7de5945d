// Vectors with hints to the caches, asynchronous copies with them, and reductions of vectors.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [128]>, y: Out<f32, [128]>, sums: InOut<f32, [4]>) {
        let t = thread_id() * 4;
        let tile = shared::<f32>([128]);
        // The last thread copies two numbers alone; the other two become zero.
        let few = if t == 124 { 2i32 } else { 4i32 };
        cp_async_hint::<4>(&tile[[t]], &x[[t]], few, CopyHint { first_level: true, prefetch: 128 });
        cp_async_wait_all();
        let v = load_hint::<4>(&x[[t]], LoadHint::NoAllocate);
        store_hint(&y[[t]], v + tile.load::<4>((t,)), StoreHint::Streaming);
        reduce_add(&sums[[0]], v);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..128).map(|i| i as f32).collect();
    let x = device.tensor(&host, [128])?;
    let (mut y, mut sums) = (device.zeros::<f32, 1>([128])?, device.zeros::<f32, 1>([4])?);
    k().compile(&device)?.launch(&x, &mut y, &mut sums)?;
    let expected: Vec<f32> = host.iter().map(|v| if *v < 126.0 { v * 2.0 } else { *v }).collect();
    assert_eq!(y.to_vec()?, expected);
    let total = |j: usize| host.iter().skip(j).step_by(4).sum::<f32>();
    assert_eq!(sums.to_vec()?, [total(0), total(1), total(2), total(3)]);
    Ok(())
}

// A prologue and an epilogue, with new parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), x.get((i,)) * 2.0);
    }
}

type Args = (In<i32, 1>, In<f32, 1>, Expr<f32>, Out<f32, 1>);

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let fused = double().fuse("fused", ["x", "bias", "scale", "y"], |(x, bias, scale, y): Args| {
        (x.map(move |v, _| v.to::<f32>() * scale), y.map_store(move |v, [i]| v + bias.read((i,))))
    });
    let kernel = fused.compile(&device)?;
    let x = device.tensor(&(0..40).collect::<Vec<i32>>(), [40])?;
    let bias = device.tensor(&[0.5; 40], [40])?;
    let mut y = device.empty::<f32, 1>([40])?;
    kernel.launch(&x, &bias, 3.0, &mut y)?;
    assert_eq!(y.to_vec()?, (0..40).map(|i| i as f32 * 6.0 + 0.5).collect::<Vec<f32>>());
    Ok(())
}

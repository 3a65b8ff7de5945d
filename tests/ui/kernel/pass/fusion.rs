// A prologue and an epilogue, with new parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), x.get((i,)) * 2.0);
    }
}

// A computed subview ends at the end of its tensor, as the subview itself does.
kernel! {
    #[launch(grid = 2, block = 128)]
    pub fn parts(x: In<f32, [n]>, m: In<f32, [rows, 4]>, y: Out<f32, [n]>, z: Out<f32, [8]>) {
        let (b, i) = (block_idx().x, thread_idx().x);
        let part = x.tile([b * 128], [128]).map(|v, _| v + 0.5);
        y.tile([b * 128], [128]).map_store(|v: Expr<f32>, _| v * 2.0).set((i,), part.get((i,)));
        if b == 0 && i < 8 {
            z[[i]] = m.row(i / 4).map(|v, _| v + 0.5).get((i % 4,));
        }
    }

    #[launch(grid = 1, block = 1)]
    pub fn beyond(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let half = x.map(|v, _| v * 0.5);
        y[[0]] = half[[n]];
    }

    #[launch(grid = 1, block = 1)]
    pub fn stored_beyond(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let half = y.map_store(|v: Expr<f32>, _| v * 0.5);
        half[[n]] = x[[0]];
    }

    #[launch(grid = 1, block = 1)]
    pub fn rows_of_any_length(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let tile = shared::<f32>([n, n]);
        tile[[1, 0]] = x[[0]];
        y[[0]] = tile.load::<4>((1, 0)).lane(0);
    }
}

fn computed_parts(device: &Device) -> hidet::Result<()> {
    let x = device.tensor(&(0..200).map(|i| i as f32).collect::<Vec<f32>>(), [200])?;
    let m = device.tensor(&[1.0; 4], [1, 4])?;
    let (mut y, mut z) = (device.empty::<f32, 1>([200])?, device.empty::<f32, 1>([8])?);
    parts().compile(device)?.launch(&x, &m, &mut y, &mut z)?;
    assert_eq!(y.to_vec()?, (0..200).map(|i| i as f32 * 2.0 + 1.0).collect::<Vec<f32>>());
    assert_eq!(z.to_vec()?, [1.5, 1.5, 1.5, 1.5, 0.0, 0.0, 0.0, 0.0]);
    let mut y = device.empty::<f32, 1>([200])?;
    for (template, line) in [(beyond(), 28), (stored_beyond(), 34)] {
        let error = template.compile(device)?.launch(&x, &mut y).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(&format!("fusion.rs:{line}")), "{error}");
    }
    let (x, mut y) = (device.tensor(&[1.0; 5], [5])?, device.empty::<f32, 1>([5])?);
    let error = rows_of_any_length().compile(device)?.launch(&x, &mut y).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("rows of `tile` are read in vectors of 4 elements"), "{error}");
    Ok(())
}

type Args = (In<i32, 1>, In<f32, 1>, Expr<f32>, Out<f32, 1>);

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    computed_parts(&device)?;
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

// An extent that is a formula of extents of other parameters; the launch checks it.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn pairs(x: In<f32, [n * 2, m + 1]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 32 + thread_id();
        if i < n {
            for j in 0..m { y[[i, j]] = x[[2 * i, j]] + x[[2 * i + 1, j + 1]]; }
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&[1.0f32, 2.0, 3.0, 10.0, 20.0, 30.0], [2, 3])?;
    let mut y = device.empty::<f32, 2>([1, 2])?;
    let kernel = pairs().compile(&device)?;
    kernel.launch(&x, &mut y)?;
    assert_eq!(y.to_vec()?, [21.0, 32.0]);
    let other = device.empty::<f32, 2>([3, 3])?;
    let refused = kernel.launch(&other, &mut y).map_err(|error| error.to_string());
    let why = "launch of `pairs`: axis 0 of argument `x` has extent 3; the kernel takes 2 (n * 2)";
    assert_eq!(refused, Err(why.to_owned()));
    Ok(())
}

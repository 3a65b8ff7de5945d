//! The first kernel: one thread per element.

use hidet::prelude::*;

kernel! {
    /// z = x + y.
    #[launch(grid = n.div_ceil(256), block = 256)]
    pub fn vector_add<T: Num>(x: In<T, [n]>, y: In<T, [n]>, z: Out<T, [n]>) {
        let i = block_idx().x * 256 + thread_idx().x;
        if i < n {
            z[[i]] = x[[i]] + y[[i]];
        }
    }
}

/// Adds two vectors on a device and checks the sum.
pub fn run(device: &Device) -> hidet::Result<()> {
    let x = device.tensor(&(0..1000).map(|i| i as f32).collect::<Vec<_>>(), [1000])?;
    let y = device.tensor(&vec![0.5; 1000], [1000])?;
    let mut z = device.empty([1000])?;
    vector_add::<f32>().compile(device)?.launch(&x, &y, &mut z)?;
    let z = z.to_vec()?;
    assert!(z.iter().enumerate().all(|(i, &z)| z == i as f32 + 0.5));
    println!("z[999] = {}", z[999]);
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}

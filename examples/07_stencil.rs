//! Protected access, a halo in shared memory, and a Rust array that becomes part of the kernel.

use hidet::prelude::*;

kernel! {
    /// y = x convolved with 3 x 3 weights, zeros outside. The weights are meta values: a zero costs nothing.
    #[launch(grid = (width.div_ceil(32), height.div_ceil(8)), block = (32, 8))]
    pub fn stencil(#[meta] weights: [[f32; 3]; 3], x: In<f32, [height, width]>, y: Out<f32, [height, width]>) {
        let tile = shared::<f32>([10, 34]);
        let (row0, col0) = (block_idx().y * 8, block_idx().x * 32);
        for i in (thread_id()..10 * 34).step_by(256) {
            let (r, c) = (i / 34, i % 34);
            tile[[r, c]] = x.get((row0 + r - 1, col0 + c - 1));
        }
        sync_threads();
        let mut sum = 0.0;
        for (dr, row) in weights.iter().enumerate() {
            for (dc, &weight) in row.iter().enumerate() {
                if weight != 0.0 {
                    sum += tile[[thread_idx().y + dr as i32, thread_idx().x + dc as i32]] * weight;
                }
            }
        }
        y.set((row0 + thread_idx().y, col0 + thread_idx().x), sum);
    }
}

/// The Laplacian of a ramp is zero except at its border.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (height, width) = (20, 50);
    let host: Vec<f32> = (0..height * width).map(|i| (i / width + i % width) as f32).collect();
    let x = device.tensor(&host, [height, width])?;
    let mut y = device.empty([height, width])?;
    let laplacian = [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]];
    stencil(laplacian).compile(device)?.launch(&x, &mut y)?;
    let y = y.to_vec()?;
    assert!((1..height - 1).all(|r| (1..width - 1).all(|c| y[r * width + c] == 0.0)));
    println!("the Laplacian of a ramp is zero");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}

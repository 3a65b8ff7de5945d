// Kernels whose names and types come from `macro_rules`.

use hidet::prelude::*;

macro_rules! scales {
    ($($name:ident $by:ident $ty:ty;)*) => {$(
        kernel! {
            #[launch(grid = n.div_ceil(32), block = 32)]
            pub fn $name(x: In<$ty, [n]>, y: Out<$ty, [n]>, $by: $ty) {
                let i = block_idx().x * 32 + thread_id();
                if i < n {
                    y[[i]] = x[[i]] * $by;
                }
            }
        }
    )*};
}
scales! { of_i32 s i32; of_f32 by f32; }

// A fragment passed as one expression is computed as one.
macro_rules! groups {
    ($y:ident, $factor:expr, $into:expr) => {
        kernel! {
            #[launch(grid = 1, block = 1)]
            pub fn groups($y: InOut<f32, [4]>) {
                let v = thread_id() as f32 + 2.0;
                $y[[0]] = v * $factor;
                $y[[1]] = v + -$factor;
                $y[[2]] = $factor.sqrt();
                let mut product = v;
                product *= $factor;
                $y[[3]] = product;
                $into[[0]] += 100.0 - $factor;
            }
        }
    };
}
const ALPHA: f32 = 7.0;
const BETA: f32 = 9.0;
groups! { y, ALPHA + BETA, y }

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let mut y = device.empty::<i32, 1>([3])?;
    of_i32().compile(&device)?.launch(&device.tensor(&[1, 2, 3], [3])?, &mut y, 4)?;
    assert_eq!(y.to_vec()?, [4, 8, 12]);
    let mut y = device.empty::<f32, 1>([1])?;
    of_f32().compile(&device)?.launch(&device.tensor(&[0.5], [1])?, &mut y, 3.0)?;
    assert_eq!(y.to_vec()?, [1.5]);
    let mut y = device.zeros::<f32, 1>([4])?;
    groups().compile(&device)?.launch(&mut y)?;
    assert_eq!(y.to_vec()?, [116.0, -14.0, 4.0, 32.0]);
    Ok(())
}

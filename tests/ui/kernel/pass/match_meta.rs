// `match` on a meta value.

use hidet::prelude::*;

#[derive(Clone, Copy)]
#[allow(dead_code)]
pub enum Mode {
    Plain,
    Scale(f32),
}

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(#[meta] mode: Mode, x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let v = x[[i]];
            y[[i]] = match mode {
                Mode::Plain => v,
                Mode::Scale(by) if by == 1.0 => v,
                Mode::Scale(by) => {
                    let w = v * by;
                    w
                }
            };
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k(Mode::Scale(4.0)).compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v * 4.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}

// Arrays in registers, with a layout from a mapping.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let _ = i;
        let map = repeat([3]).spatial([32]);
        let mine = registers::<f32>(map.register_layout());
        mine.fill(1.0);
        for t in map.on(thread_id()) {
            mine[[t]] += x.get((t,));
        }
        for t in map.on(thread_id()) {
            y.set((t,), mine[[t]] * 2.0);
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| (1.0 + v) * 2.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}

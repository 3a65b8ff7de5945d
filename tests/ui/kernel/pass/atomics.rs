// Atomics on an address.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<i32, [n]>, y: InOut<i32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            atomic_add(&y[[x[[i]] % 4]], 1);
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<i32> = (0..70).map(|i| i * 7).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<i32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<i32> = host.iter().enumerate().map(|(i, &v)| { let _ = v; if i < 4 { host.iter().filter(|&&w| w % 4 == i as i32).count() as i32 } else { 0 } }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}

// Every compound assignment.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<i32, [n]>, y: Out<i32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let mut a = x.get((i,));
        a += 3;
        a -= 1;
        a *= 2;
        a /= 3;
        a %= 7;
        a |= 8;
        a &= 13;
        a ^= 1;
        a <<= 2;
        a >>= 1;
        y.set((i,), a);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<i32> = (0..70).map(|i| i * 3).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<i32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<i32> = host.iter().map(|&v| { let mut a = v; a += 3; a -= 1; a *= 2; a /= 3; a %= 7; a |= 8; a &= 13; a ^= 1; a <<= 2; a >>= 1; a }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}

// Numbers and loops at the ends of their types.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k(last: i32, most: u8, y: Out<u64, [8]>) {
        y[[0]] = 18446744073709551615;
        let mut top: u64 = 18446744073709551614;
        top += 1;
        y[[1]] = top - 9223372036854775808;
        y[[2]] = if top == 18446744073709551615 { 1 } else { 0 };
        let mut turns = 0;
        for _ in last - 3..=last {
            turns += 1;
        }
        for _ in (0..last).step_by(1 << 30) {
            turns += 10;
        }
        y[[3]] = turns as u64;
        let mut sum = 0;
        for i in (0..=most).step_by(50) {
            sum += i as i32;
        }
        y[[4]] = sum as u64;
        y[[5]] = most.div_ceil(2) as u64;
        y[[6]] = (most.leading_zeros() + (most >> 4).leading_zeros()) as u64;
        y[[7]] = (-0.0f32 * (most as f32)).clamp(0.0, 1.0).to_bits() as u64;
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let mut y = device.zeros::<u64, 1>([8])?;
    k().compile(&device)?.launch(i32::MAX, u8::MAX, &mut y)?;
    let most = u64::MAX;
    assert_eq!(y.to_vec()?, [most, most / 2, 1, 24, 750, 128, 4, (-0.0f32).to_bits() as u64]);
    Ok(())
}

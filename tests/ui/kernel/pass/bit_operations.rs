// Counts, fields, permutations of bytes, and logic of three words.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<u32, [32]>, y: Out<u32, [8, 32]>, z: Out<i32, [2, 32]>) {
        let t = thread_id();
        let v = x[[t]];
        y[[0, t]] = v.count_ones();
        y[[1, t]] = v.leading_zeros();
        y[[2, t]] = v.reverse_bits();
        y[[3, t]] = v.bit_field(4u32, 8u32);
        y[[4, t]] = insert_bits(v, 0u32, 8u32, 4u32);
        y[[5, t]] = byte_permute(v, 0u32, 0x0123u32);
        y[[6, t]] = logic::<{ 0xf0 ^ 0xcc ^ 0xaa }>(v, 0xffu32, 0x0fu32);
        y[[7, t]] = funnel_left(v, v, 5u32);
        z[[0, t]] = dot4(v as i32, 0x01010101i32.into_expr(), 1i32);
        z[[1, t]] = (v as i32).bit_field(24u32, 8u32);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<u32> = (0..32u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
    let x = device.tensor(&host, [32])?;
    let (mut y, mut z) = (device.zeros::<u32, 2>([8, 32])?, device.zeros::<i32, 2>([2, 32])?);
    k().compile(&device)?.launch(&x, &mut y, &mut z)?;
    let functions: [fn(u32) -> u32; 8] = [
        |v| v.count_ones(),
        |v| v.leading_zeros(),
        |v| v.reverse_bits(),
        |v| v >> 4 & 0xff,
        |v| (v & 0xf) << 8,
        |v| v.swap_bytes(),
        |v| v ^ 0xf0,
        |v| v.rotate_left(5),
    ];
    let expected: Vec<u32> = functions.iter().flat_map(|f| host.iter().map(|v| f(*v))).collect();
    assert_eq!(y.to_vec()?, expected);
    let sums = host.iter().map(|v| 1 + v.to_le_bytes().iter().map(|b| *b as i8 as i32).sum::<i32>());
    let tops = host.iter().map(|v| *v as i32 >> 24);
    assert_eq!(z.to_vec()?, sums.chain(tops).collect::<Vec<i32>>());
    Ok(())
}

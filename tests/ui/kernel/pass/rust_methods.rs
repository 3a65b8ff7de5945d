// Methods of Rust's numbers, with their results for special values.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn floats<T: Float>(x: In<T, [n]>, by: T, y: Out<T, [8, n]>) {
        let i = block_idx().x * 32 + thread_id();
        if i < n {
            let v = x[[i]];
            y[[0, i]] = v.round();
            y[[1, i]] = v.fract();
            y[[2, i]] = v.signum();
            y[[3, i]] = by.copysign(v);
            y[[4, i]] = v.powi(5);
            y[[5, i]] = v.powi(-3);
            y[[6, i]] = v.rem_euclid(by);
            y[[7, i]] = Expr::<T>::from_bits(v.to_bits());
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn words(x: In<i32, [n]>, by: u32, y: Out<i32, [6, n]>, z: Out<u32, [2, n]>) {
        let i = thread_id();
        if i < n {
            let v = x[[i]];
            y[[0, i]] = v.rotate_left(by);
            y[[1, i]] = v.rotate_right(by);
            y[[2, i]] = v.rem_euclid(-7);
            y[[3, i]] = v.wrapping_add(i32::MAX);
            y[[4, i]] = v.wrapping_sub(i32::MAX).wrapping_mul(3);
            y[[5, i]] = v.wrapping_neg();
            z[[0, i]] = v.trailing_zeros();
            z[[1, i]] = v.abs_diff(i32::MIN);
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn bytes(x: In<u8, [n]>, by: u32, y: Out<u8, [3, n]>, z: Out<u8, [n]>) {
        let i = thread_id();
        if i < n {
            y[[0, i]] = x[[i]].rotate_left(by);
            y[[1, i]] = x[[i]].rem_euclid(7);
            y[[2, i]] = x[[i]].abs_diff(100);
            z[[i]] = (x[[i]] as i8).abs_diff(-128);
        }
    }
}

fn same<T: Float + std::fmt::Debug>(ours: &[T], rust: impl Iterator<Item = T>) {
    let text = |v: &T| format!("{v:?}");
    assert_eq!(ours.iter().map(text).collect::<Vec<_>>(), rust.map(|v| text(&v)).collect::<Vec<_>>());
}

macro_rules! check {
    ($device:ident $ty:ident) => {{
        let almost = 0.5 - $ty::EPSILON / 4.0;
        let whole = 1.0 / $ty::EPSILON;
        let mut host = vec![0.0, 0.2, almost, 0.5, 0.7, 1.0, 1.5, 2.5, 7.25, whole - 0.5, whole + 1.0, $ty::MAX];
        host.extend([$ty::MIN_POSITIVE, $ty::MIN_POSITIVE / 8.0, $ty::INFINITY]);
        let negative: Vec<$ty> = host.iter().map(|v| -v).collect();
        host.extend(negative);
        host.push($ty::NAN);
        let n = host.len();
        let x = $device.tensor(&host, [n])?;
        for by in [3.5, -0.25] {
            let mut y = $device.empty([8, n])?;
            floats::<$ty>().compile(&$device)?.launch(&x, by, &mut y)?;
            let y = y.to_vec()?;
            let mut rows = y.chunks(n);
            let mut row = |f: &dyn Fn($ty) -> $ty| same(rows.next().unwrap(), host.iter().map(|v| f(*v)));
            row(&|v| v.round());
            row(&|v| v.fract());
            row(&|v| v.signum());
            row(&|v| by.copysign(v));
            row(&|v| v * (v * v * (v * v)));
            row(&|v| 1.0 / (v * (v * v)));
            row(&|v| v.rem_euclid(by));
            row(&|v| v);
        }
    }};
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    check!(device f32);
    check!(device f64);
    let halves = [0.5f32, 1.49, 2.5, -0.5, -0.3, 1023.5, f32::INFINITY].map(f16::from_f32);
    let mut y = device.empty([8, halves.len()])?;
    floats::<f16>().compile(&device)?.launch(&device.tensor(&halves, [halves.len()])?, f16::ONE, &mut y)?;
    same(&y.to_vec()?[..halves.len()], halves.iter().map(|v| f16::from_f32(v.to_f32().round())));

    let host = [0, 1, -1, 6, -6, 12345678, i32::MIN, i32::MAX, 0x4000_0000, -8];
    let n = host.len();
    for by in [0, 5, 31, 32, 77] {
        let (mut y, mut z) = (device.empty([6, n])?, device.empty([2, n])?);
        words().compile(&device)?.launch(&device.tensor(&host, [n])?, by, &mut y, &mut z)?;
        let functions: [&dyn Fn(i32) -> i32; 6] = [
            &|v| v.rotate_left(by),
            &|v| v.rotate_right(by),
            &|v| v.rem_euclid(-7),
            &|v| v.wrapping_add(i32::MAX),
            &|v| v.wrapping_sub(i32::MAX).wrapping_mul(3),
            &|v| v.wrapping_neg(),
        ];
        let expected: Vec<i32> = functions.iter().flat_map(|f| host.iter().map(|v| f(*v))).collect();
        assert_eq!(y.to_vec()?, expected);
        let counts = host.iter().map(|v| v.trailing_zeros()).chain(host.iter().map(|v| v.abs_diff(i32::MIN)));
        assert_eq!(z.to_vec()?, counts.collect::<Vec<u32>>());
    }

    let host = [0u8, 1, 99, 100, 127, 128, 200, 255];
    let n = host.len();
    let (mut y, mut z) = (device.empty([3, n])?, device.empty([n])?);
    bytes().compile(&device)?.launch(&device.tensor(&host, [n])?, 11, &mut y, &mut z)?;
    let functions: [fn(u8) -> u8; 3] = [|v| v.rotate_left(11), |v| v.rem_euclid(7), |v| v.abs_diff(100)];
    let expected: Vec<u8> = functions.iter().flat_map(|f| host.iter().map(|v| f(*v))).collect();
    assert_eq!(y.to_vec()?, expected);
    assert_eq!(z.to_vec()?, host.map(|v| (v as i8).abs_diff(-128)));
    Ok(())
}

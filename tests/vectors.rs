//! Functions of vectors are those of their lanes, and pairs of lanes are converted by one instruction.

#![allow(clippy::unwrap_used)]

use hidet::prelude::*;

/// A function of a scalar or of a vector, by the same source.
macro_rules! functions {
    ($(|$x:ident, $y:ident| $function:expr;)*) => {
        fn of_scalars<T: Float>(x: Expr<T>, y: Expr<T>) -> Vec<Expr<T>> {
            vec![$({ let ($x, $y) = (x, y); $function }),*]
        }
        fn of_vectors<T: Float, const N: usize>(
            x: Expr<Vector<T, N>>,
            y: Expr<Vector<T, N>>,
        ) -> Vec<Expr<Vector<T, N>>> {
            vec![$({ let ($x, $y) = (x, y); $function }),*]
        }
    };
}
functions! {
    |x, y| x.min(y);
    |x, y| x.max(y);
    |x, _y| x.abs();
    |x, _y| x.floor();
    |x, _y| x.round_ties_even();
    |x, _y| x.fract();
    |x, _y| x.abs().sqrt();
    |x, _y| x.abs().rsqrt();
    |x, _y| x.sin();
    |x, _y| x.tanh();
    |x, _y| x.exp();
    |x, _y| x.exp2();
    |x, _y| x.abs().ln();
    |x, _y| x.erf();
    |x, _y| x.recip();
    |x, _y| x.powi(-3);
    |x, y| x.abs().powf(y);
    |x, y| x.atan2(y);
    |x, y| x.mul_add(y, lit(0.75));
    |x, _y| x.max(lit(0.25)).mul_add(lit(2.0), x);
}

/// The number of functions, half the rows of the result.
const COUNT: usize = 20;

kernel! {
    /// Each function by vectors, then by scalars.
    #[launch(grid = 1, block = 64)]
    fn both<T: Float, const N: usize>(x: In<T, [128]>, y: In<T, [128]>, z: Out<T, [40, 128]>) {
        let at = thread_id() * (N as i32);
        if at < 128 {
            let (a, b) = (x.load::<N>((at,)), y.load::<N>((at,)));
            for (row, value) in unroll(of_vectors(a, b).into_iter().enumerate()) {
                z.store((row as i32, at), value);
            }
            for lane in unroll(0..N as i32) {
                for (row, value) in unroll(of_scalars(a.lane(lane), b.lane(lane)).into_iter().enumerate()) {
                    z[[(row + COUNT) as i32, at + lane]] = value;
                }
            }
        }
    }
}

fn compare<T: Float + PartialEq, const N: usize>(number: fn(f32) -> T, bits: fn(&T) -> u64) {
    let device = Device::sim();
    let [x, y] = [0.37, -0.23].map(|step| (0..128).map(|i| number((i - 64) as f32 * step)).collect::<Vec<T>>());
    let (x, y) = (device.tensor(&x, [128]).unwrap(), device.tensor(&y, [128]).unwrap());
    let mut z = device.empty([2 * COUNT, 128]).unwrap();
    both::<T, N>().compile(&device).unwrap().launch(&x, &y, &mut z).unwrap();
    let z: Vec<u64> = z.to_vec().unwrap().iter().map(bits).collect();
    let (vectors, scalars) = z.split_at(COUNT * 128);
    for (at, (vector, scalar)) in vectors.iter().zip(scalars).enumerate() {
        assert_eq!(vector, scalar, "function {}, element {}", at / 128, at % 128);
    }
}

#[test]
fn functions_of_vectors_are_those_of_their_lanes() {
    compare::<f32, 4>(|x| x, |x| x.to_bits().into());
    compare::<f32, 8>(|x| x, |x| x.to_bits().into());
    compare::<f64, 2>(f64::from, |x| x.to_bits());
    compare::<f16, 8>(f16::from_f32, |x| x.to_bits().into());
    compare::<bf16, 2>(bf16::from_f32, |x| x.to_bits().into());
}

kernel! {
    #[launch(grid = 1, block = 1)]
    fn lanes_of(#[meta] lane: i32, x: In<i32, [4]>, y: In<f32, [4]>, z: Out<f32, [8]>) {
        let held = x.load::<4>((0,)).with_lane(lane, 50);
        z.store((0,), held.map(|x| x.count_ones() as f32));
        z.store((4,), y.load::<4>((0,)).map_with(held, |y, x| y + x as f32) * 2.0);
    }
}

#[test]
fn lanes_are_replaced_and_mapped() {
    let device = Device::sim();
    let (x, y) = (device.tensor(&[1, 3, 7, 15], [4]).unwrap(), device.tensor(&[0.5f32; 4], [4]).unwrap());
    let mut z = device.empty([8]).unwrap();
    lanes_of(2).compile(&device).unwrap().launch(&x, &y, &mut z).unwrap();
    assert_eq!(z.to_vec().unwrap(), [1.0, 2.0, 3.0, 4.0, 3.0, 7.0, 101.0, 31.0]);
    for lane in [-1, 4] {
        let error = lanes_of(lane).build().unwrap_err().to_string();
        assert!(error.contains(&format!("lane {lane} of a vector of 4")) && error.contains("vectors.rs"), "{error}");
    }
}

kernel! {
    /// Eight numbers, converted as a vector or lane by lane.
    #[launch(grid = 1, block = 32)]
    fn converted<T: Element>(#[meta] whole: bool, x: In<f32, [256]>, y: Out<T, [256]>) {
        let at = thread_id() * 8;
        let held = x.load::<8>((at,));
        if whole {
            y.store((at,), held.cast::<T>());
        } else {
            let lanes = held.lanes().map(|x| (x + 1.0) as T);
            y.store((at,), vector(lanes));
        }
    }
}

/// Counts an instruction in a kernel's PTX.
fn count<T: Element>(arch: &str, instruction: &str) -> [usize; 2] {
    [true, false].map(|whole| converted::<T>(whole).ptx(arch).unwrap().matches(instruction).count())
}

#[test]
fn pairs_are_converted_by_one_instruction() {
    if !hidet::testing::nvrtc::available().unwrap() {
        return;
    }
    for arch in ["sm_80", "sm_90a"] {
        assert_eq!([count::<f16>(arch, "cvt.rn.f16x2.f32"), count::<f16>(arch, "cvt.")], [[4; 2]; 2]);
        assert_eq!([count::<bf16>(arch, "cvt.rn.bf16x2.f32"), count::<bf16>(arch, "cvt.")], [[4; 2]; 2]);
        assert_eq!(count::<bf16>(arch, "mov.b32 \t{"), [0, 0]);
    }
    assert_eq!(count::<E4M3>("sm_90a", "cvt.rn.satfinite.e4m3x2.f32"), [4, 4]);
    assert_eq!(count::<E5M2>("sm_89", "cvt.rn.satfinite.e5m2x2.f32"), [4, 4]);
    // Older ones convert one at a time.
    assert_eq!(count::<f16>("sm_75", "cvt.rn.f16.f32"), [8, 8]);
    assert_eq!(count::<E4M3>("sm_80", "satfinite"), [0, 0]);
}

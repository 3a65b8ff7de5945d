//! Resizing beside exact arithmetic and the examples of ONNX, and inputs that do not fit.

#![allow(clippy::unwrap_used, clippy::panic)]

mod known;

use hidet::device::Device;
use hidet_ops::{Coordinates, Resize, ResizeMode, ResizeTo, Result, Rounding, Tensor};
use known::{agrees, says};

/// Returns small numbers on a device and on the host.
fn tensor(shape: &[usize], seed: usize) -> Result<(Tensor, Vec<f64>)> {
    known::numbers(shape, seed, 0.25)
}

#[test]
fn resizing_does_not_depend_on_rounding() -> Result<()> {
    // Places that are ties, or elements themselves, of extents whose ratio is not exact.
    for (input, output) in [(6, 7), (5, 3), (3, 9), (49, 7), (10, 35), (1, 4), (4, 1), (41, 82)] {
        let (x, vx) = tensor(&[input], 1)?;
        let (from, to) = (input as i64, output as i64);
        for coordinates in [Coordinates::HalfPixel, Coordinates::Asymmetric, Coordinates::AlignCorners] {
            for rounding in [Rounding::RoundPreferFloor, Rounding::RoundPreferCeil, Rounding::Floor, Rounding::Ceil] {
                let element = |at: i64| {
                    let (number, divisor) = match coordinates {
                        Coordinates::HalfPixel => ((2 * at + 1) * from - to, 2 * to),
                        Coordinates::Asymmetric => (at * from, to),
                        _ => (at * (from - 1), (to - 1).max(1)),
                    };
                    let nearest = match rounding {
                        Rounding::RoundPreferFloor => -(divisor - 2 * number).div_euclid(2 * divisor),
                        Rounding::RoundPreferCeil => (2 * number + divisor).div_euclid(2 * divisor),
                        Rounding::Floor => number.div_euclid(divisor),
                        _ => -(-number).div_euclid(divisor),
                    };
                    vx[nearest.clamp(0, from - 1) as usize]
                };
                let how = Resize::new(ResizeMode::Nearest(rounding)).coordinates(coordinates.clone());
                let wanted: Vec<f64> = (0..to).map(element).collect();
                agrees(&x.resize(&[0], ResizeTo::Sizes(&[output]), &how)?, &[output], &wanted);
            }
        }
    }
    Ok(())
}

/// The examples of ONNX for its operator `Resize`.
#[test]
fn resizing_is_that_of_onnx() -> Result<()> {
    let device = Device::best()?;
    let image = |shape: [usize; 2]| -> Result<Tensor> {
        let values: Vec<f32> = (1..=shape[0] * shape[1]).map(|value| value as f32).collect();
        Ok(Tensor::from(&device.tensor(&values, shape)?))
    };
    let check = |x: &Tensor, to: ResizeTo, how: Resize, shape: [usize; 2], wanted: &[f64]| -> Result<()> {
        agrees(&x.resize(&[0, 1], to, &how)?, &shape, wanted);
        Ok(())
    };
    let linear = || Resize::new(ResizeMode::Linear);
    let cubic = || Resize::new(ResizeMode::Cubic { a: -0.75 });
    let (small, large) = (image([2, 2])?, image([4, 4])?);
    let (down, up) = (ResizeTo::Scales(&[0.6, 0.6]), ResizeTo::Scales(&[2.0, 2.0]));
    let nearest = Resize::new(ResizeMode::Nearest(Rounding::RoundPreferFloor));
    check(&image([2, 4])?, down, nearest, [1, 2], &[1.0, 3.0])?;
    check(&image([2, 4])?, down, linear(), [1, 2], &[2.666_666_5, 4.333_333_1])?;
    let wanted = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
    check(&small, up, linear(), [4, 4], &wanted)?;
    let thirds: Vec<f64> = (0..16).map(|at| 1.0 + f64::from(at / 4) * 2.0 / 3.0 + f64::from(at % 4) / 3.0).collect();
    check(&small, up, linear().coordinates(Coordinates::AlignCorners), [4, 4], &thirds)?;
    let wanted = [
        1.471_191_41,
        2.781_25,
        4.082_519_53,
        6.711_425_78,
        8.021_484_38,
        9.322_753_91,
        11.916_503_91,
        13.226_562_5,
        14.527_832_03,
    ];
    check(&large, ResizeTo::Scales(&[0.8, 0.8]), cubic(), [3, 3], &wanted)?;
    let excluded = Resize::new(ResizeMode::Cubic { a: -0.5 }).exclude_outside(true);
    let wanted = [
        1.368_127_0,
        2.669_533_3,
        4.013_353_8,
        6.573_625_0,
        7.875_031_3,
        9.218_851_8,
        11.948_907_4,
        13.250_313_7,
        14.594_134_2,
    ];
    check(&large, ResizeTo::Scales(&[0.8, 0.8]), excluded, [3, 3], &wanted)?;
    let part = |roi: [[f64; 2]; 2], extrapolation: f64| {
        linear().coordinates(Coordinates::TfCropAndResize { roi: roi.to_vec(), extrapolation })
    };
    let wanted = [7.6, 7.9, 8.2, 8.8, 9.1, 9.4, 10.0, 10.3, 10.6];
    check(&large, ResizeTo::Sizes(&[3, 3]), part([[0.4, 0.6], [0.6, 0.8]], 0.0), [3, 3], &wanted)?;
    let wanted = [7.6, 10.0, 10.0, 12.4, 10.0, 10.0, 10.0, 10.0, 10.0];
    check(&large, ResizeTo::Sizes(&[3, 3]), part([[0.4, 1.2], [0.6, 1.7]], 10.0), [3, 3], &wanted)?;
    // Along some axes after the others, every other element is one of the input.
    let (x, vx) = tensor(&[3, 3, 3], 1)?;
    let how = cubic().coordinates(Coordinates::AlignCorners);
    let y = x.resize(&[0, 1, 2], ResizeTo::Sizes(&[5, 5, 5]), &how)?;
    let found = y.elements()?;
    for (at, wanted) in vx.iter().enumerate() {
        let own = found[at / 9 * 50 + at / 3 % 3 * 10 + at % 3 * 2];
        assert!((own - wanted).abs() < 1e-5, "element {at} is {own} instead of {wanted}");
    }
    agrees(&y, &[5, 5, 5], &y.reference()?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let of = |shape: &[usize]| tensor(shape, 1).map(|(x, _)| x);
    let flat = of(&[4, 5])?;
    let bits = Tensor::from(&Device::best()?.tensor(&[1i32, 2], [2])?);
    let nearest = Resize::new(ResizeMode::Nearest(Rounding::Floor));
    says(
        flat.resize(&[0, 0], ResizeTo::Sizes(&[1, 1]), &nearest),
        "`resize` of f32[4, 5]: [0, 0] are not different axes of 2 axes, counted from 0",
    );
    says(
        flat.resize(&[1], ResizeTo::Scales(&[-1.0]), &nearest),
        "`resize` of f32[4, 5]: the scale -1 is not a positive number",
    );
    says(
        flat.resize(&[1], ResizeTo::Sizes(&[1, 2]), &nearest),
        "`resize` of f32[4, 5]: there are 2 sizes or scales for 1 axes",
    );
    says(
        of(&[0])?.resize(&[0], ResizeTo::Sizes(&[3]), &nearest),
        "`resize` of f32[0]: axis 0 has no elements of which there could be 3",
    );
    says(
        bits.resize(&[0], ResizeTo::Sizes(&[3]), &Resize::new(ResizeMode::Linear)),
        "`resize` of i32[2]: elements between others are floats; convert the tensor with `cast` before, or take the nearest \
         ones of i32",
    );
    Ok(())
}

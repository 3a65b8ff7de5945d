//! Convolutions on tensor cores, beside their definition.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::testing::Inputs;
use hidet_ops::{Precision, Result, Tensor, Window};

/// In memory, whatever the inputs draw.
fn stored(tensor: Tensor) -> Result<Tensor> {
    Tensor::from(tensor.reshape(&[tensor.ty().len()])?.compute()?).reshape(tensor.shape())
}

/// Kernels of several shapes with stride, padding and dilation, and a bias, a residual and an activation behind them.
#[test]
fn convolutions_of_images_with_channels_last() -> Result<()> {
    let device = Device::best()?;
    let cases = [
        ([2, 9, 7, 16], [24, 3, 3], Window::new(2).padding(&[1, 1])),
        ([1, 9, 8, 72], [40, 3, 3], Window::new(2).padding(&[1, 1]).stride(&[2, 1]).dilation(&[1, 2])),
        ([1, 6, 6, 8], [16, 1, 3], Window::new(2).padding(&[0, 1])),
        ([2, 5, 5, 24], [8, 1, 1], Window::new(2).stride(&[2, 2])),
        ([1, 4, 4, 264], [72, 3, 3], Window::new(2)),
        ([1, 11, 11, 3], [16, 7, 7], Window::new(2).padding(&[3, 3]).stride(&[2, 2])),
        ([2, 12, 13, 5], [8, 3, 5], Window::new(2).padding(&[1, 2]).stride(&[1, 3]).dilation(&[2, 1])),
        ([1, 6, 9, 20], [8, 2, 3], Window::new(2).padding(&[0, 2]).dilation(&[1, 2])),
        ([1, 5, 6, 36], [8, 3, 3], Window::new(2).padding(&[1, 1])),
    ];
    for (number, ([n, h, w, c], [k, rows, cols], window)) in cases.into_iter().enumerate() {
        let dtype = [Scalar::F16, Scalar::BF16][number % 2];
        let mut inputs = Inputs::new(&device, dtype, number as u64);
        let (x, f) = (stored(inputs.within(&[n, h, w, c], 0.5)?)?, stored(inputs.within(&[k, rows, cols, c], 0.5)?)?);
        let bare = x.conv_channels_last(&f, &window, 1)?;
        let (bias, residual) = (stored(inputs.within(&[k], 0.5)?)?, stored(inputs.within(bare.shape(), 0.5)?)?);
        let fused = || x.conv_channels_last(&f, &window, 1)?.add(&bias)?.add(&residual)?.relu();
        let wanted = if c == 3 { "conv_patch" } else { "conv_wgmma" };
        assert_eq!((fused()?.kernels().len(), fused()?.templates()?), (1, vec![wanted]));
        let known = ["conv_patch", "conv_wgmma", "matmul_wgmma"];
        assert!(bare.templates()?.iter().all(|name| known.contains(name)), "{:?}", bare.templates());
        let bound = if dtype == Scalar::F16 { 6e-3 } else { 4e-2 };
        for (found, wanted) in [
            (bare.elements()?, x.conv_channels_last(&f, &window, 1)?.reference()?),
            (fused()?.elements()?, fused()?.reference()?),
        ] {
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() <= bound * wanted.abs().max(1.0), "element {at}: {found}, not {wanted}");
            }
        }
    }
    Ok(())
}

/// Convolutions of `f32` as three products of tf32, with what follows them, are nearly as exact as `f32`.
#[test]
fn convolutions_as_three_products() -> Result<()> {
    let device = Device::best()?;
    let window = || Window::new(2);
    // With the number of kernels: two more where channels are padded, one more where blocks divide positions and channels.
    let cases = [
        (1, [2, 9, 7, 16], [24, 2, 3], window().padding(&[1, 1])),
        (1, [1, 9, 8, 20], [132, 3, 2], window().padding(&[1, 1]).stride(&[2, 1]).dilation(&[1, 2])),
        (3, [1, 5, 6, 18], [4, 2, 3], window().padding(&[0, 2])),
        (2, [1, 6, 5, 100], [36, 3, 3], window().padding(&[1, 1])),
        (2, [2, 5, 7, 64], [68, 3, 3], window().padding(&[1, 0]).stride(&[1, 2])),
        (1, [1, 5, 6, 7], [4, 2, 3], window().padding(&[0, 2])),
    ];
    for (number, (launches, [n, h, w, c], [k, rows, cols], window)) in cases.into_iter().enumerate() {
        // Of few channels, products of f32 are quicker.
        let template = if c < 12 { "contract_simt" } else { "conv_wgmma" };
        let mut inputs = Inputs::new(&device, Scalar::F32, number as u64);
        let (x, f) = (stored(inputs.within(&[n, h, w, c], 1.0)?)?, stored(inputs.within(&[k, rows, cols, c], 1.0)?)?);
        let bias = stored(inputs.within(&[k], 0.5)?)?;
        let by = |precision| x.conv_channels_last_by(&f, &window, 1, precision)?.add(&bias)?.relu();
        let (found, wanted) = (by(Precision::Tf32x3)?, by(Precision::F32)?.reference()?);
        assert_eq!(found.templates()?, [template], "{number}");
        assert_eq!(found.functions()?.len(), launches, "{number}");
        for (at, (found, wanted)) in found.elements()?.iter().zip(&wanted).enumerate() {
            assert!((found - wanted).abs() <= 2e-5 * wanted.abs().max(1.0), "element {at}: {found}, not {wanted}");
        }
    }
    let half = Inputs::new(&device, Scalar::F16, 0).within(&[1, 4, 4, 8], 1.0)?;
    let error = half.conv_channels_last_by(&half, &Window::new(2), 1, Precision::Tf32x3).unwrap_err().to_string();
    assert!(error.contains("`Precision` is of products of f32"), "{error}");
    Ok(())
}

/// Images of few channels, such as colours, in either order of axes: what they are made of is computed where their pixels are
/// copied, once for all windows, and what is infinite is so in the windows that cover it alone.
#[test]
fn convolutions_of_images_with_few_channels() -> Result<()> {
    let device = Device::best()?;
    let cases = [
        ([1, 3, 24, 35], [64, 7, 7], Window::new(2).padding(&[3, 3]).stride(&[2, 2])),
        ([2, 3, 13, 40], [32, 3, 3], Window::new(2).padding_of(&[0, 0], &[1, 1]).stride(&[2, 2])),
        ([1, 1, 9, 20], [8, 5, 4], Window::new(2).padding(&[2, 0])),
        ([3, 2, 7, 6], [136, 3, 3], Window::new(2).padding(&[1, 1])),
        ([1, 5, 10, 18], [72, 2, 9], Window::new(2).padding(&[0, 4]).stride(&[1, 3])),
        ([1, 4, 6, 17], [16, 1, 3], Window::new(2).padding(&[0, 1])),
    ];
    for (number, ([n, c, h, w], [k, rows, cols], window)) in cases.into_iter().enumerate() {
        let (dtype, bound) = [(Scalar::F16, 6e-3), (Scalar::BF16, 4e-2)][number % 2];
        let mut inputs = Inputs::new(&device, Scalar::F32, number as u64);
        let mut drawn = |shape: &[usize]| stored(inputs.within(shape, 0.5)?);
        let (mut x, mean, bias) = (drawn(&[n, c, h, w])?, drawn(&[c, 1, 1])?, drawn(&[k])?.cast(dtype));
        let f = stored(drawn(&[k, c, rows, cols])?.cast(dtype)?)?.permute(&[0, 2, 3, 1])?;
        if number == 0 {
            let mut values = x.to_vec::<f32>()?;
            values[11 * w + 17] = f32::INFINITY;
            x = Tensor::from(&device.tensor(&values, [n, c, h, w])?);
        }
        let bias = stored(bias?)?;
        let pixels = || x.sub(&mean)?.mul(2.0)?.cast(dtype)?.permute(&[0, 2, 3, 1]);
        let y = || pixels()?.conv_channels_last(&f, &window, 1)?.add(&bias)?.relu();
        assert_eq!((y()?.kernels().len(), y()?.templates()?), (1, vec!["conv_patch"]), "{n} {c} {h} {w}");
        for (at, (found, wanted)) in y()?.elements()?.iter().zip(&y()?.reference()?).enumerate() {
            let near = found == wanted || (found - wanted).abs() <= bound * wanted.abs().max(1.0);
            assert!(near || found.is_nan() && wanted.is_nan(), "{number}, element {at}: {found}, not {wanted}");
        }
        // In f32 no template computes pixels on the way.
        let wide =
            x.sub(&mean)?.mul(2.0)?.permute(&[0, 2, 3, 1])?.conv_channels_last(&f.cast(Scalar::F32)?, &window, 1)?;
        let few = c * rows * cols <= 64;
        assert_eq!(wide.kernels().len() == 1, few, "{:?}", wide.kernels());
    }
    Ok(())
}

/// In f32, of 1 to 3 spatial axes and both orders of axes, whole and in parts; and products of matrices of few tiles.
#[test]
fn convolutions_by_threads() -> Result<()> {
    let device = Device::best()?;
    let window = |axes: usize| Window::new(axes).padding(&vec![1; axes]);
    let cases = [
        (vec![2, 9, 7, 6], vec![10, 3, 3, 6], Window::new(2).padding(&[1, 2]).stride(&[2, 1]).dilation(&[1, 2]), true),
        (vec![1, 6, 9, 8], vec![12, 6, 3, 3], window(2), false),
        (vec![1, 5, 6, 300], vec![24, 3, 3, 300], window(2), true),
        (vec![1, 200, 5, 5], vec![70, 200, 3, 3], window(2).stride(&[2, 2]), false),
        (vec![2, 12, 5], vec![6, 3, 5], window(1), true),
        (vec![1, 3, 4, 5, 6], vec![8, 3, 3, 3, 3], window(3), false),
        // Few columns, and few rows.
        (vec![1, 24, 23, 4], vec![8, 5, 5, 4], window(2), true),
        (vec![1, 24, 23, 4], vec![1, 5, 5, 4], window(2), true),
        (vec![1, 4, 24, 23], vec![3, 4, 5, 5], window(2), false),
    ];
    for (number, (images, weights, window, last)) in cases.into_iter().enumerate() {
        let mut inputs = Inputs::new(&device, Scalar::F32, number as u64);
        let (x, f) = (stored(inputs.within(&images, 0.5)?)?, stored(inputs.within(&weights, 0.5)?)?);
        let bare = || if last { x.conv_channels_last(&f, &window, 1) } else { x.conv(&f, &window, 1) };
        let residual = stored(inputs.within(bare()?.shape(), 0.5)?)?;
        let fused = || bare()?.add(&residual)?.relu();
        assert_eq!((fused()?.kernels().len(), fused()?.templates()?), (1, vec!["contract_simt"]), "{images:?}");
        for (found, wanted) in
            [(bare()?.elements()?, bare()?.reference()?), (fused()?.elements()?, fused()?.reference()?)]
        {
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let near = (found - wanted).abs() <= 1e-4 * wanted.abs().max(1.0);
                assert!(near, "{images:?}, element {at}: {found}, not {wanted}");
            }
        }
    }
    Ok(())
}

/// What is before a convolution is computed once for each element, and not for each result that it is a term of, unless these
/// are as few as those of a depthwise convolution.
#[test]
fn inputs_of_convolutions_are_computed_once() -> Result<()> {
    let (device, window) = (Device::best()?, Window::new(2).padding(&[1, 1]));
    let mut inputs = Inputs::new(&device, Scalar::F32, 0);
    let x = stored(inputs.within(&[1, 7, 6, 16], 0.5)?)?;
    for (shape, groups, kernels) in [([12, 3, 3, 16], 1, 2), ([16, 3, 3, 1], 16, 1)] {
        let f = stored(inputs.within(&shape, 0.5)?)?;
        let y = x.mul(2.0)?.add(1.0)?.conv_channels_last(&f, &window, groups)?.relu()?;
        assert_eq!(y.kernels().len(), kernels, "{:?}", y.kernels());
        for (found, wanted) in y.elements()?.iter().zip(&y.reference()?) {
            assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{found}, not {wanted}");
        }
    }
    Ok(())
}

/// Depthwise, whose results are computed by windows: several columns and adjacent channels of a thread.
#[test]
fn depthwise_convolutions() -> Result<()> {
    let device = Device::best()?;
    for (number, ([n, h, w, c], kernel, stride)) in
        [([1, 9, 12, 16], 3, 1), ([2, 8, 7, 24], 5, 1), ([1, 10, 9, 8], 3, 2), ([1, 6, 6, 3], 3, 1)]
            .into_iter()
            .enumerate()
    {
        for dtype in [Scalar::F32, Scalar::F16] {
            let mut inputs = Inputs::new(&device, dtype, number as u64);
            let (x, f) =
                (stored(inputs.within(&[n, h, w, c], 0.5)?)?, stored(inputs.within(&[c, kernel, kernel, 1], 0.5)?)?);
            let window = Window::new(2).padding(&[kernel / 2; 2]).stride(&[stride; 2]);
            let bias = stored(inputs.within(&[c], 0.5)?)?;
            let fused = || x.conv_channels_last(&f, &window, c)?.add(&bias)?.relu();
            assert_eq!(fused()?.templates()?, ["windows"]);
            for (found, wanted) in fused()?.elements()?.iter().zip(fused()?.reference()?) {
                assert!((found - wanted).abs() <= 4e-3 * wanted.abs().max(1.0), "{found}, not {wanted}");
            }
        }
    }
    Ok(())
}

/// So many results that a thread computes several columns.
#[test]
fn depthwise_convolutions_of_several_columns() -> Result<()> {
    let device = Device::best()?;
    let (h, w, c) = (60, 96, 64);
    let value = |at: usize| ((at * 7 + at / 11) % 17) as f32 / 8.0 - 1.0;
    let of = |count: usize, seed: usize| (0..count).map(|at| value(at + seed)).collect::<Vec<f32>>();
    let (images, weights) = (of(h * w * c, 0), of(c * 9, 5));
    let tensor = |values: &[f32], shape: &[usize]| -> Result<Tensor> {
        Ok(Tensor::from(device.tensor(values, [values.len()])?.raw().view(0, shape)?))
    };
    let (x, f) = (tensor(&images, &[1, h, w, c])?, tensor(&weights, &[c, 3, 3, 1])?);
    let y = x.conv_channels_last(&f, &Window::new(2).padding(&[1, 1]), c)?;
    assert_eq!(y.templates()?, ["windows"]);
    let y = y.to_vec::<f32>()?;
    for at in (0..h * w * c).step_by(41).chain(0..c).chain(h * w * c - c..h * w * c) {
        let (row, col, channel) = (at / c / w, at / c % w, at % c);
        let mut wanted = 0.0;
        for (r, s) in (0..3).flat_map(|r| (0..3).map(move |s| (r, s))) {
            let (i, j) = (row + r, col + s);
            if (1..=h).contains(&i) && (1..=w).contains(&j) {
                wanted += images[((i - 1) * w + j - 1) * c + channel] * weights[channel * 9 + r * 3 + s];
            }
        }
        assert!((y[at] - wanted).abs() < 1e-4, "element {at}: {}, not {wanted}", y[at]);
    }
    Ok(())
}

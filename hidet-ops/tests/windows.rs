//! Convolutions, pools and resizing beside loops over all elements in `f64`, and inputs that do not fit.

#![allow(clippy::unwrap_used, clippy::panic)]

mod known;

use hidet::device::Device;
use hidet_ops::{Result, Tensor, Window};
use known::{agrees, says};

/// Elements on the host: 0 outside.
struct Array {
    shape: Vec<usize>,
    elements: Vec<f64>,
}

impl Array {
    fn at(&self, index: &[i64]) -> f64 {
        let mut at = 0;
        for (index, extent) in index.iter().zip(&self.shape) {
            let Some(index) = usize::try_from(*index).ok().filter(|index| index < extent) else { return 0.0 };
            at = at * extent + index;
        }
        self.elements[at]
    }
}

/// Returns all coordinates of a shape in order.
fn all(shape: &[usize]) -> Vec<Vec<i64>> {
    shape.iter().fold(vec![Vec::new()], |front, extent| {
        front.iter().flat_map(|at| (0..*extent as i64).map(move |own| [at.as_slice(), &[own]].concat())).collect()
    })
}

/// Returns small numbers on a device and on the host.
fn tensor(shape: &[usize], seed: usize) -> Result<(Tensor, Array)> {
    let (tensor, elements) = known::numbers(shape, seed, 0.25)?;
    Ok((tensor, Array { shape: shape.to_vec(), elements }))
}

/// Channels, results, groups, spatial extents, kernel, stride, dilation, padding before and after.
type Conv<'a> = ([usize; 3], &'a [usize], &'a [usize], [&'a [usize]; 4]);

const CONVS: [Conv; 8] = [
    ([3, 4, 1], &[7], &[3], [&[1], &[1], &[1], &[1]]),
    ([1, 1, 1], &[1], &[1], [&[1], &[1], &[0], &[0]]),
    ([4, 6, 2], &[9], &[2], [&[3], &[2], &[2], &[0]]),
    ([3, 5, 1], &[5, 6], &[1, 1], [&[1, 1], &[1, 1], &[0, 0], &[0, 0]]),
    ([3, 3, 3], &[6, 5], &[3, 3], [&[2, 1], &[1, 2], &[1, 2], &[1, 2]]),
    ([4, 8, 4], &[5, 5], &[1, 2], [&[2, 3], &[1, 1], &[0, 0], &[0, 1]]),
    ([2, 3, 1], &[4, 5], &[4, 5], [&[1, 1], &[1, 1], &[0, 0], &[0, 0]]),
    ([2, 4, 2], &[3, 4, 5], &[2, 1, 3], [&[1, 2, 2], &[2, 1, 1], &[1, 0, 0], &[0, 0, 1]]),
];

fn window(lists: &[&[usize]; 4]) -> Window {
    Window::new(lists[0].len()).stride(lists[0]).dilation(lists[1]).padding_of(lists[2], lists[3])
}

/// Returns the axes of channels behind the spatial ones.
fn last(x: &Tensor) -> Result<Tensor> {
    x.permute(&[&[0], (2..x.ty().rank()).collect::<Vec<_>>().as_slice(), &[1]].concat())
}

#[test]
fn convolutions_are_sums_over_windows() -> Result<()> {
    for ([c, o, groups], spatial, kernel, lists) in CONVS {
        let (x, vx) = tensor(&[&[2, c], spatial].concat(), 1)?;
        let (w, vw) = tensor(&[&[o, c / groups], kernel].concat(), 2)?;
        let [stride, dilation, before, after] = lists;
        let windows: Vec<usize> = (0..spatial.len())
            .map(|at| (spatial[at] + before[at] + after[at] - dilation[at] * (kernel[at] - 1) - 1) / stride[at] + 1)
            .collect();
        let shape = [&[2, o], windows.as_slice()].concat();
        let element = |at: &Vec<i64>| {
            let group = at[1] / (o / groups) as i64;
            let terms = all(&[&[c / groups], kernel].concat());
            let term = |k: &Vec<i64>| {
                let mut from = vec![at[0], group * (c / groups) as i64 + k[0]];
                for axis in 0..spatial.len() {
                    let begin = at[2 + axis] * stride[axis] as i64 - before[axis] as i64;
                    from.push(begin + k[1 + axis] * dilation[axis] as i64);
                }
                vx.at(&from) * vw.at(&[&[at[1]], k.as_slice()].concat())
            };
            terms.iter().map(term).sum()
        };
        let wanted: Vec<f64> = all(&shape).iter().map(element).collect();
        agrees(&x.conv(&w, &window(&lists), groups)?, &shape, &wanted);
        let y = last(&x)?.conv_channels_last(&last(&w)?, &window(&lists), groups)?;
        let back = [&[0, spatial.len() + 1], (1..=spatial.len()).collect::<Vec<_>>().as_slice()].concat();
        agrees(&y.permute(&back)?, &shape, &wanted);
        if groups == 1 {
            let flat = w.reshape(&[o, c * kernel.iter().product::<usize>()])?;
            let product = flat.matmul(&x.im2col(kernel, &window(&lists))?)?;
            agrees(&product.reshape(&shape)?, &shape, &wanted);
        }
    }
    Ok(())
}

#[test]
fn transposed_convolutions_add_to_windows() -> Result<()> {
    for (number, ([c, o, groups], spatial, kernel, lists)) in CONVS.into_iter().enumerate() {
        let (x, vx) = tensor(&[&[2, c], spatial].concat(), 1)?;
        let (w, vw) = tensor(&[&[c, o / groups], kernel].concat(), 2)?;
        let [stride, dilation, before, after] = lists;
        let further: Vec<usize> = stride.iter().map(|stride| (stride - 1) * (number % 2)).collect();
        let results: Vec<usize> = (0..spatial.len())
            .map(|at| (spatial[at] - 1) * stride[at] + dilation[at] * (kernel[at] - 1) + 1 + further[at])
            .enumerate()
            .map(|(at, whole)| whole - before[at] - after[at])
            .collect();
        let shape = [&[2, o], results.as_slice()].concat();
        let mut y = Array { shape: shape.clone(), elements: vec![0.0; shape.iter().product()] };
        for from in all(&vx.shape) {
            let group = from[1] / (c / groups) as i64;
            for k in all(&[&[o / groups], kernel].concat()) {
                let place = |axis: usize| {
                    let begin = from[2 + axis] * stride[axis] as i64 + k[1 + axis] * dilation[axis] as i64;
                    usize::try_from(begin - before[axis] as i64).ok().filter(|at| *at < results[axis])
                };
                let Some(to) = (0..spatial.len()).map(place).collect::<Option<Vec<usize>>>() else { continue };
                let channel = (group * (o / groups) as i64 + k[0]) as usize;
                let to = [&[from[0] as usize, channel], to.as_slice()].concat();
                let number = to.iter().zip(&shape).fold(0, |number, (at, extent)| number * extent + at);
                y.elements[number] += vx.at(&from) * vw.at(&[&[from[1]], k.as_slice()].concat());
            }
        }
        agrees(&x.conv_transpose(&w, &window(&lists), groups, &further)?, &shape, &y.elements);
    }
    Ok(())
}

#[test]
fn pools_are_of_what_is_in_each_window() -> Result<()> {
    for (_, spatial, kernel, lists) in CONVS {
        let (x, vx) = tensor(&[&[2, 3], spatial].concat(), 1)?;
        let x = x.sub(8.0)?;
        let [stride, dilation, before, after] = lists;
        for ceil in [false, true] {
            let windows: Vec<usize> = (0..spatial.len())
                .map(|at| {
                    let rest = spatial[at] + before[at] + after[at] - dilation[at] * (kernel[at] - 1) - 1;
                    let windows = if ceil { rest.div_ceil(stride[at]) } else { rest / stride[at] } + 1;
                    if (windows - 1) * stride[at] >= spatial[at] + before[at] { windows - 1 } else { windows }
                })
                .collect();
            let shape = [&[2, 3], windows.as_slice()].concat();
            let (mut largest, mut means, mut padded) = (Vec::new(), Vec::new(), Vec::new());
            for at in all(&shape) {
                let (mut own, mut places) = (Vec::new(), 0.0);
                for k in all(kernel) {
                    let begin = |axis: usize| at[2 + axis] * stride[axis] as i64 + k[axis] * dilation[axis] as i64;
                    let from: Vec<i64> = (0..kernel.len()).map(|axis| begin(axis) - before[axis] as i64).collect();
                    let within = |axis: usize, more: usize| from[axis] < (spatial[axis] + more) as i64;
                    places += f64::from((0..kernel.len()).all(|axis| within(axis, after[axis])));
                    if (0..kernel.len()).all(|axis| from[axis] >= 0 && within(axis, 0)) {
                        own.push(vx.at(&[&at[..2], &from].concat()) - 8.0);
                    }
                }
                let sum: f64 = own.iter().sum();
                largest.push(own.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                means.push(if own.is_empty() { 0.0 } else { sum / own.len() as f64 });
                padded.push(sum / places);
            }
            agrees(&x.max_pool(kernel, &window(&lists), ceil)?, &shape, &largest);
            agrees(&x.avg_pool(kernel, &window(&lists), ceil, false)?, &shape, &means);
            agrees(&x.avg_pool(kernel, &window(&lists), ceil, true)?, &shape, &padded);
        }
    }
    Ok(())
}

#[test]
fn adaptive_pools_are_of_parts() -> Result<()> {
    let cases: [(&[usize], &[usize]); 5] =
        [(&[7], &[3]), (&[6], &[3]), (&[3], &[5]), (&[5, 8], &[2, 4]), (&[4, 3, 5], &[1, 3, 2])];
    for (spatial, sizes) in cases {
        let (x, vx) = tensor(&[&[2, 3], spatial].concat(), 1)?;
        let shape = [&[2, 3], sizes].concat();
        let part = |at: &Vec<i64>, sizes: &[usize]| {
            let all = all(spatial).into_iter().filter(|from| {
                (0..sizes.len()).all(|axis| {
                    let (extent, size, own) = (spatial[axis] as i64, sizes[axis] as i64, at[2 + axis]);
                    (own * extent / size..((own + 1) * extent + size - 1) / size).contains(&from[axis])
                })
            });
            all.map(|from| vx.at(&[&at[..2], &from].concat())).collect::<Vec<f64>>()
        };
        let mean = |all: Vec<f64>| all.iter().sum::<f64>() / all.len() as f64;
        let parts = |shape: &[usize], sizes: &[usize]| all(shape).iter().map(|at| part(at, sizes)).collect::<Vec<_>>();
        let largest: Vec<f64> =
            parts(&shape, sizes).into_iter().map(|all| all.into_iter().fold(f64::MIN, f64::max)).collect();
        agrees(&x.adaptive_max_pool(sizes)?, &shape, &largest);
        agrees(&x.adaptive_avg_pool(sizes)?, &shape, &parts(&shape, sizes).into_iter().map(mean).collect::<Vec<_>>());
        let ones = vec![1; spatial.len()];
        let whole = [&[2, 3], ones.as_slice()].concat();
        agrees(&x.global_avg_pool()?, &whole, &parts(&whole, &ones).into_iter().map(mean).collect::<Vec<_>>());
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let of = |shape: &[usize]| tensor(shape, 1).map(|(x, _)| x);
    let (x, w) = (of(&[1, 4, 5])?, of(&[6, 4, 3])?);
    let line = Window::new(1);
    let both = "f32[1, 4, 5] and f32[6, 4, 3]";
    says(
        x.conv(&w, &line, 3),
        &format!("`conv` of {both}: the 4 channels of the input cannot be divided into 3 groups"),
    );
    says(
        x.conv(&w, &line, 0),
        &format!("`conv` of {both}: the 4 channels of the input cannot be divided into 0 groups"),
    );
    says(
        x.conv(&w, &line, 2),
        &format!(
            "`conv` of {both}: the weight must have 2 at its axis 1, the channels of the input by groups, but has 4"
        ),
    );
    says(
        x.conv(&of(&[5, 2, 3])?, &line, 2),
        "`conv` of f32[1, 4, 5] and f32[5, 2, 3]: the 5 channels of the result cannot be divided into 2 groups",
    );
    says(
        x.conv(&w, &line.clone().dilation(&[3]), 1),
        &format!(
            "`conv` of {both}: a window of 7 elements (kernel 3, dilation 3) is larger than the input along spatial axis 0, 5 \
             with 0 and 0 of padding"
        ),
    );
    says(
        x.conv(&w, &line.clone().stride(&[0]), 1),
        &format!("`conv` of {both}: the stride [0] has a 0: the least is 1"),
    );
    says(
        x.conv(&w, &line.clone().padding(&[1, 1]), 1),
        &format!("`conv` of {both}: the padding before [1, 1] needs one number per spatial axis, of which there are 1"),
    );
    says(
        x.conv(&w, &line.clone().padding(&[usize::MAX]), 1),
        &format!("`conv` of {both}: the padding before [{}] has {0}: the most is 2^28", usize::MAX),
    );
    says(
        x.conv(&of(&[6, 4, 0])?, &line, 1),
        "`conv` of f32[1, 4, 5] and f32[6, 4, 0]: the kernel [0] has a 0: the least is 1",
    );
    let flat = of(&[4, 5])?;
    let axes = "both need the same number of axes, 3 to 5: two and 1 to 3 spatial ones";
    says(flat.conv(&w, &line, 1), &format!("`conv` of f32[4, 5] and f32[6, 4, 3]: {axes}"));
    says(x.conv_channels_last(&flat, &line, 1), &format!("`conv_channels_last` of f32[1, 4, 5] and f32[4, 5]: {axes}"));
    says(
        x.conv_transpose(&w, &line, 1, &[0]),
        &format!(
            "`conv_transpose` of {both}: the weight must have 4 at its axis 0, the channels of the input, but has 6"
        ),
    );
    let v = of(&[4, 2, 3])?;
    says(
        x.conv_transpose(&v, &line, 1, &[1]),
        "`conv_transpose` of f32[1, 4, 5] and f32[4, 2, 3]: the output padding 1 along spatial axis 0 must be less than the \
         stride 1 or the dilation 1",
    );
    says(
        x.conv_transpose(&v, &line.clone().padding(&[4]), 1, &[0]),
        "`conv_transpose` of f32[1, 4, 5] and f32[4, 2, 3]: 8 elements of padding leave nothing of 7 along spatial axis 0",
    );
    says(
        flat.max_pool(&[2; 3], &Window::new(3), false),
        "`max_pool` of f32[4, 5]: 3 axes of 2 cannot be pooled: it takes 1 to 3, which are the last ones",
    );
    says(
        of(&[4, 0])?.adaptive_avg_pool(&[2]),
        "`adaptive_avg_pool` of f32[4, 0]: it has no elements along an axis that is pooled",
    );
    let bits = Tensor::from(&Device::best()?.tensor(&[1i32, 2], [2])?);
    says(
        bits.avg_pool(&[2], &line, false, false),
        "`avg_pool` of i32[2]: it is defined for floats; convert the tensor with `cast` before",
    );
    says(flat.global_avg_pool(), "`global_avg_pool` of f32[4, 5]: it needs 3 to 5 axes: two and 1 to 3 spatial ones");
    says(flat.im2col(&[2], &line), "`im2col` of f32[4, 5]: it needs 3 to 5 axes: two and 1 to 3 spatial ones");
    Ok(())
}

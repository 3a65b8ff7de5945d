//! Parameters that a kernel has or not, as a meta value says.

#![allow(clippy::unwrap_used)]

use hidet::dsl::Binding;
use hidet::ir::Access;
use hidet::prelude::*;
use hidet::types::Scalar;

kernel! {
    /// y = x * scale + bias
    #[launch(grid = m, block = 32)]
    pub fn linear<T: Float>(
        #[meta] scaled: bool,
        #[meta] biased: bool,
        x: In<T, [m, n]>,
        #[when(scaled)] scale: Option<f32>,
        #[when(biased)] bias: Option<In<T, [n]>>,
        y: Out<T, [m, n]>,
        #[partial] #[when(biased && scaled)] copy: Option<Out<T, [m, n]>>,
    ) {
        let i = block_idx().x;
        for j in (thread_idx().x..n).step_by(32) {
            let value = x[[i, j]] as f32;
            let value = if let Some(scale) = scale { value * scale } else { value };
            let value = if let Some(bias) = bias { value + bias[[j]] as f32 } else { value };
            y[[i, j]] = value as T;
            if let Some(copy) = copy {
                if j == 0 {
                    copy[[i, j]] = value as T;
                }
            }
        }
    }
}

#[test]
fn a_kernel_has_the_parameters_that_its_meta_values_say() {
    let device = Device::sim();
    let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let bias = device.tensor(&[10.0, 20.0], [2]).unwrap();
    let cases = [
        (false, false, [1.0, 2.0, 3.0, 4.0]),
        (true, false, [2.0, 4.0, 6.0, 8.0]),
        (false, true, [11.0, 22.0, 13.0, 24.0]),
        (true, true, [12.0, 24.0, 16.0, 28.0]),
    ];
    for (scaled, biased, expected) in cases {
        let kernel = linear::<f32>(scaled, biased).compile(&device).unwrap();
        let both = scaled && biased;
        assert_eq!(kernel.function().params.len(), 2 + usize::from(scaled) + usize::from(biased) + usize::from(both));
        let (mut y, mut copy) = (device.empty([2, 2]).unwrap(), device.zeros([2, 2]).unwrap());
        let stream = device.stream().unwrap();
        for on in [false, true] {
            let (scale, bias) = (scaled.then_some(2.0), biased.then_some(&bias));
            let copy = both.then_some(&mut copy);
            match on {
                false => kernel.launch(&x, scale, bias, &mut y, copy).unwrap(),
                true => kernel.on(&stream).launch(&x, scale, bias, &mut y, copy).unwrap(),
            }
            assert_eq!(y.to_vec().unwrap(), expected);
        }
        if both {
            assert_eq!(copy.to_vec().unwrap(), [12.0, 0.0, 16.0, 0.0]);
        }
    }
}

#[test]
fn a_launch_passes_what_the_kernel_has() {
    let device = Device::sim();
    let (x, bias) = (device.zeros([2, 2]).unwrap(), device.zeros([2]).unwrap());
    let mut y = device.zeros([2, 2]).unwrap();
    for (biased, given, words) in [
        (true, None, "2 arguments were passed; the kernel was built with 3 of its 5 parameters"),
        (false, Some(&bias), "3 arguments were passed; the kernel was built with 2 of its 5 parameters"),
    ] {
        let kernel = linear::<f32>(false, biased).compile(&device).unwrap();
        let error = kernel.launch(&x, None, given, &mut y, None).unwrap_err().to_string();
        assert!(error.contains("launch of `linear`") && error.contains(words), "{error}");
    }
}

#[test]
fn optional_parameters_are_fused_and_bound() {
    type Outer = (In<f16, 2>, In<f32, 1>, Out<f32, 2>);
    let fused = |given: bool| {
        linear::<f32>(false, true).fuse("fused", ["x[m, n]", "bias[n]", "y[m, n]"], move |(x, bias, y): Outer| {
            (x.map(|value, _| value.to::<f32>()), None, given.then_some(bias), y, None)
        })
    };
    let bound = |given: bool| {
        linear::<f32>(false, true).bind("bound", move |signature| {
            let extents = ["m", "n"].map(|name| signature.dim(name));
            let x = signature.param("x", Scalar::F32, &extents, Access::In);
            let bias = signature.param("bias", Scalar::F32, &extents[1..], Access::In);
            let y = signature.param("y", Scalar::F32, &extents, Access::Out);
            [Some(Binding::from(x)), given.then_some(bias.into()), Some(y.into())].into_iter().flatten().collect()
        })
    };
    assert!(fused(true).build().is_ok() && bound(true).build().is_ok());
    let errors = [fused(false).build(), bound(false).build()].map(|built| built.unwrap_err().to_string());
    for error in errors {
        assert!(error.contains("the parameter `bias` is In<f32, 1>; it is bound to Out<f32, 2>"), "{error}");
    }
}

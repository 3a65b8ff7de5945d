//! Operators by kernels of users: fused into and out of, taken apart where a view cannot do what the kernel needs, and clear
//! errors.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_ops::{Result, Tensor};

kernel! {
    /// y = sums of rows of x times w, a warp per row.
    #[launch(grid = m, block = 32)]
    fn dot_rows<T: Float>(x: In<T, [m, n]>, w: In<T, [n]>, y: Out<f32, [m]>) {
        let row = block_idx().x;
        let mut sum = 0.0;
        for col in lanes(n) {
            sum += x[[row, col]] as f32 * w[[col]] as f32;
        }
        let sum = warp_sum(sum);
        if lane_id() == 0 {
            y[[row]] = sum;
        }
    }

    /// y = x, by TMA, which reads what is in memory alone.
    #[launch(grid = m.div_ceil(rows as u32), block = 32)]
    fn copy_tiles(#[meta] rows: i32, x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        require(n.multiple_of(32), "n must be a multiple of 32");
        let map = x.tensor_map([rows, 32], Swizzle::None);
        let tile = shared::<f32, 2>([rows, 32]);
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        for part in 0..n / 32 {
            if thread_id() == 0 {
                full.arrive_expect(0, rows * 32 * 4);
                tma_load(&tile[[0, 0]], map, (block_idx().x * rows, part * 32), full.at(0));
            }
            full.wait(0, part % 2);
            for row in 0..rows {
                if block_idx().x * rows + row < m {
                    y[[block_idx().x * rows + row, part * 32 + thread_id()]] = tile[[row, thread_id()]];
                }
            }
            sync_threads();
        }
    }
}

fn device() -> Device {
    Device::best().unwrap()
}

fn numbers(device: &Device, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let all: Vec<f32> = (0..count).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
    let flat = device.tensor(&all, [count]).unwrap();
    Tensor::from(flat.raw().view(0, shape).unwrap())
}

fn dot(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let meaning = x.cast(Scalar::F32)?.mul(&w.cast(Scalar::F32)?)?.sum(&[1], false)?;
    match x.dtype() {
        Scalar::F16 => Tensor::by_kernel("dot", &[x, w], &meaning, (), |()| dot_rows::<f16>()),
        _ => Tensor::by_kernel("dot", &[x, w], &meaning, (), |()| dot_rows::<f32>()),
    }
}

fn copied(x: &Tensor, rows: i32) -> Result<Tensor> {
    Tensor::by_kernel("copied", &[x], &x.mul(1.0)?, rows, copy_tiles)
}

#[track_caller]
fn assert_right(y: &Tensor) {
    let (found, wanted) = (y.elements().unwrap(), y.reference().unwrap());
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= 1e-2 * (1.0 + wanted.abs()), "{found} instead of {wanted}");
    }
}

#[test]
fn what_is_before_and_behind_a_kernel_is_part_of_it() -> Result<()> {
    let device = device();
    let (x, w, b) = (numbers(&device, &[5, 70]), numbers(&device, &[70]), numbers(&device, &[5]));
    let y = dot(&x.relu()?.add(1.0)?, &w.mul(0.5)?)?.add(&b)?.tanh()?;
    assert_eq!(y.kernels(), ["relu_add_mul_dot_add_tanh"]);
    assert_eq!(y.templates()?, ["kernel"]);
    assert_right(&y);
    // Inputs of any order of axes and of another type, and a result of another shape.
    let t = numbers(&device, &[70, 5]).t()?.cast(Scalar::F16)?;
    let y = dot(&t, &w.cast(Scalar::F16)?)?.reshape(&[5, 1])?.mul(&numbers(&device, &[5, 3]))?;
    assert_right(&y);
    // Of what a view cannot have, a tensor is made.
    assert_right(&copied(&numbers(&device, &[9, 64]), 4)?.sum(&[1], false)?);
    Ok(())
}

#[test]
fn a_kernel_that_reads_memory_by_tma_gets_its_input_in_memory() -> Result<()> {
    let device = device();
    let y = copied(&numbers(&device, &[9, 64]).exp()?, 4)?.add(1.0)?;
    assert_right(&y);
    // A part of a tensor that is not contiguous is copied.
    let wide = numbers(&device, &[9, 100]).compute()?;
    let part = Tensor::from(wide.strided_view(3, &[9, 64], &[100, 1])?);
    assert_right(&copied(&part, 8)?);
    Ok(())
}

#[test]
fn equal_schedules_are_one_kernel_and_others_are_not() -> Result<()> {
    let device = device();
    let x = numbers(&device, &[9, 64]);
    let outcomes: Vec<Vec<f32>> =
        [4, 4, 8].into_iter().map(|rows| copied(&x, rows)?.to_vec::<f32>()).collect::<Result<_>>()?;
    assert_eq!(outcomes[0], x.to_vec::<f32>()?);
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    Ok(())
}

#[test]
fn kernels_that_do_not_fit_are_refused() -> Result<()> {
    let device = device();
    let (x, w) = (numbers(&device, &[5, 70]), numbers(&device, &[70]));
    let refused = |y: Result<Tensor>| match y.and_then(|y| y.compute()) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    };
    // The meaning says another shape than the kernel writes.
    let wrong = refused(Tensor::by_kernel("dot", &[&x, &w], &x.mul(&w)?, (), |()| dot_rows::<f32>()));
    assert!(wrong.contains("`y` is a view of f32 with 1 axis") || wrong.contains("the parameter `y`"), "{wrong}");
    let meaning = x.sum(&[0], false)?;
    let wrong = refused(Tensor::by_kernel("dot", &[&x, &w], &meaning, (), |()| dot_rows::<f32>()));
    assert!(wrong.contains("extent 0 of `y`"), "{wrong}");
    // Another type, and too few inputs.
    let meaning = x.mul(&w)?.sum(&[1], false)?;
    let wrong = refused(Tensor::by_kernel("dot", &[&x, &w], &meaning, (), |()| dot_rows::<f16>()));
    assert!(wrong.contains("the parameter `x`"), "{wrong}");
    let wrong = refused(Tensor::by_kernel("dot", &[&x], &meaning, (), |()| dot_rows::<f32>()));
    assert!(wrong.contains("other tensors than its inputs"), "{wrong}");
    // Extents that a kernel does not take.
    let odd = numbers(&device, &[4, 33]);
    let wrong = refused(copied(&odd, 4));
    assert!(wrong.contains("kernel `copied`") && wrong.contains("33"), "{wrong}");
    Ok(())
}

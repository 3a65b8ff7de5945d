//! Inputs and outputs taken apart: functions in registers, operands from tiles, the tensor below.

#![allow(clippy::unwrap_used)]

use hidet::prelude::*;

kernel! {
    /// y = x by pairs, 32 per block, with a function of x, a function of y, and one operand of y from shared memory.
    #[launch(grid = n.div_ceil(64), block = 32)]
    fn pairs<T: Element>(#[meta] staged: bool, x: In<f32, [n]>, y: Out<T, [n]>) {
        let (prologue, epilogue) = (x.prologue(), y.epilogue());
        let (from, to) = (prologue.below::<f32>(), epilogue.below::<f32>());
        let (first, t) = (block_idx().x * 64, thread_id() * 2);
        let i = first + t;
        let tile = shared::<f32>([64]);
        tile[[t]] = 100.0;
        tile[[t + 1]] = 200.0;
        sync_threads();
        let epilogue = if staged { epilogue.read_from(0, tile, [first]) } else { epilogue };
        let loaded = vector2(from.get((i,)), from.get((i + 1,)));
        let [a, b] = prologue.apply::<f32, 2>(loaded, (i,)).lanes();
        let [a, b] = epilogue.apply::<f32, 2>(vector2(a as T, b as T), (i,)).lanes();
        to.set((i,), a);
        to.set((i + 1,), b);
    }
}

type Parameters = (In<f32, 1>, In<f32, 1>, Out<f32, 1>);

/// y = 3 (2 x + 1) + addend, with the function of y in two steps.
fn fused(staged: bool) -> Template<Parameters> {
    pairs::<f32>(staged).fuse("fused", ["x[n]", "addend[n]", "y[n]"], |(x, addend, y): Parameters| {
        let y = y.map_store_with((addend,), |v: Expr<f32>, (addend,), _| v + addend);
        (x.map(|v, _| v * 2.0).map(|v, _| v + 1.0), y.map_store(|v: Expr<f32>, _| v * 3.0))
    })
}

/// Launches it for `n` elements of x = 0, 1, .. and addends 1000, 1001, ..
fn result(template: Template<Parameters>, n: usize) -> hidet::Result<Vec<f32>> {
    let device = Device::sim();
    let host = |first: f32| (0..n).map(|i| first + i as f32).collect::<Vec<f32>>();
    let (x, addend) = (device.tensor(&host(0.0), [n])?, device.tensor(&host(1000.0), [n])?);
    let mut y = device.empty([n])?;
    template.compile(&device)?.launch(&x, &addend, &mut y)?;
    y.to_vec()
}

#[test]
fn functions_are_applied_in_their_order() {
    // 70: the last tile is partial, and nothing outside of the addend is read.
    let expected: Vec<f32> = (0..70).map(|i| 3.0 * (2.0 * i as f32 + 1.0) + 1000.0 + i as f32).collect();
    assert_eq!(result(fused(false), 70).unwrap(), expected);
}

#[test]
fn operands_that_end_within_a_vector_are_refused() {
    let error = result(fused(false), 71).unwrap_err().to_string();
    assert!(error.contains("71 must be a multiple of 2: `addend` is read in vectors of 2 elements"), "{error}");
}

#[test]
fn operands_are_read_from_a_tile() {
    let expected: Vec<f32> = (0..70).map(|i| 3.0 * (2.0 * i as f32 + 1.0) + [100.0, 200.0][i % 2]).collect();
    assert_eq!(result(fused(true), 70).unwrap(), expected);
}

kernel! {
    /// y = 0 by pairs of a matrix, with elements of the first operand that the kernel gives, and those of row operands from shared
    /// memory.
    #[launch(grid = 1, block = 32)]
    fn given(#[meta] lanes: usize, y: Out<f32, [2, 32]>) {
        let epilogue = y.epilogue();
        let (row, col) = (thread_id() / 16, thread_id() % 16 * 2);
        let rows = epilogue.row_operands::<f32>();
        let columns = shared::<f32>([32]);
        #[meta]
        let mut own = epilogue.clone();
        for (number, operand) in rows {
            columns[[thread_id()]] = operand[[thread_id()]] * 2.0;
            sync_threads();
            own = own.read_from(number, columns, [0]);
        }
        let own = match lanes {
            1 => own.given(0, vector([0.5f32.into_expr()])),
            _ => own.given(0, vector2::<f32>(100.0, 200.0)),
        };
        epilogue.below::<f32>().store((row, col), own.apply::<f32, 2>(vector2(0.0, 0.0), (row, col)));
    }
}

type OfMatrix = (In<f32, 2>, In<f32, 1>, Out<f32, 2>);

fn with_bias(lanes: usize) -> Template<OfMatrix> {
    given(lanes).fuse("with_bias", ["x[2, 32]", "bias[32]", "y[2, 32]"], |(x, bias, y): OfMatrix| {
        (y.map_store_with((x, bias.along([1])), |v: Expr<f32>, (x, bias), _| v + x + bias),)
    })
}

#[test]
fn elements_of_operands_are_given() {
    let device = Device::sim();
    let bias: Vec<f32> = (0..32).map(|col| col as f32).collect();
    let (x, bias) = (device.tensor(&[9.0; 64], [2, 32]).unwrap(), device.tensor(&bias, [32]).unwrap());
    let mut y = device.empty([2, 32]).unwrap();
    with_bias(2).compile(&device).unwrap().launch(&x, &bias, &mut y).unwrap();
    let expected: Vec<f32> = (0..64).map(|i| [100.0, 200.0][i % 2] + 2.0 * (i % 32) as f32).collect();
    assert_eq!(y.to_vec().unwrap(), expected);
}

#[test]
fn elements_for_another_number_or_no_operand_are_refused() {
    let error = with_bias(1).build().map(drop).unwrap_err().to_string();
    assert!(error.contains("an operand is given 1 elements for 2 of the output"), "{error}");
    let error = given(2).build().map(drop).unwrap_err().to_string();
    assert!(error.contains("operand 0 has other axes or elements than these: see `operand`"), "{error}");
}

kernel! {
    /// The sum of the elements of x and of those beyond its end.
    #[launch(grid = 1, block = 1)]
    fn beyond(x: In<f32, [n]>, y: Out<f32, [1]>) {
        let prologue = x.prologue();
        let below = prologue.below::<f32>();
        let mut sum = 0.0;
        for i in 0..8 {
            sum += prologue.apply::<f32, 1>(vector([below.get((i,))]), (i,)).lane(0);
        }
        y[[0]] = sum;
    }
}

#[test]
fn elements_outside_of_an_input_are_zero() {
    let template =
        beyond().fuse("beyond", ["x[n]", "y[1]"], |(x, y): (In<f32, 1>, Out<f32, 1>)| (x.map(|v, _| v + 1.0), y));
    let device = Device::sim();
    let (x, mut y) = (device.tensor(&[1.0, 2.0, 3.0], [3]).unwrap(), device.empty([1]).unwrap());
    template.compile(&device).unwrap().launch(&x, &mut y).unwrap();
    assert_eq!(y.to_vec().unwrap(), [9.0]);
}

#[test]
fn tensors_of_another_type_are_refused() {
    let template = pairs::<f32>(false).fuse("rounded", ["x[n]", "y[n]"], |(x, y): (In<f32, 1>, Out<bf16, 1>)| {
        (x, y.map_store(|v: Expr<f32>, _| v.to::<bf16>()))
    });
    let error = template.build().map(drop).unwrap_err().to_string();
    assert!(error.contains("the tensor below this epilogue is of bf16, not of f32"), "{error}");
}

#[test]
fn a_tile_for_no_operand_is_refused() {
    let error = pairs::<f32>(true).build().map(drop).unwrap_err().to_string();
    assert!(
        error.contains("operand 0 has other axes or elements than this tile: see `operand` and `row_operands`"),
        "{error}"
    );
}

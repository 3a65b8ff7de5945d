//! The launch contract: every kind of wrong arguments, with its message.

use super::*;
use crate::device::RawTensor;
use crate::device::Storage;
use crate::ir::{Access, Buffer, BufferId, Constraint, Dim, Handle, Param, Relation, Scope, Stmt};
use crate::layout::Layout;
use crate::types::Const;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

const ROWS: IndexExpr = IndexExpr::Symbol(0);
const COLS: IndexExpr = IndexExpr::Symbol(1);

fn buffer(
    function: &mut Function,
    name: &str,
    scope: Scope,
    elem: Scalar,
    shape: Vec<IndexExpr>,
    align: u32,
) -> BufferId {
    let mut strides = vec![IndexExpr::Const(1)];
    for extent in shape.iter().skip(1).rev() {
        strides.insert(0, extent.clone() * strides[0].clone());
    }
    let layout = Layout::Strided { shape: shape.clone(), strides };
    function.buffers.push(Buffer {
        name: name.to_owned(),
        scope,
        elem,
        shape,
        layout,
        align,
        alias: None,
        entries: None,
    })
}

/// Adds shared memory that the body accesses; what it does not access needs no bytes.
fn shared(function: &mut Function, name: &str, elem: Scalar, shape: Vec<IndexExpr>, align: u32) {
    let buffer = buffer(function, name, Scope::Shared, elem, shape, align);
    let [index, value] = [Scalar::I32, elem].map(|scalar| function.new_value(scalar, ""));
    let store = Stmt::Store { buffer, index: vec![index], value, guard: false };
    function.body.0.push(function.stmts.push(store));
}

fn tensor(function: &mut Function, name: &str, access: Access, elem: Scalar, shape: Vec<IndexExpr>, align: u32) {
    let buffer = buffer(function, name, Scope::Global, elem, shape, align);
    function.params.push(Param::Tensor { buffer, access });
}

/// `k(x: In<f32, [rows, cols]>, y: Out<f32, [rows, cols]>, scale: f32)`, one block per row.
fn kernel() -> Function {
    let mut function = Function { name: "k".to_owned(), ..Default::default() };
    for name in ["rows", "cols"] {
        function.dims.push(Dim { name: name.to_owned() });
    }
    tensor(&mut function, "x", Access::In, Scalar::F32, vec![ROWS, COLS], 16);
    tensor(&mut function, "y", Access::Out, Scalar::F32, vec![ROWS, COLS], 4);
    let value = function.new_value(Scalar::F32, "scale");
    function.params.push(Param::Scalar { name: "scale".to_owned(), value });
    function.launch.grid = [ROWS, 1.into(), 1.into()];
    function.launch.block = [128, 1, 1];
    function
}

fn raw(scalar: Scalar, shape: &[usize]) -> RawTensor {
    let device = Device::sim();
    let bytes = shape.iter().product::<usize>().min(1 << 20) * scalar.bytes();
    let storage = Storage::uninit(&device, bytes).unwrap();
    RawTensor::placed(&device, storage, 0, scalar, shape)
}

const SCALE: RawArg = RawArg::Scalar(Const { scalar: Scalar::F32, bits: 0 });

#[track_caller]
fn refuses(function: &Function, args: &[RawArg], message: &str) {
    let device = Device::sim();
    let bound = contract::bind(function, &device, args);
    let error =
        bound.and_then(|binding| contract::check_shared(function, &device, &binding.dims)).unwrap_err().to_string();
    assert_eq!(error, format!("launch of `k`: {message}"));
}

#[track_caller]
fn refuses_tensors(function: &Function, x: &RawTensor, y: &RawTensor, message: &str) {
    refuses(function, &[RawArg::Tensor(x), RawArg::Tensor(y), SCALE], message);
}

#[test]
fn valid_arguments_are_bound() {
    let (x, y) = (raw(Scalar::F32, &[3, 5]), raw(Scalar::F32, &[3, 5]));
    let binding = contract::bind(&kernel(), &Device::sim(), &[RawArg::Tensor(&x), RawArg::Tensor(&y), SCALE]).unwrap();
    assert_eq!(binding, BoundDims { dims: vec![3, 5], grid: [3, 1, 1], wide: false });
}

#[test]
fn an_empty_grid_is_not_an_error() {
    let (x, y) = (raw(Scalar::F32, &[0, 5]), raw(Scalar::F32, &[0, 5]));
    let binding = contract::bind(&kernel(), &Device::sim(), &[RawArg::Tensor(&x), RawArg::Tensor(&y), SCALE]).unwrap();
    assert_eq!(binding.grid, [0, 1, 1]);
}

#[test]
fn number_and_kinds_of_arguments() {
    let x = raw(Scalar::F32, &[3, 5]);
    refuses(&kernel(), &[RawArg::Tensor(&x)], "1 arguments were passed; the kernel takes 3; missing: `y`, `scale`");
    refuses(
        &kernel(),
        &[RawArg::Tensor(&x), SCALE, SCALE],
        "argument 1, `y`, is a number (f32); the kernel takes a tensor",
    );
    refuses(
        &kernel(),
        &[RawArg::Tensor(&x), RawArg::Tensor(&x), RawArg::Tensor(&x)],
        "argument 2, `scale`, is a tensor [3, 5]; the kernel takes a number",
    );
    let wrong = RawArg::Scalar(Const { scalar: Scalar::F64, bits: 0 });
    let y = raw(Scalar::F32, &[3, 5]);
    refuses(
        &kernel(),
        &[RawArg::Tensor(&x), RawArg::Tensor(&y), wrong],
        "argument `scale` has type f64; the kernel takes f32",
    );
}

#[test]
fn dtype_and_rank() {
    let x = raw(Scalar::F32, &[3, 5]);
    refuses_tensors(
        &kernel(),
        &x,
        &raw(Scalar::F16, &[3, 5]),
        "argument `y` has elements of type f16; the kernel takes f32",
    );
    refuses_tensors(
        &kernel(),
        &raw(Scalar::F32, &[15]),
        &x,
        "argument `x` has 1 axes [15]; the kernel takes 2: [rows, cols]",
    );
}

#[test]
fn extents() {
    let x = raw(Scalar::F32, &[3, 5]);
    refuses_tensors(
        &kernel(),
        &x,
        &raw(Scalar::F32, &[3, 6]),
        "`cols` is 5 from axis 1 of argument `x`, but 6 from axis 1 of argument `y`",
    );
    let mut fixed = kernel();
    fixed.buffers[crate::ir::Handle::new(1)].shape[1] = 8.into();
    refuses_tensors(&fixed, &x, &x, "axis 1 of argument `y` has extent 5; the kernel takes 8");
    let mut doubled = kernel();
    doubled.buffers[crate::ir::Handle::new(1)].shape[1] = COLS * 2;
    refuses_tensors(&doubled, &x, &x, "axis 1 of argument `y` has extent 5; the kernel takes 10 (cols * 2)");
    refuses_tensors(
        &kernel(),
        &raw(Scalar::F32, &[3_000_000_000, 1]),
        &x,
        "axis 0 of argument `x` has extent 3000000000; extents are at most 2147418112",
    );
}

#[test]
fn large_tensors_take_64_bit_offsets() {
    let mut function = kernel();
    function.launch.grid[0] = 1.into();
    let shape = [1 << 16, 1 << 16];
    let one = raw(Scalar::F32, &[1]);
    // Far from each other.
    let [x, y] = [0, 1 << 36].map(|at| RawTensor::placed(&one.device, one.storage.clone(), at, Scalar::F32, &shape));
    let contract = contract::bind(&function, &Device::sim(), &[RawArg::Tensor(&x), RawArg::Tensor(&y), SCALE]);
    // `RawTensor::new` refuses a tensor of this size without the memory.
    assert!(contract.unwrap().wide);
    let made = RawTensor::new(&x.device, x.storage.clone(), 0, x.scalar, &shape).unwrap_err().to_string();
    assert!(
        made.ends_with(
            "a tensor of shape [65536, 65536] of f32 from byte 0 on does not fit in an allocation of 4 bytes"
        )
    );
    let wraps = RawTensor::new(&x.device, x.storage.clone(), 0, x.scalar, &[1 << 30, 1 << 30, 4]).unwrap_err();
    assert!(wraps.to_string().ends_with("a tensor of shape [1073741824, 1073741824, 4] is too large"), "{wraps}");
    assert!(RawTensor::new(&x.device, x.storage.clone(), usize::MAX - 1, x.scalar, &[1]).is_err());
    let is_wide = |shape: &[usize]| {
        contract::is_wide(&RawTensor::placed(&one.device, one.storage.clone(), 0, Scalar::F32, shape))
    };
    assert!(is_wide(&[1 << 32, 7]) && !is_wide(&[1 << 30]) && !is_wide(&[1 << 40, 0]));
}

#[test]
fn strides_are_bound_like_extents() {
    let function = crate::passes::strided(&kernel(), &[BufferId::new(0), BufferId::new(1)]).unwrap();
    contract::check_dims(&function).unwrap();
    let one = raw(Scalar::F32, &[1]);
    let at = |byte, shape: [usize; 2], strides: [usize; 2]| {
        RawTensor::placed_at(&one.device, one.storage.clone(), byte, Scalar::F32, shape.to_vec(), strides.to_vec())
    };
    let bind = |x: &RawTensor, y: &RawTensor| {
        contract::bind(&function, &Device::sim(), &[RawArg::Tensor(x), RawArg::Tensor(y), SCALE]).unwrap()
    };
    let far = 1 << 36;
    let bound = bind(&at(0, [3, 5], [8, 1]), &at(far, [3, 5], [5, 1]));
    assert_eq!((bound.dims, bound.wide), (vec![3, 5, 8, 5], false));
    // The end of an axis counts, which code with 32-bit offsets may compute.
    assert!(bind(&at(0, [3, 5], [1 << 30, 1]), &at(far, [3, 5], [5, 1])).wide);
    assert!(!bind(&at(0, [1, 5], [1 << 30, 1]), &at(far, [1, 5], [5, 1])).wide);
    let y = at(far, [3, 5], [5, 1]);
    refuses_tensors(
        &function,
        &at(0, [3, 5], [1 << 31, 1]),
        &y,
        "axis 0 of argument `x` has the stride 2147483648; the kernel takes at most 2147418112",
    );
    refuses_tensors(
        &function,
        &at(0, [3, 5], [6, 1]),
        &y,
        "x_stride_0 = 6 must be a multiple of 4: the kernel accesses rows of `x` in units of 16 bytes; pass a tensor with \
         such a stride, or a contiguous copy, by `to_device`",
    );
    refuses_tensors(
        &function,
        &at(0, [3, 5], [8, 1]),
        &at(far, [3, 5], [4, 1]),
        "argument `y`, which the kernel writes, has the strides [4, 1] for the shape [3, 5], so that several coordinates \
         may be one element; pass a tensor of which every element is apart",
    );
    // Without that instance, or with a layout of its own, strides must be those of the kernel.
    refuses_tensors(
        &kernel(),
        &at(0, [3, 5], [8, 1]),
        &y,
        "argument `x` has the strides [8, 1] for the shape [3, 5]; along axis 0 the kernel takes 5: pass a contiguous \
         copy, by `to_device`",
    );
}

#[test]
fn alignment() {
    let whole = raw(Scalar::F32, &[4, 5]);
    let x = RawTensor::placed(&whole.device, whole.storage.clone(), 4, Scalar::F32, &[3, 5]);
    refuses_tensors(
        &kernel(),
        &x,
        &raw(Scalar::F32, &[3, 5]),
        "argument `x` begins at an address aligned to 4 bytes (byte 4 of its allocation); the kernel needs 16",
    );
}

#[test]
fn constraints() {
    let mut function = kernel();
    function.constraints.push(Constraint {
        left: COLS,
        relation: Relation::MultipleOf,
        right: 4.into(),
        message: "rows are read four numbers at once".to_owned(),
    });
    let (x, y) = (raw(Scalar::F32, &[3, 5]), raw(Scalar::F32, &[3, 5]));
    refuses_tensors(&function, &x, &y, "cols = 5 must be a multiple of 4: rows are read four numbers at once");
}

#[test]
fn outputs_must_not_alias() {
    let x = raw(Scalar::F32, &[3, 5]);
    refuses_tensors(
        &kernel(),
        &x,
        &x.clone(),
        "argument `y`, which the kernel writes, shares memory with argument `x` (bytes 0..60 and 0..60 of one \
         allocation)",
    );
}

#[test]
fn grid_and_block() {
    let (x, y) = (raw(Scalar::F32, &[3, 70000]), raw(Scalar::F32, &[3, 70000]));
    let mut function = kernel();
    function.launch.grid = [1.into(), COLS, 1.into()];
    let message = "the grid has 70000 blocks along y (cols); the simulated device allows 65535";
    refuses_tensors(&function, &x, &y, message);
    function.launch.grid = [ROWS - 4, 1.into(), 1.into()];
    let message = "the grid has -1 blocks along x (rows - 4); the simulated device allows 2147483647";
    refuses_tensors(&function, &x, &y, message);
    function.launch.grid = [ROWS, 1.into(), 1.into()];
    function.launch.cluster = [2, 1, 1];
    refuses_tensors(&function, &x, &y, "the grid has 3 blocks along x, which is not a multiple of the cluster's 2");
    function.launch.cluster = [32, 1, 1];
    refuses_tensors(&function, &x, &y, "the kernel has 32 blocks per cluster; the simulated device allows 16");
    function.launch.block = [1024, 2, 1];
    refuses_tensors(&function, &x, &y, "the kernel has 2048 threads per block; the simulated device allows 1024");
}

#[test]
fn shared_memory() {
    let mut function = kernel();
    buffer(&mut function, "unused", Scope::Shared, Scalar::F32, vec![COLS], 16);
    shared(&mut function, "row", Scalar::F32, vec![COLS], 16);
    let (x, y) = (raw(Scalar::F32, &[1, 60000]), raw(Scalar::F32, &[1, 60000]));
    refuses_tensors(
        &function,
        &x,
        &y,
        "a block needs 240000 bytes of shared memory (240000 of them for `row`); the simulated device allows 232448",
    );
    // An empty tensor has extents whose product in bytes overflows.
    let mut function = Function { name: "k".to_owned(), dims: kernel().dims, ..Default::default() };
    tensor(&mut function, "x", Access::In, Scalar::F32, vec![ROWS, COLS, 0.into()], 4);
    shared(&mut function, "tile", Scalar::F64, vec![ROWS, COLS], 8);
    function.launch = kernel().launch;
    let x = raw(Scalar::F32, &[1 << 30, 1 << 30, 0]);
    let message = "shared buffer `tile` is rows * cols * 8: overflow";
    refuses(&function, &[RawArg::Tensor(&x)], message);
}

#[test]
fn an_extent_that_no_argument_determines_is_refused_when_compiling() {
    let mut function = kernel();
    function.dims.push(Dim { name: "depth".to_owned() });
    let error = contract::check_dims(&function).unwrap_err().to_string();
    assert!(error.contains("extent `depth` cannot be determined from the arguments"), "{error}");
    // The function has no source position, so its name is the place.
    assert!(error.ends_with(&format!("\n  --> kernel `{}`", function.name)), "{error}");
}

#[test]
fn the_least_recently_used_plan_is_evicted() {
    let compiled = Compiled::new(kernel(), &Device::sim(), &CompileOptions::default()).unwrap();
    let tensors: Vec<[RawTensor; 2]> = (1..=17).map(|rows| [(); 2].map(|()| raw(Scalar::F32, &[rows, 5]))).collect();
    let args = |rows: usize| [RawArg::Tensor(&tensors[rows - 1][0]), RawArg::Tensor(&tensors[rows - 1][1]), SCALE];
    let known = |rows: usize| compiled.0.plans.find(&args(rows)).is_some();
    (1..=16).for_each(|rows| drop(compiled.plan(&args(rows)).unwrap()));
    assert!(known(9));
    drop(compiled.plan(&args(17)).unwrap());
    assert!((1..=9).chain(11..=17).all(known) && !known(10));
}

#[test]
fn plans_of_many_shapes_are_found_again() {
    let function = kernel();
    let plans = super::plan::Plans::new(&function);
    let tensors = (1..=20).map(|rows| [(); 2].map(|()| raw(Scalar::F32, &[rows, 5]))).collect::<Vec<_>>();
    let found = |[x, y]: &[RawTensor; 2]| {
        let plan = plans.find(&[RawArg::Tensor(x), RawArg::Tensor(y), SCALE])?;
        assert_eq!(plan.binding.dims, [x.shape[0] as i64, 5]);
        assert_eq!(plans.latest().unwrap().binding, plan.binding);
        Some(plan.launch.grid[0] as usize)
    };
    for pair @ [x, y] in &tensors {
        assert_eq!(found(pair), None);
        let args = [RawArg::Tensor(x), RawArg::Tensor(y), SCALE];
        let binding = contract::bind(&function, &Device::sim(), &args).unwrap();
        let launch = super::gpu::launch(&function, binding.grid, 0);
        plans.add(super::plan::Plan::new(&function, &args, binding, Choice::Narrow, launch));
        assert_eq!(found(pair), Some(x.shape[0]));
    }
    let expected = |rows| if (9..=12).contains(&rows) { None } else { Some(rows) };
    for round in 0..2 {
        for pair in &tensors {
            assert_eq!(found(pair), expected(pair[0].shape[0]), "round {round}");
        }
    }
}

#[test]
fn a_plan_requires_alignment_and_no_overlap() {
    let function = kernel();
    let plans = super::plan::Plans::new(&function);
    let (x, y, whole) = (raw(Scalar::F32, &[3, 5]), raw(Scalar::F32, &[3, 5]), raw(Scalar::F32, &[9, 5]));
    let args = [RawArg::Tensor(&x), RawArg::Tensor(&y), SCALE];
    let binding = contract::bind(&function, &Device::sim(), &args).unwrap();
    let launch = super::gpu::launch(&function, binding.grid, 0);
    plans.add(super::plan::Plan::new(&function, &args, binding, Choice::Narrow, launch));
    let at = |byte| RawTensor::placed(&whole.device, whole.storage.clone(), byte, Scalar::F32, &[3, 5]);
    let finds =
        |x: &RawTensor, y: &RawTensor, scale| plans.find(&[RawArg::Tensor(x), RawArg::Tensor(y), scale]).is_some();
    assert!(finds(&x, &y, SCALE) && finds(&at(0), &at(64), SCALE) && finds(&at(64), &at(0), SCALE));
    assert!(!finds(&at(4), &y, SCALE), "x must be aligned to 16 bytes");
    assert!(finds(&x, &at(4), SCALE), "y must not");
    assert!(!finds(&at(0), &at(56), SCALE) && !finds(&at(48), &at(0), SCALE) && !finds(&x, &x, SCALE), "they overlap");
    let double = RawArg::Scalar(Const { scalar: Scalar::F64, bits: 0 });
    assert!(!finds(&x, &y, double) && !finds(&raw(Scalar::F16, &[3, 5]), &y, SCALE));
    assert!(!finds(&raw(Scalar::F32, &[5, 3]), &y, SCALE) && !finds(&raw(Scalar::F32, &[15]), &y, SCALE));
    assert!(plans.find(&args[..2]).is_none());
}

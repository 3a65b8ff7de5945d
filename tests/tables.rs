//! Tables of tensors as parameters: results, refusals by the number of the entry, and the checkers of the simulated device.
//! `examples/20_grouped_product.rs` is a product of groups.
//!
//! `// FAULT name` marks every line that the report of `name` must name.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use hidet::cuda::nvrtc;
use hidet::device::{Graph, RawTable};
use hidet::ir::Access;
use hidet::kernel::RawArg;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet::{codegen, passes};

type Done = hidet::Result<()>;

kernel! {
    /// Doubles the rows of each matrix.
    #[launch(grid = (_m, groups), block = 32)]
    pub fn double(x: InTable<f32, [groups, _m, n]>, y: OutTable<f32, [groups, _m, n]>) {
        let (x, y, row) = (x.at(block_idx().y), y.at(block_idx().y), block_idx().x);
        for j in (lane_id()..n).step_by(32) { y.set((row, j), x.get((row, j)) * 2.0); }
    }

    /// The same by vectors, with a condition instead of protected accesses.
    #[launch(grid = (_m, groups), block = 32)]
    pub fn double_vectors(x: InTable<f16, [groups, _m, n]>, y: InOutTable<f16, [groups, _m, n]>) {
        let (x, y, row) = (x.at(block_idx().y), y.at(block_idx().y), block_idx().x);
        if row < x.extent(0) {
            for j in (lane_id() * 8..n).step_by(256) { y.store::<8>((row, j), x.load::<8>((row, j)) * 2.0); }
        }
    }

    /// Each lane reads an entry of its own.
    #[launch(grid = 1, block = 32)]
    pub fn firsts(x: InTable<i64, [n, _]>, y: Out<i64, [n]>, last: OutTable<i64, [n, _]>) {
        if lane_id() < n {
            let own = x.at(lane_id());
            y[[lane_id()]] = own[[0]];
            last.at(lane_id())[[0]] = own[[own.extent(0) - 1]];
        }
    }

    #[launch(grid = groups, block = 32)]
    pub fn counts(x: InTable<i32, [groups, _]>, y: InOutTable<i32, [groups, 4]>) {
        let (x, y) = (x.at(block_idx().x), y.at(block_idx().x));
        for i in (lane_id()..x.extent(0)).step_by(32) { atomic_add(&y[[x[[i]]]], 1); }
    }

    /// Lanes of a warp count in entries of their own.
    #[launch(grid = 1, block = 32)]
    pub fn counts_of_lanes(y: InOutTable<i32, [groups, 2]>, last: Out<i32, [32]>) {
        let own = y.at(lane_id() % groups);
        let old = atomic_add(&own[[1]], lane_id());
        atomic_max(&own[[0]], old);
        last[[lane_id()]] = lane_id();
    }

    #[launch(grid = groups, block = 32)]
    pub fn past_the_rows(x: InTable<f32, [groups, _m, 4]>, y: Out<f32, [groups, 32]>) {
        y[[block_idx().x, lane_id()]] = x.at(block_idx().x)[[lane_id(), 0]]; // FAULT past_the_rows
    }

    /// Reads as many rows of every entry as the largest has.
    #[launch(grid = (_m, groups), block = 4)]
    pub fn past_the_entry(x: InTable<f32, [groups, _m, 4]>, y: Out<f32, [groups, _m, 4]>) {
        let (group, row, col) = (block_idx().y, block_idx().x, thread_id());
        y[[group, row, col]] = x.at(group)[[row, col]]; // FAULT past_the_entry
    }

    /// Sums up each row.
    #[launch(grid = (_m, groups), block = 1)]
    pub fn row_sums(x: InTable<f32, [groups, _m, n]>, #[partial] y: Out<f32, [groups, _m]>) {
        let (own, row) = (x.at(block_idx().y), block_idx().x);
        if row < own.extent(0) {
            let mut sum = 0.0;
            for j in 0..n { sum += own[[row, j]]; }
            y[[block_idx().y, row]] = sum;
        }
    }

    #[launch(grid = groups, block = 32)]
    pub fn past_the_columns(x: InTable<f32, [groups, _m, 4]>, y: Out<f32, [groups, 32]>) {
        y[[block_idx().x, lane_id()]] = x.at(block_idx().x)[[0, lane_id() / 4]]; // FAULT past_the_columns
    }

    #[launch(grid = 1, block = 1)]
    pub fn past_the_table(x: InTable<f32, [groups, _m]>, y: Out<f32, [1]>) {
        y[[0]] = x.at(groups)[[0]]; // FAULT past_the_table
    }

    #[launch(grid = 2, block = 32)]
    pub fn race(y: OutTable<f32, [groups, 32]>) {
        for g in 0..groups {
            if g == 1 || block_idx().x == 0 { y.at(g)[[lane_id()]] = 1.0; } // FAULT race
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn unwritten(y: OutTable<f32, [groups, 32]>) { // FAULT unwritten
        y.at(0)[[lane_id()]] = 1.0;
    }

    #[launch(grid = 1, block = 32)]
    pub fn unset(x: InTable<f32, [groups, 32]>, y: Out<f32, [32]>) {
        y[[lane_id()]] = x.at(1)[[lane_id()]]; // FAULT unset
    }

    #[launch(grid = 1, block = 32)]
    pub fn add_all(x: In<f32, [32]>, y: OutTable<f32, [groups, 32]>, z: Out<f32, [32]>) {
        for g in 0..groups { y.at(g)[[lane_id()]] = x[[lane_id()]]; }
        z[[lane_id()]] = x[[lane_id()]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn mapped(x: InTable<f32, [groups, 64, 64]>, y: Out<f32, [1]>) {
        let map = x.at(0).tensor_map([8, 8], Swizzle::None);
        let _ = map;
        y[[0]] = 1.0;
    }

    #[launch(grid = 1, block = 32)]
    pub fn reduced(x: InOutTable<f32, [groups, 64]>) {
        let at = &x.at(0)[[0]];
        ptx!("prefetch.global.L2 [$0];", at);
    }
}

/// Returns the lines of this file with that mark.
fn marked(name: &str) -> Vec<usize> {
    let mark = format!("// FAULT {name}");
    include_str!("tables.rs")
        .lines()
        .enumerate()
        .filter(|(_, line)| line.ends_with(&mark))
        .map(|(at, _)| at + 1)
        .collect()
}

#[track_caller]
fn faults(name: &str, done: Done, text: &str) {
    let report = done.unwrap_err().to_string();
    assert!(report.contains(text), "{report}");
    for line in marked(name) {
        assert!(report.contains(&format!("tables.rs:{line}:")), "{report}");
    }
}

#[track_caller]
fn refuses<T>(done: hidet::Result<T>, text: &str) {
    let report = done.err().unwrap().to_string();
    assert!(report.contains(text), "{report}");
}

fn matrices(device: &Device, rows: &[usize], n: usize) -> hidet::Result<Vec<Tensor<f32, 2>>> {
    rows.iter().map(|m| device.tensor(&(0..m * n).map(|i| i as f32).collect::<Vec<_>>(), [*m, n])).collect()
}

#[test]
fn entries_have_rows_of_their_own() -> Done {
    let device = Device::sim();
    let rows = [3, 0, 5, 1];
    let x = matrices(&device, &rows, 40)?;
    let mut y: Vec<Tensor<f32, 2>> = rows.iter().map(|m| device.empty([*m, 40])).collect::<Result<_, _>>()?;
    let kernel = double().compile(&device)?;
    kernel.launch(&device.table(&x)?, &device.table_mut(&mut y)?)?;
    for (x, y) in x.iter().zip(&y) {
        assert_eq!(y.to_vec()?, x.to_vec()?.iter().map(|v| v * 2.0).collect::<Vec<_>>());
    }
    Ok(())
}

#[test]
fn vectors_are_loaded_and_stored() -> Done {
    let device = Device::sim();
    let x: Vec<Tensor<f16, 2>> = [2, 1]
        .iter()
        .map(|m| device.tensor(&(0..m * 264).map(|i| f16::from_f32((i % 99) as f32)).collect::<Vec<_>>(), [*m, 264]))
        .collect::<Result<_, _>>()?;
    let mut y: Vec<Tensor<f16, 2>> = x.iter().map(|x| device.zeros(x.shape())).collect::<Result<_, _>>()?;
    let kernel = double_vectors().compile(&device)?;
    kernel.launch(&device.table(&x)?, &device.table_mut(&mut y)?)?;
    assert_eq!(y[1].to_vec()?[263], x[1].to_vec()?[263] + x[1].to_vec()?[263]);
    assert_eq!(y[0].to_vec()?[300].to_f32(), 2.0 * (300 % 99) as f32);
    let text = double_vectors().cuda("sm_90a")?;
    assert!(text.contains("load<8>(hidet_tensor<const f16>(x_, int(blockIdx.y)) + "), "{text}");
    assert!(text.contains("store(hidet_tensor<f16>(y_, int(blockIdx.y)) + "), "{text}");
    Ok(())
}

#[test]
fn lanes_select_entries() -> Done {
    let device = Device::sim();
    let x: Vec<Tensor<i64, 1>> = (0..7)
        .map(|g| device.tensor(&(0..=g).map(|i| g * 100 + i).collect::<Vec<_>>(), [g as usize + 1]))
        .collect::<Result<_, _>>()?;
    let mut last: Vec<Tensor<i64, 1>> = (0..7).map(|_| device.empty([1])).collect::<Result<_, _>>()?;
    let mut y = device.empty([7])?;
    firsts().compile(&device)?.launch(&device.table(&x)?, &mut y, &device.table_mut(&mut last)?)?;
    assert_eq!(y.to_vec()?, [0, 100, 200, 300, 400, 500, 600]);
    assert_eq!(last[6].to_vec()?, [606]);
    Ok(())
}

#[test]
fn atomics_update_entries() -> Done {
    let device = Device::sim();
    let x = [device.tensor(&[0, 1, 1, 3], [4])?, device.tensor(&[2; 50], [50])?];
    let mut y = [device.zeros::<i32, 1>([4])?, device.zeros([4])?];
    counts().compile(&device)?.launch(&device.table(&x)?, &device.table_mut(&mut y)?)?;
    assert_eq!((y[0].to_vec()?, y[1].to_vec()?), (vec![1, 2, 0, 1], vec![0, 0, 50, 0]));
    let mut y: Vec<Tensor<i32, 1>> = (0..3).map(|_| device.zeros([2])).collect::<Result<_, _>>()?;
    let mut last = device.empty([32])?;
    counts_of_lanes().compile(&device)?.launch(&device.table_mut(&mut y)?, &mut last)?;
    for (entry, y) in y.iter().enumerate() {
        let lanes: Vec<i32> = (0..32).filter(|lane| lane % 3 == entry as i32).collect();
        assert_eq!(y.to_vec()?[1], lanes.iter().sum::<i32>());
        assert!(y.to_vec()?[0] > 0, "the last of the lanes saw what the others had added");
    }
    assert_eq!(last.to_vec()?, (0..32).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn extents_are_refused_by_entry() -> Done {
    let device = Device::sim();
    let kernel = double().compile(&device)?;
    let launch =
        |x: &[Tensor<f32, 2>], y: &mut [Tensor<f32, 2>]| kernel.launch(&device.table(x)?, &device.table_mut(y)?);
    let mut y = matrices(&device, &[1, 2, 3, 4], 32)?;
    let mut x = matrices(&device, &[1, 2, 3], 32)?;
    x.push(device.zeros([4, 64])?);
    refuses(
        launch(&x, &mut y),
        "`n` is 32 from axis 1 of entry 0 of argument `x`, but 64 from axis 1 of entry 3 of argument `x`",
    );
    x[3] = device.zeros([5, 32])?;
    refuses(
        launch(&x, &mut y),
        "`_m` is 5 from axis 0 of entry 3 of argument `x`, but 4 from axis 0 of entry 3 of argument `y`",
    );
    refuses(launch(&x[..3], &mut y), "argument `x` has 3 entries and argument `y` 4");
    refuses(device.table::<f32, 2>([]), "a table of tensors needs at least one of them");
    let wide = device.zeros::<f32, 2>([4, 64])?;
    let part = wide.slice([0..4, 0..32])?;
    refuses(device.table([&x[0], &part]), "entry 1 of a table of tensors has the strides [64, 1]");
    let raw =
        |tensors: &[&hidet::device::RawTensor]| RawTable::new(&device, tensors.iter().map(|t| (*t).clone()).collect());
    refuses(
        raw(&[x[0].raw(), device.zeros::<f16, 2>([1, 32])?.raw()]),
        "entry 1 of a table of tensors has 2 axes of f16",
    );
    let compiled = kernel.compiled();
    let table = raw(&[x[0].raw()])?;
    let message = "argument 1, `y`, is a tensor [1, 32]; the kernel takes a table of tensors";
    refuses(compiled.launch(&[RawArg::Table(&table), RawArg::Tensor(y[0].raw())]), message);
    // Shapes that fit are found again, others are not taken for them.
    let (mut short, same) = (matrices(&device, &[1, 2], 32)?, matrices(&device, &[1, 2], 32)?);
    launch(&same, &mut short)?;
    launch(&same, &mut short)?;
    refuses(launch(&[same[1].slice([0..1, 0..32])?, device.zeros([1, 32])?], &mut short), "`_m`");
    Ok(())
}

#[test]
fn outputs_that_overlap_are_refused() -> Done {
    let device = Device::sim();
    let kernel = add_all().compile(&device)?;
    let (x, mut z) = (device.zeros([32])?, device.zeros([32])?);
    let all = device.zeros::<f32, 1>([128])?;
    let part = |at| all.view(at, [32]);
    for good in [0, 1] {
        let mut y = [part(0)?, part(32)?];
        kernel.launch(&x, &device.table_mut(&mut y)?, &mut z)?;
        let mut y = [part(0)?, part(if good == 0 { 16 } else { 31 })?];
        let message = "entry 0 of argument `y`, which the kernel writes, shares memory with entry 1 of argument `y`";
        refuses(kernel.launch(&x, &device.table_mut(&mut y)?, &mut z), message);
    }
    let mut y = [part(0)?, part(64)?];
    let message = "entry 1 of argument `y`, which the kernel writes, shares memory with argument `x`";
    refuses(kernel.launch(&part(65)?, &device.table_mut(&mut y)?, &mut z), message);
    let mut other = part(0)?;
    let message = "entry 0 of argument `y`, which the kernel writes, shares memory with argument `z`";
    refuses(kernel.launch(&x, &device.table_mut(&mut y)?, &mut other), message);
    // What is only read may be one tensor several times.
    let mut out = device.empty([2, 32])?;
    past_the_rows().compile(&device)?.launch(&device.table([&device.zeros([32, 4])?; 2])?, &mut out)
}

#[test]
fn faults_are_found_at_their_line() -> Done {
    let device = Device::sim();
    let x = [device.zeros::<f32, 2>([32, 4])?, device.zeros([31, 4])?];
    let mut y = device.empty([2, 32])?;
    let done = past_the_rows().compile(&device)?.launch(&device.table(&x)?, &mut y);
    faults("past_the_rows", done, "x[[1, 31, 0]] is outside of x, whose shape is [2, 31, 4]");
    let mut all = device.empty([2, 32, 4])?;
    let done = past_the_entry().compile(&device)?.launch(&device.table(&x)?, &mut all);
    faults("past_the_entry", done, "x[[1, 31, 0]] is outside of x, whose shape is [2, 31, 4]");
    let done = past_the_columns().compile(&device)?.launch(&device.table(&x)?, &mut y);
    faults("past_the_columns", done, "x[[0, 0, 4]] is outside of x, whose shape is [2, 32, 4]");
    let (vector, mut one) = (device.zeros([5])?, device.empty([1])?);
    let done = past_the_table().compile(&device)?.launch(&device.table([&vector])?, &mut one);
    faults("past_the_table", done, "x[[1]] is outside of x, whose shape is [1]");
    let mut y = [device.empty([32])?, device.empty([32])?];
    faults("race", race().compile(&device)?.launch(&device.table_mut(&mut y)?), "element 0 of entry 1 of `y`");
    faults("unwritten", unwritten().compile(&device)?.launch(&device.table_mut(&mut y)?), "without writing y[[1, 0]]");
    let (x, mut y) = ([device.zeros([32])?, device.empty([32])?], device.empty([32])?);
    faults(
        "unset",
        unset().compile(&device)?.launch(&device.table(&x)?, &mut y),
        "element 0 of entry 1 of `x` is read before it was written",
    );
    Ok(())
}

#[test]
fn memory_given_away_is_refused() -> Done {
    let device = Device::sim();
    let (x, mut out) = (device.zeros::<f32, 1>([32])?, device.empty([32])?);
    let other = x.raw().storage().clone();
    let other = hidet::device::RawTensor::new(&device, other, 0, Scalar::F32, &[32])?;
    let kernel = unset().compile(&device)?;
    let y = device.zeros([32])?;
    kernel.launch(&device.table([&y, &x])?, &mut out)?;
    other.forget()?;
    refuses(kernel.launch(&device.table([&y, &x])?, &mut out), "by `forget` at");
    Ok(())
}

#[test]
fn views_without_a_meaning_for_entries_are_refused() {
    refuses(mapped().build(), "not for an entry of a table of tensors");
    refuses(reduced().compile(&Device::sim()), "a table of tensors, is passed to inline PTX");
    let bound = unset().bind("bound", |signature| {
        let [x, y] = [("x", Access::In), ("y", Access::Out)]
            .map(|(name, access)| signature.param(name, Scalar::F32, &[32.into()], access));
        vec![x.into(), y.into()]
    });
    refuses(bound.build(), "the parameter `x` is a table of tensors, which only a launch can give");
}

#[test]
fn graphs_keep_tables_alive() -> Done {
    let device = Device::sim();
    let (x, mut y) = (matrices(&device, &[3, 2], 40)?, matrices(&device, &[3, 2], 40)?);
    let kernel = double().compile(&device)?;
    let stream = device.stream()?;
    let graph = {
        let (x, y) = (device.table(&x)?, device.table_mut(&mut y)?);
        Graph::of(&device, [kernel.prepare(&x, &y)?])?
    };
    graph.replay(&stream)?;
    assert_eq!(y[1].to_vec()?[79], 158.0);
    Ok(())
}

/// An access within the largest entry is not proved to be within another one.
#[test]
fn checks_compare_with_the_rows_of_the_entry() {
    let text = |function: hidet::ir::Function| {
        let options = passes::LoweringOptions { checks: true, ..Default::default() };
        let lowered = passes::lower(&function, &options).unwrap();
        codegen::cuda(&lowered, "sm_90a".parse().unwrap()).unwrap().text
    };
    let checked = text(past_the_entry().build().unwrap());
    assert!(
        checked.contains(">= 0 && int(blockIdx.x) < x_rows") || checked.contains("int(blockIdx.x) < v"),
        "{checked}"
    );
    // A condition on the rows proves it.
    let proved = text(row_sums().build().unwrap());
    assert!(!proved.contains("hidet_fault"), "{proved}");
}

#[test]
fn nvrtc_compiles_tables() -> Done {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "on CI, NVRTC must be there: {missing}");
        return Ok(());
    }
    let ptx = double_vectors().ptx("sm_90a")?;
    // The address is known to be one of global memory, and the table to be read only.
    for instruction in ["ld.global.v4", "st.global.v4", "ld.global.nc.u64"] {
        assert!(
            ptx.contains(instruction) || ptx.contains(&instruction.replace("v4", "v4.b32")),
            "{instruction}\n{ptx}"
        );
    }
    for ptx in [firsts().ptx("sm_80")?, counts().ptx("sm_80")?, race().ptx("sm_80")?] {
        assert!(!ptx.is_empty());
    }
    Ok(())
}

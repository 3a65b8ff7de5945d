//! Mappings of the IR agree with the algebra, with constant and with symbolic extents.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_core::ir::{
    Function, Handle, Mapping, MappingAtom, MappingExtent, Param, Stmt, Unroll, ValueId, text, verify,
};
use hidet_core::passes::{self, LoweringOptions};
use hidet_core::sim::{self, LaunchArguments, Memory, TensorArg};
use hidet_core::types::{Const, Scalar};
use hidet_mapping::{IndexExpr, TaskMapping, col_repeat, col_spatial, custom, repeat, spatial};
use proptest::prelude::*;
use std::sync::Arc;

fn atom() -> impl Strategy<Value = TaskMapping<2>> {
    let w = IndexExpr::Symbol(0);
    let kinds = (0..6, 1u32..5, 1u32..5).prop_map(move |(kind, a, b)| match kind {
        0 => spatial([a, b]),
        1 => col_spatial([a, b]),
        2 => repeat([a, b]),
        3 => col_repeat([a, b]),
        4 => custom(a * b, [a, b], &[[&w / b, IndexExpr::from(b - 1) - &w % b]]),
        _ => custom(a * b, [a, 2 * b], &[[&w / b, &w % b + b], [&w / b, &w % b]]),
    });
    (kinds, 0..4).prop_map(|(mapping, project)| match project {
        0 => mapping.project([0]),
        1 => mapping.project([1]),
        _ => mapping,
    })
}

fn mapping() -> impl Strategy<Value = TaskMapping<2>> {
    (atom(), atom(), atom()).prop_map(|(a, b, c)| a * b * c)
}

/// Returns the same mapping with values as extents, and those values.
fn symbolic(mut mapping: Mapping) -> (Mapping, Vec<i64>) {
    let mut values = Vec::new();
    for atom in &mut mapping.atoms {
        if let MappingAtom::Repeat { unroll, .. } = atom {
            // Explicit unrolling needs constant extents.
            unroll.fill(Unroll::Auto);
        }
        if let MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } = atom {
            for extent in shape {
                if let MappingExtent::Const(number) = extent {
                    values.push(i64::from(*number));
                    *extent = MappingExtent::Value(ValueId::new(values.len() - 1));
                }
            }
        }
    }
    (mapping, values)
}

fn wide(mapping: &TaskMapping<2>, worker: u32) -> Vec<Vec<i64>> {
    mapping.tasks(worker).map(|task| task.map(i64::from).to_vec()).collect()
}

proptest! {
    #[test]
    fn agrees_with_the_algebra(m in mapping()) {
        let constant = Mapping::try_from(m).unwrap();
        prop_assert_eq!(constant.check(), Ok(()));
        prop_assert_eq!(constant.const_workers(), Some(m.workers()));
        let (symbolic, values) = symbolic(constant);
        prop_assert_eq!(symbolic.check(), Ok(()));
        prop_assert_eq!(symbolic.extents().count(), values.len());
    }

    #[test]
    fn composes_as_the_algebra(a in atom(), b in atom()) {
        let composed = Mapping::try_from(a).unwrap().then(Mapping::try_from(b).unwrap()).unwrap();
        prop_assert_eq!(composed, Mapping::try_from(a * b).unwrap());
    }
}

/// Returns a kernel in which each thread records its tasks in order; extents of the mapping that are values are
/// parameters.
fn noting(mapping: &Mapping, threads: usize, tasks: usize, values: usize) -> Function {
    let parameters: String = (0..values).map(|i| format!("%e.{i}: i32,\n")).collect();
    let source = format!(
        "kernel note(@tasks: out partial i32[{threads}, {tasks}, 2], @count: out i32[{threads}], {parameters})
        grid (1, 1, 1)
        block ({threads}, 1, 1)
        {{
          %t: i32 = thread
          %zero: i32 = const 0
          %one: i32 = const 1
          var $n: i32 = %zero
          for (%i: i32, %j: i32) in spatial[1, 1] on %t {{
            %n: i32 = read $n
            store @tasks[%t, %n, %zero] = %i
            store @tasks[%t, %n, %one] = %j
            %m: i32 = add %n, %one
            $n = %m
          }}
          %all: i32 = read $n
          store @count[%t] = %all
        }}"
    );
    let mut function = text::parse(&source).unwrap();
    let scalars: Vec<ValueId> = function
        .params
        .iter()
        .filter_map(|param| match param {
            Param::Scalar { value, .. } => Some(*value),
            Param::Tensor { .. } => None,
        })
        .collect();
    let mut mapping = mapping.clone();
    for atom in &mut mapping.atoms {
        if let MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } = atom {
            for extent in shape {
                if let MappingExtent::Value(value) = extent {
                    *value = scalars[value.index()];
                }
            }
        }
    }
    for id in function.stmts.handles().collect::<Vec<_>>() {
        if let Stmt::ForTask { mapping: found, .. } = &mut function.stmts[id] {
            *found = mapping.clone();
        }
    }
    verify::check(&function).unwrap();
    function
}

/// Returns the tasks that each thread recorded on the simulated device.
fn noted(function: &Function, threads: usize, tasks: usize, values: &[i64]) -> Vec<Vec<Vec<i64>>> {
    let (out, count) =
        (Arc::new(Memory::uninit(threads * tasks * 8).unwrap()), Arc::new(Memory::uninit(threads * 4).unwrap()));
    let tensors = [&out, &count].map(|memory| TensorArg { memory: memory.clone(), offset: 0 }).to_vec();
    let scalars = values.iter().map(|value| Const::int(Scalar::I32, *value)).collect();
    let report = sim::run(
        function,
        &LaunchArguments { tensors, scalars, ..LaunchArguments::default() },
        &sim::Options::default(),
    );
    if let Err(failure) = report {
        panic!("{failure}\n{}", text::print(function));
    }
    let number = |memory: &Memory, at: usize| {
        let mut bytes = [0; 4];
        memory.read(4 * at, &mut bytes);
        i64::from(i32::from_le_bytes(bytes))
    };
    let task = |t: usize, k: usize| (0..2).map(|axis| number(&out, (t * tasks + k) * 2 + axis)).collect();
    (0..threads).map(|t| (0..number(&count, t) as usize).map(|k| task(t, k)).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Host and device agree on every worker and on those beyond, before and after lowering, with constant and with
    /// symbolic extents.
    #[test]
    fn device_agrees_with_host(m in mapping(), beyond in 0usize..40) {
        let (threads, tasks) = (m.workers() as usize + beyond, m.tasks_per_worker() as usize);
        prop_assume!(threads <= 512 && threads * tasks <= 4096);
        let expected: Vec<_> = (0..threads).map(|worker| wide(&m, worker as u32)).collect();
        let constant = Mapping::try_from(m).unwrap();
        for (mapping, values) in [(constant.clone(), vec![]), symbolic(constant)] {
            let function = noting(&mapping, threads, tasks, values.len());
            prop_assert_eq!(&noted(&function, threads, tasks, &values), &expected, "{}", m);
            let lowered = passes::lower(&function, &LoweringOptions::default()).unwrap();
            prop_assert_eq!(&noted(&lowered, threads, tasks, &values), &expected, "{}, lowered", m);
        }
    }
}

#[test]
fn builders_agree() {
    let built = Mapping::repeat([4u32, 1]).then(Mapping::spatial([16u32, 8]).ranks(&[1, 0]).unwrap()).unwrap();
    assert_eq!(
        built.clone().project(&[1]).unwrap(),
        (repeat([4, 1]) * col_spatial([16, 8])).project([1]).try_into().unwrap()
    );
    assert_eq!(Mapping::try_from(TaskMapping::<2>::identity()).unwrap(), Mapping::spatial([1u32, 1]));
    let other = Mapping::spatial([3u32]);
    assert_eq!(
        built.then(other).unwrap_err().to_string(),
        "a mapping with 2 axes is composed with one with 1: the factors need the same number of axes"
    );
}

#[test]
fn symbolic_extents_may_be_empty() {
    let rows = ValueId::new(0);
    let mapping = Mapping::spatial([MappingExtent::from(rows), 4.into()]).then(Mapping::repeat([2u32, 1])).unwrap();
    let function = noting(&mapping, 16, 2, 1);
    for function in [passes::lower(&function, &LoweringOptions::default()).unwrap(), function] {
        assert_eq!(noted(&function, 16, 2, &[0]), vec![Vec::<Vec<i64>>::new(); 16]);
        let tasks = noted(&function, 16, 2, &[3]);
        assert_eq!(tasks[5], [[2, 1], [3, 1]]);
        assert_eq!(tasks[12], Vec::<Vec<i64>>::new());
    }
}

#[test]
fn invalid_mappings_say_why() {
    let says = |mapping: Mapping| mapping.check().unwrap_err().to_string();
    assert_eq!(says(Mapping { atoms: vec![] }), "a mapping has 1 to 8 axes, not 0");
    assert_eq!(says(Mapping::spatial([4u32, 0])), "the extent of axis 1 is 0: every extent must be at least 1");
    let unrolled = Mapping::repeat([ValueId::new(0)]).unroll(&[Unroll::Explicit]).unwrap();
    assert_eq!(
        says(unrolled),
        "`u+` along axis 0 needs a constant extent: leave the unrolling to the compiler with `u`"
    );
    let outside = MappingAtom::Custom { workers: 4, shape: vec![2], tasks: vec![vec![IndexExpr::Symbol(0)]] };
    assert_eq!(says(Mapping { atoms: vec![outside] }), "worker 2 does task [2], which is outside of [2]");
    let unknown = MappingAtom::Custom { workers: 4, shape: vec![4], tasks: vec![vec![IndexExpr::Symbol(1)]] };
    assert_eq!(says(Mapping { atoms: vec![unknown] }), "the tasks of worker 0 cannot be computed: unknown symbol");
}

//! The IR's mappings agree with the algebra, with constant and with symbolic extents.

#![allow(clippy::unwrap_used)]

use hidet_core::ir::{Extent, Handle, Mapping, MappingAtom, ValueId};
use hidet_mapping::{IndexExpr, TaskMapping, col_repeat, col_spatial, custom, repeat, spatial};
use proptest::prelude::*;

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

/// The same mapping with every extent a value, and those values.
fn symbolic(mut mapping: Mapping) -> (Mapping, Vec<i64>) {
    let mut values = Vec::new();
    for atom in &mut mapping.atoms {
        if let MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } = atom {
            for extent in shape {
                if let Extent::Const(number) = extent {
                    values.push(i64::from(*number));
                    *extent = Extent::Value(ValueId::new(values.len() - 1));
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
        prop_assert_eq!(constant.const_shape(), Some(m.shape().to_vec()));
        let (symbolic, values) = symbolic(constant.clone());
        prop_assert_eq!(symbolic.check(), Ok(()));
        for worker in 0..m.workers() + 3 {
            let expected = wide(&m, worker);
            let found: Vec<_> = constant.tasks(worker.into(), &mut |_| 0).collect();
            prop_assert_eq!(&found, &expected);
            let found: Vec<_> = symbolic.tasks(worker.into(), &mut |value| values[value.index()]).collect();
            prop_assert_eq!(&found, &expected);
        }
        prop_assert_eq!(constant.tasks(-1, &mut |_| 0).count(), 0);
    }

    #[test]
    fn composes_as_the_algebra(a in atom(), b in atom()) {
        let composed = Mapping::try_from(a).unwrap().then(Mapping::try_from(b).unwrap()).unwrap();
        prop_assert_eq!(composed, Mapping::try_from(a * b).unwrap());
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
    let mapping = Mapping::spatial([Extent::from(rows), 4.into()]).then(Mapping::repeat([2u32, 1])).unwrap();
    assert_eq!(mapping.tasks(0, &mut |_| 0).count(), 0);
    assert_eq!(mapping.tasks(5, &mut |_| 3).collect::<Vec<_>>(), [[2, 1], [3, 1]]);
    assert_eq!(mapping.tasks(12, &mut |_| 3).count(), 0);
}

#[test]
fn invalid_mappings_say_why() {
    let says = |mapping: Mapping| mapping.check().unwrap_err().to_string();
    assert_eq!(says(Mapping { atoms: vec![] }), "a mapping has 1 to 8 axes, not 0");
    assert_eq!(says(Mapping::spatial([4u32, 0])), "the extent of axis 1 is 0: every extent must be at least 1");
    let outside = MappingAtom::Custom { workers: 4, shape: vec![2], tasks: vec![vec![IndexExpr::Symbol(0)]] };
    assert_eq!(says(Mapping { atoms: vec![outside] }), "worker 2 does task [2], which is outside of [2]");
    let unknown = MappingAtom::Custom { workers: 4, shape: vec![4], tasks: vec![vec![IndexExpr::Symbol(1)]] };
    assert_eq!(says(Mapping { atoms: vec![unknown] }), "the tasks of worker 0 cannot be computed: unknown symbol");
}

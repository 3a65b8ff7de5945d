//! Properties of random mappings.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_mapping::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn atom() -> impl Strategy<Value = TaskMapping<2>> {
    let shape = [1u32..5, 1u32..5];
    let w = IndexExpr::Symbol(0);
    (0..6, shape).prop_map(move |(kind, [a, b])| match kind {
        0 => spatial([a, b]),
        1 => col_spatial([a, b]),
        2 => repeat([a, b]),
        3 => col_repeat([a, b]),
        // One task per worker, columns reversed.
        4 => custom(a * b, [a, b], &[[&w / b, IndexExpr::from(b - 1) - &w % b]]),
        // Two tasks per worker.
        _ => custom(a * b, [a, 2 * b], &[[&w / b, &w % b + b], [&w / b, &w % b]]),
    })
}

fn mapping() -> impl Strategy<Value = TaskMapping<2>> {
    (atom(), atom(), atom()).prop_map(|(a, b, c)| a * b * c)
}

fn lists(mapping: &TaskMapping<2>) -> Vec<Vec<[u32; 2]>> {
    (0..mapping.workers()).map(|worker| mapping.tasks(worker).collect()).collect()
}

/// The definition of composition, literally.
fn composed(outer: &TaskMapping<2>, inner: &TaskMapping<2>, worker: u32) -> Vec<[u32; 2]> {
    let (workers, shape) = (inner.workers(), inner.shape());
    let mut tasks = Vec::new();
    for o in outer.tasks(worker / workers) {
        tasks.extend(inner.tasks(worker % workers).map(|i| [o[0] * shape[0] + i[0], o[1] * shape[1] + i[1]]));
    }
    tasks
}

proptest! {
    #[test]
    fn composition_is_as_defined_and_associative(a in atom(), b in atom(), c in atom()) {
        let left = (a * b) * c;
        prop_assert_eq!(left, a * (b * c));
        prop_assert_eq!(left.workers(), a.workers() * b.workers() * c.workers());
        let ab = a * b;
        for worker in 0..left.workers() {
            prop_assert_eq!(left.tasks(worker).collect::<Vec<_>>(), composed(&ab, &c, worker));
            prop_assert_eq!(left.tasks(worker).collect::<Vec<_>>(), composed(&a, &(b * c), worker));
        }
    }

    #[test]
    fn every_task_is_done_once(m in mapping()) {
        prop_assert_eq!(m.check_cover(false), Ok(()));
        let mut times: HashMap<[u32; 2], u32> = HashMap::new();
        for task in lists(&m).concat() {
            *times.entry(task).or_default() += 1;
        }
        let shape = m.shape();
        prop_assert_eq!(times.len() as u32, shape[0] * shape[1]);
        prop_assert!(times.values().all(|times| *times == 1));
    }

    #[test]
    fn workers_beyond_have_no_task(m in mapping(), beyond in 0u32..1000) {
        prop_assert_eq!(m.tasks(m.workers() + beyond).count(), 0);
        prop_assert_eq!(m.task_at(m.workers() + beyond, 0), None);
    }

    #[test]
    fn projection_zeroes_the_axis_alone(m in mapping(), axis in 0usize..2) {
        let p = m.project([axis]);
        prop_assert_eq!(p.shape()[axis], 1);
        prop_assert_eq!(p.shape()[1 - axis], m.shape()[1 - axis]);
        for (mut whole, projected) in lists(&m).into_iter().zip(lists(&p)) {
            whole.iter_mut().for_each(|task| task[axis] = 0);
            prop_assert_eq!(whole, projected);
        }
        prop_assert!(p.covers());
    }

    /// The check agrees with enumeration.
    #[test]
    fn check_agrees_with_enumeration(a in atom(), b in atom(), axis in 0usize..3, c in 1u32..4) {
        let w = IndexExpr::Symbol(0);
        let holes = custom(4, [4, 1], &[[w.min(c), 0.into()]]);
        let m = if axis < 2 { a * b.project([axis]) } else { a * holes * b };
        let mut times: HashMap<[u32; 2], Vec<u32>> = HashMap::new();
        for (worker, tasks) in lists(&m).into_iter().enumerate() {
            for task in tasks {
                times.entry(task).or_default().push(worker as u32);
            }
        }
        let shape = m.shape();
        prop_assert_eq!(m.covers(), times.len() as u32 == shape[0] * shape[1]);
        match m.check_cover(false) {
            Ok(()) => prop_assert!(times.values().all(|workers| workers.len() == 1)),
            Err(MappingError::Repeated { task, first, second }) => {
                let task = [task.values()[0] as u32, task.values()[1] as u32];
                let who = &times[&task];
                prop_assert!(who.len() > 1 && who.contains(&first) && who.contains(&second), "{:?}", who);
            }
            Err(MappingError::Uncovered { task, .. }) => {
                prop_assert!(!times.contains_key(&[task.values()[0] as u32, task.values()[1] as u32]));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn automatic_mappings_fit(shape in [1u32..20, 1u32..20, 1u32..20], workers in 1u32..200, column: bool) {
        let ranks = if column { [2, 1, 0] } else { [0, 1, 2] };
        let exact = auto_map_ranked(shape, workers, ranks);
        let total = shape.iter().product::<u32>();
        prop_assert_eq!(exact.check().is_ok(), total.is_multiple_of(workers));
        if exact.check().is_ok() {
            prop_assert_eq!((exact.workers(), exact.shape(), exact.is_bijective()), (workers, shape, true));
        }
        let some = predicated_auto_map_ranked(shape, workers, ranks);
        prop_assert_eq!((some.shape(), some.is_bijective()), (shape, true));
        prop_assert!(some.workers() <= workers);
    }
}

//! Golden vectors of the algebra, and the message of every error.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_mapping::*;

fn tasks<const R: usize>(mapping: TaskMapping<R>, worker: u32) -> Vec<[u32; R]> {
    mapping.tasks(worker).collect()
}

#[test]
fn atoms() {
    assert_eq!(tasks(spatial([2, 3]), 4), [[1, 1]]);
    assert_eq!(tasks(col_spatial([2, 3]), 4), [[0, 2]]);
    assert_eq!(tasks(repeat([2, 2]), 0), [[0, 0], [0, 1], [1, 0], [1, 1]]);
    assert_eq!(tasks(col_repeat([2, 2]), 0), [[0, 0], [1, 0], [0, 1], [1, 1]]);
}

#[test]
fn compositions() {
    assert_eq!(tasks(spatial([2, 2]) * repeat([2, 2]), 3), [[2, 2], [2, 3], [3, 2], [3, 3]]);
    assert_eq!(tasks(repeat([2, 2]) * spatial([2, 2]), 3), [[1, 1], [1, 3], [3, 1], [3, 3]]);
    let load = repeat([4, 1]) * spatial([16, 8]);
    assert_eq!((load.workers(), load.shape(), load.tasks_per_worker()), (128, [64, 8], 4));
    assert_eq!(tasks(load, 9), [[1, 1], [17, 1], [33, 1], [49, 1]]);
    assert_eq!(spatial([4, 8]).repeat([2, 2]), spatial([4, 8]) * repeat([2, 2]));
    assert_eq!(repeat([1]).col_spatial([3]).col_repeat([2]), repeat([1]) * col_spatial([3]) * col_repeat([2]));
    assert_eq!(TaskMapping::identity() * load, load);
    assert_eq!(load * TaskMapping::identity(), load);
}

#[test]
fn automatic() {
    assert_eq!(auto_map([8, 32], 64), repeat([4, 1]) * spatial([2, 32]));
    assert_eq!(auto_map([8, 96], 64), repeat([4, 3]) * spatial([2, 32]));
    let column = auto_map_ranked([8, 96], 64, [1, 0]);
    assert_eq!(column, repeat([1, 12]).ranks([1, 0]) * spatial([8, 8]).ranks([1, 0]));
    assert_eq!(auto_map([8, 16, 24], 32), repeat([8, 4, 3]) * spatial([1, 4, 8]));
    assert_eq!(auto_map([6, 4], 8), repeat([3, 1]) * spatial([2, 4]));
    assert_eq!(auto_map([9, 8], 12), repeat([3, 2]) * spatial([3, 4]));
    assert_eq!(
        auto_map([8, 41], 64).check().unwrap_err().to_string(),
        "64 workers do not divide 328 tasks: choose a divisor, or `predicated_auto_map`"
    );
    let some = predicated_auto_map([8, 41], 64);
    assert_eq!(some, repeat([8, 1]) * spatial([1, 41]));
    assert_eq!(tasks(some, 41), Vec::<[u32; 2]>::new());
    assert_eq!(predicated_auto_map([4, 8], 64), repeat([1, 1]) * spatial([4, 8]));
}

/// The matmul atom of the artifact equals a composition, for all 32 workers.
#[test]
fn custom_atom() {
    let w = IndexExpr::Symbol(0);
    let atom = custom(32, [4, 8], &[[&w / 16 * 2 + &w % 2, &w / 2 % 8]]);
    let composed = spatial([2, 1]) * spatial([1, 8]) * spatial([2, 1]);
    assert_eq!((atom.workers(), atom.shape()), (composed.workers(), composed.shape()));
    for worker in 0..32 {
        assert_eq!(atom.task(worker), composed.task(worker));
    }
    assert_eq!(atom.check_cover(false), Ok(()));
    let whole = repeat([2, 1]) * atom * repeat([1, 4]);
    let expected = repeat([2, 1]) * composed * repeat([1, 4]);
    for worker in 0..33 {
        assert_eq!(tasks(whole, worker), tasks(expected, worker));
    }
    assert_eq!(atom, custom(32, [4, 8], &[[&w / 16 * 2 + &w % 2, &w / 2 % 8]]));
}

#[test]
fn custom_tasks_in_order() {
    let w = IndexExpr::Symbol(0);
    let mapping = custom(4, [8], &[[&w + 4], [w.clone()]]);
    assert_eq!(tasks(mapping, 1), [[5], [1]]);
    assert!(mapping.is_bijective());
}

#[test]
fn projection() {
    let block = spatial([4, 2]) * repeat([2, 2]);
    let a = block.project([1]);
    assert_eq!((a.workers(), a.shape()), (8, [8, 1]));
    assert_eq!(tasks(a, 3), [[2, 0], [2, 0], [3, 0], [3, 0]]);
    assert!(a.covers() && !a.is_bijective());
    // Projected factors compose: four warps do the same eight tasks.
    let shared = spatial([4, 1]).project([0]) * spatial([8, 1]);
    assert_eq!((shared.shape(), shared.task(9), shared.task(17)), ([8, 1], Ok([1, 0]), Ok([1, 0])));
}

#[test]
fn single_tasks() {
    assert_eq!(spatial([2, 3]).task(5), Ok([1, 2]));
    let several = (spatial([2]) * repeat([2])).task(0).unwrap_err();
    assert_eq!(several.to_string(), "each worker does 2 tasks, not one: loop over them");
    let beyond = spatial([2, 3]).task(6).unwrap_err();
    assert_eq!(beyond.to_string(), "worker 6 does not exist: the mapping has 6 workers, counted from 0");
}

#[test]
fn unroll_attributes() {
    let last = |mapping: TaskMapping<2>| {
        let atom = mapping.atoms()[mapping.atoms().len() - 1];
        [atom.unroll(0), atom.unroll(1)]
    };
    assert_eq!(last(repeat([3, 4])), [Unroll::Explicit, Unroll::Default]);
    assert_eq!(last(repeat([3, 4]).attrs("u+")), [Unroll::Explicit; 2]);
    assert_eq!(last(repeat([3, 4]).attrs(". u16")), [Unroll::Default, Unroll::By(16)]);
    assert_eq!(last(repeat([3, 4]).attrs("uu4")), [Unroll::Full, Unroll::By(4)]);
    let wrong = |attrs: &str| repeat([3, 4]).attrs(attrs).check().unwrap_err().to_string();
    assert_eq!(wrong("u0"), "unroll attribute `u0`: the factor must be at least 1");
    assert_eq!(wrong("u4+"), "unroll attribute `uN+`: explicit unrolling is complete, write `u+`");
    assert_eq!(wrong("u u u"), "3 unroll attributes for 2 axes: write one for all, or one per axis");
    assert_eq!(wrong(""), "0 unroll attributes for 2 axes: write one for all, or one per axis");
    assert_eq!(wrong("p"), "an unroll attribute is `.`, `u`, `uN` or `u+`");
    assert_eq!(
        spatial([2, 2]).attrs("u").check().unwrap_err().to_string(),
        "only `repeat` has loops to unroll: put the attributes behind a `repeat`"
    );
}

#[test]
fn enumeration() {
    assert_eq!(factorizations::<2>(12), [[1, 12], [2, 6], [3, 4], [4, 3], [6, 2], [12, 1]]);
    let found = enumerate([4, 4], 4);
    assert!(found.contains(&(repeat([2, 2]) * spatial([2, 2]))));
    assert!(found.contains(&(spatial([2, 2]) * repeat([2, 2]))));
    assert!(found.iter().all(|mapping| mapping.workers() == 4 && mapping.shape() == [4, 4] && mapping.is_bijective()));
    assert_eq!(enumerate([3, 3], 2), []);
}

#[test]
fn shown_as_written() {
    let mapping = repeat([4, 1]).attrs("u+ .") * spatial([32, 8]).ranks([1, 0]).project([1]);
    assert_eq!(mapping.to_string(), "repeat([4, 1]).attrs(\"u+ .\") * col_spatial([32, 8]).project([1])");
    assert_eq!(spatial([2, 2, 2]).ranks([1, 0, 2]).to_string(), "spatial([2, 2, 2]).ranks([1, 0, 2])");
}

#[test]
fn faults_are_values_and_stay() {
    let fault = |mapping: TaskMapping<2>| {
        assert_eq!((mapping.workers(), mapping.shape(), mapping.tasks(0).count()), (0, [0, 0], 0));
        (mapping * spatial([1, 1])).check().unwrap_err().to_string()
    };
    assert_eq!(fault(spatial([4, 0])), "the extent of axis 1 is 0: every extent must be at least 1");
    assert_eq!(fault(spatial([2, 2]).ranks([1, 1])), "ranks must be each of 0 to 1 once: 1 is too large or repeated");
    assert_eq!(fault(spatial([2, 2]).project([2])), "axis 2 does not exist: the mapping has 2 axes, counted from 0");
    assert_eq!(fault(repeat([65536, 65536])), "workers, tasks of a worker and task domain must each fit in i32");
    let many = (0..9).fold(TaskMapping::identity(), |mapping, _| mapping * spatial([2, 1]));
    assert_eq!(fault(many), "the mapping has 9 factors, at most 8 are allowed");
    let w = IndexExpr::Symbol(0);
    assert_eq!(
        fault(custom(4, [2, 2], &[[&w / 2, w.clone()]])),
        "worker 2 does task [1, 2], which is outside of [2, 2]"
    );
    assert_eq!(
        fault(custom(4, [2, 2], &[[&w / 2, w.clone() / (&w % 2)]])),
        "the tasks of worker 0 cannot be computed: division by a number that is not positive"
    );
}

#[test]
fn declarations() {
    let says = |mapping: TaskMapping<2>, workers, tasks| {
        mapping.check_declared(workers, tasks, false).unwrap_err().to_string()
    };
    let load = repeat([4, 1]) * spatial([32, 8]);
    assert_eq!(load.check_declared(256, [128, 8], false), Ok(()));
    assert_eq!(says(load, 128, [128, 8]), "declared workers = 128, but the mapping uses 256");
    assert_eq!(
        says(load, 256, [129, 8]),
        "declared tasks = [129, 8], but the mapping covers [128, 8]: task [128, 0] is done by nobody"
    );
    assert_eq!(
        says(load, 256, [128, 4]),
        "declared tasks = [128, 4], but the mapping covers [128, 8]: task [0, 4] is outside"
    );
    assert_eq!(
        says(spatial([4, 2]).project([1]), 8, [4, 1]),
        "task [0, 0] is done more than once, by worker 0 and by worker 1: if that is meant, write `#[task_mapping(.., overlap)]`"
    );
    assert_eq!(
        says(repeat([4, 2]).project([1]), 1, [4, 1]),
        "task [0, 0] is done more than once, by worker 0: if that is meant, write `#[task_mapping(.., overlap)]`"
    );
    assert_eq!(spatial([4, 2]).project([1]).check_declared(8, [4, 1], true), Ok(()));
    let w = IndexExpr::Symbol(0);
    let gap = custom(4, [2, 2], &[[&w / 2, (&w % 2).min(0)]]);
    assert_eq!(
        says(gap, 4, [2, 2]),
        "task [0, 0] is done more than once, by worker 0 and by worker 1: if that is meant, write `#[task_mapping(.., overlap)]`"
    );
    let inner = repeat([3, 1]) * gap * spatial([1, 2]);
    assert_eq!(inner.check_cover(true).unwrap_err().to_string(), "task [0, 2] of [6, 4] is done by nobody");
}

#[test]
fn what_is_shared_is_bounded_written_out() {
    use index::IndexOp::{Rem, Sub};
    // `a[0] = w - w`, `a[i + 1] = a[i] - a[i]`: 2^doublings - 1 operations if each formula is written out.
    fn nodes<const N: usize>() -> [Node; N] {
        std::array::from_fn(|i| if i == 0 { Node::Worker } else { Node::Binary(Sub, i as u16 - 1, i as u16 - 1) })
    }
    let few: &'static [Node] = Box::leak(Box::new(nodes::<15>()));
    let fine = custom_static(4, [1], few, &[14]);
    assert_eq!(fine.check(), Ok(()));
    assert_eq!(fine.tasks(3).collect::<Vec<_>>(), [[0]]);
    let many: &'static [Node] = Box::leak(Box::new(nodes::<101>()));
    assert_eq!(
        custom_static(4, [1], many, &[100]).check().unwrap_err().to_string(),
        "the formulas of the custom function have 9223372036854775807 operations where each is written out, at most 16384 \
         are allowed: use a value less often, or compose smaller functions"
    );
    // All tasks count.
    let one = &[Node::Worker, Node::Const(4), Node::Binary(Rem, 0, 1)];
    let tasks: &'static [u16] = Box::leak(Box::new([2; 16385]));
    let operations = 16385;
    assert_eq!(custom_static(4, [4], one, tasks).check(), Err(MappingError::TooManyOperations { operations }));
    assert_eq!(custom_static(4, [4], one, &tasks[1..]).check(), Ok(()));
}

/// Everything works in const context.
#[test]
fn constant() {
    const LOAD: TaskMapping<2> = repeat([4, 1]).then(spatial([32, 8])).declared(256, [128, 8], false);
    const _: () = LOAD.assert_declared(256, [128, 8], false);
    const ATOM: TaskMapping<2> = custom_static(
        4,
        [2, 2],
        &[
            Node::Worker,
            Node::Const(2),
            Node::Binary(index::IndexOp::Div, 0, 1),
            Node::Binary(index::IndexOp::Rem, 0, 1),
        ],
        &[2, 3],
    );
    const _: () = ATOM.assert_declared(4, [2, 2], false);
    const TASK: Option<[u32; 2]> = ATOM.then(repeat([2, 1])).task_at(3, 1);
    assert_eq!(LOAD.workers(), 256);
    assert_eq!(TASK, Some([3, 1]));
}

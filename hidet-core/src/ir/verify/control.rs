//! Groups of threads, and the operations that are invalid in them.

use super::Checker;
use crate::intrinsics::Together;
use crate::ir::Stmt;

pub(super) fn check(c: &mut Checker<'_>, stmt: &Stmt) {
    match stmt {
        Stmt::Group { first, threads, .. } => group(c, *first, *threads),
        Stmt::Call { intrinsic, .. } => {
            let row = intrinsic.row();
            let (first, threads) = c.group.unwrap_or((0, c.f.launch.threads()));
            match row.together {
                Together::Block | Together::Cluster => c.require(c.group.is_none(), || {
                    format!(
                        "`{}` waits for all threads, but only {threads} from thread {first} on reach it; use a named barrier (`bar.sync`)",
                        row.name
                    )
                }),
                // Once groups have become branches, it is unknown which threads of the block reach this point.
                Together::WarpGroup => {
                    let whole = match c.group {
                        Some((first, threads)) => first.is_multiple_of(128) && threads.is_multiple_of(128),
                        None => threads >= 128,
                    };
                    c.require(whole, || {
                        let name = &row.name;
                        format!("`{name}` needs whole warp groups of 128 threads, but {threads} from thread {first} on run it")
                    });
                }
                Together::Alone | Together::Lanes | Together::Warp | Together::Named => {}
            }
        }
        _ => {}
    }
}

fn group(c: &mut Checker<'_>, first: u32, threads: u32) {
    c.require(first.is_multiple_of(32) && threads.is_multiple_of(32) && threads > 0, || {
        format!("a group of {threads} threads from thread {first} on; both must be multiples of 32, and the number of threads must be positive")
    });
    let nested = c.group.is_some();
    let (from, size) = c.group.unwrap_or((0, c.f.launch.threads()));
    let inside = first >= from && u64::from(first) + u64::from(threads) <= u64::from(from) + u64::from(size);
    c.require(inside, || {
        let around = if nested { "the group around it" } else { "the block" };
        format!("a group of {threads} threads from thread {first} on, but {around} has {size} from thread {from} on")
    });
}

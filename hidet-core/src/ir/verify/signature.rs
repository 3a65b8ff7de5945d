//! The name, the parameters, the launch and the constraints.

use super::Checker;
use super::layouts::formula;
use crate::ir::name::is_identifier;
use crate::ir::{Param, Relation, Scope};
use std::collections::HashSet;

pub(super) fn check(c: &mut Checker<'_>) {
    let f = c.f;
    c.require(is_identifier(&f.name), || format!("the name of the kernel, {:?}, is not an identifier", f.name));
    params(c);
    launch(c);
    for constraint in &f.constraints {
        formula(c, "a constraint", &constraint.left);
        formula(c, "a constraint", &constraint.right);
        if constraint.relation == Relation::MultipleOf && constraint.right.as_const() == Some(0) {
            c.problem("a constraint asks for a multiple of 0");
        }
    }
}

fn params(c: &mut Checker<'_>) {
    let mut tensors = HashSet::new();
    let mut scalars = HashSet::new();
    for param in &c.f.params {
        match param {
            Param::Tensor { buffer: id, .. } => {
                let buffer = &c.f.buffers[*id];
                let name = c.buffer(*id);
                c.require(buffer.scope == Scope::Global, || {
                    format!("the parameter {name} is {} memory; parameters are global", buffer.scope.name())
                });
                c.require(tensors.insert(*id), || format!("{name} is declared as two parameters"));
            }
            Param::Scalar { name, value } => {
                let ty = c.f.ty(*value);
                c.require(ty.lanes == 1, || format!("the parameter `{name}` is a vector ({ty}); pass scalars"));
                c.require(scalars.insert(*value), || format!("the value of `{name}` is declared as two parameters"));
            }
        }
    }
    for (_, buffer) in c.f.buffers.iter() {
        if let Some(rows) = buffer.entries.and_then(|entries| entries.rows) {
            let name = c.buffer(rows);
            c.require(tensors.insert(rows), || {
                format!("{name} is declared twice: as a parameter, or as rows of a table")
            });
        }
    }
    for (id, buffer) in c.f.buffers.iter() {
        if buffer.scope == Scope::Global && !tensors.contains(&id) {
            let name = c.buffer(id);
            c.problem(format!("the global buffer {name} is not a parameter"));
        }
    }
}

fn launch(c: &mut Checker<'_>) {
    let launch = &c.f.launch;
    let [x, y, z] = launch.block;
    let threads = launch.threads();
    if !(1..=1024).contains(&threads) || x > 1024 || y > 1024 || z > 64 {
        c.problem(format!(
            "a block of {x} x {y} x {z} threads: a block has 1 to 1024 threads, at most 1024 along x and y, 64 along z"
        ));
    }
    for (axis, extent, most) in [(0, 'x', 0x7fff_ffff), (1, 'y', 65535), (2, 'z', 65535)] {
        let grid = &launch.grid[axis];
        formula(c, "the grid", grid);
        if let Some(blocks) = grid.as_const() {
            c.require((0..=most).contains(&blocks), || {
                format!("a grid of {blocks} blocks along {extent}: 0 to {most} are possible")
            });
        }
    }
    c.require(launch.min_blocks <= 32, || {
        format!("`min_blocks` is {}; a multiprocessor runs at most 32 blocks", launch.min_blocks)
    });
    let blocks = launch.cluster_blocks();
    c.require((1..=16).contains(&blocks), || format!("a cluster of {blocks} blocks: 1 to 16 are possible"));
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        let cluster = i64::from(launch.cluster[axis]);
        if let Some(grid) = launch.grid[axis].as_const()
            && cluster > 0
            && grid % cluster != 0
        {
            c.problem(format!("clusters of {cluster} blocks along {name} do not divide a grid of {grid}"));
        }
    }
}

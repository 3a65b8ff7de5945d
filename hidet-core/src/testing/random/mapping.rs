//! Random mappings that execute every task of a tile once.

use super::builder::KernelBuilder;
use crate::ir::{Mapping, MappingAtom, MappingExtent, Unroll};
use hidet_mapping::IndexExpr;

/// Returns the mapping with axis 0 projected away.
pub fn projected(mapping: Mapping) -> Mapping {
    // This only fails if the axis does not exist, and these mappings have two axes.
    mapping.clone().project(&[0]).unwrap_or(mapping)
}

impl KernelBuilder {
    /// Returns a mapping of a tile of `2^rows x 2^columns` tasks to at most as many workers as the block has threads.
    pub fn mapping(&mut self, rows: u32, columns: u32) -> Mapping {
        let most = (self.threads as u32).ilog2();
        let spatial_rows = self.rng.below(rows.min(most) as usize + 1) as u32;
        let left = columns.min(most - spatial_rows);
        // Mostly as many workers as possible, so that threads have few tasks.
        let spatial_columns = if self.rng.percent(70) { left } else { self.rng.below(left as usize + 1) as u32 };
        let atoms = if self.rng.percent(15) {
            vec![self.custom(rows, columns, spatial_rows + spatial_columns)]
        } else {
            self.composition([rows, columns], [spatial_rows, spatial_columns])
        };
        Mapping { atoms }
    }

    fn composition(&mut self, whole: [u32; 2], spatial: [u32; 2]) -> Vec<MappingAtom> {
        let rest = [whole[0] - spatial[0], whole[1] - spatial[1]];
        let outer = rest.map(|rest| self.rng.below(rest as usize + 1) as u32);
        let inner = [rest[0] - outer[0], rest[1] - outer[1]];
        let mut atoms = Vec::new();
        for (repeat, extents) in [(true, outer), (false, spatial), (true, inner)] {
            if extents == [0, 0] && self.rng.percent(70) {
                continue;
            }
            let shape: Vec<MappingExtent> = extents.iter().map(|log| MappingExtent::Const(1 << log)).collect();
            let ranks = if self.rng.percent(30) { vec![1, 0] } else { vec![0, 1] };
            atoms.push(match repeat {
                false => MappingAtom::Spatial { shape, ranks, projected: vec![false; 2] },
                true => {
                    let shape = shape.into_iter().map(|extent| self.maybe_value(extent)).collect();
                    let unroll = (0..2).map(|_| self.unroll_mapping()).collect();
                    MappingAtom::Repeat { shape, ranks, unroll, projected: vec![false; 2] }
                }
            });
        }
        if atoms.is_empty() {
            atoms.extend(Mapping::spatial([1u32, 1]).atoms);
        }
        atoms
    }

    fn unroll_mapping(&mut self) -> Unroll {
        self.rng.pick(&[Unroll::Auto, Unroll::Auto, Unroll::Auto, Unroll::Full, Unroll::Never, Unroll::By(2)])
    }

    fn maybe_value(&mut self, extent: MappingExtent) -> MappingExtent {
        match extent {
            MappingExtent::Const(number) if self.rng.percent(15) => MappingExtent::Value(self.int(i64::from(number))),
            other => other,
        }
    }

    /// Returns a custom mapping: worker `w`, or a neighbour of it, executes the tasks `w`, `w + workers`, ... in
    /// row-major order.
    fn custom(&mut self, rows: u32, columns: u32, workers: u32) -> MappingAtom {
        let count = 1u32 << (rows + columns - workers);
        let worker = match self.rng.percent(50) && workers > 0 {
            true => IndexExpr::Symbol(0) ^ 1,
            false => IndexExpr::Symbol(0),
        };
        let tasks = (0..count)
            .map(|turn| {
                let task = &worker + i64::from(turn << workers);
                vec![&task / (1i64 << columns), &task % (1i64 << columns)]
            })
            .collect();
        MappingAtom::Custom { workers: 1 << workers, shape: vec![1 << rows, 1 << columns], tasks }
    }
}

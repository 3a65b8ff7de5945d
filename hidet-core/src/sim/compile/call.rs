//! Calls of intrinsics.

use super::{Compiler, Result};
use crate::intrinsics::matrix::{
    Fragments, Product, matrix_fragment, mma_fragments, positions, wgmma_accumulator, wgmma_left,
};
use crate::intrinsics::{AtomicOp, Effect, Intrinsic, Meaning, Operand, Order, Reach, Row};
use crate::ir::{Arg, Handle, Scope, ValueId, descriptor};
use crate::sim::bytecode::{Call, CallArg};
use crate::types::Scalar;

impl Compiler<'_> {
    pub(super) fn call(&mut self, intrinsic: Intrinsic, args: &[Arg], result: Option<ValueId>) -> Result<()> {
        let row = intrinsic.row();
        let mut operands = Vec::new();
        let mut global = false;
        for (position, (arg, operand)) in args.iter().zip(&row.operands).enumerate() {
            operands.push(match (arg, operand) {
                (Arg::Value(value), _) => {
                    let value = self.value(*value)?;
                    CallArg::Value(value.src, value.ty.scalar)
                }
                (Arg::Imm(value), _) => CallArg::Imm(*value),
                (Arg::Address { buffer, index }, Operand::Address { effect, .. }) => {
                    global |= self.function.buffers[*buffer].scope == Scope::Global;
                    let elem = self.function.buffers[*buffer].elem.bytes() as u32;
                    let count = match (row.reach(position), row.meaning) {
                        (_, Meaning::CpAsync { bytes }) => bytes.div_ceil(elem),
                        (Some(Reach::Elements(count)), _) => count,
                        // Chunks of 16 bytes, whose number the operation itself determines.
                        _ => 0,
                    };
                    let verb = match effect {
                        Effect::Read => "reads it",
                        Effect::Write => "writes it",
                        Effect::ReadWrite => "changes it",
                        Effect::Atomic => "accesses it atomically",
                        Effect::Barrier => "uses it as an mbarrier",
                    };
                    CallArg::Address(self.address(*buffer, index, count, verb)?)
                }
                (Arg::Map(map), Operand::Map) => CallArg::Map(map.index() as u32),
                _ => return Err(self.refuse(format!("`{}` does not take such operands", row.name))),
            });
        }
        if operands.len() != row.operands.len() {
            return Err(self.refuse(format!("`{}` takes {} operands", row.name, row.operands.len())));
        }
        for (address, place) in descriptor::shared_operands(row.meaning, &row.operands) {
            if let (Some(Arg::Address { buffer, .. }), Some(Arg::Imm(form))) = (args.get(address), args.get(place)) {
                let form = descriptor::of_operand(self.function, *buffer, *form).map_err(|why| self.refuse(why))?;
                operands[place] = CallArg::Imm(form.encode());
            }
        }
        self.program.has_products |= matches!(row.meaning, Meaning::Wgmma { .. });
        let used = result.is_some_and(|value| !self.liveness.dying(self.at).contains(&value));
        let float = operands.iter().any(|operand| matches!(operand, CallArg::Value(_, scalar) if scalar.is_float()));
        self.program.communicates |= match row.meaning {
            // The result of integer updates does not depend on their order if their old values are not used.
            Meaning::Atomic(op, order) => {
                let swaps = matches!(op, AtomicOp::Exchange | AtomicOp::CompareExchange);
                global && (used || float || swaps || order != Order::Relaxed)
            }
            Meaning::AtomicLoad(..) | Meaning::AtomicStore(..) => global,
            // Sums of floats depend on the order.
            Meaning::ReduceVector => true,
            // Sums of floats depend on the order, and small integers have no atomic access of their own.
            Meaning::TensorStore(Some(_)) | Meaning::BulkStore(Some(_)) => true,
            _ => false,
        };
        self.program.clustered |= row.peer.is_some()
            || matches!(row.meaning, Meaning::ClusterArrive(_) | Meaning::ClusterWait | Meaning::ClusterSync);
        let result = result.map(|value| {
            let to = self.define(value, false);
            (to.src, to.ty.scalar)
        });
        let result = result.map(|(src, scalar): (_, Scalar)| match src.loc() {
            crate::sim::bytecode::Loc::Row(row) => (row, scalar),
            _ => (0, scalar),
        });
        let site = self.site(None, "calls");
        let fragments = fragments(row);
        let (name, meaning, peer) = (row.name.as_str(), row.meaning, row.peer);
        self.push_call(Call { name, meaning, args: operands, peer, result, site, fragments });
        Ok(())
    }
}

/// Returns the positions of the elements of matrices in registers, for calls with such operands.
fn fragments(row: &Row) -> Vec<Vec<u32>> {
    match row.meaning {
        Meaning::Mma(Product { m, n, k, a, .. }) => {
            let Fragments { a, b, d } = mma_fragments([m, n, k], a.bytes() as u32);
            [d, a, b].iter().map(positions).collect()
        }
        Meaning::Wgmma { product: Product { n, a, .. }, .. } => {
            vec![positions(&wgmma_accumulator(n)), positions(&wgmma_left(a.bytes() as u32))]
        }
        Meaning::LoadMatrix { count, transposed } => vec![matrix_positions(row, 0, count, transposed)],
        Meaning::StoreMatrix { count, transposed } => vec![matrix_positions(row, 1, count, transposed)],
        _ => Vec::new(),
    }
}

/// Returns the positions of the elements of `count` 8 x 8 matrices, one after the other, that lanes hold in the
/// registers of operand `number`.
fn matrix_positions(row: &Row, number: usize, count: u32, transposed: bool) -> Vec<u32> {
    let held = match row.operands.get(number) {
        Some(Operand::Address { count, .. }) => *count,
        _ => count,
    };
    // A lane holds 4 bytes of each matrix.
    let each = held / count;
    let one = positions(&matrix_fragment(4 / each, transposed));
    let size = one.len() as u32;
    let lane =
        |lane: &[u32]| (0..count).flat_map(|matrix| lane.iter().map(move |at| matrix * size + at)).collect::<Vec<_>>();
    one.chunks(each as usize).flat_map(lane).collect()
}

//! Left operands of `wgmma` in registers.

use super::kernel::Generator;
use super::literal;
use crate::intrinsics::Meaning;
use crate::ir::{Arg, Function, Op, Stmt, StmtId, ValueId};

impl Generator<'_> {
    /// If the first of these statements is a `wgmma.fence`, writes before it what makes words of the left operands in
    /// registers of the products behind it. NVRTC would make the words between the products, and registers that are
    /// written behind the fence make ptxas serialise these (C7519 and C7520).
    pub(super) fn pin_left_operands(&mut self, stmts: &[StmtId]) {
        let function = self.function;
        let call = |id: &StmtId| match &function.stmts[*id] {
            Stmt::Call { intrinsic, args, .. } => Some((intrinsic.row().meaning, args)),
            _ => None,
        };
        let Some((Some((Meaning::WgmmaFence, _)), following)) =
            stmts.split_first().map(|(first, following)| (call(first), following))
        else {
            return;
        };
        let calls = following.iter().filter_map(call);
        let mut pinned = Vec::new();
        for (meaning, args) in calls.take_while(|(meaning, _)| *meaning != Meaning::WgmmaCommit) {
            let (Meaning::Wgmma { product, registers: true }, Some(Arg::Address { buffer, index })) =
                (meaning, args.get(1))
            else {
                continue;
            };
            let [position] = index.as_slice() else { continue };
            let known = self.value(*position).ok().map(|known| known.within(3));
            let Some(position) = known.or_else(|| constant(function, stmts, *position)) else { continue };
            // The threads of a warp group share the operand.
            let words = product.m * product.k * product.a.bytes() as u32 / 128 / 4;
            let text = format!("hidet_pin<{words}>({} + {position});", self.buffers[*buffer]);
            if !pinned.contains(&text) {
                pinned.push(text);
            }
        }
        pinned.into_iter().for_each(|text| self.out.line(text));
    }
}

/// Returns a constant that is defined in these statements.
fn constant(function: &Function, stmts: &[StmtId], value: ValueId) -> Option<String> {
    stmts.iter().find_map(|id| match &function.stmts[*id] {
        Stmt::Let { value: defined, op: Op::Const(constant) } if *defined == value => {
            Some(literal::constant(*constant))
        }
        _ => None,
    })
}

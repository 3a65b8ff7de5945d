//! Which parameters are declared `__restrict__`: those through which no two threads can communicate.
//!
//! `__restrict__` promises NVRTC that what a thread reads and writes through one pointer changes in no other way while the
//! kernel runs, so it may read once what is read twice, and move reads and writes over barriers. That is true of memory
//! by which threads do not communicate:
//!
//! - An input is written by no thread of the kernel: the launcher refuses arguments that overlap with an output. In a
//!   *dependent* launch the kernel ahead may still write it, until `grid.wait`.
//! - An access of one thread happens before an access of another only over a point of order (a barrier, an acquire or
//!   release, a fence, ..; [`Meaning::orders_memory`]): the first access stands before such a point, the second after
//!   one. All threads run the same body, so where no point of order follows any access to the tensor, or none is ahead of
//!   any, accesses of two threads to one element, one of them a write, would be a race.
//!
//! A tensor that a tensor map describes is reached without its pointer, so it gets no promise where it is written.
//! Everything else stays a plain pointer: NVRTC then keeps accesses on their side of each point of order.

use crate::intrinsics::Meaning;
use crate::ir::{Access, Block, BufferId, Function, Stmt};

/// Whether NVRTC may be promised that what lies behind the pointer of a parameter changes through that pointer alone.
pub fn may_restrict(function: &Function, buffer: BufferId, access: Access) -> bool {
    let written = access != Access::In;
    if !written && !function.launch.dependent {
        return true;
    }
    let mapped = function.maps.iter().any(|(_, map)| map.buffer == buffer);
    // Nothing but the kernel ahead writes an input. Of what is written, every call counts as a point of order, more than
    // `Meaning::orders_memory` says.
    let orders = if written {
        |_: &Meaning| true
    } else {
        |meaning: &Meaning| matches!(meaning, Meaning::GridWait | Meaning::GridLaunch)
    };
    let mut walk = Walk { function, buffer, orders, accessed: false, ordered: false, before: false, after: false };
    walk.block(&function.body);
    // What the kernel ahead writes must not be read before it has ended.
    let waits = function.launch.dependent && walk.after;
    !(written && mapped || walk.before && walk.after || waits)
}

/// A walk through the body in order of execution.
struct Walk<'a> {
    function: &'a Function,
    buffer: BufferId,
    orders: fn(&Meaning) -> bool,
    /// Whether an access may have come before the statement at hand.
    accessed: bool,
    /// Whether a point of order may have.
    ordered: bool,
    /// Whether some access may come before a point of order.
    before: bool,
    /// Whether some access may come after one.
    after: bool,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block) {
        block.0.iter().for_each(|id| self.stmt(&self.function.stmts[*id]));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        let orders = match stmt {
            Stmt::Call { intrinsic, .. } => (self.orders)(&intrinsic.row().meaning),
            Stmt::Asm { .. } => true,
            _ => false,
        };
        let mut accesses = false;
        stmt.each_index(&mut |buffer, _| accesses |= buffer == self.buffer);
        if accesses {
            // Of what does both, the access may stand on either side.
            self.accessed = true;
            self.after |= self.ordered || orders;
        }
        if orders {
            self.ordered = true;
            self.before |= self.accessed;
        }
        let ahead = (self.accessed, self.ordered);
        // What comes late in the body of a loop is ahead of what comes early.
        let times = if stmt.loop_label().is_some() { 2 } else { 1 };
        let mut end = ahead;
        for block in stmt.blocks() {
            (self.accessed, self.ordered) = ahead;
            (0..times).for_each(|_| self.block(block));
            end = (end.0 || self.accessed, end.1 || self.ordered);
        }
        (self.accessed, self.ordered) = end;
    }
}

//! Decides which parameters are declared `__restrict__`: those through which no two threads can communicate.
//!
//! `__restrict__` promises NVRTC that the memory that a thread accesses through one pointer changes in no other way
//! while the kernel runs. NVRTC may then merge two reads, and move reads and writes across barriers. This is correct
//! for memory by which threads do not communicate:
//!
//! - An input is written by no thread of the kernel: the launcher refuses arguments that overlap with an output. In a
//!   *dependent* launch the kernel ahead may still write it until `grid.wait`.
//! - An access of one thread happens before an access of another only over a synchronization point (a barrier, an
//!   acquire or release, a fence, ..; [`Meaning::orders_memory`]): the first access is before such a point, the second
//!   after one. All threads run the same body. So if no synchronization point follows any access to the tensor, or none
//!   precedes any, accesses of two threads to one element, one of them a write, would be a race.
//!
//! A tensor with a tensor map is accessed without its pointer, so it gets no promise if it is written. All other
//! parameters stay plain pointers: NVRTC then keeps accesses on their side of each synchronization point.

use crate::intrinsics::Meaning;
use crate::ir::{Access, Block, BufferId, Function, Stmt};

/// Returns true if the memory of a parameter changes only through its pointer, so that it may be `__restrict__`.
pub fn may_restrict(function: &Function, buffer: BufferId, access: Access) -> bool {
    let written = access != Access::In;
    if !written && !function.launch.dependent {
        return true;
    }
    let mapped = function.maps.iter().any(|(_, map)| map.buffer == buffer);
    // Only the kernel ahead may write an input. For memory that is written, every call but those of functions counts as a
    // synchronization point, not only those of `Meaning::orders_memory`.
    let orders = if written {
        |meaning: &Meaning| !meaning.is_function()
    } else {
        |meaning: &Meaning| matches!(meaning, Meaning::GridWait | Meaning::GridLaunch)
    };
    let mut walk = Walk { function, buffer, orders, accessed: false, ordered: false, before: false, after: false };
    walk.block(&function.body);
    // What the kernel ahead writes must not be read before that kernel has ended.
    let waits = function.launch.dependent && walk.after;
    !(written && mapped || walk.before && walk.after || waits)
}

/// A walk through the body in order of execution.
struct Walk<'a> {
    function: &'a Function,
    buffer: BufferId,
    orders: fn(&Meaning) -> bool,
    /// An access may precede the current statement.
    accessed: bool,
    /// A synchronization point may precede the current statement.
    ordered: bool,
    /// Some access may precede a synchronization point.
    before: bool,
    /// Some access may follow a synchronization point.
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
            // In a statement that does both, the access may be on either side.
            self.accessed = true;
            self.after |= self.ordered || orders;
        }
        if orders {
            self.ordered = true;
            self.before |= self.accessed;
        }
        let ahead = (self.accessed, self.ordered);
        // The end of a loop's body precedes its beginning in the next iteration.
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

//! Dependent launches, as the statements of a kernel show them: where it waits for the kernels ahead of it, and whether it
//! lets the next one begin before that.
//!
//! Before an access only a wait counts that stands in the body itself, because a wait in a branch is perhaps one of few threads.

use super::{Arg, Block, Function, Scope, Stmt};
use crate::intrinsics::Meaning;

/// Returns the meaning of a call.
fn meaning(stmt: &Stmt) -> Option<&'static Meaning> {
    match stmt {
        Stmt::Call { intrinsic, .. } => Some(&intrinsic.row().meaning),
        _ => None,
    }
}

impl Function {
    /// Returns true if a statement somewhere in the body waits for the kernels ahead. A dependent launch without one waits
    /// before its first access to global memory: a pass sees to that.
    pub fn has_wait(&self) -> bool {
        let mut found = false;
        self.each_stmt(&mut |_, stmt| found |= meaning(stmt) == Some(&Meaning::GridWait));
        found
    }

    /// Returns true if the launch can be dependent: not all of its blocks must run at once, and it reads nothing through the
    /// read-only data cache, which the kernels ahead may still write.
    pub fn can_be_dependent(&self) -> bool {
        let mut can = !self.launch.cooperative;
        self.each_stmt(&mut |_, stmt| can &= meaning(stmt) != Some(&Meaning::LoadVector { read_only: true }));
        can
    }

    /// Returns how many statements of the body come before all accesses to global memory, and before all that end a thread.
    pub fn before_global_memory(&self) -> usize {
        let stays = |stmt: &Stmt| match meaning(stmt) {
            Some(Meaning::Prefetch) => true,
            // Its counter is in global memory.
            Some(Meaning::GridSync) => false,
            _ => {
                let mut global = matches!(stmt, Stmt::Asm { .. } | Stmt::Return);
                stmt.each_index(&mut |buffer, _| global |= self.buffers[buffer].scope == Scope::Global);
                !global && !matches!(stmt, Stmt::Call { args, .. } if args.iter().any(|arg| matches!(arg, Arg::Map(_))))
            }
        };
        self.body.0.iter().take_while(|id| self.all_in(&self.stmts[**id], &stays)).count()
    }

    /// Returns true if `holds` is true of a statement and of all those nested in it.
    fn all_in(&self, stmt: &Stmt, holds: &dyn Fn(&Stmt) -> bool) -> bool {
        holds(stmt) && stmt.blocks().all(|block| block.0.iter().all(|id| self.all_in(&self.stmts[*id], holds)))
    }

    /// Returns true if no thread of a dependent launch can access global memory or end before it has waited.
    pub fn waits_first(&self) -> bool {
        !self.has_wait() || self.first_wait().is_some()
    }

    /// Returns the position of a wait in the body before which no thread can access global memory or end, if there is one.
    pub fn first_wait(&self) -> Option<usize> {
        let first = self.before_global_memory();
        self.body.0[..first].iter().position(|id| meaning(&self.stmts[*id]) == Some(&Meaning::GridWait))
    }

    /// Returns true if all threads of a dependent launch wait before they end, so that its end is after that of the kernels
    /// ahead of it.
    pub fn waits_always(&self) -> bool {
        let mut always = true;
        let waited = self.waits_in(&self.body, false, &mut always);
        !self.has_wait() || always && waited
    }

    /// Returns true if a thread that reaches the end of a block has waited. `always` becomes false if one may end in it that
    /// has not.
    fn waits_in(&self, block: &Block, mut waited: bool, always: &mut bool) -> bool {
        for id in &block.0 {
            match &self.stmts[*id] {
                Stmt::Return => {
                    *always &= waited;
                    return true;
                }
                Stmt::If { then, otherwise, .. } => {
                    let (then, otherwise) =
                        (self.waits_in(then, waited, always), self.waits_in(otherwise, waited, always));
                    waited = then && otherwise;
                }
                stmt if meaning(stmt) == Some(&Meaning::GridWait) => waited = true,
                // A loop may run no times, and a group has some of the threads.
                stmt => stmt.blocks().for_each(|block| _ = self.waits_in(block, waited, always)),
            }
        }
        waited
    }

    /// Returns true if the launch after this dependent one, which is lowered, may begin while kernels ahead of this one still
    /// run: perhaps a thread lets it begin, or ends, before all have waited.
    pub fn launches_early(&self) -> bool {
        let quiet = |stmt: &Stmt| meaning(stmt) != Some(&Meaning::GridLaunch) && !matches!(stmt, Stmt::Return);
        let mut quiet = self.body.0.iter().take_while(|id| self.all_in(&self.stmts[**id], &quiet));
        !quiet.any(|id| meaning(&self.stmts[*id]) == Some(&Meaning::GridWait))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::ir::{Function, text};

    fn kernel(body: &str) -> Function {
        let head = "kernel k(@x: inout i32[64])\ngrid (1, 1, 1)\nblock (64, 1, 1)\ndependent\n";
        text::parse(&format!("{head}{{\nshared @s: i32[64]\n%t: i32 = thread\n%p: bool = lt %t, %t\n{body}\n}}\n"))
            .unwrap()
    }

    #[test]
    fn a_wait_counts_where_all_threads_reach_it() {
        let access = "store @x[%t] = %t";
        let (wait, launch) = ("call grid.wait()", "call grid.launch()");
        // Waits before global memory, waits at all, lets the next one begin before that.
        for (body, expected) in [
            (format!("{wait}\n{access}\n{launch}"), [true, true, false]),
            (format!("{launch}\n{wait}\n{access}"), [true, true, true]),
            (format!("{access}\n{wait}"), [false, true, false]),
            (format!("if %p {{\n{wait}\n}}\ncall sync.threads()\n{access}"), [false, false, true]),
            (format!("if %p {{\nreturn\n}}\n{wait}\n{access}"), [false, false, true]),
            (format!("if %p {{\n{access}\n}}\n{wait}"), [false, true, false]),
            (format!("'l: loop {{\n{wait}\nbreak 'l\n}}\n{access}"), [false, false, true]),
            (format!("{wait}\n'l: loop {{\nreturn\n}}\n{access}"), [true, true, false]),
            (format!("group first 0 threads 32 {{\n{wait}\n}}\n{access}"), [false, false, true]),
            // A pass puts a wait there.
            (access.to_owned(), [true, true, true]),
        ] {
            let function = kernel(&body);
            let found = [function.waits_first(), function.waits_always(), function.launches_early()];
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn arithmetic_and_barriers_come_before_global_memory() {
        let body = "store @s[%t] = %t\ncall sync.threads()\n%v: i32 = load @s[%t]";
        let count = |body: &str| kernel(body).before_global_memory();
        assert_eq!(count(&format!("{body}\nstore @x[%t] = %v")), count(body));
        assert_eq!(count(&format!("{body}\nif %p {{\nstore @x[%t] = %v\n}}")), count(body));
        assert_eq!(count(&format!("{body}\nif %p {{\nreturn\n}}")), count(body));
    }
}

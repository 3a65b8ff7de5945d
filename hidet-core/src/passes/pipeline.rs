//! The passes in order.

use super::*;

macro_rules! pipeline {
    ($($name:ident $doc:literal,)*) => {
        /// All passes, in the order in which they run.
        pub const PIPELINE: &[Pass] = &[$(Pass { name: stringify!($name), doc: $doc, run: $name::run },)*];
    };
}

pipeline! {
    wait_for_ahead "Let all threads of a dependent launch wait for the kernels ahead of it.",
    eliminate_dead "Remove dead code.",
    describe_matrices "Determine the layouts of wgmma operands in shared memory.",
    lower_task_mapping "Lower loops over task mappings to ordinary loops, with a guard for workers without tasks.",
    lower_group "Lower thread groups to branches on the thread index.",
    simplify "Fold constants, apply algebra, merge common subexpressions, hoist loop invariants.",
    unroll_registers "Mark loops whose index selects a register for unrolling.",
    unroll_explicit "Unroll loops that are marked for explicit unrolling.",
    simplify "Simplify the unrolled loops.",
    lower_guard "Lower protected accesses to branches, or to plain accesses where they are proved.",
    check_owners "With checks on, check that a thread reads only its own elements of register arrays.",
    insert_checks "With checks on, check accesses that are not proved.",
    flatten_index "Flatten every buffer to one axis through its layout.",
    simplify "Simplify the arithmetic of indices.",
    promote_registers "Replace register arrays that are only indexed with constants by variables.",
    simplify "Simplify with the known contents of these variables.",
    split_offset "Split offsets in global memory into the part of short loops and constants, and the rest.",
    contract "Contract multiply-add pairs into `fma`.",
    simplify "Simplify what contraction left over.",
}

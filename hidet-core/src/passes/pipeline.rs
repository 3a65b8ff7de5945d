//! The passes in order.

use super::*;

macro_rules! pipeline {
    ($($name:ident $doc:literal,)*) => {
        /// All passes, in the order in which they run.
        pub const PIPELINE: &[Pass] = &[$(Pass { name: stringify!($name), doc: $doc, run: $name::run },)*];
    };
}

pipeline! {
    eliminate_dead "What is computed and never used goes.",
    describe_matrices "Operands of wgmma in shared memory say how they lie there.",
    lower_task_mapping "Loops over task mappings become ordinary loops, and a guard for workers without tasks.",
    lower_group "Thread groups become branches on the thread index.",
    simplify "What is known is computed here, once, and as far out as possible.",
    unroll_registers "Loops whose index says which register to use are marked to be unrolled.",
    unroll_explicit "Loops the author wants unrolled here are.",
    simplify "Again, with the unrolled loops.",
    lower_guard "Protected accesses become branches, or plain accesses where they are proved.",
    check_owners "With checks on, reads of register arrays are checked to be of the thread's own elements.",
    insert_checks "With checks on, accesses that are not proved are checked.",
    flatten_index "Every buffer gets one axis, through its layout.",
    simplify "Again, with the arithmetic of indices.",
    promote_registers "Register arrays that are only indexed with constants become variables.",
    simplify "Again, with what the variables are known to hold.",
    split_offset "Offsets in global memory are split into what short loops and constants add, and the rest.",
    contract "Products that are added at once are rounded once.",
    simplify "The last time: what contraction left over.",
}

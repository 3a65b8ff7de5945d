//! The families of random programs.

use hidet::testing::edges::edges_program;
use hidet::testing::random::{
    Program, exact_kernel, numbers_program, strided_program, tables_program, talking_program, tma_program,
};

/// Random programs of a kind.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// The program of a seed.
    pub make: fn(u64) -> Program,
}

/// All families.
pub const FAMILIES: &[Family] = &[
    Family { name: "kernel", make: |seed| exact_kernel(seed).into() },
    Family { name: "talk", make: talking_program },
    Family { name: "numbers", make: numbers_program },
    Family { name: "strides", make: strided_program },
    Family { name: "tables", make: tables_program },
    Family { name: "edges", make: |seed| edges_program(seed).unwrap_or_default() },
    Family { name: "tma", make: |seed| tma_program(seed).unwrap_or_default() },
];

//! Asynchronous operations: copies (`cp.async`, bulk and tensor copies, `st.async`) and products (`wgmma`), each done
//! by an agent between its issue and its wait.
//!
//! Operations here continue after the instruction that issued them. Operations that are complete when their instruction
//! is belong to [`interp`](super::interp).

pub mod agents;
pub mod bulk;
pub mod bulk_groups;
pub mod bulk_limits;
pub mod st_async;
pub mod transactions;
pub mod wgmma;
pub mod wgmma_registers;

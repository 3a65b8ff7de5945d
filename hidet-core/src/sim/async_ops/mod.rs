//! Asynchronous operations: copies (`cp.async`, bulk and tensor copies, `st.async`) and products (`wgmma`), each done by
//! an agent between its issue and its wait.
//!
//! What belongs here goes on after the instruction that issued it. What is complete when its instruction is belongs to
//! [`interp`](super::interp).

pub mod agents;
pub mod bulk;
pub mod bulk_groups;
pub mod bulk_limits;
pub mod st_async;
pub mod transactions;
pub mod wgmma;
pub mod wgmma_registers;

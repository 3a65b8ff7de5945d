//! Measuring on a GPU: launches timed by events, contestants interleaved, medians.
//!
//! What is chosen by it, schedules and their spaces, is not known here.

mod clock;
mod summary;

pub use clock::{Clock, L2, Repeatable, Timing, fastest, rounds, slices};
pub use summary::{Ratio, Summary};

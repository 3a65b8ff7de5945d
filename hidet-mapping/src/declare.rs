//! What `#[task_mapping(workers = .., tasks = [..])]` declares, checked against the mapping.

use crate::error::{Coordinates, MappingError};
use crate::mapping::TaskMapping;

/// The most tasks of a custom function that a check enumerates.
pub const MAX_CHECKED: u64 = 1 << 16;

impl<const R: usize> TaskMapping<R> {
    /// Whether the mapping uses that number of workers, covers that task domain, and does no task twice unless
    /// `overlap` allows it.
    pub const fn check_declared(&self, workers: u32, tasks: [u32; R], overlap: bool) -> Result<(), MappingError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.workers() != workers {
            return Err(MappingError::Workers { declared: workers, found: self.workers() });
        }
        let shape = self.shape();
        let mut axis = 0;
        while axis < R {
            if shape[axis] != tasks[axis] {
                return Err(MappingError::Shape { declared: Coordinates::of(tasks), found: Coordinates::of(shape) });
            }
            axis += 1;
        }
        self.check_cover(overlap)
    }

    /// The mapping, or where it is not as declared one that is invalid and says so.
    pub const fn declared(self, workers: u32, tasks: [u32; R], overlap: bool) -> Self {
        match self.check_declared(workers, tasks, overlap) {
            Ok(()) => self,
            Err(error) => Self::faulty(error),
        }
    }

    /// For const context, where it fails the build with the numbers in the text.
    ///
    /// # Panics
    ///
    /// Where the mapping is invalid. Elsewhere use [`check`](TaskMapping::check).
    #[allow(clippy::panic)]
    pub const fn assert_valid(self) -> Self {
        if let Some(fault) = self.fault {
            panic!("{}", fault.text().as_str());
        }
        self
    }
}

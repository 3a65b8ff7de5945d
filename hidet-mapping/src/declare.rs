//! Checks a mapping against what `#[task_mapping(workers = .., tasks = [..])]` declares.

use crate::error::MappingError;
use crate::mapping::TaskMapping;
use crate::text::Coordinates;

/// The maximum number of tasks of a custom function that a check enumerates.
pub const MAX_CHECKED: u64 = 1 << 16;

/// The same limit in const context, where a task costs 0.2 ms.
pub const MAX_CONST_CHECKED: u64 = 1 << 13;

impl<const R: usize> TaskMapping<R> {
    /// Returns an error unless the mapping uses that number of workers, covers that task domain, and does no task twice
    /// (except with `overlap`).
    pub const fn check_declared(&self, workers: u32, tasks: [u32; R], overlap: bool) -> Result<(), MappingError> {
        self.check_limited(workers, tasks, overlap, MAX_CHECKED)
    }

    const fn check_limited(&self, workers: u32, tasks: [u32; R], overlap: bool, most: u64) -> Result<(), MappingError> {
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
        self.check_cover_limited(overlap, most)
    }

    /// Returns the mapping, or an invalid mapping with the error if it is not as declared.
    pub const fn declared(self, workers: u32, tasks: [u32; R], overlap: bool) -> Self {
        match self.check_declared(workers, tasks, overlap) {
            Ok(()) => self,
            Err(error) => Self::faulty(error),
        }
    }

    /// [`check_declared`](TaskMapping::check_declared) for const context, where it fails the build with the same
    /// message.
    ///
    /// # Panics
    ///
    /// Panics if the mapping is not as declared.
    #[allow(clippy::panic)]
    pub const fn assert_declared(self, workers: u32, tasks: [u32; R], overlap: bool) {
        if let Err(error) = self.check_limited(workers, tasks, overlap, MAX_CONST_CHECKED) {
            panic!("{}", error.text().as_str());
        }
    }
}

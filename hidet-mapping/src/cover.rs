//! Coverage and overlap: is every task done, and is any task done twice?
//!
//! The number of times a composition does a task is the product over its factors, so each factor is checked alone:
//! `spatial` and `repeat` are bijections unless projected, and only custom functions are enumerated.

use crate::declare::MAX_CHECKED;
use crate::error::MappingError;
use crate::mapping::{Atom, AtomKind, TaskMapping, product};
use crate::text::Coordinates;

impl<const R: usize> TaskMapping<R> {
    /// Returns an error unless every task is done, and done only once; with `overlap` a task may be done several times.
    pub const fn check_cover(&self, overlap: bool) -> Result<(), MappingError> {
        self.check_cover_limited(overlap, MAX_CHECKED)
    }

    /// [`check_cover`](TaskMapping::check_cover), enumerating at most `most` tasks of a custom function.
    pub(crate) const fn check_cover_limited(&self, overlap: bool, most: u64) -> Result<(), MappingError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut k = 0;
        while k < self.len {
            let found = match self.atoms[k].kind {
                AtomKind::Custom(_) => self.atoms[k].custom_flaw(overlap, most),
                _ if overlap => Ok(None),
                _ => Ok(self.atoms[k].projection_flaw()),
            };
            match found {
                Ok(None) => {}
                Ok(Some(flaw)) => return Err(self.located(k, flaw)),
                Err(error) => return Err(error),
            }
            k += 1;
        }
        Ok(())
    }

    /// Returns true if every task of the domain is done by some worker.
    pub const fn covers(&self) -> bool {
        self.check_cover(true).is_ok()
    }

    /// Returns true if every task is done exactly once.
    pub const fn is_bijective(&self) -> bool {
        self.check_cover(false).is_ok()
    }

    /// Describes a flaw of one factor in terms of the whole: the other factors stay at their first worker and first
    /// task.
    const fn located(&self, factor: usize, flaw: Flaw<R>) -> MappingError {
        let (mut outer, mut inner) = (Self::identity(), Self::identity());
        let mut k = 0;
        while k < self.len {
            if k < factor {
                outer.atoms[outer.len] = self.atoms[k];
                outer.len += 1;
            } else if k > factor {
                inner.atoms[inner.len] = self.atoms[k];
                inner.len += 1;
            }
            k += 1;
        }
        let outer_task = first_task(&outer);
        let inner_task = first_task(&inner);
        let (inner_shape, workers) = (inner.shape(), inner.workers());
        let mut task = [0; R];
        let mut axis = 0;
        while axis < R {
            let extent = self.atoms[factor].extent(axis);
            task[axis] = (outer_task[axis] * extent + flaw.task[axis]) * inner_shape[axis] + inner_task[axis];
            axis += 1;
        }
        let task = Coordinates::of(task);
        match flaw.workers {
            Some((first, second)) => MappingError::Repeated { task, first: first * workers, second: second * workers },
            None => MappingError::Uncovered { task, shape: Coordinates::of(self.shape()) },
        }
    }
}

/// A task of a factor that is done by two workers, or by none.
#[derive(Clone, Copy)]
struct Flaw<const R: usize> {
    task: [u32; R],
    workers: Option<(u32, u32)>,
}

/// Returns the first task of worker 0. When a flawed factor is reached, all others are known to have one.
const fn first_task<const R: usize>(mapping: &TaskMapping<R>) -> [u32; R] {
    match mapping.task_at(0, 0) {
        Some(task) => task,
        None => [0; R],
    }
}

impl<const R: usize> Atom<R> {
    /// For `spatial` and `repeat`: a projected axis makes several workers, or iterations of a loop, do the same task.
    const fn projection_flaw(&self) -> Option<Flaw<R>> {
        let mut axis = 0;
        while axis < R {
            if self.projected[axis] && self.shape[axis] > 1 {
                let mut second = 0;
                if let AtomKind::Spatial { ranks } = self.kind {
                    // The first worker whose coordinate along the axis is 1.
                    let mut faster = [1; R];
                    let mut other = 0;
                    while other < R {
                        if ranks[other] > ranks[axis] {
                            faster[other] = self.shape[other];
                        }
                        other += 1;
                    }
                    second = product(&faster);
                }
                return Some(Flaw { task: [0; R], workers: Some((0, second)) });
            }
            axis += 1;
        }
        None
    }

    /// For a custom function, by enumeration.
    const fn custom_flaw(&self, overlap: bool, most: u64) -> Result<Option<Flaw<R>>, MappingError> {
        let AtomKind::Custom(function) = self.kind else { return Ok(None) };
        let (workers, each) = (self.workers(), self.tasks_per_worker());
        let done = workers as u64 * each as u64;
        let mut extents = [1; R];
        let mut axis = 0;
        while axis < R {
            extents[axis] = self.extent(axis);
            axis += 1;
        }
        let domain = product(&extents) as u64;
        let largest = if done > domain { done } else { domain };
        if largest > most {
            return Err(MappingError::TooManyToCheck { tasks: largest, most });
        }
        let mut seen = [0u64; (MAX_CHECKED / 64) as usize];
        let mut worker = 0;
        while worker < workers {
            let values = match function.values(worker) {
                Ok(values) => values,
                Err(error) => return Err(error),
            };
            let mut k = 0;
            while k < each {
                let task = match function.task(&values, worker, k, &self.shape) {
                    Ok(task) => self.project_task(task),
                    Err(error) => return Err(error),
                };
                let position = ravel(&task, &extents);
                let (word, bit) = ((position / 64) as usize, 1u64 << (position % 64));
                if seen[word] & bit != 0 && !overlap {
                    let first = self.first_worker_of(&task);
                    return Ok(Some(Flaw { task, workers: Some((first, worker)) }));
                }
                seen[word] |= bit;
                k += 1;
            }
            worker += 1;
        }
        let mut position = 0;
        while position < domain as u32 {
            if seen[(position / 64) as usize] & (1 << (position % 64)) == 0 {
                return Ok(Some(Flaw { task: unravel_row(position, &extents), workers: None }));
            }
            position += 1;
        }
        Ok(None)
    }

    const fn project_task(&self, mut task: [u32; R]) -> [u32; R] {
        let mut axis = 0;
        while axis < R {
            if self.projected[axis] {
                task[axis] = 0;
            }
            axis += 1;
        }
        task
    }

    const fn first_worker_of(&self, task: &[u32; R]) -> u32 {
        let mut worker = 0;
        while worker < self.workers() {
            let mut k = 0;
            while k < self.tasks_per_worker() {
                if let Some(other) = self.task_at(worker, k) {
                    let (mut axis, mut same) = (0, true);
                    while axis < R {
                        same = same && other[axis] == task[axis];
                        axis += 1;
                    }
                    if same {
                        return worker;
                    }
                }
                k += 1;
            }
            worker += 1;
        }
        worker
    }
}

const fn ravel<const R: usize>(task: &[u32; R], extents: &[u32; R]) -> u32 {
    let (mut position, mut axis) = (0, 0);
    while axis < R {
        position = position * extents[axis] + task[axis];
        axis += 1;
    }
    position
}

const fn unravel_row<const R: usize>(position: u32, extents: &[u32; R]) -> [u32; R] {
    let mut task = [0; R];
    let (mut rest, mut axis) = (position, R);
    while axis > 0 {
        axis -= 1;
        task[axis] = rest % extents[axis];
        rest /= extents[axis];
    }
    task
}

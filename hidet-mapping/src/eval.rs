//! Evaluation on the host: the tasks of a worker, in order.

use crate::error::MappingError;
use crate::mapping::{Atom, AtomKind, TaskMapping, product};

impl<const R: usize> TaskMapping<R> {
    /// Returns the tasks of a worker, in order. A worker that does not exist has none.
    pub fn tasks(&self, worker: u32) -> Tasks<R> {
        let count = if worker < self.workers() { self.tasks_per_worker() } else { 0 };
        Tasks { mapping: *self, worker, next: 0, count }
    }

    /// Returns the only task of a worker, or an error if workers do several tasks or the worker does not exist.
    pub const fn task(&self, worker: u32) -> Result<[u32; R], MappingError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.tasks_per_worker() != 1 {
            return Err(MappingError::NotSingle { tasks: self.tasks_per_worker() });
        }
        match self.task_at(worker, 0) {
            Some(task) => Ok(task),
            None => Err(MappingError::NoWorker { worker, workers: self.workers() }),
        }
    }

    /// Returns the task with number `k` of a worker, or `None` if it does not exist.
    pub const fn task_at(&self, worker: u32, k: u32) -> Option<[u32; R]> {
        if worker >= self.workers() || k >= self.tasks_per_worker() {
            return None;
        }
        // From the innermost factor outwards: worker and task number are mixed-radix numbers.
        let (mut worker, mut k) = (worker, k);
        let (mut task, mut scale) = ([0; R], [1; R]);
        let mut i = self.len;
        while i > 0 {
            i -= 1;
            let atom = &self.atoms[i];
            let part = match atom.task_at(worker % atom.workers(), k % atom.tasks_per_worker()) {
                Some(part) => part,
                None => return None,
            };
            worker /= atom.workers();
            k /= atom.tasks_per_worker();
            let mut axis = 0;
            while axis < R {
                task[axis] += part[axis] * scale[axis];
                scale[axis] *= atom.extent(axis);
                axis += 1;
            }
        }
        Some(task)
    }
}

impl<const R: usize> Atom<R> {
    /// Returns the task with number `k` of a worker of this factor alone, or `None` if a custom function leaves its
    /// task domain.
    pub const fn task_at(&self, worker: u32, k: u32) -> Option<[u32; R]> {
        let mut task = match self.kind {
            AtomKind::Spatial { ranks } => unravel(worker, &self.shape, &ranks),
            AtomKind::Repeat { ranks, .. } => unravel(k, &self.shape, &ranks),
            AtomKind::Custom(function) => match function.values(worker) {
                Ok(values) => match function.task(&values, worker, k, &self.shape) {
                    Ok(task) => task,
                    Err(_) => return None,
                },
                Err(_) => return None,
            },
        };
        let mut axis = 0;
        while axis < R {
            if self.projected[axis] {
                task[axis] = 0;
            }
            axis += 1;
        }
        Some(task)
    }
}

/// Returns the coordinates of a position in the order in which the axis of the highest rank is fastest.
const fn unravel<const R: usize>(position: u32, shape: &[u32; R], ranks: &[u8; R]) -> [u32; R] {
    let mut coordinates = [0; R];
    let mut axis = 0;
    while axis < R {
        coordinates[axis] = position / stride(shape, ranks, axis) % shape[axis];
        axis += 1;
    }
    coordinates
}

/// Returns the product of the extents of all axes faster than `axis`.
const fn stride<const R: usize>(shape: &[u32; R], ranks: &[u8; R], axis: usize) -> u32 {
    let mut faster = [1; R];
    let mut other = 0;
    while other < R {
        if ranks[other] > ranks[axis] {
            faster[other] = shape[other];
        }
        other += 1;
    }
    product(&faster)
}

/// An iterator over the tasks of a worker, in order.
#[derive(Clone, Debug)]
pub struct Tasks<const R: usize> {
    mapping: TaskMapping<R>,
    worker: u32,
    next: u32,
    count: u32,
}

impl<const R: usize> Iterator for Tasks<R> {
    type Item = [u32; R];

    fn next(&mut self) -> Option<[u32; R]> {
        if self.next >= self.count {
            return None;
        }
        self.next += 1;
        self.mapping.task_at(self.worker, self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.next) as usize;
        // An unchecked custom function may leave its domain, which ends the list early.
        (0, Some(left))
    }
}

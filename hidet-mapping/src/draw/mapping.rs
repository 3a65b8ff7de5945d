//! The grid of a mapping.

use super::{Cell, DrawError, Grid, MAX_CELLS};
use crate::mapping::TaskMapping;

/// Returns the grid of a mapping: the workers of each task, coloured by the first of them.
pub fn grid<const R: usize>(mapping: &TaskMapping<R>) -> Result<Grid, DrawError> {
    mapping.check()?;
    let shape = mapping.shape();
    let cells: u64 = shape.iter().map(|extent| u64::from(*extent)).product();
    let done = u64::from(mapping.workers()) * u64::from(mapping.tasks_per_worker());
    let largest = cells.max(done);
    if largest > MAX_CELLS as u64 {
        return Err(DrawError::TooLarge { cells: largest });
    }
    // The workers that do each task, and its position in their order.
    let mut done: Vec<Vec<(u32, usize)>> = vec![Vec::new(); cells as usize];
    for worker in 0..mapping.workers() {
        for (k, task) in mapping.tasks(worker).enumerate() {
            let position = task.iter().zip(&shape).fold(0, |position, (index, extent)| position * extent + index);
            done[position as usize].push((worker, k));
        }
    }
    let several = mapping.tasks_per_worker() > 1;
    let title = format!("{mapping}");
    let mut legend =
        format!("{} workers, {} task(s) each, domain {shape:?}", mapping.workers(), mapping.tasks_per_worker());
    legend.push_str(if several { "; a cell: worker, #place in the worker's order" } else { "; a cell: worker" });
    Ok(Grid::new(title, legend, &shape, |position| {
        let who = &done[position];
        let mut workers: Vec<u32> = who.iter().map(|(worker, _)| *worker).collect();
        workers.dedup();
        let note = match who.first() {
            Some((_, k)) if several => format!("#{k}"),
            _ => String::new(),
        };
        Cell {
            label: if workers.is_empty() { "-".to_owned() } else { list(&workers) },
            note,
            color: workers.first().map(|worker| *worker as usize),
        }
    }))
}

/// `0,4,8`; of more than three, the first two and the last.
fn list(workers: &[u32]) -> String {
    match workers {
        [first, second, _, .., last] if workers.len() > 4 => format!("{first},{second}..{last}"),
        _ => workers.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
    }
}

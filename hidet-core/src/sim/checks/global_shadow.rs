//! The shadow of a global allocation: pages shared by blocks on several host threads.

use super::shadow::Shadow;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of granules per page.
pub const PAGE: usize = 1024;

/// The shadow of an allocation. Pages are created when they are first accessed.
pub struct GlobalShadow {
    /// The size of a granule in bytes.
    pub granule: usize,
    pages: Vec<Mutex<Option<Shadow>>>,
}

/// A locked page.
pub struct Page<'a>(MutexGuard<'a, Option<Shadow>>);

impl Page<'_> {
    pub fn shadow(&mut self) -> &mut Shadow {
        self.0.get_or_insert_with(|| Shadow::new(PAGE))
    }
}

impl GlobalShadow {
    pub fn new(bytes: usize, granule: usize) -> GlobalShadow {
        let pages = bytes.div_ceil(granule).div_ceil(PAGE);
        GlobalShadow { granule, pages: (0..pages).map(|_| Mutex::new(None)).collect() }
    }

    /// Locks the page of that number.
    pub fn page(&self, number: usize) -> Page<'_> {
        // After a panic the report is lost anyway, so the state of the page does not matter.
        Page(self.pages[number].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `f` for each of these granules that was never written, in order.
    pub fn each_unset(&self, cells: std::ops::Range<usize>, f: &mut dyn FnMut(usize)) {
        let mut cell = cells.start;
        while cell < cells.end {
            let (number, stop) = (cell / PAGE, cells.end.min((cell / PAGE + 1) * PAGE));
            let page = self.page(number);
            if !page.0.as_ref().is_some_and(Shadow::is_full) {
                let unset = |cell: &usize| page.0.as_ref().is_none_or(|shadow| shadow.is_unset(cell % PAGE));
                (cell..stop).filter(unset).for_each(&mut *f);
            }
            cell = stop;
        }
    }

    /// Returns the granules that were written, as one bit per granule.
    pub fn written(&self) -> Vec<u64> {
        let words = |number: usize| {
            let page = self.page(number);
            let is_set = |cell: usize| page.0.as_ref().is_some_and(|shadow| !shadow.is_unset(cell));
            let word = |word: usize| (0..64).fold(0, |bits, bit| bits | u64::from(is_set(word * 64 + bit)) << bit);
            match &*page.0 {
                Some(_) => (0..PAGE / 64).map(word).collect(),
                None => vec![0; PAGE / 64],
            }
        };
        (0..self.pages.len()).flat_map(words).collect()
    }

    /// Clears all pages.
    pub fn forget(&self) {
        for page in &self.pages {
            *page.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

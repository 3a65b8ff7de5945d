//! The shadow of a global allocation: pages that blocks on several host threads share.

use super::shadow::Shadow;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Granules of a page.
pub const PAGE: usize = 1024;

/// The shadow of an allocation. Pages come into being when they are first touched.
pub struct GlobalShadow {
    /// Bytes of a granule.
    pub granule: usize,
    pages: Vec<Mutex<Option<Shadow>>>,
}

/// A page while it is in use.
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

    /// The page of that number.
    pub fn page(&self, number: usize) -> Page<'_> {
        // A page has no state that a panic could leave half done: the report is lost anyway.
        Page(self.pages[number].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `f` for each of these granules to which nothing was written, in order.
    pub fn each_unset(&self, cells: std::ops::Range<usize>, f: &mut dyn FnMut(usize)) {
        let mut cell = cells.start;
        while cell < cells.end {
            let (number, stop) = (cell / PAGE, cells.end.min((cell / PAGE + 1) * PAGE));
            let page = self.page(number);
            let unset = |cell: &usize| page.0.as_ref().is_none_or(|shadow| shadow.is_unset(cell % PAGE));
            (cell..stop).filter(unset).for_each(&mut *f);
            cell = stop;
        }
    }

    /// What was written: a bit a granule.
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

    /// Forgets everything.
    pub fn forget(&self) {
        for page in &self.pages {
            *page.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

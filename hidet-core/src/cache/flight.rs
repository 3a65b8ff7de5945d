//! Single flight: if several threads request one value at once, one of them makes it and all get it.

use super::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The values that are being made. Nothing is kept after a value is made.
#[derive(Debug)]
pub struct Flights<T>(Mutex<HashMap<Digest, Arc<OnceLock<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

impl<T: Clone> Flights<T> {
    /// Returns the value of `make`, called here or in the thread that began first. If that thread panics, another one
    /// takes over. `make` must not request the same name again.
    pub fn run(&self, name: Digest, make: impl FnOnce() -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = lock().entry(name).or_default().clone();
        let value = flight.get_or_init(make).clone();
        let mut open = lock();
        // A later flight under that name may have begun already.
        if open.get(&name).is_some_and(|other| Arc::ptr_eq(other, &flight)) {
            open.remove(&name);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[test]
    fn many_threads_make_one_value_once() {
        let (flights, made, start) = (Flights::default(), AtomicU32::new(0), Barrier::new(8));
        let name = Digest::of(&[b"x"]);
        let make = || {
            std::thread::sleep(Duration::from_millis(50));
            made.fetch_add(1, Ordering::SeqCst)
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    assert_eq!(flights.run(name, make), 0);
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        // Nothing was kept: it is made again.
        assert_eq!(flights.run(name, make), 1);
    }

    #[test]
    fn a_panic_hands_over() {
        let flights = Flights::default();
        let name = Digest::of(&[b"x"]);
        let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            flights.run(name, || -> u32 { std::panic::panic_any("no") })
        }));
        assert!(first.is_err());
        assert_eq!(flights.run(name, || 7), 7);
    }
}

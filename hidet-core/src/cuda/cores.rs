//! Work on all cores at once, on stacks that are large enough for a compiler.
//!
//! NVRTC compiles programs of different threads in parallel, except for its front end (see `nvrtc/library.rs`). It
//! recurses with the nesting of a program, which can overflow the small stacks of ordinary worker threads.

use std::cmp::Reverse;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// Stack size in bytes, that of a main thread.
const STACK: usize = 8 << 20;

/// Applies `work` to each item and returns the results in order. Items of the largest `weight` start first, so that no
/// core is left with a large one at the end. The calling thread works too, so all items are done even if no thread can
/// be started. A panic of `work` continues in the caller.
pub fn each<T: Sync, R: Send>(items: &[T], weight: impl Fn(&T) -> usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut order: Vec<(usize, &T)> = items.iter().enumerate().collect();
    order.sort_by_cached_key(|(_, item)| Reverse(weight(item)));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((index, item)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*index, work(item)));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    let mut done = thread::scope(|scope| {
        let start = || Builder::new().name("hidet compile".to_owned()).stack_size(STACK).spawn_scoped(scope, run).ok();
        let others: Vec<_> = (1..threads).map_while(|_| start()).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn results_come_in_order_and_every_item_once() {
        let items: Vec<u64> = (0..200).collect();
        let slow_at_first = |item: &u64| {
            std::thread::sleep(std::time::Duration::from_micros(200 - item));
            item * item
        };
        assert_eq!(
            each(&items, |item| *item as usize % 7, slow_at_first),
            items.iter().map(|item| item * item).collect::<Vec<_>>()
        );
        assert_eq!(each(&[] as &[u64], |_| 0, |item| *item), []);
    }

    #[test]
    fn the_largest_items_start_first() {
        let begun = std::sync::Mutex::new(Vec::new());
        let threads = std::thread::available_parallelism().unwrap().get();
        let items: Vec<usize> = (0..threads * 20).collect();
        each(&items, |item| *item, |item| begun.lock().unwrap().push(*item));
        let begun = begun.into_inner().unwrap();
        // Threads may overtake each other by an item each, or more where one is not scheduled: the order is rough.
        let (first, last) = begun.split_at(begun.len() / 2);
        assert!(first.iter().sum::<usize>() > last.iter().sum::<usize>(), "{begun:?}");
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let work = |item: &u32| if *item == 7 { std::panic::panic_any("seven") } else { *item };
        let caught = std::panic::catch_unwind(|| each(&(0..20).collect::<Vec<u32>>(), |_| 0, work));
        assert!(caught.is_err());
    }
}

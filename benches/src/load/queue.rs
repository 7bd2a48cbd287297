//! Work of one run, handed out once each to whichever client is free: a slow client does not hold up the end.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A list and the place up to which it was handed out.
#[derive(Debug)]
pub struct Queue<T> {
    items: Vec<T>,
    next: AtomicUsize,
}

// === impl Queue ===

impl<T> Queue<T> {
    /// All `items`, none handed out.
    pub fn new(items: Vec<T>) -> Self {
        Self {
            items,
            next: AtomicUsize::new(0),
        }
    }

    /// The next one; `None` when all were handed out.
    pub fn take(&self) -> Option<&T> {
        self.items.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_handed_out_once() {
        let queue = Queue::new(vec![1, 2]);
        assert_eq!(
            [(); 4].map(|()| queue.take()),
            [Some(&1), Some(&2), None, None]
        );
    }
}

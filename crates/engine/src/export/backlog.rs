//! What waits for a server: bounded in time and in memory; what comes first goes first, and what is too much is dropped
//! from the oldest on, and counted.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// What waits for one server.
#[derive(Debug)]
pub(super) struct Backlog<T> {
    keep: Duration,
    most_bytes: usize,
    inner: Mutex<Inner<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<Waiting<T>>,
    next: u64,
    bytes: usize,
    counts: Counts,
}

#[derive(Debug)]
struct Waiting<T> {
    number: u64,
    since: Instant,
    samples: u64,
    bytes: usize,
    what: T,
}

/// Samples, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub sent: u64,
    pub refused: u64,
    pub dropped: u64,
    pub waiting: u64,
}

/// What became of something that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has it.
    Sent,
    /// The server will never take it.
    Refused,
}

impl<T: Clone> Backlog<T> {
    pub fn new(keep: Duration, most_bytes: usize) -> Self {
        Self {
            keep,
            most_bytes,
            inner: Mutex::new(Inner {
                waiting: VecDeque::new(),
                next: 0,
                bytes: 0,
                counts: Counts::default(),
            }),
            filled: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what holds so many samples and takes so many bytes; drops what has waited too long, or is too much.
    pub fn push(&self, what: T, samples: u64, bytes: usize) {
        let now = Instant::now();
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.bytes += bytes;
        inner.counts.waiting += samples;
        inner.waiting.push_back(Waiting {
            number,
            since: now,
            samples,
            bytes,
            what,
        });
        while inner.bytes > self.most_bytes
            || (inner.waiting.front()).is_some_and(|oldest| now - oldest.since > self.keep)
        {
            match inner.remove_oldest() {
                Some(samples) => inner.counts.dropped += samples,
                None => break,
            }
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// The oldest, with its number, as soon as there is one; it stays until [`Backlog::done`].
    pub async fn oldest(&self) -> (u64, T) {
        loop {
            let there = self
                .lock()
                .waiting
                .front()
                .map(|oldest| (oldest.number, oldest.what.clone()));
            match there {
                Some(there) => return there,
                None => self.filled.notified().await,
            }
        }
    }

    /// What became of it. One that was dropped meanwhile stays counted as that.
    pub fn done(&self, number: u64, outcome: Outcome) {
        let mut inner = self.lock();
        if inner
            .waiting
            .front()
            .is_none_or(|oldest| oldest.number != number)
        {
            return;
        }
        if let Some(samples) = inner.remove_oldest() {
            match outcome {
                Outcome::Sent => inner.counts.sent += samples,
                Outcome::Refused => inner.counts.refused += samples,
            }
        }
    }

    pub fn counts(&self) -> Counts {
        self.lock().counts
    }
}

impl<T> Inner<T> {
    fn remove_oldest(&mut self) -> Option<u64> {
        let oldest = self.waiting.pop_front()?;
        self.bytes -= oldest.bytes;
        self.counts.waiting -= oldest.samples;
        Some(oldest.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_lost_for_as_long_as_it_keeps_then_the_oldest_goes_first() {
        let backlog = Backlog::new(Duration::from_secs(600), usize::MAX);
        for second in 0..=60 {
            backlog.push(second, 5, 1);
            advance(Duration::from_secs(10)).await;
        }
        assert_eq!(backlog.counts().dropped, 0);
        assert_eq!(backlog.oldest().await, (0, 0));
        backlog.push(61, 5, 1);
        let counts = backlog.counts();
        assert_eq!((counts.dropped, counts.waiting), (5, 61 * 5));
        assert_eq!(backlog.oldest().await.1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let backlog = Backlog::new(Duration::MAX, 100);
        for number in 0..10 {
            backlog.push(number, 1, 30);
        }
        let counts = backlog.counts();
        assert_eq!((counts.dropped, counts.waiting), (7, 3));
        // One that is larger than all there may be is dropped too, rather than kept for ever.
        backlog.push(10, 1, 101);
        assert_eq!(backlog.counts().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_dropped_while_it_was_sent_is_not_counted_twice() {
        let backlog = Backlog::new(Duration::MAX, 50);
        backlog.push("a", 1, 30);
        let (number, _) = backlog.oldest().await;
        backlog.push("b", 1, 30);
        backlog.done(number, Outcome::Sent);
        let (number, what) = backlog.oldest().await;
        assert_eq!(what, "b");
        backlog.done(number, Outcome::Refused);
        let expected = Counts {
            sent: 0,
            refused: 1,
            dropped: 1,
            waiting: 0,
        };
        assert_eq!(backlog.counts(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken() {
        let backlog = std::sync::Arc::new(Backlog::new(Duration::MAX, 50));
        let waiting = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.oldest().await.1 }
        });
        tokio::task::yield_now().await;
        backlog.push("a", 1, 1);
        assert_eq!(waiting.await.unwrap(), "a");
    }
}

//! One read for everybody who asked before it began.

use bellwether_model::Result;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Mutex;

/// What was read last, for whoever asked before that read began; nobody gets what was read before they asked.
#[derive(Debug)]
pub(crate) struct Fresh<T> {
    /// How often it was asked for.
    asked: AtomicU64,
    /// The last answer, and up to which asking it serves.
    last: Mutex<(u64, Option<Result<Arc<T>>>)>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self {
            asked: AtomicU64::new(0),
            last: Mutex::new((0, None)),
        }
    }
}

impl<T> Fresh<T> {
    /// As of now or later. Who comes while somebody reads waits, and then one of those who wait reads for all of them; a
    /// database that is away is waited for once, not by one after the other.
    pub async fn get(&self, read: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if let (served, Some(answer)) = &*last
            && *served >= mine
        {
            return answer.clone();
        }
        let serves = self.asked.load(Ordering::SeqCst);
        let answer = read.await.map(Arc::new);
        *last = (serves, Some(answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[tokio::test]
    async fn one_reads_for_all_who_wait_and_nobody_gets_what_was_read_before_they_asked() {
        let (fresh, reads) = (Fresh::default(), AtomicUsize::new(0));
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let read = |wait: Option<tokio::sync::oneshot::Receiver<()>>| {
            let reads = &reads;
            async move {
                let number = reads.fetch_add(1, Ordering::SeqCst);
                if let Some(wait) = wait {
                    wait.await.unwrap();
                }
                Ok(number)
            }
        };
        let first = fresh.get(read(Some(wait)));
        let let_go = async { go.send(()).unwrap() };
        let (first, second, third, ()) =
            tokio::join!(first, fresh.get(read(None)), fresh.get(read(None)), let_go);
        assert_eq!(*first.unwrap(), 0);
        // They asked while the first read was under way, which may have missed what they know of.
        assert_eq!((*second.unwrap(), *third.unwrap()), (1, 1));
        assert_eq!(reads.load(Ordering::SeqCst), 2);
        assert_eq!(*fresh.get(read(None)).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_read_that_failed_or_was_given_up_is_made_again() {
        let fresh = Fresh::<i32>::default();
        let failed = fresh.get(async { Err(bellwether_model::Error::unavailable("away")) });
        failed.await.unwrap_err();
        let given_up = fresh.get(std::future::pending());
        tokio::time::timeout(std::time::Duration::from_millis(1), given_up)
            .await
            .unwrap_err();
        assert_eq!(*fresh.get(async { Ok(7) }).await.unwrap(), 7);
    }
}

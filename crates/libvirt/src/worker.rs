//! Blocking calls on threads of their own, with a deadline.
//!
//! Not tokio's blocking pool: a call into a daemon that hangs may never come back, and that pool would wait for it when
//! the server ends. A place in a semaphore goes with the thread, so that hung calls are counted and bounded.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoResult {
    /// No place became free before the deadline; nothing was done.
    NoPlace,
    /// The call did not come back before the deadline; it may still have its effect.
    Late,
    /// The thread could not be started or panicked.
    Broken(String),
}

/// Runs `work` on a thread, when there is a place, and waits until the deadline at most.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    places: &Arc<Semaphore>,
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoResult> {
    let began = Instant::now();
    let place = timeout(deadline, Arc::clone(places).acquire_owned())
        .await
        .map_err(|_| NoResult::NoPlace)?
        .map_err(|_| NoResult::Broken("the connection is being closed".into()))?;
    let result = spawn(name, place, work)?;
    match timeout(deadline.saturating_sub(began.elapsed()), result).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(NoResult::Broken(
            "the thread of the call ended early".into(),
        )),
        Err(_) => Err(NoResult::Late),
    }
}

/// Starts `work` on a thread that keeps its place until it ends.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, NoResult> {
    let (send, receive) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let value = work();
            drop(place);
            // Nobody waits any more after the deadline.
            let _ = send.send(value);
        })
        .map_err(|error| NoResult::Broken(format!("no thread for the call: {error}")))?;
    Ok(receive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn late_calls_keep_their_place() {
        let places = Arc::new(Semaphore::new(1));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let late = run("t", &places, Duration::from_millis(20), move || {
            let _ = held.recv();
        })
        .await;
        assert_eq!(late, Err(NoResult::Late));
        let none = run("t", &places, Duration::from_millis(20), || ()).await;
        assert_eq!(none, Err(NoResult::NoPlace));
        drop(release);
        let free = run("t", &places, Duration::from_secs(30), || 7).await;
        assert_eq!(free, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let places = Arc::new(Semaphore::new(1));
        let broken = run("t", &places, Duration::from_secs(30), || {
            panic!("on purpose")
        })
        .await;
        assert!(matches!(broken, Err(NoResult::Broken(_))));
        assert_eq!(places.available_permits(), 1);
    }
}

//! Passwords: hashed with argon2id, and only few at a time, since each takes 19 MiB and a processor for a while.

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use bellwether_model::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The room of this process: as many as it has processors, and at most four.
static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    Arc::new(Semaphore::new(processors.min(4)))
});

/// argon2id with the library's parameters (OWASP's recommendation).
pub async fn hash(password: SecretString) -> Result<String> {
    in_turn(&ROOM, move || {
        Argon2::default()
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| Error::internal(format!("hashing a password: {error}")))
    })
    .await
}

/// Whether it is the password of this hash.
pub async fn verify(password: SecretString, stored: String) -> Result<bool> {
    in_turn(&ROOM, move || {
        let parsed = PasswordHash::new(&stored)
            .map_err(|error| Error::internal(format!("stored password hash: {error}")))?;
        Ok(Argon2::default()
            .verify_password(password.expose_secret().as_bytes(), &parsed)
            .is_ok())
    })
    .await
}

/// Does it off the async threads once there is room; `TooMany` after some seconds without.
async fn in_turn<T: Send + 'static>(
    room: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let place = tokio::time::timeout(PATIENCE, room.clone().acquire_owned())
        .await
        .map_err(|_| {
            Error::new(
                ErrorKind::TooMany,
                "Too many people are giving their passwords at this moment. Try again in a few seconds.",
            )
        })?
        .map_err(Error::internal)?;
    // The place is kept until the work is done, also when nobody waits for it any more.
    tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    })
    .await
    .map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_hash_is_argon2id_and_fits_its_password_only() {
        let hash = hash("correct horse".to_owned().into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let fits = async |password: &str| verify(password.to_owned().into(), hash.clone()).await;
        assert!(fits("correct horse").await.unwrap());
        assert!(!fits("Correct horse").await.unwrap());
    }

    #[tokio::test]
    async fn only_few_are_hashed_at_a_time_and_nobody_waits_for_ever() {
        let room = Arc::new(Semaphore::new(1));
        let (release, held) = mpsc::channel::<()>();
        // Its caller has gone away; the work goes on, and so does its hold on the room.
        let first = tokio::spawn({
            let room = room.clone();
            async move { in_turn(&room, move || Ok(held.recv().is_ok())).await }
        });
        while room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        let second = async { in_turn(&room, || Ok(())).await.unwrap_err() };
        let patience_ends = async {
            tokio::time::pause();
            tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
            tokio::time::resume();
        };
        let (second, ()) = tokio::join!(second, patience_ends);
        assert_eq!(second.kind, ErrorKind::TooMany);
        release.send(()).unwrap();
        in_turn(&room, || Ok(())).await.unwrap();
    }
}

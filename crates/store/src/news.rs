//! When it is worth reading again what others may have written.

use crate::db::Db;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How often it is looked at least. Processes share a PostgreSQL, and don't tell each other what they write; a SQLite is
/// written by one, and now and then by a command that somebody runs beside it.
const SHARED: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_secs(10);
/// How often it is looked at most.
const CALM: Duration = Duration::from_secs(1);

/// Counts the transactions that this process committed.
#[derive(Clone, Debug)]
pub(crate) struct Written(Arc<watch::Sender<u64>>);

impl Default for Written {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Written {
    /// One more.
    pub fn tell(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
    pub fn news(&self, db: &Db) -> News {
        News {
            written: self.0.subscribe(),
            patience: match db {
                Db::Sqlite { .. } => ALONE,
                Db::Postgres { .. } => SHARED,
            },
        }
    }
}

/// Says when to read again, for who looks for something new for ever: soon after this process wrote anything, after a
/// while for what another may have written, and never more than once a second. So looking costs nothing while nothing
/// happens.
#[derive(Debug)]
pub struct News {
    written: watch::Receiver<u64>,
    patience: Duration,
}

impl News {
    /// Waits until it is time, for as long as `longest` at most. What was written before this was last called doesn't
    /// count; dropped while it waits, nothing is missed.
    pub async fn come(&mut self, longest: Duration) {
        let began = Instant::now();
        sleep_until(began + CALM).await;
        tokio::select! {
            // Where nobody is left who writes there is no hurry.
            () = async { if self.written.changed().await.is_err() { std::future::pending().await } } => {}
            () = sleep_until(began + self.patience.min(longest)) => {}
        }
        self.written.mark_unchanged();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(written: &Written, patience: Duration) -> News {
        News {
            written: written.0.subscribe(),
            patience,
        }
    }

    async fn took(news: &mut News, longest: Duration) -> u64 {
        let began = Instant::now();
        news.come(longest).await;
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_after_a_write_within_a_second_and_seldom_where_nothing_is_written() {
        let written = Written::default();
        let mut news = news(&written, ALONE);
        assert_eq!(took(&mut news, Duration::MAX).await, 10);
        assert_eq!(took(&mut news, Duration::from_secs(3)).await, 3);
        written.tell();
        written.tell();
        assert_eq!(took(&mut news, Duration::MAX).await, 1);
        assert_eq!(took(&mut news, Duration::MAX).await, 10, "told once");
        assert_eq!(
            took(&mut news, Duration::ZERO).await,
            1,
            "never more than once a second"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_while_nobody_waited_is_not_missed() {
        let written = Written::default();
        let mut news = news(&written, ALONE);
        news.come(Duration::MAX).await;
        written.tell();
        assert_eq!(took(&mut news, Duration::MAX).await, 1);
    }
}

//! Live events: what pages that are open should look at again. Server-sent events resume after the last one seen.
//!
//! The number comes from a counter that is updated inside the transaction: its row stays locked until that transaction
//! ends, so an event with a lower number never becomes visible after one with a higher, and who asks for what came after
//! the last one seen misses nothing. (A sequence of PostgreSQL would hand out numbers that commit out of order.)

use crate::{
    Store, Tx, limit,
    sql::{Row, sql},
};
use bellwether_model::{Result, Timestamp, UserId};

/// An event to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// What kind of thing changed: `vm`, `request`, `job`, `host`, `migration`, `image`, `audit`.
    pub topic: String,
    /// Its identifier.
    pub id: String,
    /// Who may see it besides admins; none for admins only.
    pub owner: Option<UserId>,
    /// Everybody who is logged in may see it.
    pub public: bool,
}

/// An event that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Order, without repetition; grows but may skip.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing changed.
    pub topic: String,
    /// Its identifier.
    pub id: String,
    /// Who may see it besides admins.
    pub owner: Option<UserId>,
    /// Everybody who is logged in may see it.
    pub public: bool,
}

fn from_row(row: &Row) -> Result<Event> {
    Ok(Event {
        seq: row.get("seq")?,
        at: row.at("at")?,
        topic: row.get("topic")?,
        id: row.get("id")?,
        owner: row.opt_id("owner")?,
        public: row.get("public")?,
    })
}

impl Store {
    /// Events after `seq`, oldest first.
    pub async fn events_after(&self, seq: i64, most: u32) -> Result<Vec<Event>> {
        sql(
            "SELECT seq, at, topic, id, owner, public FROM events WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(seq)
        .bind(limit(most))
        .list(self.on(), from_row)
        .await
    }

    /// The number of the newest event; 0 before any.
    pub async fn last_event(&self) -> Result<i64> {
        sql("SELECT value FROM counters WHERE name = 'events'")
            .one(self.on())
            .await?
            .get("value")
    }
}

impl Tx {
    /// Tells an event; others see it once this transaction commits. Its number.
    pub async fn emit(&mut self, event: NewEvent) -> Result<i64> {
        let seq: i64 =
            sql("UPDATE counters SET value = value + 1 WHERE name = 'events' RETURNING value")
                .one(self.on())
                .await?
                .get("value")?;
        sql(
            "INSERT INTO events (seq, at, topic, id, owner, public) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(seq)
        .bind(event.at)
        .bind(event.topic)
        .bind(event.id)
        .bind(event.owner)
        .bind(event.public)
        .run(self.on())
        .await?;
        Ok(seq)
    }

    /// Forgets events from before a moment. Their numbers are not used again.
    pub async fn prune_events(&mut self, before: Timestamp) -> Result<()> {
        sql("DELETE FROM events WHERE at < $1")
            .bind(before)
            .run(self.on())
            .await
            .map(drop)
    }
}

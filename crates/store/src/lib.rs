//! The only SQL of Bellwether: what is intended and what has happened, in SQLite or PostgreSQL by URL.
//!
//! A [`Store`] is opened by URL, brings the schema to this version and answers reads. Changes are made in a [`Tx`]:
//! begin, change, [`Tx::commit`]; dropped, it never was. The store has no clock (`now` is an argument) and decides nothing:
//! it keeps what it is given, and refuses what would contradict what is there. [`History`] keeps the measurements, apart.
//!
//! | file | what it knows |
//! |---|---|
//! | `sql` | one statement for both databases: placeholders, arguments, rows |
//! | `db`, `tx`, `fault`, `upgrade` | connecting, writing transactions, what errors mean, the schema's versions |
//! | `people`, `policy`, `audit`, `events` | who there is, what they may, what they did, what pages should know |
//! | `requests`, `vms`, `addresses`, `secrets`, `generation`, `totals` | what was asked for, what came of it, what holds it |
//! | `tallies` | how many requests, jobs and migrations are in which state |
//! | `hosts`, `storages`, `networks`, `images`, `seen` | the fleet and what was last seen of it |
//! | `news` | when it is worth reading again |
//! | `records` | what of this is kept in memory, and how it is known to be current |
//! | `jobs`, `journal`, `tombstones`, `migrations` | work, its journal, what it leaves behind |
//! | `incidents`, `notices`, `pool_uses` | what alerts found, who is told of it, how storages fill |
//! | `history` | measurements in time-blocked, compressed series |
//!
//! # Errors
//! Every function returns `bellwether_model::Error`: `NotFound` for an identifier nobody has, `Conflict` where it came too
//! late or a name is taken (the field in `fields`), `Unavailable` while the database is locked, read-only or away, `Internal`
//! with a context for the log where a row holds what it can't. A `Conflict` that the store words itself leaves the
//! transaction usable; an error of the database ends it.

mod addresses;
mod audit;
mod db;
mod events;
mod fault;
mod fresh;
mod generation;
mod history;
mod hosts;
mod images;
mod incidents;
mod jobs;
mod journal;
mod migrations;
mod networks;
mod news;
mod notices;
mod people;
mod plans;
mod policy;
mod pool_uses;
mod records;
mod requests;
mod secrets;
mod seen;
mod sql;
mod storages;
mod tallies;
mod tokens;
mod tombstones;
mod totals;
mod tx;
mod upgrade;
mod vms;

pub use addresses::HeldAddress;
pub use audit::{AuditQuery, NewAudit};
pub use events::{Event, NewEvent};
pub use history::{History, Point, Series, SeriesKey};

pub use incidents::IncidentQuery;
pub use jobs::JobQuery;
pub use migrations::{MigrationQuery, PastMoves};
pub use news::News;
pub use notices::{NewNotice, Notice, NoticeTally};
pub use pool_uses::PoolUses;
pub use records::Records;
pub use requests::RequestQuery;
pub use tallies::Tally;
pub use tombstones::Tombstone;
pub use totals::PersonTotals;
pub use tx::Tx;
pub use vms::VmQuery;

use bellwether_model::Result;
use db::Db;
use sql::{On, sql};

/// The database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    kept: std::sync::Arc<records::Kept>,
    written: news::Written,
}

impl Store {
    /// Opens the database a URL names, `sqlite:///path/file.db` (made if it is not there) or `postgres://user@host/name`,
    /// and brings its schema to this version. Refuses a database of a newer version.
    pub async fn open(url: &str) -> Result<Self> {
        let db = Db::connect(url).await?;
        if let Err(e) = upgrade::run(&db, &upgrade::STORE).await {
            db.close().await;
            return Err(e.into());
        }
        Ok(Self {
            db,
            kept: std::sync::Arc::default(),
            written: news::Written::default(),
        })
    }

    /// Begins a writing transaction; waits its turn for seconds, then `Unavailable`.
    pub async fn begin(&self) -> Result<Tx> {
        let mut tx = Tx::begin(&self.db, tx::Waiting::Briefly).await?;
        tx.written = Some(self.written.clone());
        Ok(tx)
    }

    /// When to look again for what was written since.
    pub fn news(&self) -> News {
        self.written.news(&self.db)
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.db {
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres { .. } => "postgres",
        }
    }

    /// Whether the database answers a read.
    pub async fn ping(&self) -> Result<()> {
        sql("SELECT value FROM counters WHERE name = 'fleet'")
            .one(self.on())
            .await
            .map(drop)
    }

    /// Lets go of the database once running statements are done; what comes later is `Unavailable`.
    pub async fn close(&self) {
        self.db.close().await;
    }

    fn on(&self) -> On<'_> {
        On::Read(&self.db)
    }

    fn on_writer(&self) -> On<'_> {
        On::Write(&self.db)
    }
}

/// How many rows a list without a limit of its own may have.
fn limit(limit: u32) -> i64 {
    i64::from(limit.clamp(1, 100_000))
}

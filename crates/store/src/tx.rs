//! A writing transaction.
//!
//! On both databases writing transactions come one after the other: SQLite has one writer, and on PostgreSQL each takes an
//! advisory lock first. So what a transaction reads stays true until it commits ("is there room?", "is the name free?"),
//! on PostgreSQL too, without retries for serialization failures. The price, a short queue, is small: a transaction here
//! takes milliseconds and never waits for a host. Four writes that come often and concern one row (claiming a job,
//! renewing its lease, its progress, what was last seen of a host) run beside it, each one statement that checks what it
//! depends on.

use crate::{
    db::Db,
    fault,
    news::Written,
    records,
    sql::{On, sql},
};
use bellwether_model::{Error, Result};
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};
use std::collections::BTreeSet;

/// The key of the advisory lock that makes writing transactions on PostgreSQL one at a time ("bellweth" in ASCII).
const LOCK: i64 = 0x6265_6c6c_7765_7468;

/// A writing transaction; dropped without [`Tx::commit`] it is rolled back.
///
/// While one is open, other writers wait (and give up as `Unavailable` after seconds): never hold one across a call to a
/// host, and don't write through the `Store` while holding one.
#[derive(Debug)]
pub struct Tx {
    pub(crate) inner: Inner,
    /// A statement failed in the database: nothing of this can be committed.
    pub(crate) broken: bool,
    /// Of what is kept in memory ([`records`]), what this changes.
    pub(crate) changes: BTreeSet<&'static str>,
    /// Told when this is committed.
    pub(crate) written: Option<Written>,
}

#[derive(Debug)]
pub(crate) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// How long to wait for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// As long as a person would.
    Briefly,
    /// Another process may be upgrading a large table.
    ForAnUpgrade,
}

impl Tx {
    pub(crate) async fn begin(db: &Db, waiting: Waiting) -> Result<Self> {
        let doing = "beginning a transaction";
        let fault = |e| fault::of(e, doing);
        let inner = match db {
            // A deferred transaction that reads first and then writes fails at once when another wrote in between, and
            // no timeout helps: so the lock is taken at the beginning.
            Db::Sqlite { write, .. } => {
                Inner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?)
            }
            Db::Postgres { transactions, .. } => {
                Inner::Postgres(transactions.begin().await.map_err(fault)?)
            }
        };
        let mut tx = Self {
            inner,
            broken: false,
            changes: BTreeSet::new(),
            written: None,
        };
        if matches!(tx.inner, Inner::Postgres(_)) {
            if waiting == Waiting::ForAnUpgrade {
                let patient = "SET LOCAL lock_timeout = '10min'; SET LOCAL statement_timeout = 0";
                tx.script(patient.into()).await?;
            }
            sql("SELECT pg_advisory_xact_lock($1)")
                .bind(LOCK)
                .run(On::Tx(&mut tx))
                .await?;
        }
        Ok(tx)
    }

    /// Runs statements without arguments: the text of an upgrade.
    pub(crate) async fn script(&mut self, text: String) -> Result<()> {
        let script = sqlx::raw_sql(AssertSqlSafe(text));
        match &mut self.inner {
            Inner::Sqlite(tx) => script.execute(&mut **tx).await.map(drop),
            Inner::Postgres(tx) => script.execute(&mut **tx).await.map(drop),
        }
        .map_err(|e| {
            self.broken = true;
            fault::of(e, "running an upgrade")
        })
    }

    /// Makes everything since `begin` last and visible to others, or fails and changes nothing.
    pub async fn commit(mut self) -> Result<()> {
        if self.broken {
            return Err(Error::internal(
                "commit of a transaction in which a statement failed; it is rolled back",
            ));
        }
        for counter in std::mem::take(&mut self.changes) {
            records::count(self.on(), counter).await?;
        }
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
        }
        .map_err(|e| fault::of(e, "COMMIT"))?;
        if let Some(written) = self.written {
            written.tell();
        }
        Ok(())
    }

    /// Gives everything since `begin` up, at once; dropping does the same a moment later.
    pub async fn rollback(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(tx) => tx.rollback().await,
            Inner::Postgres(tx) => tx.rollback().await,
        }
        .map_err(|e| fault::of(e, "ROLLBACK"))
    }

    pub(crate) fn on(&mut self) -> On<'_> {
        On::Tx(self)
    }
}

//! Migrations: from, to, how, and what came of it.

use crate::{
    Store, Tx, limit,
    people::found,
    sql::{On, Row, Statement, sql},
};
use bellwether_model::{
    Error, HostId, MigrationId, Result, Timestamp, VmId,
    migration::{Migration, MigrationOutcome},
};
use std::collections::BTreeSet;

/// Those of one VM are found by its index only where the text allows no others.
macro_rules! fits {
    ($vm:literal) => {
        concat!(
            $vm,
            " AND (NOT $2 OR outcome IN ('running', 'unknown')) AND ($3 IS NULL OR outcome = $3)"
        )
    };
}

macro_rules! columns {
    () => {
        "id, job, vm, source, target, copy_disk, asked_by, outcome, reason, started_at, ended_at, total_ms, downtime_ms, bytes, \
         rounds, zero_bytes, forecast, intent, mechanism, phases"
    };
}

/// Which migrations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrationQuery {
    /// Of this VM.
    pub vm: Option<VmId>,
    /// Only those under way, or whose outcome is not yet known.
    pub running_only: bool,
    /// That ended so, or are under way.
    pub outcome: Option<MigrationOutcome>,
    /// So many of the newest are passed over.
    pub skip: u32,
    /// At most so many; 0 counts as 1.
    pub limit: u32,
}

fn from_row(row: &Row) -> Result<Migration> {
    Ok(Migration {
        id: row.id("id")?,
        job: row.opt_id("job")?,
        vm: row.id("vm")?,
        source: row.id("source")?,
        target: row.id("target")?,
        copy_disk: row.get("copy_disk")?,
        asked_by: row.opt_id("asked_by")?,
        outcome: row.word("outcome")?,
        reason: row.get("reason")?,
        started_at: row.at("started_at")?,
        ended_at: row.opt_at("ended_at")?,
        total_ms: row.opt_size("total_ms")?,
        downtime_ms: row.opt_size("downtime_ms")?,
        bytes: row.opt_size("bytes")?,
        rounds: row.opt_size("rounds")?,
        zero_bytes: row.opt_size("zero_bytes")?,
        forecast: row.opt_json("forecast")?,
        intent: row.opt_json("intent")?,
        mechanism: row.opt_json("mechanism")?,
        phases: row.opt_json("phases")?.unwrap_or_default(),
    })
}

async fn by_id(on: On<'_>, id: MigrationId) -> Result<Migration> {
    let found = sql(concat!(
        "SELECT ",
        columns!(),
        " FROM migrations WHERE id = $1"
    ))
    .bind(id)
    .optional(on)
    .await?;
    from_row(&found.ok_or_else(|| Error::not_found("migration"))?)
}

impl Store {
    /// The migration.
    pub async fn migration(&self, id: MigrationId) -> Result<Migration> {
        by_id(self.on(), id).await
    }

    /// The migrations that fit, newest first.
    pub async fn migrations(&self, query: MigrationQuery) -> Result<Vec<Migration>> {
        macro_rules! selecting {
            ($vm:literal) => {
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM migrations WHERE ",
                    fits!($vm),
                    " ORDER BY started_at DESC, id DESC LIMIT $4 OFFSET $5"
                )
            };
        }
        let text = match query.vm {
            Some(_) => selecting!("vm = $1"),
            None => selecting!("$1 IS NULL"),
        };
        fitting(text, &query)
            .bind(limit(query.limit))
            .bind(i64::from(query.skip))
            .list(self.on(), from_row)
            .await
    }

    /// How many migrations fit, whatever is passed over.
    pub async fn count_migrations(&self, query: &MigrationQuery) -> Result<u64> {
        let text = concat!(
            "SELECT COUNT(*) AS number FROM migrations WHERE ",
            fits!("($1 IS NULL OR vm = $1)")
        );
        fitting(text, query).one(self.on()).await?.size("number")
    }
}

/// `text` ends in [`fits`].
fn fitting(text: &'static str, query: &MigrationQuery) -> Statement {
    sql(text)
        .bind(query.vm)
        .bind(query.running_only)
        .bind(query.outcome.map(|outcome| outcome.as_str()))
}

/// How earlier moves from one host to another ended; those that were cancelled do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastMoves {
    /// Where they went.
    pub target: HostId,
    /// When the last one that succeeded ended.
    pub succeeded: Option<Timestamp>,
    /// When the last one that failed ended, and why.
    pub failed: Option<(Timestamp, String)>,
}

impl Store {
    /// How earlier moves away from `source` ended, by target.
    pub async fn past_moves(&self, source: HostId) -> Result<Vec<PastMoves>> {
        sql(
            "SELECT past.target, past.succeeded, past.failed, (SELECT MIN(reason) FROM migrations WHERE source = $1 \
             AND target = past.target AND ended_at = past.failed AND outcome = 'failed') AS reason FROM (SELECT target, \
             MAX(CASE WHEN outcome = 'completed' THEN ended_at END) AS succeeded, \
             MAX(CASE WHEN outcome = 'failed' THEN ended_at END) AS failed FROM migrations \
             WHERE source = $1 AND ended_at IS NOT NULL GROUP BY target) AS past ORDER BY past.target",
        )
        .bind(source)
        .list(self.on(), |row| {
            let reason: Option<String> = row.get("reason")?;
            Ok(PastMoves {
                target: row.id("target")?,
                succeeded: row.opt_at("succeeded")?,
                failed: row
                    .opt_at("failed")?
                    .map(|at| (at, reason.unwrap_or_else(|| "the reason is not known".into()))),
            })
        })
        .await
    }

    /// The ways from and to `host` that a move has taken to its end, as (from, to).
    pub async fn proven_ways(&self, host: HostId) -> Result<BTreeSet<(HostId, HostId)>> {
        let rows = sql(
            "SELECT other.id AS other, \
             (SELECT MAX(ended_at) FROM migrations WHERE source = $1 AND target = other.id AND outcome = 'completed') AS there, \
             (SELECT MAX(ended_at) FROM migrations WHERE source = other.id AND target = $1 AND outcome = 'completed') AS back \
             FROM hosts AS other WHERE other.id <> $1 ORDER BY other.id",
        )
        .bind(host)
        .all(self.on())
        .await?;
        let mut proven = BTreeSet::new();
        for row in rows {
            let other = row.id("other")?;
            if row.opt_at("there")?.is_some() {
                proven.insert((host, other));
            }
            if row.opt_at("back")?.is_some() {
                proven.insert((other, host));
            }
        }
        Ok(proven)
    }

    /// The migrations from and to `host` that are under way or ended at `since` or later, newest first, `most` at most.
    pub async fn migrations_of_host(
        &self,
        host: HostId,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<Migration>> {
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM migrations WHERE (source = $1 OR target = $1) AND (ended_at IS NULL OR ended_at >= $2) \
             ORDER BY started_at DESC, id DESC LIMIT $3"
        ))
        .bind(host)
        .bind(since)
        .bind(limit(most))
        .list(self.on(), from_row)
        .await
    }

    /// The migrations under way, and those that ended at `since` or later, in the order they were begun, as of now or later;
    /// kept as [`Store::records`] are.
    pub async fn recent_migrations(&self, since: Timestamp) -> Result<Vec<Migration>> {
        let recent = |from: Timestamp| {
            sql(concat!(
                "SELECT ",
                columns!(),
                " FROM migrations WHERE ended_at IS NULL OR ended_at >= $1 ORDER BY started_at, id"
            ))
            .bind(from)
            .list(self.on(), from_row)
        };
        self.kept_migrations(since, recent).await
    }
}

impl Tx {
    /// The migration, with this transaction's changes.
    pub async fn migration(&mut self, id: MigrationId) -> Result<Migration> {
        by_id(self.on(), id).await
    }

    /// Keeps a new migration.
    pub async fn insert_migration(&mut self, migration: &Migration) -> Result<()> {
        sql(concat!(
            "INSERT INTO migrations (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"
        ))
        .bind(migration.id)
        .bind(migration.job)
        .bind(migration.vm)
        .bind(migration.source)
        .bind(migration.target)
        .bind(migration.copy_disk)
        .bind(migration.asked_by)
        .bind(migration.outcome.as_str())
        .bind(migration.reason.clone())
        .bind(migration.started_at)
        .bind(migration.ended_at)
        .opt_size(migration.total_ms)
        .opt_size(migration.downtime_ms)
        .opt_size(migration.bytes)
        .opt_size(migration.rounds)
        .opt_size(migration.zero_bytes)
        .opt_json(&migration.forecast)
        .opt_json(&migration.intent)
        .opt_json(&migration.mechanism)
        .json(&migration.phases)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes what became of a migration. What it may cost stays as it was kept, see [`Tx::set_limits`].
    pub async fn update_migration(&mut self, migration: &Migration) -> Result<()> {
        let changed = sql(
            "UPDATE migrations SET job = $2, source = $3, target = $4, copy_disk = $5, outcome = $6, reason = $7, started_at = $8, \
             ended_at = $9, total_ms = $10, downtime_ms = $11, bytes = $12, rounds = $13, zero_bytes = $14, \
             forecast = $15, phases = $16 WHERE id = $1",
        )
        .bind(migration.id)
        .bind(migration.job)
        .bind(migration.source)
        .bind(migration.target)
        .bind(migration.copy_disk)
        .bind(migration.outcome.as_str())
        .bind(migration.reason.clone())
        .bind(migration.started_at)
        .bind(migration.ended_at)
        .opt_size(migration.total_ms)
        .opt_size(migration.downtime_ms)
        .opt_size(migration.bytes)
        .opt_size(migration.rounds)
        .opt_size(migration.zero_bytes)
        .opt_json(&migration.forecast)
        .json(&migration.phases)
        .run(self.on())
        .await?;
        found(changed, "migration")
    }
    /// Writes what a migration may cost from now on, and how it is done; false where it is over.
    pub async fn set_limits(&mut self, migration: &Migration) -> Result<bool> {
        let changed = sql(
            "UPDATE migrations SET intent = $2, mechanism = $3 WHERE id = $1 AND outcome = 'running'",
        )
        .bind(migration.id)
        .opt_json(&migration.intent)
        .opt_json(&migration.mechanism)
        .run(self.on())
        .await?;
        Ok(changed > 0)
    }
}

//! The measurements: samples of many series, kept compactly, rolled up, removed when old.
//!
//! ```text
//! append ──► journal (a row per sample of all series; what kill -9 can lose is what was not yet appended)
//!               │ every hour, half a minute after its end
//!               ▼
//!            blocks: one BLOB per series and span, compressed
//!            as taken 26 h ──► 1 min 9 days ──► 10 min 92 days ──► 1 h 2 years      (average, lowest, highest, weight;
//!                                                                        how long each is kept is policy)
//! ```
//! The journal is mirrored in memory, so that a query reads blocks from the database and the rest from memory. On
//! PostgreSQL one process appends (the leader) and every process answers, each following the journal.
//!
//! On SQLite this is a file of its own, `metrics.db` beside the database: it may be lost without losing anything that
//! matters, so a damaged one, or one of a newer version, never stops the server: it is set aside and a new one begun.
//! A power cut may lose the last samples (`synchronous = NORMAL`), never the file.

mod block;
mod file;
mod open;
mod query;
mod settle;
mod tiers;

use crate::{
    db::{Db, Target},
    fault,
    fresh::Fresh,
    sql::{On, sql},
    tx::{Tx, Waiting},
    upgrade,
};
use bellwether_model::{Error, Result, Timestamp, policy::HistoryPolicy, signal::Signal};
use open::Open;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};
use tiers::Kept;
use uuid::Uuid;

/// What a series measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Of what kind of thing: `vm` or `host`.
    pub entity: &'static str,
    /// Its identifier; for a VM the libvirt UUID, managed or not.
    pub id: Uuid,
    /// What: `cpu`, `memory`, `disk_read`, … with its unit fixed by who appends.
    pub signal: &'static str,
}

impl SeriesKey {
    /// The series of a signal of the thing with this identifier.
    pub fn new(id: Uuid, signal: Signal) -> Self {
        Self {
            entity: signal.of.as_str(),
            id,
            signal: signal.word,
        }
    }
}

/// A point: the beginning of its span, then the span's average, lowest and highest value.
pub type Point = (Timestamp, f32, f32, f32);

/// A series' points, in order; a span without a sample has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which.
    pub key: SeriesKey,
    /// Its points.
    pub points: Vec<Point>,
}

/// The measurements; cheap to clone.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    db: Mutex<Db>,
    /// The SQLite file; none on PostgreSQL.
    file: Option<PathBuf>,
    open: Mutex<Open>,
    ids: Mutex<Ids>,
    refreshing: tokio::sync::Mutex<()>,
    /// Of many who read at the same time one follows the journal for all.
    followed: Fresh<()>,
    settling: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
    /// Counts the files that were begun anew, so that of many who find one broken one does it.
    begun: AtomicU64,
    beginning: tokio::sync::Mutex<()>,
    /// Why the last closing of an hour failed; until one succeeds the journal only grows.
    unsettled: Mutex<Option<Error>>,
}

/// The numbers of series, as far as they were read: all up to the highest.
#[derive(Debug, Default)]
struct Ids {
    of_things: HashMap<Uuid, Vec<OfThing>>,
    highest: u32,
}

/// A series of a thing: entity, signal, number.
type OfThing = (Box<str>, Box<str>, u32);

/// A series with its number.
struct Numbered {
    thing: Uuid,
    entity: String,
    signal: String,
    id: u32,
}

impl Ids {
    fn find(&self, key: &SeriesKey) -> Option<u32> {
        let of_thing = self.of_things.get(&key.id)?;
        let found = of_thing
            .iter()
            .find(|(entity, signal, _)| &**entity == key.entity && &**signal == key.signal);
        found.map(|(.., id)| *id)
    }
    /// Takes those that are not known yet, in order of their numbers.
    fn add(&mut self, read: Vec<Numbered>) {
        for series in read {
            if series.id > self.highest {
                self.highest = series.id;
                let of_thing = self.of_things.entry(series.thing).or_default();
                of_thing.push((series.entity.into(), series.signal.into(), series.id));
            }
        }
    }
}

impl History {
    /// Opens the measurements that belong to the store of this URL: `metrics.db` beside a SQLite file, tables in a
    /// PostgreSQL database.
    pub async fn open(store_url: &str) -> Result<Self> {
        let (db, file) = match Target::parse(store_url)? {
            Target::Sqlite(options) => {
                let file = options.get_filename().with_file_name("metrics.db");
                (file::open_or_begin(&file).await?, Some(file))
            }
            Target::Postgres(_) => {
                let db = Db::connect(store_url).await?;
                upgrade::run(&db, &upgrade::METRICS)
                    .await
                    .map_err(Error::from)?;
                (db, None)
            }
        };
        let inner = Inner {
            db: Mutex::new(db),
            file,
            open: Mutex::default(),
            ids: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            followed: Fresh::default(),
            settling: tokio::sync::Mutex::default(),
            kept: Mutex::new(Kept::of(&HistoryPolicy::default())),
            begun: AtomicU64::default(),
            beginning: tokio::sync::Mutex::default(),
            unsettled: Mutex::default(),
        };
        if let Err(e) = inner.load().await {
            inner.begin_anew_if_broken(0, e).await?;
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Appends what was measured at one moment (kept to the second; a second value in the same second replaces the first).
    /// What is not a finite number is unknown, and left out. When this returns, kill -9 does not lose it. Fails where an hour
    /// that is over can't be closed, too: then nothing is lost yet, but the file only grows.
    pub async fn append(&self, at: Timestamp, values: &[(SeriesKey, f32)]) -> Result<()> {
        if u32::try_from(at.seconds()).is_err() {
            return Err(Error::invalid(format!(
                "{at} is no moment measurements can have."
            )));
        }
        let begun = self.inner.begun();
        if let Err(e) = self.inner.append(at, values).await {
            self.inner.begin_anew_if_broken(begun, e).await?;
            self.inner.append(at, values).await?;
        }
        if self.inner.is_due(at.seconds()) {
            let history = self.clone();
            tokio::spawn(async move { history.settle_unless_under_way(at).await });
        }
        match lock(&self.inner.unsettled).clone() {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// From now on keeps what is measured for as long as this says; what is older goes with the next hour that is closed.
    pub fn keep_for(&self, policy: &HistoryPolicy) {
        *lock(&self.inner.kept) = Kept::of(policy);
    }

    /// Closes the hours that are over at `now` into blocks and removes what is too old. [`History::append`] sees to it; one
    /// that is under way is waited for, since it may be about an earlier moment.
    pub async fn settle(&self, now: Timestamp) -> Result<()> {
        let _only_one = self.inner.settling.lock().await;
        self.settle_now(now).await
    }

    async fn settle_unless_under_way(&self, now: Timestamp) {
        let Ok(_only_one) = self.inner.settling.try_lock() else {
            return;
        };
        let settled = self.settle_now(now).await;
        if let Err(e) = &settled {
            tracing::error!(
                context = e.context(),
                "measurements can't be closed into blocks: {e}"
            );
        }
        *lock(&self.inner.unsettled) = settled.err();
    }

    async fn settle_now(&self, now: Timestamp) -> Result<()> {
        let begun = self.inner.begun();
        match settle::settle(&self.inner, now.seconds()).await {
            Err(e) => self.inner.begin_anew_if_broken(begun, e).await,
            settled => settled,
        }
    }

    /// Lets go of the database.
    pub async fn close(&self) {
        let _after_settling = self.inner.settling.lock().await;
        self.inner.db().close().await;
    }
}

impl Inner {
    pub(crate) fn db(&self) -> Db {
        lock(&self.db).clone()
    }

    pub(crate) fn kept(&self) -> Kept {
        *lock(&self.kept)
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    /// Reads which series there are, and the journal.
    async fn load(&self) -> Result<()> {
        let db = self.db();
        let series = read_series(On::Read(&db), 0).await?;
        lock(&self.ids).add(series);
        self.refresh(&db).await
    }

    /// The number of a series, if it was ever appended to.
    pub(crate) fn id(&self, key: &SeriesKey) -> Option<u32> {
        lock(&self.ids).find(key)
    }

    async fn append(&self, at: Timestamp, values: &[(SeriesKey, f32)]) -> Result<()> {
        // SQLite goes on writing to a file that has no name any more.
        if self.file.as_deref().is_some_and(|file| !file.exists()) {
            return Err(Error::unavailable(fault::MOVED));
        }
        let db = self.db();
        let mut known = Vec::with_capacity(values.len());
        let mut new = Vec::new();
        {
            let ids = lock(&self.ids);
            for (key, value) in values.iter().filter(|(_, value)| value.is_finite()) {
                match ids.find(key) {
                    Some(id) => known.push((id, *value)),
                    None => new.push((key, *value)),
                }
            }
        }
        if !new.is_empty() {
            self.make_series(&db, new.iter().map(|(key, _)| **key))
                .await?;
            known.extend(
                new.iter()
                    .filter_map(|(key, value)| Some((self.id(key)?, *value))),
            );
        }
        if known.is_empty() {
            return Ok(());
        }
        let data = open::encode(&mut known);
        let seq = sql(
            "INSERT INTO metrics_journal (seq, at, data) SELECT 1 + MAX(highest), $1, $2 FROM (SELECT value AS highest FROM \
             metrics_state WHERE name = 'seq' UNION ALL SELECT COALESCE(MAX(seq), 0) FROM metrics_journal) AS numbers \
             RETURNING seq",
        )
        .bind(at.seconds())
        .bind(data)
        .one(On::Write(&db))
        .await?
        .get("seq")?;
        let mut open = self.open();
        // Another process appended in between: the next refresh reads both.
        if seq == open.seq + 1 {
            open.apply(seq, at.seconds(), &known);
        }
        Ok(())
    }

    async fn make_series(&self, db: &Db, keys: impl Iterator<Item = SeriesKey>) -> Result<()> {
        let mut tx = Tx::begin(db, Waiting::Briefly).await?;
        for key in keys {
            sql("INSERT INTO metrics_series (id, entity, thing, signal) SELECT 1 + COALESCE(MAX(id), 0), $1, $2, $3 \
                 FROM metrics_series WHERE TRUE ON CONFLICT (thing, entity, signal) DO NOTHING")
            .bind(key.entity)
            .bind(key.id)
            .bind(key.signal)
            .run(tx.on())
            .await?;
        }
        let known = lock(&self.ids).highest;
        let new = read_series(tx.on(), known).await?;
        tx.commit().await?;
        lock(&self.ids).add(new);
        Ok(())
    }

    /// Brings memory up to the journal: what other processes appended, or everything anew after a closing.
    pub(crate) async fn refresh(&self, db: &Db) -> Result<()> {
        let _one_at_a_time = self.refreshing.lock().await;
        let (mut closed, mut deleted) = (0, 0);
        let state = sql("SELECT name, value FROM metrics_state")
            .all(On::Read(db))
            .await?;
        for row in state {
            match row.get::<String>("name")?.as_str() {
                "closed" => closed = row.get("value")?,
                "seq" => deleted = row.get("value")?,
                _ => {}
            }
        }
        // What is read anew takes its place when it is whole: until then the old answers.
        let mut anew = (closed != self.open().closed).then(|| Open::after(closed));
        let mut seq = anew
            .as_ref()
            .map_or_else(|| self.open().seq, |anew| anew.seq);
        loop {
            let lines = sql(
                "SELECT seq, at, data FROM metrics_journal WHERE seq > $1 ORDER BY seq LIMIT 64",
            )
            .bind(seq)
            .list(On::Read(db), |row| {
                Ok((
                    row.get::<i64>("seq")?,
                    row.get::<i64>("at")?,
                    row.get::<Vec<u8>>("data")?,
                ))
            })
            .await?;
            let Some((last, ..)) = lines.last() else {
                break;
            };
            seq = *last;
            let mut highest = 0;
            for (seq, at, data) in &lines {
                let values = open::decode(data).unwrap_or_else(|| {
                    tracing::error!(
                        seq,
                        "a line of the measurements' journal is unreadable and left out"
                    );
                    Vec::new()
                });
                highest = highest.max(values.last().map_or(0, |(id, _)| *id));
                match &mut anew {
                    Some(anew) => anew.apply(*seq, *at, &values),
                    None => self.open().apply(*seq, *at, &values),
                }
            }
            let known = lock(&self.ids).highest;
            if known < highest {
                // Another process began series.
                let new = read_series(On::Read(db), known).await?;
                lock(&self.ids).add(new);
            }
        }
        let mut open = self.open();
        if let Some(anew) = anew {
            *open = anew;
        }
        // The numbers up to here are no lines any more.
        open.seq = open.seq.max(deleted);
        Ok(())
    }

    /// Whether an hour waits to be closed.
    fn is_due(&self, now: i64) -> bool {
        let open = self.open();
        let until = settle::closable(now);
        until > open.closed || (until < open.closed && !open.due(until).is_empty())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The series with a number above `known`, in order. A large fleet has hundreds of thousands: they are not read anew for each
/// that is begun.
async fn read_series(on: On<'_>, known: u32) -> Result<Vec<Numbered>> {
    sql("SELECT id, entity, thing, signal FROM metrics_series WHERE id > $1 ORDER BY id")
        .bind(i64::from(known))
        .list(on, |row| {
            Ok(Numbered {
                thing: row.get("thing")?,
                entity: row.get("entity")?,
                signal: row.get("signal")?,
                id: row.size("id")?,
            })
        })
        .await
}

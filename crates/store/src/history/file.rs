//! The file measurements are in: opening it, beginning anew where it is no use any more, its size.

use super::{History, Ids, Inner, lock, open::Open};
use crate::{
    db::{Db, Durability},
    fault,
    sql::{On, sql},
    upgrade::{self, Failure},
};
use bellwether_model::{Error, Result};
use sqlx::sqlite::SqliteConnectOptions;
use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

impl History {
    /// Bytes its file has, with the log of what was not yet moved into it; on PostgreSQL those of its tables.
    pub async fn size(&self) -> Result<u64> {
        let Some(file) = &self.inner.file else {
            return self.inner.size_of_tables().await;
        };
        let size = |suffix: &str| {
            let path = format!("{}{suffix}", file.display());
            std::fs::metadata(path).map_or(0, |data| data.len())
        };
        Ok(size("") + size("-wal"))
    }
}

impl Inner {
    async fn size_of_tables(&self) -> Result<u64> {
        let db = self.db();
        sql("SELECT CAST(SUM(pg_total_relation_size(CAST(name AS regclass))) AS BIGINT) AS bytes FROM (SELECT \
             'metrics_blocks' AS name UNION ALL SELECT 'metrics_journal' UNION ALL SELECT 'metrics_series') AS tables")
            .one(On::Read(&db))
            .await?
            .size("bytes")
    }

    /// How many files were begun anew so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Where the error says that the SQLite file is no use any more: sets it aside and begins a new one, unless another did
    /// since `begun` was read. Hands the error back otherwise.
    pub(crate) async fn begin_anew_if_broken(&self, begun: u64, error: Error) -> Result<()> {
        let Some(file) = self.file.as_deref() else {
            return Err(error);
        };
        let _one_at_a_time = self.beginning.lock().await;
        // Whoever was in the middle of something finds the old file closed, which is no error of its own.
        if self.begun() != begun {
            return Ok(());
        }
        if !is_broken(&error) {
            return Err(error);
        }
        self.db().close().await;
        set_aside(file, &error)?;
        let db = open_or_begin(file).await?;
        *lock(&self.db) = db;
        *self.open() = Open::default();
        *lock(&self.ids) = Ids::default();
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.load().await
    }
}

fn is_broken(error: &Error) -> bool {
    error.message == fault::DAMAGED || error.message == fault::MOVED
}

/// Opens the file; sets one aside that is damaged or of a newer version.
pub(super) async fn open_or_begin(file: &Path) -> Result<Db> {
    for _ in 0..2 {
        let error = match try_open(file).await {
            Ok(db) => return Ok(db),
            Err(Failure::Failed(error)) if !is_broken(&error) => return Err(error),
            Err(Failure::Failed(error) | Failure::Refused(error)) => error,
        };
        set_aside(file, &error)?;
    }
    try_open(file).await.map_err(Error::from)
}

async fn try_open(file: &Path) -> Result<Db, Failure> {
    let options = SqliteConnectOptions::new().filename(file);
    let db = Db::sqlite(options, Durability::Normal).await?;
    if let Err(failure) = upgrade::run(&db, &upgrade::METRICS).await {
        db.close().await;
        return Err(failure);
    }
    Ok(db)
}

/// Renames the file with its companions to the first free `metrics.db.set-aside-N`.
fn set_aside(file: &Path, why: &Error) -> Result<()> {
    let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", file.display()));
    let free = (1..10_000)
        .map(|n| named(&format!(".set-aside-{n}")))
        .find(|path| !path.exists())
        .ok_or_else(|| Error::internal("ten thousand measurement files are set aside"))?;
    tracing::error!(
        file = %file.display(), set_aside = %free.display(), context = why.context(),
        "the measurements can't be used and are set aside; new ones begin: {why}"
    );
    for companion in ["", "-wal", "-shm"] {
        let to = PathBuf::from(format!("{}{companion}", free.display()));
        match std::fs::rename(named(companion), to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(
                    Error::unavailable("The measurements can't be used, nor set aside.")
                        .with_context(e),
                );
            }
            _ => {}
        }
    }
    Ok(())
}

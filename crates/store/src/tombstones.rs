//! Tombstones: what an undone or deleted VM may have left on a host that could not be asked; `reconcile` enforces them.

use crate::{Store, Tx, sql::sql};
use bellwether_model::{HostId, JobId, Result, Timestamp, VmId};

/// This VM must not exist on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The VM.
    pub vm: VmId,
    /// The job that left it.
    pub job: JobId,
    /// Where.
    pub host: HostId,
    /// Since when.
    pub at: Timestamp,
}

impl Store {
    /// All tombstones, oldest first.
    pub async fn tombstones(&self) -> Result<Vec<Tombstone>> {
        sql("SELECT vm, job, host, at FROM tombstones ORDER BY at, vm, host")
            .list(self.on(), |row| {
                Ok(Tombstone {
                    vm: row.id("vm")?,
                    job: row.id("job")?,
                    host: row.id("host")?,
                    at: row.at("at")?,
                })
            })
            .await
    }
}

impl Tx {
    /// Leaves a tombstone; again for the same VM and host replaces it.
    pub async fn add_tombstone(
        &mut self,
        vm: VmId,
        job: JobId,
        host: HostId,
        now: Timestamp,
    ) -> Result<()> {
        sql(
            "INSERT INTO tombstones (vm, job, host, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (vm, host) DO UPDATE SET job = excluded.job, at = excluded.at",
        )
        .bind(vm)
        .bind(job)
        .bind(host)
        .bind(now)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Removes a tombstone; none is fine.
    pub async fn delete_tombstone(&mut self, vm: VmId, host: HostId) -> Result<()> {
        sql("DELETE FROM tombstones WHERE vm = $1 AND host = $2")
            .bind(vm)
            .bind(host)
            .run(self.on())
            .await
            .map(drop)
    }
}

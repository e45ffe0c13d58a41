//! Migration from a simulated host.

use super::SimHost;
use crate::{
    HypervisorError, MigrateSpec, Migration, MigrationFigures, Result,
    sim::{
        fault::{Fault, Op},
        moves::Move,
        world::World,
    },
};
use async_trait::async_trait;
use bellwether_model::migration::MigrationProgress;
use std::time::Duration;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

#[async_trait]
impl Migration for SimHost {
    async fn migrate(&self, spec: &MigrateSpec) -> Result<()> {
        let fault = self.enter(Op::Migrate).await?;
        let host = &self.name;
        if Instant::now() > spec.begin_by {
            return Err(HypervisorError::TimedOut(
                "it was too late to begin the move".into(),
            ));
        }
        let doubt = fault
            .clone()
            .filter(|fault| matches!(fault, Fault::DoubtTargetRuns | Fault::DoubtTargetGone));
        let (reply, end) = oneshot::channel();
        let id = self.fleet.with(|world| {
            world.answering(host)?;
            world.begin_move(host, spec, reply, doubt)
        })?;
        let outcome = match timeout(Move::timeout(spec), end).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HypervisorError::Unreachable(
                "the simulated fleet is gone".into(),
            )),
            Err(_) => {
                self.fleet.with(|world| world.give_up(id, Ok(())));
                Err(HypervisorError::TimedOut(format!(
                    "the migration did not end within {} s and was cancelled",
                    spec.timeout_seconds
                )))
            }
        };
        self.leave(Op::Migrate, fault).await?;
        outcome
    }

    async fn written(&self, vm: Uuid, seconds: u32) -> Result<Option<u64>> {
        let ask = |world: &mut World, host: &str| Ok(world.written(host, vm, seconds));
        if self.call(Op::Written, ask).await?.is_none() {
            return Ok(None);
        }
        sleep(Duration::from_secs(seconds.into())).await;
        self.call(Op::Written, ask).await
    }

    async fn migration_progress(&self, vm: Uuid) -> Result<Option<MigrationProgress>> {
        self.call(Op::MigrationProgress, |world, host| {
            Ok(world.progress(host, vm))
        })
        .await
    }
    async fn migration_figures(&self, vm: Uuid) -> Result<Option<MigrationFigures>> {
        self.call(Op::MigrationFigures, |world, host| {
            Ok(world.vm(host, vm)?.figures.clone())
        })
        .await
    }
    async fn set_longest_pause(&self, vm: Uuid, milliseconds: u32) -> Result<()> {
        self.call(Op::SetLongestPause, |world, host| {
            world.set_longest_pause(host, vm, milliseconds);
            Ok(())
        })
        .await
    }
    async fn set_bandwidth(&self, vm: Uuid, mib: u64) -> Result<()> {
        self.call(Op::SetBandwidth, |world, host| {
            world.set_bandwidth(host, vm, mib);
            Ok(())
        })
        .await
    }
    async fn start_post_copy(&self, vm: Uuid) -> Result<()> {
        self.call(Op::StartPostCopy, |world, host| {
            world.start_post_copy(host, vm)
        })
        .await
    }
    async fn abort_migration(&self, vm: Uuid) -> Result<()> {
        self.call(Op::AbortMigration, |world, host| world.abort_move(host, vm))
            .await
    }
}

//! The move itself: started once, followed to its end, cancelled on request.

use super::{
    settle::{self, Answers},
    work::Data,
};
use crate::{
    Engine,
    jobs::{CALL_DEADLINE, Halt, Run},
};
use bellwether_decide::migrate::{Whereabouts, crosses_sites};
use bellwether_hypervisor::{Host, HypervisorError, MigrateSpec};
use bellwether_model::{Error, Timestamp, job::Progress, migration::MigrationProgress, vm::Vm};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How often progress is read.
const LOOK: Duration = Duration::from_millis(250);
/// A move that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// Starts the move, or finds the one that was started before; shows progress; ends when the copy is over, either way.
pub(super) async fn copy(run: &mut Run, mut data: Data) -> Result<(), Halt> {
    let engine = run.engine.clone();
    if run.is_declared_off(data.source).await? {
        return Ok(());
    }
    let source = run.host(data.source).await?;
    let vm = engine.store().vm(data.vm).await?;
    if data.begun {
        return Following::of(run, &data, source).await?.follow(None).await;
    }
    let mut spec = spec(&engine, &vm, &data).await?;
    data.begun = true;
    run.save(&data).await?;
    // Another runner may take over when the lease is out, and then finds that nothing moves: a runner that slept until
    // then must not begin.
    let before = (Instant::now(), run.now());
    run.hold().await?;
    spec.begin_by = before.0 + run.job.lease_until.since(before.1).min(CALL_DEADLINE);
    let mover = source.clone();
    let moving = tokio::spawn(async move { mover.migrate(&spec).await });
    let following = Following::of(run, &data, source).await?;
    following.follow(Some(moving)).await
}

async fn spec(engine: &Engine, vm: &Vm, data: &Data) -> Result<MigrateSpec, Halt> {
    let source = engine.store().host(data.source).await?;
    let target = engine.store().host(data.target).await?;
    let network = engine.store().network(vm.network).await?;
    let here = network.on(data.source).map(|member| &member.carrier);
    let there = network.on(data.target).map(|member| &member.carrier);
    let copy_disks = if data.copy_disk {
        let description = engine.host(data.source)?.describe(vm.id.0).await?;
        description
            .disks
            .into_iter()
            .filter(|disk| !disk.read_only && disk.source.is_some())
            .map(|disk| disk.target)
            .collect()
    } else {
        Vec::new()
    };
    Ok(MigrateSpec {
        uuid: vm.id.0,
        encrypt: crosses_sites(&source, &target),
        peer_uri: target.peer_uri,
        migration_address: target.migration_address,
        copy_disks,
        bandwidth: None,
        carrier: there.filter(|there| here != Some(*there)).cloned(),
        timeout_seconds: PATIENCE.as_secs(),
        begin_by: Instant::now(),
    })
}

type Moving = tokio::task::JoinHandle<Result<(), HypervisorError>>;

/// A move that is followed.
struct Following<'a> {
    run: &'a mut Run,
    data: &'a Data,
    source: Arc<dyn Host>,
    started_at: Timestamp,
    last: Option<MigrationProgress>,
}

impl<'a> Following<'a> {
    async fn of(run: &'a mut Run, data: &'a Data, source: Arc<dyn Host>) -> Result<Self, Halt> {
        let started_at = run
            .engine
            .store()
            .migration(data.migration)
            .await?
            .started_at;
        Ok(Self {
            run,
            data,
            source,
            started_at,
            last: None,
        })
    }

    /// Until it is over. Without a call of our own to wait for (a restart), over is what the hosts say.
    async fn follow(mut self, moving: Option<Moving>) -> Result<(), Halt> {
        if let Some(call) = moving {
            self.until_the_call_ends(call).await?;
        }
        self.until_the_hosts_agree().await?;
        match &self.last {
            Some(last) => settle::note_progress(self.run, self.data, last).await,
            None => Ok(()),
        }
    }

    async fn until_the_call_ends(&mut self, mut call: Moving) -> Result<(), Halt> {
        loop {
            tokio::select! {
                ended = &mut call => {
                    return match ended {
                        Ok(Err(error)) => {
                            settle::note_reason(self.run, self.data, &Error::from(error).message).await
                        }
                        // One that panicked is found out about like any other.
                        _ => Ok(()),
                    };
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            self.stop_if_wanted().await?;
            self.look().await;
        }
    }

    async fn until_the_hosts_agree(&mut self) -> Result<(), Halt> {
        let mut quiet_since = None;
        loop {
            let answers = Answers::of(self.run, self.data).await?;
            let open = matches!(
                answers.whereabouts(),
                Whereabouts::Moving | Whereabouts::HandedOver | Whereabouts::Contradiction
            );
            if !open {
                return Ok(());
            }
            self.stop_if_wanted().await?;
            let since = *quiet_since.get_or_insert_with(|| self.run.now());
            if self.look().await {
                quiet_since = None;
            } else if self.run.now().since(since) > self.run.engine.settings().period * 3 {
                // Longer than libvirt takes to give up a link: what they say now is what stays.
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Cancels the move where somebody wishes it, or it takes too long; in every round until it is over, for a word that
    /// comes before the move has begun is lost.
    async fn stop_if_wanted(&mut self) -> Result<(), Halt> {
        let overdue = self.run.now().since(self.started_at) > PATIENCE;
        if !self.run.cancelled().await? && !overdue {
            return Ok(());
        }
        if let Err(error) = self.source.abort_migration(self.data.vm.0).await {
            tracing::info!(vm = %self.data.vm, %error, "the move could not be cancelled yet");
        }
        Ok(())
    }

    /// Shows how far it is; whether there was anything to show.
    async fn look(&mut self) -> bool {
        let Ok(Some(now)) = self.source.migration_progress(self.data.vm.0).await else {
            return false;
        };
        self.last = Some(now.clone());
        let share = (now.bytes_total > 0)
            .then(|| 1.0 - (now.bytes_remaining as f64 / now.bytes_total as f64).clamp(0.0, 1.0));
        self.run
            .progress(Progress {
                doing: "copying memory while the guest runs".into(),
                share,
                bytes_done: Some(now.bytes_done),
                bytes_total: Some(now.bytes_total),
                migration: Some(now),
            })
            .await;
        self.run.engine.tell().await;
        true
    }
}

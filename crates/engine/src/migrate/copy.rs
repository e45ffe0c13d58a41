//! The move itself: started once, followed and steered to its end, cancelled on request.

use super::{
    settle::{self, Answers},
    work::Data,
};
use crate::{
    Engine,
    jobs::{CALL_DEADLINE, Halt, Run},
};
use bellwether_decide::migrate::{Act, Seen, Steering, Whereabouts, crosses_sites};
use bellwether_hypervisor::{Host, HostEvent, HypervisorError, MigrateSpec};
use bellwether_model::{
    Error, Timestamp,
    job::Progress,
    migration::{Migration, MigrationProgress},
    migration_policy::{Encrypt, MigrationPolicy, Phase},
    vm::Vm,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};
use uuid::Uuid;

/// How often progress is read: often at first, for many a move is over in a moment.
const LOOK_SOON: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);
/// A move that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// Passes whose figures are kept.
const PASSES_KEPT: u64 = 40;

/// Starts the move, or finds the one that was started before; shows progress; ends when the copy is over, either way.
pub(super) async fn copy(run: &mut Run, mut data: Data) -> Result<(), Halt> {
    let engine = run.engine.clone();
    if run.is_declared_off(data.source).await? {
        return Ok(());
    }
    let source = run.host(data.source).await?;
    let vm = engine.store().vm(data.vm).await?;
    let migration = engine.store().migration(data.migration).await?;
    if data.begun {
        let following = Following::of(run, &data, source, &migration);
        return following.follow(None).await;
    }
    let mut spec = spec(&engine, &vm, &data, &migration).await?;
    data.begun = true;
    run.save(&data).await?;
    // Another runner may take over when the lease is out, and then finds that nothing moves: a runner that slept until
    // then must not begin.
    let before = (Instant::now(), run.now());
    run.hold().await?;
    spec.begin_by = before.0 + run.job.lease_until.since(before.1).min(CALL_DEADLINE);
    let mut following = Following::of(run, &data, source.clone(), &migration);
    following.note("copying begins".into());
    let moving = tokio::spawn(async move { source.migrate(&spec).await });
    following.follow(Some(moving)).await
}

async fn spec(
    engine: &Engine,
    vm: &Vm,
    data: &Data,
    migration: &Migration,
) -> Result<MigrateSpec, Halt> {
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
    let mechanism = migration.mechanism.clone().unwrap_or_default();
    Ok(MigrateSpec {
        uuid: vm.id.0,
        // As the hosts are now, whatever they were when it was asked for.
        encrypt: match crosses_sites(&source, &target) {
            true => Encrypt::Always,
            false => mechanism.encrypt,
        },
        throttle: mechanism.throttle,
        post_copy: mechanism.post_copy && !data.copy_disk,
        connections: mechanism.connections,
        compress: mechanism.compress,
        peer_uri: target.peer_uri,
        migration_address: target.migration_address,
        copy_disks,
        bandwidth: mechanism.bandwidth.map(mib),
        carrier: there.filter(|there| here != Some(*there)).cloned(),
        timeout_seconds: PATIENCE.as_secs(),
        begin_by: Instant::now(),
    })
}

/// Whole MiB a second, one at least.
fn mib(bytes: u64) -> u64 {
    (bytes >> 20).max(1)
}

type Moving = tokio::task::JoinHandle<Result<(), HypervisorError>>;

/// A move that is followed.
struct Following<'a> {
    run: &'a mut Run,
    data: Data,
    source: Arc<dyn Host>,
    events: broadcast::Receiver<HostEvent>,
    started_at: Timestamp,
    last: Option<MigrationProgress>,
    /// None of a move that was asked for before there were policies.
    steering: Option<Steering>,
    limits: Limits,
    given_up: bool,
    /// What happened and is not kept yet.
    phases: Vec<Phase>,
}

/// What may be changed while it moves.
type Limits = (Option<MigrationPolicy>, Option<u64>);

fn limits(migration: &Migration) -> Limits {
    let bandwidth = migration.mechanism.as_ref().and_then(|how| how.bandwidth);
    (migration.intent.clone(), bandwidth)
}

impl<'a> Following<'a> {
    fn of(run: &'a mut Run, data: &Data, source: Arc<dyn Host>, migration: &Migration) -> Self {
        let by = migration.intent.as_ref().zip(migration.mechanism.as_ref());
        Self {
            run,
            data: data.clone(),
            events: source.events(),
            source,
            started_at: migration.started_at,
            last: None,
            steering: by.map(|(intent, mechanism)| Steering::new(intent, mechanism)),
            limits: limits(migration),
            given_up: false,
            phases: Vec::new(),
        }
    }

    /// Until it is over. Without a call of our own to wait for (a restart), over is what the hosts say.
    async fn follow(mut self, moving: Option<Moving>) -> Result<(), Halt> {
        if let Some(call) = moving {
            self.until_the_call_ends(call).await?;
        }
        self.until_the_hosts_agree().await?;
        settle::note_progress(self.run, &self.data, self.last.as_ref(), self.phases).await
    }

    async fn until_the_call_ends(&mut self, mut call: Moving) -> Result<(), Halt> {
        let began = Instant::now();
        loop {
            let look = if began.elapsed() < SOON {
                LOOK_SOON
            } else {
                LOOK
            };
            tokio::select! {
                ended = &mut call => {
                    return match ended {
                        // Why it was given up is known already.
                        Ok(Err(_)) if self.given_up => Ok(()),
                        Ok(Err(error)) => {
                            settle::note_reason(self.run, &self.data, &Error::from(error).message).await
                        }
                        // One that panicked is found out about like any other.
                        _ => Ok(()),
                    };
                }
                () = a_pass(&mut self.events, self.data.vm.0) => {
                    self.look().await?;
                    continue;
                }
                () = tokio::time::sleep(look) => {}
            }
            self.stop_if_wanted().await?;
            self.follow_limits().await?;
            self.look().await?;
        }
    }

    async fn until_the_hosts_agree(&mut self) -> Result<(), Halt> {
        let mut quiet_since = None;
        loop {
            let answers = Answers::of(self.run, &self.data).await?;
            let open = matches!(
                answers.whereabouts(),
                Whereabouts::Moving | Whereabouts::HandedOver | Whereabouts::Contradiction
            );
            if !open {
                return Ok(());
            }
            self.stop_if_wanted().await?;
            self.follow_limits().await?;
            let since = *quiet_since.get_or_insert_with(|| self.run.now());
            if self.look().await? {
                quiet_since = None;
            } else if self.run.now().since(since) > self.run.engine.settings().period * 3 {
                // Longer than libvirt takes to give up a link: what they say now is what stays.
                return Ok(());
            }
            tokio::select! {
                () = a_pass(&mut self.events, self.data.vm.0) => {}
                () = tokio::time::sleep(LOOK_SOON) => {}
            }
        }
    }

    /// Cancels the move where somebody wishes it, or it takes too long; in every round until it is over, for a word that
    /// comes before the move has begun is lost. One in post-copy has no way back.
    async fn stop_if_wanted(&mut self) -> Result<(), Halt> {
        let overdue = self.run.now().since(self.started_at) > PATIENCE;
        let wanted = self.run.cancelled().await? || overdue || self.given_up;
        if !wanted || self.data.post_copy {
            return Ok(());
        }
        if let Err(error) = self.source.abort_migration(self.data.vm.0).await {
            tracing::info!(vm = %self.data.vm, %error, "the move could not be cancelled yet");
        }
        Ok(())
    }

    /// Has what was changed of its limits hold from now on.
    async fn follow_limits(&mut self) -> Result<(), Halt> {
        let store = self.run.engine.store();
        let migration = store.migration(self.data.migration).await?;
        let now = limits(&migration);
        if now == self.limits {
            return Ok(());
        }
        let (before, bandwidth) = (self.limits.1, now.1);
        self.limits = now;
        if bandwidth != before {
            let wanted = bandwidth.map_or(u64::MAX >> 24, mib);
            let changed = self.source.set_bandwidth(self.data.vm.0, wanted).await;
            self.note(told(
                "what it takes of the link was changed".into(),
                changed,
            ));
        }
        let Some((intent, mechanism)) = migration.intent.as_ref().zip(migration.mechanism.as_ref())
        else {
            return Ok(());
        };
        let steering = self.steering.as_mut();
        match steering.and_then(|steering| steering.adopt(intent, mechanism.pause_limit_ms)) {
            Some(act) => self.act(act).await,
            None => Ok(()),
        }
    }

    /// Shows how far it is and steers by it; whether there was anything to show.
    async fn look(&mut self) -> Result<bool, Halt> {
        let Ok(Some(now)) = self.source.migration_progress(self.data.vm.0).await else {
            return Ok(false);
        };
        self.steer(&now).await?;
        self.last = Some(now.clone());
        let share = (now.bytes_total > 0)
            .then(|| 1.0 - (now.bytes_remaining as f64 / now.bytes_total as f64).clamp(0.0, 1.0));
        let doing = match (self.data.post_copy, now.held_percent) {
            (true, _) => "its memory follows while the guest runs on the target".into(),
            (false, 0) => "copying memory while the guest runs".into(),
            (false, held) => {
                format!("copying memory while the guest runs, held back for {held} % of its time")
            }
        };
        self.run
            .progress(Progress {
                doing,
                share,
                bytes_done: Some(now.bytes_done),
                bytes_total: Some(now.bytes_total),
                migration: Some(now),
            })
            .await;
        self.run.engine.tell().await;
        Ok(true)
    }

    /// A pass is judged when it ended; in between only time is.
    async fn steer(&mut self, now: &MigrationProgress) -> Result<(), Halt> {
        let Some(steering) = &mut self.steering else {
            return Ok(());
        };
        let seen = Seen {
            at_ms: now.elapsed_ms,
            remaining: now.bytes_remaining,
            rate: now.rate,
            held_percent: now.held_percent,
        };
        if let Some(act) = steering.began() {
            self.act(act).await?;
        }
        let before = self.last.as_ref().map_or(0, |last| last.rounds);
        let passed = now.rounds > before;
        let Some(steering) = &mut self.steering else {
            return Ok(());
        };
        let act = match passed {
            true => steering.passed(seen),
            false => steering.looked(seen),
        };
        if passed && now.rounds > 1 && now.rounds <= PASSES_KEPT {
            self.note(pass(now));
        }
        match act {
            Some(act) => self.act(act).await,
            None => Ok(()),
        }
    }

    async fn act(&mut self, act: Act) -> Result<(), Halt> {
        let vm = self.data.vm.0;
        let what = match act {
            Act::LongestPause(limit, what) => {
                told(what, self.source.set_longest_pause(vm, limit).await)
            }
            Act::PostCopy(what) => {
                // Known before it is done: from then on no host may be cleared of the VM by itself.
                self.data.post_copy = true;
                self.run.save(&self.data).await?;
                told(what, self.source.start_post_copy(vm).await)
            }
            Act::GiveUp(why) => {
                self.given_up = true;
                settle::note_reason(self.run, &self.data, &why).await?;
                told(why, self.source.abort_migration(vm).await)
            }
        };
        self.note(what);
        let phases = std::mem::take(&mut self.phases);
        settle::note_progress(self.run, &self.data, None, phases).await
    }

    fn note(&mut self, what: String) {
        let at_ms = self.run.now().since(self.started_at).as_millis();
        self.phases.push(Phase {
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            what,
        });
    }
}

/// What was done, and that it could not be where that is so.
fn told(what: String, done: Result<(), HypervisorError>) -> String {
    match done {
        Ok(()) => what,
        Err(error) => format!("{what}; that could not be done: {error}"),
    }
}

/// `pass 3 begins with 24 MiB left, 250 ms at 96 MiB/s`
fn pass(now: &MigrationProgress) -> String {
    let left = now.bytes_remaining >> 20;
    match now
        .bytes_remaining
        .saturating_mul(1_000)
        .checked_div(now.rate)
    {
        Some(needed) => format!(
            "pass {} begins with {left} MiB left, {needed} ms at {} MiB/s",
            now.rounds,
            now.rate >> 20
        ),
        None => format!("pass {} begins with {left} MiB left", now.rounds),
    }
}

/// Until the host tells that a pass over this VM's memory ended. Events may be lost: looking now and then does without.
async fn a_pass(events: &mut broadcast::Receiver<HostEvent>, vm: Uuid) {
    loop {
        match events.recv().await {
            Ok(HostEvent::MigrationIteration(of, _)) if of == vm => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            // No more will come.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

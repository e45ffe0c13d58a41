//! Live migration in the simulation: pre-copy in rounds, peer to peer. A move lives in the world, not in the call that
//! began it: it goes on when the caller is gone.
//!
//! ```text
//! round 1 (disks and all memory) ──► round 2 (what was dirtied) ──► … ──► hand-over ──► done
//!    │                                  │                               (guest stands still)
//!    └──────────── given up ◄───────────┘   aborted, time over, link lost for 30 s, a daemon restarted, power lost
//! ```
//! A round sends what the guest dirtied during the round before (at most all its memory). When what is left can be sent
//! within the downtime limit the guest is stopped and handed over. Given up, the guest goes on at the source and
//! nothing is left at the target. Begun so, a move can be switched to post-copy: the guest goes on at the target at once,
//! and one that breaks then leaves it standing still on both hosts, each with a part of its memory.

mod begin;
mod steer;

use super::{
    fault::Fault,
    pool::Volume,
    world::{Due, World},
};
use crate::{HostEvent, HypervisorError, MigrateSpec, MigrationFigures, Result};
use bellwether_model::{migration::MigrationProgress, observed::PowerState};
use std::time::Duration;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// QEMU's default: the guest may stand still this long.
const USUAL_LIMIT: f64 = 0.3;
/// What a hand-over takes besides sending what is left.
const HAND_OVER: Duration = Duration::from_millis(50);

/// How a move's caller learns of its end.
pub(super) type Reply = oneshot::Sender<Result<()>>;

/// A disk that is copied along.
#[derive(Clone, Debug)]
struct Copied {
    /// Index of the target's store.
    store: usize,
    name: String,
    volume: Volume,
    /// It was made for this move, so it goes if the move is given up.
    made: bool,
}

/// A migration under way.
pub(super) struct Move {
    pub vm: Uuid,
    pub source: String,
    pub target: String,
    spec: MigrateSpec,
    /// The guest was paused before the move and stays so.
    paused: bool,
    reply: Option<Reply>,
    doubt: Option<Fault>,
    token: u64,
    started: Instant,
    /// Bytes a second.
    rate: f64,
    memory: f64,
    copied: Vec<Copied>,
    round: u64,
    round_bytes: f64,
    round_started: Instant,
    sent: f64,
    total: f64,
    /// The guest stands still since.
    standing: Option<Instant>,
    /// The link is lost since.
    lost: Option<Instant>,
    /// What the guest writes from then on belongs to the next round.
    wrote_since: Instant,
    /// What of this round is left for the next, which began before this one was through.
    carried: f64,
    /// Seconds for which the guest may stand still.
    longest_pause: f64,
    /// The part of its time for which the guest is held back.
    held: f64,
    /// Rounds in which it wrote more than half of what was sent, since it was last held back more.
    much: u32,
    /// Post-copy: it runs at the target already.
    switched: bool,
}

impl World {
    /// A move's round, hand-over or patience ends.
    pub fn move_due(&mut self, id: u64, token: u64) {
        let now = self.now;
        let Some(mv) = self.moves.get(&id).filter(|mv| mv.token == token) else {
            return;
        };
        if mv.lost.is_some() {
            let reason = "connection to the peer lost: keepalive timeout";
            return self.give_up(id, failed(reason));
        }
        if mv.standing.is_some() || mv.switched {
            return self.hand_over(id);
        }
        let dirty = self
            .machines
            .get(&mv.source)
            .and_then(|machine| machine.vms.get(&mv.vm))
            .map_or(0.0, |vm| match vm.power {
                PowerState::Running => vm.guest.dirty_mib_s.max(0.0) * 1_048_576.0,
                _ => 0.0,
            });
        let next_token = self.token();
        let Some(mv) = self.moves.get_mut(&id) else {
            return;
        };
        let took = now.saturating_duration_since(mv.wrote_since).as_secs_f64();
        mv.sent += mv.round_bytes;
        let wrote = (dirty * (1.0 - mv.held) * took).min(mv.memory);
        mv.hold_back(wrote);
        mv.round_bytes = (wrote + mv.carried).min(mv.memory);
        mv.carried = 0.0;
        (mv.round_started, mv.wrote_since) = (now, now);
        mv.token = next_token;
        let lasts = mv.round_bytes / mv.rate;
        let (vm, source, round) = (mv.vm, mv.source.clone(), mv.round);
        let mut end = now + Duration::from_secs_f64(lasts.max(0.001));
        if lasts <= mv.longest_pause {
            mv.standing = Some(now);
            end += HAND_OVER;
        } else {
            mv.round += 1;
            mv.total += mv.round_bytes;
        }
        if mv.standing.is_some()
            && self.count(&source).is_ok()
            && let Ok(guest) = self.vm(&source, vm)
        {
            guest.power = PowerState::Paused;
        }
        self.at(
            end,
            Due::Move {
                id,
                token: next_token,
            },
        );
        self.emit(&source, HostEvent::MigrationIteration(vm, round));
    }

    /// The guest leaves the source and runs at the target.
    fn hand_over(&mut self, id: u64) {
        let now = self.now;
        let Some(mut mv) = self.moves.remove(&id) else {
            return;
        };
        mv.sent += mv.round_bytes;
        let mut figures = mv.figures(now);
        let taken = !matches!(mv.doubt, Some(Fault::DoubtTargetGone));
        if taken {
            for copy in &mv.copied {
                let latest = copy.volume.clone();
                if let Some(there) = self.stores[copy.store].volumes.get_mut(&copy.name) {
                    (there.head, there.digest) = (latest.head, latest.digest);
                    (there.length, there.allocation) = (latest.length, latest.allocation);
                }
            }
            // Counters go along: the guest's CPU time is QEMU's own and begins anew at the target, its boot does not.
            if let Ok(there) = self.vm(&mv.target, mv.vm) {
                there.incoming = false;
                there.power = if mv.paused {
                    PowerState::Paused
                } else {
                    PowerState::Running
                };
                let memory = there.live.as_ref().map(|live| live.memory.bytes());
                figures.zero_bytes = memory.map(|all| all.saturating_sub(mv.memory as u64));
                there.figures = Some(figures);
                if let Some(live) = &mut there.live {
                    live.counted = now;
                    live.begin_anew();
                }
            }
        } else {
            self.clear_target(&mv);
        }
        let end = if mv.doubt.is_some() {
            failed("the end of the migration was not heard of; the VM was left paused")
        } else {
            if let Ok(machine) = self.machine(&mv.source) {
                machine.vms.remove(&mv.vm);
            }
            self.emit(&mv.target, HostEvent::JobCompleted(mv.vm));
            Ok(())
        };
        for host in [&mv.source, &mv.target] {
            self.emit(host, HostEvent::Lifecycle(mv.vm));
        }
        self.emit(&mv.source, HostEvent::JobCompleted(mv.vm));
        mv.answer(end);
    }

    /// Ends a move so that the guest goes on at the source and nothing is left at the target.
    pub fn give_up(&mut self, id: u64, end: Result<()>) {
        let Some(mut mv) = self.moves.remove(&id) else {
            return;
        };
        if mv.switched {
            return self.break_post_copy(mv, end);
        }
        self.clear_target(&mv);
        if let Ok(there) = self.vm(&mv.source, mv.vm)
            && there.live.is_some()
            && mv.standing.is_some()
            && !mv.paused
        {
            there.power = PowerState::Running;
        }
        self.emit(&mv.source, HostEvent::Lifecycle(mv.vm));
        self.emit(&mv.source, HostEvent::JobCompleted(mv.vm));
        mv.answer(end);
    }

    fn clear_target(&mut self, mv: &Move) {
        if let Ok(machine) = self.machine(&mv.target)
            && machine.vms.get(&mv.vm).is_some_and(|vm| vm.incoming)
        {
            machine.vms.remove(&mv.vm);
        }
        for copy in mv.copied.iter().filter(|copy| copy.made) {
            self.stores[copy.store].volumes.remove(&copy.name);
        }
        self.emit(&mv.target, HostEvent::Lifecycle(mv.vm));
    }

    /// The running move of a VM away from `host`.
    pub fn move_from(&self, host: &str, vm: Uuid) -> Option<u64> {
        self.moves
            .iter()
            .find(|(_, mv)| mv.vm == vm && mv.source == host)
            .map(|(id, _)| *id)
    }

    /// Whether the VM stands still on its source to be handed over.
    pub fn stands_still(&self, host: &str, vm: Uuid) -> bool {
        self.move_from(host, vm)
            .is_some_and(|id| self.moves[&id].standing.is_some())
    }

    pub fn not_moving(&self, host: &str, vm: Uuid) -> Result<()> {
        let moving = self
            .moves
            .values()
            .any(|mv| mv.vm == vm && (mv.source == host || mv.target == host));
        if moving {
            return Err(HypervisorError::WrongState("it is being migrated".into()));
        }
        Ok(())
    }

    /// Bytes a running VM writes at least once within so many seconds; none where it does not run, or moves.
    pub fn written(&self, host: &str, vm: Uuid, seconds: u32) -> Option<u64> {
        let there = self.machines.get(host)?.vms.get(&vm)?;
        if there.power != PowerState::Running || self.not_moving(host, vm).is_err() {
            return None;
        }
        let memory = there.live.as_ref()?.memory.bytes();
        let mib = there.guest.dirty_mib_s.max(0.0) * f64::from(seconds);
        Some(((mib * 1_048_576.0) as u64).min(memory))
    }

    pub fn progress(&self, host: &str, vm: Uuid) -> Option<MigrationProgress> {
        let mv = &self.moves[&self.move_from(host, vm)?];
        let dirty = self
            .machines
            .get(host)?
            .vms
            .get(&vm)
            .map(|vm| (vm.guest.dirty_mib_s.max(0.0) * 1_048_576.0) as u64);
        Some(mv.progress(self.now, dirty))
    }

    /// Ends every move in which `host` takes part.
    pub fn break_moves(&mut self, host: &str, why: &str) {
        let ids: Vec<u64> = self
            .moves
            .iter()
            .filter(|(_, mv)| mv.source == host || mv.target == host)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.give_up(id, failed(why));
        }
    }

    /// The server lost `host`: whoever waits for a move away from it gets an error, the move goes on.
    pub fn orphan_moves(&mut self, host: &str) {
        for mv in self.moves.values_mut().filter(|mv| mv.source == host) {
            mv.answer(Err(HypervisorError::Unreachable(
                "the connection was lost; the migration may go on".into(),
            )));
        }
    }

    /// Links changed: moves whose link is gone stand still and are given up after a while; those whose link is back go on.
    pub fn links_changed(&mut self) {
        let now = self.now;
        // libvirt's keepalive.
        let patience = Duration::from_millis(self.spec.lost_peer_ms);
        let ids: Vec<u64> = self.moves.keys().copied().collect();
        for id in ids {
            let token = self.token();
            let Some(mv) = self.moves.get(&id) else {
                continue;
            };
            let linked = self.linked(&mv.source, &mv.target);
            let target = self.machines.get(&mv.target);
            let waits_there = target.is_some_and(|target| target.vms.contains_key(&mv.vm));
            if linked && !waits_there {
                // The target lost its power meanwhile and knows nothing of the move.
                self.give_up(id, failed("connection reset by peer"));
                continue;
            }
            let Some(mv) = self.moves.get_mut(&id) else {
                continue;
            };
            let end = match (linked, mv.lost) {
                (false, None) => {
                    mv.lost = Some(now);
                    now + patience
                }
                (true, Some(since)) => {
                    mv.lost = None;
                    let lost = now.saturating_duration_since(since);
                    mv.round_started += lost;
                    mv.standing = mv.standing.map(|standing| standing + lost);
                    let lasts = Duration::from_secs_f64((mv.round_bytes / mv.rate).max(0.001));
                    (mv.round_started + lasts).max(now)
                }
                _ => continue,
            };
            mv.token = token;
            self.at(end, Due::Move { id, token });
        }
    }

    /// A VM stopped in the middle: its move, if any, is over.
    pub fn vm_stopped(&mut self, host: &str, vm: Uuid) {
        if let Some(id) = self.move_from(host, vm) {
            self.give_up(id, failed("the guest stopped"));
        }
    }
}

impl Move {
    fn answer(&mut self, end: Result<()>) {
        if let Some(reply) = self.reply.take() {
            // The caller may be gone; the move does not depend on it.
            let _ = reply.send(end);
        }
    }

    /// Bytes of this round that are through.
    fn through(&self, now: Instant) -> f64 {
        let until = self.lost.unwrap_or(now);
        let spent = until.saturating_duration_since(self.round_started);
        (spent.as_secs_f64() * self.rate).min(self.round_bytes)
    }

    fn progress(&self, now: Instant, dirty_rate: Option<u64>) -> MigrationProgress {
        let through = self.through(now);
        let remaining = self.round_bytes - through;
        let rate = if self.lost.is_some() { 0.0 } else { self.rate };
        let converges = dirty_rate.is_none_or(|dirty| (dirty as f64) < rate);
        MigrationProgress {
            bytes_done: (self.sent + through) as u64,
            bytes_remaining: remaining as u64,
            bytes_total: self.total as u64,
            rate: rate as u64,
            dirty_rate,
            rounds: self.round,
            elapsed_ms: millis(now.saturating_duration_since(self.started)),
            left_ms: converges.then(|| (remaining / (rate.max(1.0)) * 1_000.0) as u64),
            held_percent: (self.held * 100.0).round() as u64,
        }
    }

    fn figures(&self, now: Instant) -> MigrationFigures {
        MigrationFigures {
            total_ms: Some(millis(now.saturating_duration_since(self.started))),
            downtime_ms: match self.switched {
                true => Some(millis(HAND_OVER)),
                false => self
                    .standing
                    .map(|since| millis(now.saturating_duration_since(since))),
            },
            bytes: Some(self.sent as u64),
            rounds: Some(self.round),
            zero_bytes: None,
        }
    }

    /// How long its caller said it may take.
    pub fn timeout(spec: &MigrateSpec) -> Duration {
        Duration::from_secs(spec.timeout_seconds.max(1))
    }

    /// How it was asked for.
    pub fn spec(&self) -> &MigrateSpec {
        &self.spec
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn failed_error(message: &str) -> HypervisorError {
    HypervisorError::Failed {
        operation: "migration".into(),
        message: message.into(),
    }
}

fn failed(message: &str) -> Result<()> {
    Err(failed_error(message))
}

//! What is intended compared with what is seen, and what follows from it. Nothing is repaired here: a repair says what
//! to do, and what to ask first.
//!
//! Repaired, exactly:
//! - One UUID that shows live (running or paused) on two hosts is an alarm; a person stops one of them. Nothing is done
//!   to either. One that is only defined on a second host is noted.
//! - A VM whose host does not answer is shown as such, and as what it is when its host is back.
//! - A VM that its host shows otherwise than recorded follows its host.
//! - A guest that went off while its host stayed in sight shut itself down: that is its owner's wish, so it stays off.
//!   One first seen off after its host was away was stopped by its host's going down, and is started again if it is
//!   wanted on and its lease goes on, after every host that could run it said that it does not. One that crashed too.
//! - A VM its host no longer knows, or shows off, and that shows live on another host of its storage, was moved by
//!   somebody; it is followed there. If it shows nowhere it is missing: that is said, and nothing is deleted.
//! - A VM whose host an admin declared off runs nowhere, by that word: it is off. If it is wanted on, and its storage is
//!   shared, it is started on another host, after every other host that could run it said that it does not.
//! - What an undone job left on a host (its tombstone) is removed when it shows there, unless it is the only one that runs.
//!
//! - One that somebody else moves is noticed as it arrives there, and ours wait until that is over.
//!
//! VMs that an open job holds are the job's. VMs nobody made through us are listed and never touched.

mod foreign;

pub use foreign::{Arriving, Foreign, arriving, foreign};

use crate::monitor;
use bellwether_model::{
    Day, HostId, Timestamp, VmId,
    host::{Host, HostHealth, HostMode},
    observed::{HostSeen, Observed, PowerState, VmSeen},
    storage::{Storage, StorageKind},
    vm::{Vm, VmState, WantedPower},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What an undone job may have left, or may still bring when a late call arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// The VM.
    pub vm: VmId,
    /// Where nothing of it may be.
    pub host: HostId,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Every VM that is not gone.
    pub vms: &'a [Vm],
    /// Every host.
    pub hosts: &'a [Host],
    /// Every storage.
    pub storages: &'a [Storage],
    /// What was last seen, with the sights marked that a move explains ([`crate::monitor::mark_moves`]).
    pub observed: &'a Observed,
    /// VMs held by an open job.
    pub held: &'a BTreeSet<VmId>,
    /// Since when each host has answered without a break; a host that does not answer is not in it.
    pub watched_since: &'a BTreeMap<HostId, Timestamp>,
    /// Tombstones.
    pub leftovers: &'a [Leftover],
    /// Now.
    pub now: Timestamp,
    /// How often hosts are sampled.
    pub period: Duration,
    /// Today.
    pub today: Day,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// One VM shows live on more than one host. Ask each before crying wolf; then say so, loudly.
    Alarm {
        /// The VM.
        vm: VmId,
        /// Where it shows live.
        hosts: Vec<HostId>,
    },
    /// It shows on hosts to which it is not bound, where nothing is done to it. Ask each, then say so.
    Twin {
        /// The VM.
        vm: VmId,
        /// Where it shows.
        hosts: Vec<HostId>,
    },
    /// Its host does not answer.
    MarkUnreachable {
        /// The VM.
        vm: VmId,
    },
    /// The record follows what its host shows.
    Follow {
        /// The VM.
        vm: VmId,
        /// What it is.
        state: VmState,
    },
    /// Its guest shut itself down: off is what is wanted now.
    AcceptOff {
        /// The VM.
        vm: VmId,
    },
    /// It is wanted on and off. Ask every host that [`could_run`] it, and start it only if [`may_start`] says so.
    Start {
        /// The VM.
        vm: VmId,
        /// Its host.
        host: HostId,
    },
    /// Its host is declared off: it is off.
    GiveUp {
        /// The VM.
        vm: VmId,
    },
    /// It is wanted on and its host is declared off. Ask every host that [`could_run`] it, and start it on one of them only
    /// if [`may_start`] says so.
    StartElsewhere {
        /// The VM.
        vm: VmId,
    },
    /// Somebody moved it: it belongs to another host now. Ask that host before writing it down.
    Rebind {
        /// The VM.
        vm: VmId,
        /// Where it shows live.
        to: HostId,
        /// What it is there.
        state: VmState,
    },
    /// Its host answers and does not know it, and it shows nowhere else.
    Missing {
        /// The VM.
        vm: VmId,
    },
    /// What a job left: power it off if it must, and undefine it. Its disk goes only when no host knows it any more.
    RemoveLeftover {
        /// The VM and the host.
        leftover: Leftover,
    },
}

/// Every repair that what was seen asks for, by VM.
pub fn reconcile(facts: &Facts<'_>) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let sights = monitor::sights(facts.observed);
    for vm in facts.vms.iter().filter(|vm| vm.state != VmState::Gone) {
        let running = |power| power == PowerState::Running;
        let (running, live) = (
            shows_on(&sights, vm, running),
            shows_on(&sights, vm, PowerState::is_live),
        );
        // Whoever makes, moves or removes it may have it stand still in two places for a while, and settles that.
        let handled = facts.held.contains(&vm.id) || vm.state.is_in_hands();
        if running.len() > 1 || live.len() > 1 && !handled {
            // Whatever else is wrong with it: first a person must look.
            repairs.push(Repair::Alarm {
                vm: vm.id,
                hosts: live,
            });
        } else if !handled {
            repairs.extend(one(facts, vm).or_else(|| twins(facts, &sights, vm)));
        }
    }
    repairs.extend(leftovers(facts));
    repairs
}

/// VMs that show on hosts and are none of ours, by host.
pub fn strangers<'a>(observed: &'a Observed, ours: &BTreeSet<VmId>) -> Vec<(HostId, &'a VmSeen)> {
    let all = observed
        .hosts
        .values()
        .flat_map(|seen| seen.vms.iter().map(move |vm| (seen.host, vm)));
    all.filter(|(_, vm)| !ours.contains(&VmId(vm.uuid)))
        .collect()
}

/// What a host said when it was asked for a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It shows there so.
    Shows(PowerState),
    /// It is not there.
    NotThere,
    /// The host did not answer.
    Silent,
}

/// Whether a VM may be started on its host after every other host that could run it was asked: only when each answered
/// and none has it live. Else which host speaks against it.
pub fn may_start(answers: &[(HostId, Answer)]) -> Result<(), (HostId, Answer)> {
    let against = answers.iter().find(|(_, answer)| match answer {
        Answer::Silent => true,
        Answer::Shows(power) => power.is_live(),
        Answer::NotThere => false,
    });
    against.map_or(Ok(()), |against| Err(*against))
}

fn ready(seen: &HostSeen) -> bool {
    seen.health == HostHealth::Ready
}

/// What [`monitor::sights`] gathers.
type Sights<'a> = BTreeMap<VmId, Vec<(HostId, &'a VmSeen)>>;

/// Hosts that show the VM in a power state that `fits`.
fn shows_on(sights: &Sights<'_>, vm: &Vm, fits: impl Fn(PowerState) -> bool) -> Vec<HostId> {
    let showing = sights.get(&vm.id).map_or(&[][..], Vec::as_slice).iter();
    let showing = showing.filter(|(_, seen)| fits(seen.power));
    showing.map(|(host, _)| *host).collect()
}

/// Where it shows although it is not bound there, but for what a tombstone speaks of.
fn twins(facts: &Facts<'_>, sights: &Sights<'_>, vm: &Vm) -> Option<Repair> {
    let buried = |host: HostId| {
        let mut leftovers = facts.leftovers.iter();
        leftovers.any(|leftover| leftover.vm == vm.id && leftover.host == host)
    };
    let mut hosts = shows_on(sights, vm, |_| true);
    hosts.retain(|host| *host != vm.host && !buried(*host));
    (!hosts.is_empty()).then_some(Repair::Twin { vm: vm.id, hosts })
}

fn one(facts: &Facts<'_>, vm: &Vm) -> Option<Repair> {
    let declared_off = facts
        .hosts
        .iter()
        .any(|host| host.id == vm.host && host.mode == HostMode::DeclaredOff);
    let seen = facts.observed.hosts.get(&vm.host);
    let shows_live = seen
        .filter(|seen| ready(seen))
        .and_then(|seen| seen.vm(vm.id.0))
        .is_some_and(|there| there.power.is_live());
    // A host that shows it running has the last word, whatever was declared.
    if declared_off && !shows_live {
        return given_up(facts, vm);
    }
    let seen = seen?;
    match seen.health {
        HostHealth::Unreachable if vm.state != VmState::HostUnreachable => {
            Some(Repair::MarkUnreachable { vm: vm.id })
        }
        HostHealth::Unreachable | HostHealth::Stale | HostHealth::Connecting => None,
        HostHealth::Ready => match seen.vm(vm.id.0).map(|vm| vm.power) {
            Some(power) if power.is_live() => shown(facts, vm, power),
            Some(power) => lives_elsewhere(facts, vm).or_else(|| shown(facts, vm, power)),
            None => Some(lives_elsewhere(facts, vm).unwrap_or(Repair::Missing { vm: vm.id })),
        },
    }
}

/// Its host answers and shows it.
fn shown(facts: &Facts<'_>, vm: &Vm, power: PowerState) -> Option<Repair> {
    let follow =
        |state: VmState| (vm.state != state).then_some(Repair::Follow { vm: vm.id, state });
    let over = vm.lease_until < facts.today;
    match power {
        // On its way down: the next look tells.
        PowerState::ShuttingDown => None,
        PowerState::Running => follow(VmState::Running),
        PowerState::Paused => follow(VmState::Paused),
        PowerState::ShutOff | PowerState::Crashed if vm.state == VmState::Ended => None,
        PowerState::ShutOff | PowerState::Crashed if vm.wanted == WantedPower::Off || over => {
            follow(VmState::ShutOff)
        }
        PowerState::ShutOff if vm.state == VmState::Running && watched(facts, vm.host) => {
            Some(Repair::AcceptOff { vm: vm.id })
        }
        PowerState::ShutOff | PowerState::Crashed => Some(Repair::Start {
            vm: vm.id,
            host: vm.host,
        }),
    }
}

/// Whether the host stayed in sight long enough that a guest's going off was seen as it happened: three periods.
fn watched(facts: &Facts<'_>, host: HostId) -> bool {
    let since = facts.watched_since.get(&host);
    since.is_some_and(|since| facts.now.since(*since) >= facts.period * 3)
}

/// Every other host that could run the VM: all that share its storage, any that last showed it, and any on which a job may
/// have left it. One that is declared off is not asked.
pub fn could_run(
    vm: &Vm,
    hosts: &[Host],
    storages: &[Storage],
    observed: &Observed,
    leftovers: &[Leftover],
) -> Vec<HostId> {
    let shared = storages
        .iter()
        .filter(|storage| storage.id == vm.storage && storage.kind == StorageKind::Shared)
        .flat_map(|storage| storage.members.iter().map(|member| member.host));
    let showing = observed.sightings(vm.id.0).map(|(host, _)| host);
    let left = leftovers.iter().filter(|leftover| leftover.vm == vm.id);
    let all: BTreeSet<HostId> = shared
        .chain(showing)
        .chain(left.map(|leftover| leftover.host))
        .filter(|host| *host != vm.host)
        .collect();
    all.into_iter()
        .filter(|id| {
            let host = hosts.iter().find(|host| host.id == *id);
            host.is_some_and(|host| host.mode != HostMode::DeclaredOff)
        })
        .collect()
}

/// Its host is declared off.
fn given_up(facts: &Facts<'_>, vm: &Vm) -> Option<Repair> {
    if let Some(moved) = lives_elsewhere(facts, vm) {
        return Some(moved);
    }
    let wanted = vm.wanted == WantedPower::On && vm.lease_until >= facts.today;
    let shared = facts
        .storages
        .iter()
        .any(|storage| storage.id == vm.storage && storage.kind == StorageKind::Shared);
    match vm.state {
        VmState::Running | VmState::Paused | VmState::HostUnreachable => {
            Some(Repair::GiveUp { vm: vm.id })
        }
        VmState::ShutOff if wanted && shared => Some(Repair::StartElsewhere { vm: vm.id }),
        _ => None,
    }
}

/// Where else in its storage it shows live, if anywhere.
fn lives_elsewhere(facts: &Facts<'_>, vm: &Vm) -> Option<Repair> {
    let in_storage = |host: HostId| {
        facts
            .storages
            .iter()
            .any(|storage| storage.id == vm.storage && storage.on(host).is_some())
    };
    let elsewhere = facts
        .observed
        .hosts
        .values()
        .filter(|seen| seen.host != vm.host && ready(seen) && in_storage(seen.host))
        .find_map(|seen| {
            let there = seen.vm(vm.id.0)?;
            (there.power.is_live() && !there.migrating).then_some((seen.host, there.power))
        });
    let (to, power) = elsewhere?;
    Some(Repair::Rebind {
        vm: vm.id,
        to,
        state: if power == PowerState::Paused {
            VmState::Paused
        } else {
            VmState::Running
        },
    })
}

fn leftovers(facts: &Facts<'_>) -> Vec<Repair> {
    let shows = |leftover: &&Leftover| {
        let seen = facts.observed.hosts.get(&leftover.host);
        let there = seen
            .filter(|seen| ready(seen))
            .and_then(|seen| seen.vm(leftover.vm.0));
        let Some(there) = there else { return false };
        let ours = facts.vms.iter().find(|vm| vm.id == leftover.vm);
        match ours {
            // The job's VM is no more: nothing of it may run anywhere.
            None => true,
            // It came back by a later job: the tombstone is about the past.
            Some(vm) if vm.host == leftover.host && vm.state != VmState::Gone => false,
            Some(vm) if vm.state == VmState::Gone => true,
            // It lives elsewhere. A second one that runs is for a person to judge: see the alarm.
            Some(vm) => !there.power.is_live() && !facts.held.contains(&vm.id),
        }
    };
    let mut wanted: Vec<Leftover> = facts.leftovers.iter().filter(shows).copied().collect();
    wanted.sort();
    wanted.dedup();
    wanted
        .into_iter()
        .map(|leftover| Repair::RemoveLeftover { leftover })
        .collect()
}

#[cfg(test)]
mod tests;

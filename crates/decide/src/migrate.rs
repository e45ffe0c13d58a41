//! May this VM move live to that host? Each thing that matters is one check, in plain words, whether it passes or not.
//! Nothing is asked of a host here: the checks are made on what was last seen, and libvirt has the last word. How a move
//! ended is judged by what both hosts say then.

mod checks;
mod choose;
mod outcome;
mod steer;

pub use checks::{is_about_the_vm, preflight};
pub use choose::{Chosen, Terms, choose, pause_limit_ms};
pub use outcome::{Said, Whereabouts, outcome, whereabouts};
pub use steer::{Act, Seen, Steering};

use crate::{fleet::Fleet, place::Ask};
use bellwether_model::{
    HostId, Timestamp,
    host::Host,
    migration::{Check, Migration, MigrationOutcome, Verdict},
    network::Network,
    observed::HostSeen,
    policy::Policy,
    storage::{Storage, StorageKind},
    vm::Vm,
};

/// Whether the target's CPU can run the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuMatch {
    /// It can: the target said so.
    Fits,
    /// It can't, and what is missing.
    Lacks(String),
    /// Nobody could be asked, and why.
    NotChecked(String),
}

/// What earlier moves from the source to the target say of the way; cancelled ones say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// When the last one that succeeded ended.
    pub succeeded: Option<Timestamp>,
    /// When the last one that failed ended, and why.
    pub failed: Option<(Timestamp, String)>,
}

/// Everything the checks are made on.
#[derive(Clone, Copy, Debug)]
pub struct PreflightFacts<'a> {
    /// The VM.
    pub vm: &'a Vm,
    /// Its host.
    pub source: &'a Host,
    /// Where it shall go; none where the host named is not known.
    pub target: Option<&'a Host>,
    /// What was last seen of its host.
    pub source_seen: Option<&'a HostSeen>,
    /// What was last seen of the target.
    pub target_seen: Option<&'a HostSeen>,
    /// The fleet.
    pub fleet: &'a Fleet,
    /// Its storage.
    pub storage: Option<&'a Storage>,
    /// Its network.
    pub network: Option<&'a Network>,
    /// Bytes of its image that must be brought to the target first, where its disk is copied; 0 if it is there.
    pub image_bytes: u64,
    /// Overcommit.
    pub policy: &'a Policy,
    /// CPU.
    pub cpu: &'a CpuMatch,
    /// The way.
    pub route: &'a Route,
    /// What is being done to the VM at the moment, in words ("it is being deleted").
    pub held_by: Option<&'a str>,
    /// Devices of the host it has, in words; none where it could not be asked.
    pub passthrough: Option<&'a [String]>,
    /// Whether it has snapshots; none where it could not be asked.
    pub snapshots: Option<bool>,
}

/// A possible target with its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// Every check.
    pub checks: Vec<Check>,
    /// No check fails.
    pub possible: bool,
    /// The disk is copied too.
    pub copy_disk: bool,
    /// Room left on the target afterwards, in millionths of what it offers.
    pub score: u64,
}

/// Whether nothing stands in the way.
pub fn possible(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict != Verdict::Fail)
}

/// Moves that a host takes part in at once; more would only share its link, and each would take longer to converge.
const MOVES_AT_ONCE: usize = 2;

/// The host that `this` must wait for: so many moves that were asked for earlier go from or to it.
pub fn waits_for(this: &Migration, moves: &[Migration]) -> Option<HostId> {
    let order = |migration: &Migration| (migration.started_at, migration.id);
    let earlier = |host: HostId| {
        let moves = moves.iter().filter(|other| {
            other.outcome == MigrationOutcome::Running
                && order(other) < order(this)
                && (other.source == host || other.target == host)
        });
        moves.count()
    };
    [this.source, this.target]
        .into_iter()
        .find(|host| earlier(*host) >= MOVES_AT_ONCE)
}

/// Whether a move between the two goes from one site to another; it must be encrypted then.
pub fn crosses_sites(source: &Host, target: &Host) -> bool {
    source.site != target.site
}

/// Whether the VM's disk must be copied because the hosts do not share it.
pub fn copies_disk(storage: &Storage) -> bool {
    storage.kind == StorageKind::Local
}

/// The target of `facts` with its checks; none where the host is not known.
pub fn judge(facts: &PreflightFacts<'_>) -> Option<Target> {
    let target = facts.target?;
    let checks = preflight(facts);
    let after = facts.fleet.host(target.id).map(|host| {
        let peak = host.peak(
            ask(facts).from,
            ask(facts).until,
            facts.policy,
            Some(facts.vm.id),
        );
        peak.room.with(facts.vm.vcpus, facts.vm.memory)
    });
    Some(Target {
        host: target.id,
        host_name: target.name.clone(),
        possible: possible(&checks),
        copy_disk: facts.storage.is_some_and(copies_disk),
        score: after.map_or(0, |room| {
            1_000_000_u64.saturating_sub(room.dominant_share())
        }),
        checks,
    })
}

/// Best first: possible ones before others, the same site before another, then the most room left, a proven way before
/// another, the name.
pub fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    let warned = |target: &Target, name: &str| {
        target
            .checks
            .iter()
            .any(|check| check.name == name && check.verdict == Verdict::Warn)
    };
    targets.sort_by_key(|target| {
        (
            !target.possible,
            warned(target, "site"),
            u64::MAX - target.score,
            warned(target, "route"),
            target.host_name.clone(),
            target.host,
        )
    });
    targets
}

/// The best of `targets` that is possible.
pub fn best_target(targets: &[Target]) -> Option<HostId> {
    let ordered = in_order(targets.to_vec());
    ordered
        .first()
        .filter(|target| target.possible)
        .map(|target| target.host)
}

fn ask(facts: &PreflightFacts<'_>) -> Ask {
    let vm = facts.vm;
    let today = facts.fleet.today;
    Ask {
        except: Some(vm.id),
        ..Ask::new(
            vm.vcpus,
            vm.memory,
            vm.disk,
            today,
            vm.lease_until.max(today),
        )
    }
}

#[cfg(test)]
mod tests;

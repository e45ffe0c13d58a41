//! What sights of several hosts say together. Hosts are looked at one after the other, so a VM that moves can show
//! running on both: which sights a move explains is known from the moves that are recorded.

use bellwether_model::{
    HostId, Timestamp, VmId,
    host::HostHealth,
    migration::{Migration, MigrationOutcome},
    observed::{HostSeen, Observed, PowerState, VmSeen},
};
use std::{collections::BTreeMap, time::Duration};

/// Marks every sight that one of `moves` explains: of its VM, on its two hosts, taken before the move was over. One that
/// ended nobody knows how explains nothing.
pub fn mark_moves(observed: &mut Observed, moves: &[Migration]) {
    let known = |migration: &&Migration| migration.outcome != MigrationOutcome::Unknown;
    for migration in moves.iter().filter(known) {
        for host in [migration.source, migration.target] {
            let Some(seen) = observed.host_mut(host) else {
                continue;
            };
            let taken = taken_at(seen);
            let explained = migration
                .ended_at
                .is_none_or(|ended| taken.is_none_or(|taken| taken <= ended));
            let there = seen.vms.iter_mut().find(|vm| vm.uuid == migration.vm.0);
            if let Some(vm) = there.filter(|_| explained) {
                vm.migrating = true;
            }
        }
    }
}

/// When the host was asked for its last sample: what it told may be as old as that.
fn taken_at(seen: &HostSeen) -> Option<Timestamp> {
    let latency = Duration::from_millis(seen.latency_ms.unwrap_or(0));
    seen.at.map(|at| at.minus(latency))
}

/// A VM that lives on more than one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// The VM.
    pub vm: VmId,
    /// Its name on the first of the hosts.
    pub libvirt_name: String,
    /// The hosts, with what it is there.
    pub on: Vec<(HostId, PowerState)>,
}

/// Where each VM shows, on hosts that answer and with no move that explains it, by host. Gathered once: a large fleet is not
/// to be gone through for every VM.
pub fn sights(observed: &Observed) -> BTreeMap<VmId, Vec<(HostId, &VmSeen)>> {
    let mut sights: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let ready = |seen: &&HostSeen| seen.health == HostHealth::Ready;
    for seen in observed.each().filter(ready) {
        for vm in seen.vms.iter().filter(|vm| !vm.migrating) {
            let of = sights.entry(VmId(vm.uuid)).or_default();
            of.push((seen.host, vm));
        }
    }
    sights
}

/// Every VM with an emulator on more than one of the hosts that answer, and no move that explains it.
pub fn live_twice(observed: &Observed) -> Vec<Twice> {
    let twice = sights(observed).into_iter().filter_map(|(vm, mut on)| {
        on.retain(|(_, seen)| seen.power.is_live());
        let [(_, first), _, ..] = on[..] else {
            return None;
        };
        Some(Twice {
            vm,
            libvirt_name: first.name.clone(),
            on: on.iter().map(|(host, seen)| (*host, seen.power)).collect(),
        })
    });
    twice.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{id, seen_host, seen_vm};
    use PowerState::{Paused, Running, ShutOff};

    /// VM 1 as host 1 and host 2 show it, each seen at this second.
    fn sights(here: (i64, PowerState), there: (i64, PowerState)) -> Observed {
        let hosts = [(1, here), (2, there)].map(|(number, (at, power))| {
            let mut seen = seen_host(number);
            seen.at = Some(Timestamp::from_seconds(at));
            seen.latency_ms = Some(500);
            seen.vms = vec![seen_vm(id(4, 1), power)];
            (seen.host, seen.into())
        });
        Observed {
            hosts: hosts.into(),
        }
    }

    /// VM 1 from host 1 to host 2, over at this second, if it is.
    fn moving(ended: Option<i64>) -> Migration {
        Migration {
            id: id(7, 1),
            job: None,
            vm: id(4, 1),
            source: id(1, 1),
            target: id(1, 2),
            copy_disk: false,
            asked_by: None,
            outcome: match ended {
                Some(_) => MigrationOutcome::Completed,
                None => MigrationOutcome::Running,
            },
            reason: None,
            started_at: Timestamp::from_seconds(100),
            ended_at: ended.map(Timestamp::from_seconds),
            total_ms: None,
            downtime_ms: None,
            bytes: None,
            rounds: None,
            zero_bytes: None,
            forecast: None,
            intent: None,
            mechanism: None,
            phases: Vec::new(),
        }
    }

    fn alarms(mut observed: Observed, moves: &[Migration]) -> usize {
        mark_moves(&mut observed, moves);
        live_twice(&observed).len()
    }

    #[test]
    fn one_vm_on_two_hosts_is_an_alarm_whatever_it_is_there() {
        assert_eq!(alarms(sights((101, Running), (101, Running)), &[]), 1);
        let paused = sights((101, Running), (101, Paused));
        assert_eq!(
            live_twice(&paused)[0].on,
            [(id(1, 1), Running), (id(1, 2), Paused)]
        );
        assert_eq!(alarms(sights((101, Running), (101, ShutOff)), &[]), 0);
    }

    #[test]
    fn a_move_explains_what_was_seen_until_its_end() {
        let arriving = || sights((101, Running), (101, Paused));
        assert_eq!(alarms(arriving(), &[moving(None)]), 0);
        // The target was seen again after the end, the source not yet.
        let ended = [moving(Some(105))];
        assert_eq!(alarms(sights((101, Running), (106, Running)), &ended), 0);
        // The source was asked before the end and answered after it.
        assert_eq!(alarms(sights((105, Running), (107, Running)), &ended), 0);
        let mut unknown = moving(None);
        unknown.outcome = MigrationOutcome::Unknown;
        assert_eq!(
            alarms(sights((101, Running), (101, Running)), &[unknown]),
            1
        );
        // Both were seen after the end.
        assert_eq!(alarms(sights((106, Running), (106, Running)), &ended), 1);
    }

    #[test]
    fn a_move_explains_nothing_of_other_vms_or_hosts() {
        let mut other = moving(None);
        other.vm = id(4, 2);
        let seen = || sights((101, Running), (101, Running));
        assert_eq!(alarms(seen(), &[other]), 1);
        let mut elsewhere = moving(None);
        (elsewhere.source, elsewhere.target) = (id(1, 3), id(1, 4));
        assert_eq!(alarms(seen(), &[elsewhere]), 1);
    }

    #[test]
    fn a_host_that_does_not_answer_says_nothing_about_the_present() {
        let mut seen = sights((101, Running), (101, Running));
        seen.host_mut(id(1, 1)).unwrap().health = HostHealth::Stale;
        assert_eq!(alarms(seen, &[]), 0);
    }
}

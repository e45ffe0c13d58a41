//! Moves that others make, by what shows on the hosts.

use bellwether_model::{
    HostId, VmId,
    host::HostHealth,
    migration::Migration,
    observed::{HostSeen, Observed, PowerState, VmSeen},
    vm::Vm,
};
use std::collections::BTreeSet;

/// A VM that arrives on a host without our having sent it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// The VM.
    pub vm: VmId,
    /// The host it is bound to.
    pub from: HostId,
    /// Where it arrives.
    pub to: HostId,
}

fn ready(seen: &HostSeen) -> bool {
    seen.health == HostHealth::Ready
}

/// VMs that show as arriving on another host than theirs, that no job of ours holds, and none of `moves` explains;
/// `observed` as hosts told it.
pub fn arriving(
    vms: &[Vm],
    observed: &Observed,
    held: &BTreeSet<VmId>,
    moves: &[Migration],
) -> Vec<Arriving> {
    let mut found = Vec::new();
    for seen in observed.each().filter(|seen| ready(seen)) {
        for there in seen.vms.iter().filter(|vm| vm.migrating) {
            let ours = vms.iter().find(|vm| vm.id.0 == there.uuid);
            let Some(vm) = ours.filter(|vm| vm.host != seen.host) else {
                continue;
            };
            // What was seen before a move was over is of that move.
            let explained = |migration: &Migration| {
                migration.vm == vm.id
                    && migration
                        .ended_at
                        .is_none_or(|ended| seen.at.is_none_or(|at| at <= ended))
            };
            if held.contains(&vm.id) || vm.state.is_in_hands() || moves.iter().any(explained) {
                continue;
            }
            found.push(Arriving {
                vm: vm.id,
                from: vm.host,
                to: seen.host,
            });
        }
    }
    found
}

/// How a move that others make stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It goes on, or nobody can tell.
    UnderWay,
    /// The VM is on the target now.
    Arrived,
    /// It runs on its host, and the target has nothing of it any more.
    CameToNothing,
    /// There is no such VM any more.
    Lost,
}

/// By the record of the VM, and by what both hosts showed since the move was noticed.
pub fn foreign(vm: Option<&Vm>, migration: &Migration, observed: &Observed) -> Foreign {
    let Some(vm) = vm else {
        return Foreign::Lost;
    };
    if vm.host == migration.target {
        return Foreign::Arrived;
    }
    let since = |host: HostId| {
        let seen = observed.host(host).filter(|seen| ready(seen))?;
        seen.at.filter(|at| *at > migration.started_at)?;
        Some(seen)
    };
    let (Some(here), Some(there)) = (since(migration.source), since(migration.target)) else {
        return Foreign::UnderWay;
    };
    let (here, there) = (here.vm(vm.id.0), there.vm(vm.id.0));
    let lives = |seen: &VmSeen| seen.power.is_live() && !seen.migrating;
    match (here, there) {
        (Some(here), None) if here.power == PowerState::Running => Foreign::CameToNothing,
        (None, Some(there)) if lives(there) => Foreign::Arrived,
        _ => Foreign::UnderWay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{id, seen_host, seen_vm, vm};
    use bellwether_model::Timestamp;

    fn sights(there: Option<(PowerState, bool)>) -> Observed {
        let hosts = [1, 2].map(|number| {
            let mut seen = seen_host(number);
            seen.at = Some(Timestamp::from_seconds(100));
            if number == 1 {
                seen.vms = vec![seen_vm(id(4, 1), PowerState::Running)];
            }
            if let Some((power, migrating)) = there.filter(|_| number == 2) {
                let mut arriving = seen_vm(id(4, 1), power);
                arriving.migrating = migrating;
                seen.vms = vec![arriving];
            }
            (seen.host, seen.into())
        });
        Observed {
            hosts: hosts.into(),
        }
    }

    fn moving(source: HostId, target: HostId) -> Migration {
        Migration::begun(id(4, 1), source, target, Timestamp::from_seconds(50))
    }

    #[test]
    fn how_it_ends_is_seen_on_both_hosts() {
        let (ours, migration) = (vm(1), moving(id(1, 1), id(1, 2)));
        let how = |there| foreign(Some(&ours), &migration, &sights(there));
        assert_eq!(how(Some((PowerState::Paused, true))), Foreign::UnderWay);
        assert_eq!(how(None), Foreign::CameToNothing);
        assert_eq!(foreign(None, &migration, &sights(None)), Foreign::Lost);
        let mut gone = sights(Some((PowerState::Running, false)));
        gone.host_mut(id(1, 1)).unwrap().vms.clear();
        assert_eq!(foreign(Some(&ours), &migration, &gone), Foreign::Arrived);
    }

    #[test]
    fn one_that_arrives_unasked_is_noticed() {
        let ours = vm(1);
        let arrives = Some((PowerState::Paused, true));
        let none = BTreeSet::new();
        let found = arriving(std::slice::from_ref(&ours), &sights(arrives), &none, &[]);
        let expected = Arriving {
            vm: ours.id,
            from: ours.host,
            to: id(1, 2),
        };
        assert_eq!(found, [expected]);
        let held = BTreeSet::from([ours.id]);
        let vms = std::slice::from_ref(&ours);
        assert_eq!(arriving(vms, &sights(arrives), &held, &[]), []);
        assert_eq!(arriving(vms, &sights(None), &none, &[]), []);
        // Seen while ours was under way, and looked at after that had ended.
        let ended = |seconds| {
            let mut migration = moving(id(1, 1), id(1, 2));
            migration.ended_at = Some(Timestamp::from_seconds(seconds));
            [migration]
        };
        assert_eq!(arriving(vms, &sights(arrives), &none, &ended(100)), []);
        assert_eq!(arriving(vms, &sights(arrives), &none, &ended(99)).len(), 1);
    }
}

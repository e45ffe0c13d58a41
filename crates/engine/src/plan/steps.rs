//! From VMs that are to move to steps in order.

use crate::{Admin, Engine, migrate};
use bellwether_decide::{
    evacuate::{Leaving, Room, Space, assign},
    order::{self, Budget, Move, Problem, Trip},
};
use bellwether_model::{
    HostId, Result, VmId,
    migration::Verdict,
    plan::{Blocked, PlanStep, StepState},
    vm::Vm,
};
use std::collections::BTreeMap;

/// Mbit/s of a link that nobody has told: only that one stream fills it matters for the order.
const LINK_MBIT: u32 = 1_000;

/// What is under way already: which way it goes, and milliseconds it will still take.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub from: HostId,
    pub to: HostId,
    pub left_ms: u64,
}

/// Steps in order, and who stands in the way.
#[derive(Default)]
pub(super) struct Ordered {
    /// By their start, which counts from now.
    pub steps: Vec<PlanStep>,
    pub blocked: Vec<Blocked>,
    pub makespan_ms: u64,
    pub bound_ms: u64,
}

/// Where each of `vms` can go among hosts that `may_take` them, and in which order.
pub(super) async fn ordered(
    engine: &Engine,
    admin: &Admin,
    vms: &[Vm],
    may_take: impl Fn(&Vm, HostId) -> bool,
    under_way: &[UnderWay],
) -> Result<Ordered> {
    let mut found = Gathered::default();
    for vm in vms {
        found.look_at(engine, admin, vm, &may_take).await?;
    }
    let spaces = spaces(engine).await?;
    let assigned = assign(&found.leaving, &spaces);
    for vm in &assigned.left {
        if let Some(vm) = vms.iter().find(|one| one.id == *vm) {
            found.blocked.push(Blocked {
                vm: vm.id,
                name: vm.name.clone(),
                why: vec!["There is room for it only where others of this plan go.".into()],
                unblock: "Make room on another host, or move it by hand once the others are gone."
                    .into(),
            });
        }
    }
    let mut ordered = found.order(vms, &assigned.moves, &spaces, under_way);
    ordered.blocked = found.blocked;
    Ok(ordered)
}

/// What is free on each host.
async fn spaces(engine: &Engine) -> Result<Vec<Space>> {
    let look = engine.look().await?;
    let spaces = look.records.hosts.iter().map(|host| {
        let room = look.room(host.id);
        Space {
            host: host.id,
            free: Room {
                memory_mib: room.memory_free().0,
                vcpus: u64::from(room.vcpus_free().0),
                disk_mib: u64::MAX,
            },
            memory_mib: room.memory_limit.0,
        }
    });
    Ok(spaces.collect())
}

#[derive(Default)]
struct Gathered {
    leaving: Vec<Leaving>,
    /// Milliseconds each would take.
    takes: BTreeMap<(VmId, HostId), u64>,
    blocked: Vec<Blocked>,
}

fn need(vm: &Vm) -> Room {
    Room {
        memory_mib: vm.memory.0,
        vcpus: u64::from(vm.vcpus.0),
        disk_mib: 0,
    }
}

impl Gathered {
    async fn look_at(
        &mut self,
        engine: &Engine,
        admin: &Admin,
        vm: &Vm,
        may_take: &impl Fn(&Vm, HostId) -> bool,
    ) -> Result<()> {
        let choices = migrate::consider(engine, admin, vm.id, None).await?;
        let mut open = Vec::new();
        let mut why = Vec::new();
        let mut names = Vec::new();
        for target in choices
            .targets
            .iter()
            .filter(|target| may_take(vm, target.host.id))
        {
            if target.possible {
                open.push(target.host.id);
                let forecast = target.chosen.as_ref().map(|chosen| &chosen.forecast);
                let takes = forecast.map_or(0.0, |forecast| forecast.total_ms.middle);
                self.takes.insert((vm.id, target.host.id), takes as u64);
                continue;
            }
            for check in target
                .checks
                .iter()
                .filter(|check| check.verdict == Verdict::Fail)
            {
                names.push(check.name.clone());
                if !why.contains(&check.text) {
                    why.push(check.text.clone());
                }
            }
        }
        if !open.is_empty() {
            self.leaving.push(Leaving {
                vm: vm.id,
                need: need(vm),
                targets: open,
            });
            return Ok(());
        }
        if why.is_empty() {
            why.push("There is no other host that takes VMs.".into());
        }
        self.blocked.push(Blocked {
            vm: vm.id,
            name: vm.name.clone(),
            why,
            unblock: unblock(&names),
        });
        Ok(())
    }

    fn order(
        &self,
        vms: &[Vm],
        moves: &[(VmId, HostId)],
        spaces: &[Space],
        under_way: &[UnderWay],
    ) -> Ordered {
        let place = |host: HostId| spaces.iter().position(|space| space.host == host);
        let hosts: Vec<order::Host> = spaces
            .iter()
            .map(|space| order::Host {
                name: space.host.to_string(),
                free: space.free,
                link_mbit: LINK_MBIT,
                may_lend: false,
            })
            .collect();
        let mut those: Vec<&Vm> = Vec::new();
        let mut wanted = Vec::new();
        let mut listed = Vec::new();
        for (vm, to) in moves {
            let known = vms.iter().find(|one| one.id == *vm);
            let (Some(vm), Some(to)) = (known, place(*to)) else {
                continue;
            };
            let Some(host) = place(vm.host) else { continue };
            wanted.push(Move {
                vm: those.len(),
                to,
            });
            those.push(vm);
            listed.push(order::Vm {
                name: vm.name.clone(),
                host,
                need: need(vm),
                apart: Vec::new(),
            });
        }
        let mut going = Vec::new();
        for one in under_way {
            let (Some(host), Some(to)) = (place(one.from), place(one.to)) else {
                continue;
            };
            going.push((
                Move {
                    vm: listed.len(),
                    to,
                },
                one.left_ms,
            ));
            // Its room on the target is reserved already.
            listed.push(order::Vm {
                name: String::new(),
                host,
                need: Room::default(),
                apart: Vec::new(),
            });
        }
        let takes = |vm: usize, to: usize| {
            let key = those.get(vm).map(|one| (one.id, spaces[to].host));
            let known = key.and_then(|key| self.takes.get(&key));
            known.copied().unwrap_or(1_000).max(1)
        };
        let plan = order::order(
            &Problem {
                hosts: &hosts,
                vms: &listed,
                moves: &wanted,
                under_way: &going,
                trip: &|vm, _, to| Trip {
                    mbit: LINK_MBIT,
                    ms: takes(vm, to),
                },
            },
            Budget::default(),
        );
        let steps = plan.steps.iter().filter_map(|step| {
            let vm = those.get(step.vm)?;
            Some(PlanStep {
                vm: vm.id,
                name: vm.name.clone(),
                from: vm.host,
                to: spaces[step.to].host,
                state: StepState::Waiting,
                start_ms: step.start_ms,
                end_ms: step.end_ms,
                forecast_ms: step.end_ms - step.start_ms,
                migration: None,
                failures: 0,
                why: None,
            })
        });
        Ordered {
            steps: steps.collect(),
            blocked: Vec::new(),
            makespan_ms: plan.makespan_ms,
            bound_ms: plan.bound_ms,
        }
    }
}

/// What would let one leave, by the names of the checks that failed.
fn unblock(failed: &[String]) -> String {
    let any = |names: &[&str]| failed.iter().any(|name| names.contains(&name.as_str()));
    let what = if any(&["devices"]) {
        "Detach the device, or delete the snapshots; or shut it down until the host is back."
    } else if any(&["vm_running"]) {
        "Start or continue it, or leave it: it stays with the host."
    } else if any(&["not_moving"]) {
        "Wait until what is being done to it is over."
    } else if any(&["policy"]) {
        "Choose a policy for it that allows more, or wait until it is quieter."
    } else if any(&["memory", "vcpus"]) {
        "Make room on another host, or add one; or shut it down until the host is back."
    } else if any(&["disk"]) {
        "Give another host a pool of its storage with enough space."
    } else if any(&["network", "site"]) {
        "Have another host of its site carry its network."
    } else if any(&["cpu", "architecture"]) {
        "Add a host whose CPU can run it; or shut it down until the host is back."
    } else {
        "Bring back or add a host that takes VMs."
    };
    what.into()
}

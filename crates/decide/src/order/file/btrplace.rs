//! A reconfiguration plan of BtrPlace: where VMs are, what they need, and moves with times of their own, of which only
//! what goes where is read. The network is not in the file: as published with these plans, the first half of the hosts
//! has 500 Mbit/s in each direction and the other half 1000.

use super::{Name, Named, Travel, Wanted, add_move, unreadable};
use crate::order::{Host, Room, Vm};
use bellwether_model::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

const SLOW_MBIT: u32 = 500;
const FAST_MBIT: u32 = 1_000;
/// Its unit of memory.
const MIB_OF_MEM: u64 = 1_024;

#[derive(Deserialize)]
struct File {
    origin: Origin,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Origin {
    mapping: Mapping,
    attributes: Attributes,
    #[serde(default)]
    views: Vec<View>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    online_nodes: BTreeMap<u64, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default, rename = "runningVMs")]
    running: Vec<u64>,
    #[serde(default, rename = "sleepingVMs")]
    sleeping: Vec<u64>,
}

#[derive(Deserialize)]
struct Attributes {
    vms: BTreeMap<u64, Writes>,
}

/// What a VM has to carry: MB, and MB a second. Later versions of BtrPlace have other names for the same.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Writes {
    mem_used: f64,
    #[serde(alias = "hotDirtySize", default = "idle_size")]
    max_dirty_size: f64,
    #[serde(alias = "hotDirtyDuration", default = "idle_time")]
    max_dirty_duration: f64,
    #[serde(alias = "coldDirtyRate", default)]
    dirty_rate: f64,
}

/// What BtrPlace takes an idle VM to write.
fn idle_size() -> f64 {
    5.0
}

fn idle_time() -> f64 {
    2.0
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    #[serde(default)]
    rc_id: String,
    #[serde(default)]
    def_capacity: u64,
    #[serde(default)]
    def_consumption: u64,
    #[serde(default)]
    nodes: BTreeMap<u64, u64>,
    #[serde(default)]
    vms: BTreeMap<u64, u64>,
}

#[derive(Deserialize)]
struct Action {
    id: String,
    vm: Option<u64>,
    to: Option<u64>,
}

impl Writes {
    /// Kherbache, Madelaine, Hermenier, "Planning live-migrations to prepare servers for maintenance" and "Scheduling
    /// live-migrations for fast, adaptable and energy-efficient relocation operations" (UCC 2015): the memory once, then
    /// what was written meanwhile outside of the hot pages, then the hot ones; a byte takes nine bits of the link. Whole
    /// MB/s and whole seconds, as the published plans have it.
    pub fn ms(&self, mbit: u32) -> u64 {
        let rate = f64::from(mbit / 9);
        let whole = self.mem_used / rate;
        let hot_rate = self.max_dirty_size / self.max_dirty_duration;
        let later = (whole - self.max_dirty_duration).max(0.0);
        let cold = (self.max_dirty_size + later * self.dirty_rate) / (rate - self.dirty_rate);
        let hot = self.max_dirty_size / rate * (hot_rate / (rate - hot_rate));
        ((whole + cold + hot).round().max(1.0) * 1e3) as u64
    }

    /// Whether the formula has an answer at this rate.
    fn ends_at(&self, mbit: u32) -> bool {
        let rate = f64::from(mbit / 9);
        let fine = |value: f64| value.is_finite() && value >= 0.0;
        fine(self.mem_used)
            && fine(self.max_dirty_size)
            && fine(self.dirty_rate)
            && self.max_dirty_duration.is_finite()
            && self.max_dirty_duration > 0.0
            && rate > self.dirty_rate
            && rate > self.max_dirty_size / self.max_dirty_duration
    }
}

pub(super) fn read(text: &str) -> Result<Wanted> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| unreadable("a plan of BtrPlace (origin, actions)", &error))?;
    let File { origin, actions } = file;
    let numbers = |numbers: &mut dyn Iterator<Item = u64>| -> Vec<Name> {
        numbers.map(Name::Number).collect()
    };
    let nodes = &origin.mapping.online_nodes;
    let host_names = numbers(&mut nodes.keys().copied());
    let host_at = Named::of("node", &host_names)?;
    let there: Vec<(u64, usize)> = nodes
        .values()
        .enumerate()
        .flat_map(|(at, node)| {
            let all = node.running.iter().chain(&node.sleeping);
            all.map(move |vm| (*vm, at))
        })
        .collect();
    let vm_names = numbers(&mut there.iter().map(|(vm, _)| *vm));
    let vm_at = Named::of("VM", &vm_names)?;
    // What the file does not limit is without end.
    let of_node = |resource: &str, node: u64| {
        let view = origin.views.iter().find(|view| view.rc_id == resource);
        view.map_or(u64::MAX, |view| {
            view.nodes.get(&node).copied().unwrap_or(view.def_capacity)
        })
    };
    let of_vm = |resource: &str, vm: u64| {
        let view = origin.views.iter().find(|view| view.rc_id == resource);
        view.map_or(0, |view| {
            view.vms.get(&vm).copied().unwrap_or(view.def_consumption)
        })
    };
    let half = nodes.len() / 2;
    let mut hosts: Vec<Host> = nodes
        .keys()
        .enumerate()
        .map(|(at, node)| Host {
            name: node.to_string(),
            free: Room {
                memory_mib: of_node("mem", *node).saturating_mul(MIB_OF_MEM),
                vcpus: of_node("cpu", *node),
                disk_mib: u64::MAX,
            },
            link_mbit: if at < half { SLOW_MBIT } else { FAST_MBIT },
            may_lend: true,
        })
        .collect();
    let (mut vms, mut travels) = (Vec::new(), Vec::new());
    for (vm, host) in &there {
        let need = Room {
            memory_mib: of_vm("mem", *vm).saturating_mul(MIB_OF_MEM),
            vcpus: of_vm("cpu", *vm),
            disk_mib: 0,
        };
        hosts[*host].free = hosts[*host].free.less(need);
        vms.push(Vm {
            name: vm.to_string(),
            host: *host,
            need,
            apart: Vec::new(),
        });
        let writes = origin.attributes.vms.get(vm).copied().ok_or_else(|| {
            Error::invalid(format!(
                "The VM {vm} has no attributes: memUsed and what it writes are needed to tell how long it takes."
            ))
        })?;
        if !writes.ends_at(SLOW_MBIT) {
            return Err(Error::invalid(format!(
                "The VM {vm} writes faster than a link of {SLOW_MBIT} Mbit/s carries: its move would not end."
            )));
        }
        travels.push(Travel::BtrPlace(writes));
    }
    let mut moves = Vec::new();
    for action in &actions {
        let (Some(vm), Some(to)) = (action.vm, action.to) else {
            return Err(Error::invalid(format!(
                "There is an action {}: only migrateVM, with vm and to, can be ordered.",
                action.id
            )));
        };
        let by = format!("The move of {vm}");
        let (at, to) = (
            vm_at.find(&Name::Number(vm), &by)?,
            host_at.find(&Name::Number(to), &by)?,
        );
        add_move(&mut moves, &vms, at, to)?;
    }
    Ok(Wanted {
        host_names,
        vm_names,
        hosts,
        vms,
        moves,
        travels,
    })
}

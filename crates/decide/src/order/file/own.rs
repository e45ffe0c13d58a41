//! Bellwether's own file.

use super::{Name, Named, Travel, Wanted, add_move, unreadable};
use crate::{
    forecast,
    order::{Host, Room, Vm},
};
use bellwether_model::{Error, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hosts: Vec<HostEntry>,
    vms: Vec<VmEntry>,
    moves: Vec<MoveEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    name: String,
    memory_mib: u64,
    vcpus: Option<u64>,
    disk_mib: Option<u64>,
    link_mbit: u32,
    #[serde(default = "yes")]
    may_lend: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VmEntry {
    name: String,
    host: String,
    memory_mib: u64,
    #[serde(default)]
    vcpus: u64,
    #[serde(default)]
    disk_mib: u64,
    used_mib: Option<u64>,
    #[serde(default)]
    hot_mib: f64,
    #[serde(default = "second")]
    hot_within_s: f64,
    #[serde(default)]
    cold_mib_per_s: f64,
    #[serde(default)]
    apart: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveEntry {
    vm: String,
    to: String,
}

fn yes() -> bool {
    true
}

fn second() -> f64 {
    1.0
}

/// What has to travel, and what is written meanwhile.
pub(super) struct Writes(forecast::Guest);

impl Writes {
    /// How long it takes at this rate.
    pub fn ms(&self, mbit: u32) -> u64 {
        let rate = forecast::goodput(mbit);
        let copy = forecast::steered(&self.0, rate, forecast::USUAL_PAUSE, forecast::Way::PreCopy);
        // Up, so that no plan counts on less than it needs.
        (copy.seconds * 1e3).ceil() as u64
    }
}

pub(super) fn read(text: &str) -> Result<Wanted> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| unreadable("a plan of Bellwether's (hosts, vms, moves)", &error))?;
    let name = |text: &String| Name::Text(text.clone());
    let host_names: Vec<Name> = file.hosts.iter().map(|host| name(&host.name)).collect();
    let vm_names: Vec<Name> = file.vms.iter().map(|vm| name(&vm.name)).collect();
    let (host_at, vm_at) = (Named::of("host", &host_names)?, Named::of("VM", &vm_names)?);
    let mut hosts: Vec<Host> = file
        .hosts
        .iter()
        .map(|host| Host {
            name: host.name.clone(),
            free: Room {
                memory_mib: host.memory_mib,
                vcpus: host.vcpus.unwrap_or(u64::MAX),
                disk_mib: host.disk_mib.unwrap_or(u64::MAX),
            },
            link_mbit: host.link_mbit,
            may_lend: host.may_lend,
        })
        .collect();
    let mut groups: Vec<&str> = file
        .vms
        .iter()
        .flat_map(|vm| vm.apart.iter().map(String::as_str))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let (mut vms, mut travels) = (Vec::new(), Vec::new());
    for vm in &file.vms {
        let by = format!("The VM {}", vm.name);
        let host = host_at.find(&name(&vm.host), &by)?;
        let need = Room {
            memory_mib: vm.memory_mib,
            vcpus: vm.vcpus,
            disk_mib: vm.disk_mib,
        };
        hosts[host].free = hosts[host].free.less(need);
        let mut apart: Vec<usize> = vm
            .apart
            .iter()
            .filter_map(|group| groups.binary_search(&group.as_str()).ok())
            .collect();
        apart.sort_unstable();
        apart.dedup();
        vms.push(Vm {
            name: vm.name.clone(),
            host,
            need,
            apart,
        });
        travels.push(Travel::Own(writes(vm)?));
    }
    let mut moves = Vec::new();
    for wanted in &file.moves {
        let vm = vm_at.find(&name(&wanted.vm), "A move")?;
        let to = host_at.find(&name(&wanted.to), &format!("The move of {}", wanted.vm))?;
        add_move(&mut moves, &vms, vm, to)?;
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

fn writes(vm: &VmEntry) -> Result<Writes> {
    for (field, value, least) in [
        ("hot_mib", vm.hot_mib, 0.0),
        ("hot_within_s", vm.hot_within_s, 0.001),
        ("cold_mib_per_s", vm.cold_mib_per_s, 0.0),
    ] {
        if !value.is_finite() || value < least {
            return Err(Error::invalid(format!(
                "The VM {}: {field} is {value}; it is a number from {least} on.",
                vm.name
            )));
        }
    }
    let mib = |mib: f64| mib * f64::from(1 << 20);
    Ok(Writes(forecast::Guest {
        memory: mib(vm.used_mib.unwrap_or(vm.memory_mib).min(vm.memory_mib) as f64),
        writes: forecast::Writes {
            hot: mib(vm.hot_mib),
            hot_within: vm.hot_within_s,
            cold: mib(vm.cold_mib_per_s),
        },
    }))
}

//! What people's VMs use, as last seen.

use crate::export::exposition::is_told;
use bellwether_model::{MiB, UserId, VmId, observed::Observed};
use bellwether_store::Records;
use std::collections::BTreeMap;

/// What a person's VMs use, of those of which it is known; what is known of none of them is not nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU, vCPUs.
    pub vcpus: Option<f64>,
    /// Memory the guests use.
    pub memory: Option<MiB>,
}

/// By person; who has no VM that was seen is not in it.
pub fn by_person(records: &Records, observed: &Observed) -> BTreeMap<UserId, Usage> {
    let mut all: BTreeMap<UserId, Usage> = BTreeMap::new();
    let told = observed.each().filter(|seen| is_told(seen));
    let seen = told.flat_map(|host| &host.vms);
    // One that moves is on two hosts, and told by the one it leaves.
    for seen in seen.filter(|seen| !seen.migrating) {
        let Some(vm) = records.vm(VmId(seen.uuid)) else {
            continue;
        };
        let usage = all.entry(vm.owner).or_default();
        if let Some(cpu) = seen.cpu {
            usage.vcpus = Some(usage.vcpus.unwrap_or(0.0) + cpu);
        }
        if let Some(memory) = seen.memory_used {
            usage.memory = Some(usage.memory.unwrap_or_default() + memory);
        }
    }
    all
}

//! What each person has, summed.

use crate::Store;
use bellwether_model::{GiB, MiB, Result, UserId, Vcpus};
use std::collections::BTreeMap;

/// The sum of a person's VMs that are not gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonTotals {
    /// The person.
    pub user: UserId,
    /// VMs.
    pub vms: u32,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// Disk.
    pub disk: GiB,
}

impl Store {
    /// For everybody who has a VM, by identifier.
    pub async fn totals(&self) -> Result<Vec<PersonTotals>> {
        let mut totals: BTreeMap<UserId, PersonTotals> = BTreeMap::new();
        for vm in self.records().await?.vms.iter() {
            let of = totals.entry(vm.owner).or_insert(PersonTotals {
                user: vm.owner,
                vms: 0,
                vcpus: Vcpus(0),
                memory: MiB(0),
                disk: GiB(0),
            });
            of.vms += 1;
            of.vcpus += vm.vcpus;
            of.memory += vm.memory;
            of.disk += vm.disk;
        }
        Ok(totals.into_values().collect())
    }
}

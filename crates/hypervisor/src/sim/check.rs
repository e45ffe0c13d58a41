//! What must never be true of a fleet, as one function: tests call it at the end, whatever happened before.

use super::world::World;
use bellwether_model::observed::PowerState;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Every rule that is broken now or was broken by a call, in words; empty is good.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = self.broken.clone();
        let mut running: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        let mut defined: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        let mut users: BTreeMap<(usize, &str), BTreeSet<_>> = BTreeMap::new();
        let mut cards: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (host, machine) in &self.machines {
            for (id, vm) in machine.vms.iter().filter(|(_, vm)| !vm.incoming) {
                defined.entry(*id).or_default().push(host);
                if vm.power == PowerState::Running {
                    running.entry(*id).or_default().push(host);
                }
                if vm.live.is_some() {
                    cards.entry(vm.definition.mac).or_default().insert(*id);
                }
                for disk in &vm.definition.disks {
                    let Some(store) = machine.pools.get(&disk.pool) else {
                        continue;
                    };
                    users.entry((*store, &disk.volume)).or_default().insert(*id);
                    let there = self.stores[*store].volumes.contains_key(&disk.volume);
                    if vm.live.is_some() && !there {
                        wrong.push(format!(
                            "VM {id} runs on {host} and its disk '{}' is gone",
                            disk.volume
                        ));
                    }
                }
            }
        }
        for (id, hosts) in running.iter().filter(|(_, hosts)| hosts.len() > 1) {
            wrong.push(format!("VM {id} runs on {}", hosts.join(" and ")));
        }
        for (id, hosts) in defined.iter().filter(|(_, hosts)| hosts.len() > 1) {
            wrong.push(format!("VM {id} is defined on {}", hosts.join(" and ")));
        }
        for ((_, volume), ids) in users.iter().filter(|(_, ids)| ids.len() > 1) {
            wrong.push(format!("{} VMs have the disk '{volume}'", ids.len()));
        }
        for (mac, ids) in cards.iter().filter(|(_, ids)| ids.len() > 1) {
            wrong.push(format!(
                "{} running VMs have the Ethernet address {mac}",
                ids.len()
            ));
        }
        for store in &self.stores {
            for (name, volume) in &store.volumes {
                if let Some((backing, _)) = &volume.backing
                    && !store.volumes.contains_key(backing)
                {
                    wrong.push(format!(
                        "'{name}' is an overlay of '{backing}', which is gone"
                    ));
                }
            }
        }
        wrong
    }

    /// Volumes that no VM and no overlay refers to, as `HOST/POOL/VOLUME` (a shared one once, by its first host).
    pub fn unused_volumes(&self) -> Vec<String> {
        let mut told = BTreeSet::new();
        let mut unused = Vec::new();
        for (host, machine) in &self.machines {
            for (pool, index) in &machine.pools {
                if !told.insert(*index) {
                    continue;
                }
                let names = self.stores[*index].volumes.keys();
                let free = names.filter(|name| self.users(*index, name).is_empty());
                unused.extend(free.map(|name| format!("{host}/{pool}/{name}")));
            }
        }
        unused
    }

    /// Records that a volume was taken away although something refers to it.
    pub fn note_use(&mut self, host: &str, pool: &str, name: &str, what: &str) {
        let store = self
            .machines
            .get(host)
            .and_then(|machine| machine.pools.get(pool))
            .copied();
        let Some(store) = store else { return };
        if !self.stores[store].volumes.contains_key(name) {
            return;
        }
        for user in self.users(store, name) {
            self.broken.push(format!(
                "'{name}' was {what} on {host} although {user} refers to it"
            ));
        }
    }

    /// What refers to a volume, in words.
    fn users(&self, store: usize, name: &str) -> Vec<String> {
        let mut users = Vec::new();
        for (host, machine) in &self.machines {
            for (id, vm) in &machine.vms {
                let refers = vm.definition.disks.iter().any(|disk| {
                    disk.volume == name && machine.pools.get(&disk.pool) == Some(&store)
                });
                if refers {
                    users.push(format!("VM {id} on {host}"));
                }
            }
        }
        for (overlay, volume) in &self.stores[store].volumes {
            if volume
                .backing
                .as_ref()
                .is_some_and(|(backing, _)| backing == name)
            {
                users.push(format!("the overlay '{overlay}'"));
            }
        }
        users
    }
}

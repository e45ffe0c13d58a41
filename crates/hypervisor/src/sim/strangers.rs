//! VMs that nobody made through us: they are there from the start, or appear.

use super::{spec::scramble, world::World};
use crate::{GuestCpu, Ownership, Result, VmDefinition};
use bellwether_model::{Mac, MiB, Vcpus, network::Carrier, vm::Devices};
use uuid::Uuid;

/// Spreads the strangers the spec asks for over the hosts, as many on each as have room, nine of ten running.
pub(super) fn populate(world: &mut World) {
    let hosts: Vec<String> = world.machines.keys().cloned().collect();
    for number in 0..world.spec.vms {
        let draw = scramble(world.spec.seed, u64::from(number) + 1);
        let id = Uuid::from_u64_pair(scramble(draw, 7), scramble(draw, 8));
        let id = uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid();
        let size = [1, 1, 1, 2, 2, 4][(draw % 6) as usize];
        let definition = definition(
            id,
            &format!("stranger-{number:04}"),
            size,
            MiB(1_024 * u64::from(size)),
            &world.spec.bridges,
        );
        let host = &hosts[number as usize % hosts.len().max(1)];
        let placed = world.define(host, &definition, false);
        if placed.is_ok() && !draw.is_multiple_of(10) {
            // One that does not start stays off: a stranger may.
            let _ = world.start(host, id);
        }
    }
}

/// A stranger's definition: no metadata of ours, no volume that we can name.
pub(super) fn definition(
    id: Uuid,
    name: &str,
    vcpus: u32,
    memory: MiB,
    bridges: &[String],
) -> VmDefinition {
    let [.., a, b, c] = *id.as_bytes();
    VmDefinition {
        uuid: id,
        name: name.into(),
        title: String::new(),
        description: String::new(),
        ownership: Ownership::default(),
        vcpus: Vcpus(vcpus),
        memory,
        cpu: GuestCpu::Emulated,
        devices: Devices::Virtio,
        disks: Vec::new(),
        mac: Mac::local([a, b, c]),
        carrier: Carrier::Bridge(bridges.first().cloned().unwrap_or_else(|| "br0".into())),
    }
}

impl World {
    pub fn add_stranger(
        &mut self,
        host: &str,
        name: &str,
        vcpus: u32,
        memory: MiB,
    ) -> Result<Uuid> {
        let draw = scramble(self.spec.seed, self.token());
        let bytes = Uuid::from_u64_pair(draw, scramble(draw, 1)).into_bytes();
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let definition = definition(id, name, vcpus, memory, &self.spec.bridges);
        self.define(host, &definition, false)?;
        Ok(id)
    }
}

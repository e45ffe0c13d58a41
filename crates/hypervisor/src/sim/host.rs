//! A simulated host in all its roles.

mod migration;
mod volumes;

use super::{
    cpu,
    fault::{Fault, Op},
    fleet::SimFleet,
    world::World,
};
use crate::{
    Console, DiskSeen, Groups, HostEvent, HostPlaces, HostSample, HypervisorError, Inventory,
    NicSeen, Ownership, Power, Result, VmDefinition, VmDescription,
};
use async_trait::async_trait;
use bellwether_model::observed::{HostFacts, PoolSeen, PowerState};
use std::{net::IpAddr, time::Duration};
use tokio::{sync::broadcast, time::sleep};
use uuid::Uuid;

/// A host of a [`SimFleet`].
#[derive(Clone, Debug)]
pub struct SimHost {
    fleet: SimFleet,
    name: String,
}

impl SimHost {
    pub(super) fn new(fleet: SimFleet, name: &str) -> Self {
        Self {
            fleet,
            name: name.into(),
        }
    }

    /// One call: planned faults before, the effect, planned faults after.
    pub(super) async fn call<T>(
        &self,
        op: Op,
        effect: impl FnOnce(&mut World, &str) -> Result<T>,
    ) -> Result<T> {
        let fault = self.enter(op).await?;
        let name = &self.name;
        let outcome = self.fleet.with(|world| {
            world.answering(name)?;
            effect(world, name)
        });
        self.leave(op, fault).await?;
        outcome
    }

    async fn enter(&self, op: Op) -> Result<Option<Fault>> {
        let (fault, latency) = self.fleet.with(|world| {
            let fault = world.take_fault(&self.name, op);
            (fault, Duration::from_millis(world.spec.latency_ms))
        });
        if !latency.is_zero() {
            sleep(latency).await;
        }
        match &fault {
            Some(Fault::Before(error)) => return Err(error.clone()),
            Some(Fault::Hang) => return Err(self.hang(op).await),
            Some(Fault::Slow(time)) => sleep(*time).await,
            Some(Fault::Hold(gate)) => gate.pass().await,
            _ => {}
        }
        Ok(fault)
    }

    async fn leave(&self, op: Op, fault: Option<Fault>) -> Result<()> {
        match fault {
            Some(Fault::After) => Err(lost(op)),
            Some(Fault::HangAfter) => Err(self.hang(op).await),
            Some(Fault::HoldAfter(gate)) => {
                gate.pass().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn hang(&self, op: Op) -> HypervisorError {
        let deadline = self.fleet.with(|world| world.spec.deadline_ms);
        sleep(Duration::from_millis(deadline)).await;
        lost(op)
    }
}

fn lost(op: Op) -> HypervisorError {
    HypervisorError::TimedOut(format!("{op:?}"))
}

#[async_trait]
impl Inventory for SimHost {
    async fn facts(&self) -> Result<HostFacts> {
        self.call(Op::Facts, |world, host| {
            Ok(world.machine(host)?.facts.clone())
        })
        .await
    }

    async fn sample(&self, groups: Groups) -> Result<HostSample> {
        self.call(Op::Sample, move |world, host| {
            world.count(host)?;
            let world = &*world;
            let machine = &world.machines[host];
            Ok(HostSample {
                cpu: Some(machine.cpu),
                memory_used: Some(machine.memory_used()),
                vms: machine
                    .vms
                    .values()
                    .map(|vm| world.sample_of(host, vm, groups))
                    .collect(),
            })
        })
        .await
    }

    async fn places(&self) -> Result<HostPlaces> {
        self.call(Op::Places, |world, host| {
            let machine = world.machine(host)?;
            let (pools, carriers) = (machine.pools.clone(), machine.carriers.clone());
            let pools = pools
                .into_iter()
                .map(|(name, index)| {
                    let store = &world.stores[index];
                    PoolSeen {
                        name,
                        kind: store.kind.into(),
                        path: Some(store.path.clone()),
                        active: true,
                        capacity: store.capacity,
                        available: store.available(),
                    }
                })
                .collect();
            Ok(HostPlaces { pools, carriers })
        })
        .await
    }

    async fn power_states(&self) -> Result<Vec<(Uuid, PowerState)>> {
        self.call(Op::PowerStates, |world, host| {
            let machine = world.machine(host)?;
            Ok(machine.vms.iter().map(|(id, vm)| (*id, vm.power)).collect())
        })
        .await
    }

    async fn describe(&self, vm: Uuid) -> Result<VmDescription> {
        self.call(Op::Describe, |world, host| describe(world, host, vm))
            .await
    }

    async fn baseline(&self, cpus: &[String]) -> Result<Option<String>> {
        self.call(Op::Baseline, |world, host| {
            if !world.machine(host)?.facts.kvm {
                return Ok(None);
            }
            cpu::baseline(cpus).map(Some)
        })
        .await
    }

    async fn can_run_cpu(&self, guest_cpu: &str) -> Result<std::result::Result<(), String>> {
        self.call(Op::CanRunCpu, |world, host| {
            cpu::can_run(&world.machine(host)?.facts.cpu, guest_cpu)
        })
        .await
    }

    fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.fleet.with(|world| match world.machine(&self.name) {
            Ok(machine) => machine.events.subscribe(),
            // A host that is not there has no events: the channel is closed at once.
            Err(_) => broadcast::channel(1).1,
        })
    }
}

fn describe(world: &mut World, host: &str, id: Uuid) -> Result<VmDescription> {
    let vm = world.vm(host, id)?.clone();
    let definition = &vm.definition;
    let letters = if definition.devices == bellwether_model::vm::Devices::Virtio {
        "vd"
    } else {
        "sd"
    };
    let mut disks = Vec::new();
    for (index, disk) in definition.disks.iter().enumerate() {
        let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
        disks.push(DiskSeen {
            target: format!("{letters}{letter}"),
            source: Some(world.store(host, &disk.pool)?.path_of(&disk.volume)),
            read_only: disk.seed,
            format: disk.format.clone(),
        });
    }
    Ok(VmDescription {
        uuid: id,
        name: definition.name.clone(),
        vcpus: vm.vcpus(),
        memory: vm.memory(),
        ownership: vm.ours.then(|| definition.ownership.clone()),
        description: definition.description.clone(),
        cpu: vm.cpu(),
        disks,
        nics: vec![NicSeen {
            mac: definition.mac.to_string(),
            carrier: Some(definition.carrier.clone()),
        }],
        passthrough: vm.passthrough.clone(),
        snapshots: vm.snapshots,
        autostart: false,
    })
}

#[async_trait]
impl Power for SimHost {
    async fn define(&self, definition: &VmDefinition) -> Result<()> {
        self.call(Op::Define, |world, host| {
            world.define(host, definition, true)
        })
        .await
    }
    async fn power(&self, vm: Uuid) -> Result<Option<PowerState>> {
        self.call(Op::Power, |world, host| {
            Ok(world.machine(host)?.vms.get(&vm).map(|vm| vm.power))
        })
        .await
    }
    async fn start(&self, vm: Uuid) -> Result<()> {
        self.call(Op::Start, |world, host| world.start(host, vm))
            .await
    }
    async fn resume(&self, vm: Uuid) -> Result<()> {
        self.call(Op::Resume, |world, host| {
            world.not_moving(host, vm)?;
            world.resume(host, vm)
        })
        .await
    }
    async fn ask_shutdown(&self, vm: Uuid) -> Result<()> {
        self.call(Op::AskShutdown, |world, host| world.ask_shutdown(host, vm))
            .await
    }
    async fn force_off(&self, vm: Uuid) -> Result<()> {
        self.call(Op::ForceOff, |world, host| {
            world.power_off(host, vm, PowerState::ShutOff)
        })
        .await
    }
    async fn reboot(&self, vm: Uuid) -> Result<()> {
        self.call(Op::Reboot, |world, host| world.reboot(host, vm))
            .await
    }
    async fn undefine(&self, vm: Uuid) -> Result<()> {
        self.call(Op::Undefine, |world, host| world.undefine(host, vm))
            .await
    }
    async fn set_ownership(
        &self,
        vm: Uuid,
        ownership: &Ownership,
        description: &str,
    ) -> Result<()> {
        self.call(Op::SetOwnership, |world, host| {
            world.set_ownership(host, vm, ownership, description)
        })
        .await
    }
}

#[async_trait]
impl Console for SimHost {
    async fn addresses(&self, vm: Uuid) -> Result<Vec<IpAddr>> {
        self.call(Op::Addresses, |world, host| {
            let now = world.now;
            Ok(world.vm(host, vm)?.address(now).into_iter().collect())
        })
        .await
    }
    async fn screen(&self, vm: Uuid) -> Result<Option<(String, u16)>> {
        self.call(Op::Screen, |world, host| {
            let live = world.vm(host, vm)?.live.as_ref();
            Ok(live.map(|live| ("127.0.0.1".to_string(), live.screen)))
        })
        .await
    }
    async fn set_screen_password(&self, vm: Uuid, password: &str, until_s: i64) -> Result<()> {
        self.call(Op::SetScreenPassword, |world, host| {
            if password.is_empty() || password.len() > 8 {
                return Err(HypervisorError::BadDefinition(
                    "a screen's password has 1 to 8 characters".into(),
                ));
            }
            let vm = world.vm(host, vm)?;
            if vm.live.is_none() {
                return Err(HypervisorError::WrongState("it is off".into()));
            }
            vm.screen_password = Some((password.into(), until_s));
            Ok(())
        })
        .await
    }
}

//! VMs of the simulation: definitions, power and the counters of running guests.

use super::{
    spec::{Guest, scramble},
    world::{Due, World},
};
use crate::{
    GuestCpu, HostEvent, HypervisorError, MigrationFigures, Ownership, Result, VmDefinition,
};
use bellwether_model::{MiB, Vcpus, network::Carrier, observed::PowerState};
use std::{net::IpAddr, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// A VM on one host.
#[derive(Clone, Debug)]
pub(super) struct SimVm {
    pub definition: VmDefinition,
    /// It carries our metadata.
    pub ours: bool,
    pub guest: Guest,
    pub power: PowerState,
    pub live: Option<Live>,
    /// Only a migration's target so far; gone if the migration fails.
    pub incoming: bool,
    pub figures: Option<MigrationFigures>,
    pub snapshots: bool,
    pub passthrough: Vec<String>,
    pub screen_password: Option<(String, i64)>,
}

/// What exists only while an emulator runs.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// Names this boot.
    pub boot: u64,
    pub vcpus: Vcpus,
    pub memory: MiB,
    pub up_since: Instant,
    pub counted: Instant,
    pub cpu_ns: u64,
    pub delay_ns: u64,
    pub disk: (f64, f64),
    pub net: (f64, f64),
    pub dropped: f64,
    pub overhead_ns: u64,
    pub swapped_in_kib: f64,
    pub shutting_down: bool,
    pub screen: u16,
}

impl Live {
    /// The counters of an emulator that has just begun.
    pub fn begin_anew(&mut self) {
        (self.cpu_ns, self.delay_ns, self.overhead_ns) = (0, 0, 0);
        (self.disk, self.net) = ((0.0, 0.0), (0.0, 0.0));
        (self.dropped, self.swapped_in_kib) = (0.0, 0.0);
    }
}

impl SimVm {
    pub fn new(definition: VmDefinition, ours: bool, guest: Guest) -> Self {
        Self {
            definition,
            ours,
            guest,
            power: PowerState::ShutOff,
            live: None,
            incoming: false,
            figures: None,
            snapshots: false,
            passthrough: Vec::new(),
            screen_password: None,
        }
    }

    /// Memory of the emulator: what the guest touches and a little for QEMU.
    pub fn resident(&self) -> MiB {
        let share = self.guest.memory_share.clamp(0.0, 1.0);
        MiB((self.memory().0 as f64 * share) as u64 + 48)
    }

    pub fn memory(&self) -> MiB {
        self.live
            .as_ref()
            .map_or(self.definition.memory, |live| live.memory)
    }

    pub fn vcpus(&self) -> Vcpus {
        self.live
            .as_ref()
            .map_or(self.definition.vcpus, |live| live.vcpus)
    }

    /// The CPU its guest sees, as text of [`super::cpu`].
    pub fn cpu(&self) -> String {
        match &self.definition.cpu {
            GuestCpu::Baseline(cpu) => cpu.clone(),
            GuestCpu::Emulated => super::cpu::EMULATED.into(),
        }
    }

    pub fn address(&self, now: Instant) -> Option<IpAddr> {
        let live = self.live.as_ref()?;
        let booted = live.up_since + Duration::from_millis(self.guest.boot_ms);
        if self.power != PowerState::Running || !self.guest.address_known || now < booted {
            return None;
        }
        let text = &self.definition.ownership.address;
        text.split('/').next()?.parse().ok()
    }
}

impl World {
    pub fn vm(&mut self, host: &str, vm: Uuid) -> Result<&mut SimVm> {
        self.machine(host)?
            .vms
            .get_mut(&vm)
            .ok_or(HypervisorError::NoSuchVm)
    }

    /// How a VM's guest behaves: the fleet's way, or its own where guests are varied.
    pub fn guest_of(&self, vm: Uuid) -> Guest {
        let mut guest = self.spec.guest.clone();
        if self.spec.varied {
            let draw = |salt: u64| {
                let mixed = scramble(self.spec.seed ^ salt, vm.as_u128() as u64);
                mixed as f64 / u64::MAX as f64
            };
            guest.load = 0.02 + 1.2 * draw(1).powi(3);
            guest.swing = 0.9 * draw(2);
            guest.swing_seconds = 120.0 + 3_000.0 * draw(3);
            guest.memory_share = 0.15 + 0.75 * draw(4);
            guest.dirty_mib_s = 1.0 + 60.0 * draw(5).powi(4);
            guest.balloon = draw(6) < 0.9;
        }
        guest
    }

    pub fn define(&mut self, host: &str, definition: &VmDefinition, ours: bool) -> Result<()> {
        check_definition(definition)?;
        for disk in &definition.disks {
            self.store(host, &disk.pool)?;
        }
        let guest = self.guest_of(definition.uuid);
        let machine = self.machine(host)?;
        if let Some(other) = machine.vms.values().find(|vm| {
            vm.definition.name == definition.name && vm.definition.uuid != definition.uuid
        }) {
            return Err(HypervisorError::AlreadyThere(format!(
                "another VM named '{}' ({})",
                definition.name, other.definition.uuid
            )));
        }
        match machine.vms.get_mut(&definition.uuid) {
            Some(there) if there.definition.name != definition.name => {
                return Err(HypervisorError::AlreadyThere(format!(
                    "a VM with that UUID, named '{}',",
                    there.definition.name
                )));
            }
            Some(there) => there.definition = definition.clone(),
            None => {
                let vm = SimVm::new(definition.clone(), ours, guest);
                machine.vms.insert(definition.uuid, vm);
            }
        }
        self.emit(host, HostEvent::Lifecycle(definition.uuid));
        Ok(())
    }

    pub fn start(&mut self, host: &str, id: Uuid) -> Result<()> {
        let vm = self.vm(host, id)?.clone();
        match vm.power {
            PowerState::Running => return Ok(()),
            PowerState::Paused | PowerState::ShuttingDown => {
                return Err(HypervisorError::WrongState(format!(
                    "it is {}, not off",
                    vm.power.as_str()
                )));
            }
            PowerState::ShutOff | PowerState::Crashed => {}
        }
        let cannot = |message: String| HypervisorError::Failed {
            operation: "starting the VM".into(),
            message,
        };
        for disk in &vm.definition.disks {
            let store = self.store(host, &disk.pool)?;
            let missing = match store.volumes.get(&disk.volume) {
                None => Some(disk.volume.clone()),
                Some(volume) => volume
                    .backing
                    .as_ref()
                    .filter(|(backing, _)| !store.volumes.contains_key(backing))
                    .map(|(backing, _)| backing.clone()),
            };
            if let Some(name) = missing {
                let path = store.path_of(&name);
                return Err(cannot(format!(
                    "Cannot access storage file '{path}': No such file or directory"
                )));
            }
        }
        self.needs_carrier(host, &vm.definition.carrier)
            .map_err(cannot)?;
        let (now, boot) = (self.now, self.token());
        let machine = self.machine(host)?;
        if vm.definition.memory > machine.facts.memory {
            return Err(cannot(
                "cannot set up guest memory: Cannot allocate memory".into(),
            ));
        }
        super::cpu::can_run(&machine.facts.cpu, &vm.cpu())?
            .map_err(|missing| cannot(format!("guest CPU doesn't match: {missing}")))?;
        self.count(host)?;
        let screen = self.free_screen(host)?;
        let vm = self.vm(host, id)?;
        vm.live = Some(Live {
            boot,
            vcpus: vm.definition.vcpus,
            memory: vm.definition.memory,
            up_since: now,
            counted: now,
            cpu_ns: 0,
            delay_ns: 0,
            disk: (0.0, 0.0),
            net: (0.0, 0.0),
            dropped: 0.0,
            overhead_ns: 0,
            swapped_in_kib: 0.0,
            shutting_down: false,
            screen,
        });
        vm.power = PowerState::Running;
        self.emit(host, HostEvent::Lifecycle(id));
        Ok(())
    }

    pub fn needs_carrier(&self, host: &str, carrier: &Carrier) -> Result<(), String> {
        let there = self
            .machines
            .get(host)
            .is_some_and(|m| m.carriers.iter().any(|c| &c.carrier == carrier && c.active));
        if there {
            return Ok(());
        }
        Err(match carrier {
            Carrier::Bridge(name) => {
                format!("Cannot get interface MTU on '{name}': No such device")
            }
            Carrier::Libvirt(name) => {
                format!("Network not found: no network with matching name '{name}'")
            }
        })
    }

    pub fn free_screen(&mut self, host: &str) -> Result<u16> {
        let machine = self.machine(host)?;
        let mut port = 5_900;
        while machine
            .vms
            .values()
            .any(|vm| vm.live.as_ref().is_some_and(|live| live.screen == port))
        {
            port += 1;
        }
        Ok(port)
    }

    /// Takes the guest's power away, whatever it was doing.
    pub fn power_off(&mut self, host: &str, id: Uuid, power: PowerState) -> Result<()> {
        self.count(host)?;
        let vm = self.vm(host, id)?;
        if vm.live.take().is_some() || vm.power != power {
            vm.power = power;
            vm.screen_password = None;
            self.emit(host, HostEvent::Lifecycle(id));
            self.vm_stopped(host, id);
        }
        Ok(())
    }

    pub fn ask_shutdown(&mut self, host: &str, id: Uuid) -> Result<()> {
        self.not_moving(host, id)?;
        let now = self.now;
        let vm = self.vm(host, id)?;
        let (obeys, after) = (
            vm.guest.obeys_shutdown,
            Duration::from_millis(vm.guest.shutdown_ms),
        );
        let live = running(vm)?;
        if obeys && !live.shutting_down {
            live.shutting_down = true;
            let due = Due::GuestOff {
                host: host.into(),
                vm: id,
                boot: live.boot,
            };
            self.at(now + after, due);
        }
        Ok(())
    }

    pub fn guest_off(&mut self, host: &str, id: Uuid, boot: u64) {
        let same = self
            .vm(host, id)
            .is_ok_and(|vm| vm.live.as_ref().is_some_and(|live| live.boot == boot));
        if same {
            // The VM is there: it was just seen.
            let _ = self.power_off(host, id, PowerState::ShutOff);
        }
    }

    pub fn reboot(&mut self, host: &str, id: Uuid) -> Result<()> {
        self.not_moving(host, id)?;
        let now = self.now;
        let live = running(self.vm(host, id)?)?;
        live.up_since = now;
        self.emit(host, HostEvent::Lifecycle(id));
        Ok(())
    }

    pub fn resume(&mut self, host: &str, id: Uuid) -> Result<()> {
        self.count(host)?;
        let vm = self.vm(host, id)?;
        match vm.power {
            PowerState::Running => return Ok(()),
            PowerState::Paused if !vm.incoming => vm.power = PowerState::Running,
            other => {
                return Err(HypervisorError::WrongState(format!(
                    "it is {}, not paused",
                    other.as_str()
                )));
            }
        }
        let twice = self
            .machines
            .iter()
            .filter(|(_, m)| {
                m.vms
                    .get(&id)
                    .is_some_and(|vm| vm.power == PowerState::Running)
            })
            .count();
        if twice > 1 {
            self.broken.push(format!(
                "VM {id} was resumed on {host} while it runs elsewhere"
            ));
        }
        self.emit(host, HostEvent::Lifecycle(id));
        Ok(())
    }

    pub fn undefine(&mut self, host: &str, id: Uuid) -> Result<()> {
        let machine = self.machine(host)?;
        match machine.vms.get(&id) {
            None => return Ok(()),
            Some(vm) if vm.live.is_some() => {
                return Err(HypervisorError::WrongState("it still runs".into()));
            }
            Some(_) => machine.vms.remove(&id),
        };
        self.emit(host, HostEvent::Lifecycle(id));
        Ok(())
    }

    pub fn set_ownership(
        &mut self,
        host: &str,
        id: Uuid,
        ownership: &Ownership,
        description: &str,
    ) -> Result<()> {
        let vm = self.vm(host, id)?;
        vm.definition.ownership = ownership.clone();
        vm.definition.description = description.into();
        vm.ours = true;
        Ok(())
    }
}

fn running(vm: &mut SimVm) -> Result<&mut Live> {
    let power = vm.power;
    vm.live
        .as_mut()
        .filter(|_| power == PowerState::Running)
        .ok_or_else(|| {
            HypervisorError::WrongState(format!("it is {}, not running", power.as_str()))
        })
}

fn check_definition(definition: &VmDefinition) -> Result<()> {
    let bad = |why: &str| Err(HypervisorError::BadDefinition(why.into()));
    if definition.name.is_empty()
        || definition
            .name
            .contains(|c: char| c == '/' || c.is_control())
    {
        return bad("the name is empty or holds a slash or control character");
    }
    if definition.vcpus.0 == 0 {
        return bad("a VM needs at least one vCPU");
    }
    if definition.memory.0 == 0 {
        return bad("a VM needs memory");
    }
    Ok(())
}

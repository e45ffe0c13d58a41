//! The handle by which a test builds a fleet, breaks it and looks at it.

use super::{
    connector::SimConnector,
    fault::{Fault, Op, Planned},
    host::SimHost,
    spec::{Guest, SimSpec},
    world::{SimMachine, World, pair},
};
use crate::{HostEvent, HypervisorError, MigrateSpec, Result};
use bellwether_model::{MiB, observed::HostFacts, observed::PowerState};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// A simulated fleet; a cheap clone, all clones are the same fleet. It follows tokio's clock: a test with paused time
/// moves it by waiting.
#[derive(Clone)]
pub struct SimFleet(Arc<Mutex<Inner>>);

struct Inner {
    world: World,
    /// When the sleeping waker will look.
    waking_at: Option<Instant>,
}

impl SimFleet {
    /// A fleet as described.
    pub fn new(spec: SimSpec) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            world: World::new(spec, Instant::now()),
            waking_at: None,
        })))
    }

    /// Works on the world as it is now, then sees that what falls due later happens without anybody looking.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        inner.world.settle(now);
        let out = work(&mut inner.world);
        if let Some(due) = inner.world.next_due() {
            let asleep = inner.waking_at.is_some_and(|at| at <= due && at > now);
            if !asleep && let Ok(runtime) = tokio::runtime::Handle::try_current() {
                inner.waking_at = Some(due);
                runtime.spawn(wake(Arc::downgrade(&self.0), due));
            }
        }
        out
    }

    /// The fleet's name.
    pub fn name(&self) -> String {
        self.with(|world| world.spec.name.clone())
    }
    /// The hosts' names, in order.
    pub fn hosts(&self) -> Vec<String> {
        self.with(|world| world.machines.keys().cloned().collect())
    }
    /// The address of a host.
    pub fn uri(&self, host: &str) -> String {
        format!("sim://{}/{host}", self.name())
    }
    /// Serves this fleet's addresses.
    pub fn connector(&self) -> SimConnector {
        SimConnector::of(self)
    }
    /// A host, without connecting.
    pub fn host(&self, name: &str) -> SimHost {
        SimHost::new(self.clone(), name)
    }
    /// Adds a host with the fleet's size; it has the shared pool if the fleet has one.
    pub fn add_host(&self, name: &str) {
        self.with(|world| {
            let shared = world
                .machines
                .values()
                .find_map(|machine| machine.pools.get("shared").copied());
            world.add_machine(name, shared);
        });
    }

    /// The next `times` calls of `op` on `host` go wrong in this way.
    pub fn fault(&self, host: &str, op: Op, fault: Fault, times: u32) {
        self.with(|world| {
            world.planned.push(Planned {
                host: host.into(),
                op,
                fault,
                times,
            });
        });
    }
    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        self.with(|world| world.planned.clear());
    }
    /// How often `op` was asked of `host` so far, with or without success.
    pub fn calls(&self, host: &str, op: Op) -> u64 {
        self.with(|world| world.calls.get(&(host.into(), op)).copied().unwrap_or(0))
    }
    /// How often anything was asked of any host.
    pub fn all_calls(&self) -> u64 {
        self.with(|world| world.calls.values().sum())
    }

    /// The host loses its power: its VMs stop, migrations from it end, those to it are given up after a while.
    pub fn power_cut(&self, host: &str) -> Result<()> {
        self.with(|world| {
            world.lose_connection(host, |machine| machine.powered = false)?;
            let leaving: Vec<u64> = world
                .moves
                .iter()
                .filter(|(_, mv)| mv.source == host)
                .map(|(id, _)| *id)
                .collect();
            for id in leaving {
                world.give_up(id, Err(gone()));
            }
            for vm in world.machine(host)?.vms.values_mut() {
                if vm.live.take().is_some() {
                    vm.power = PowerState::ShutOff;
                }
            }
            world.machine(host)?.vms.retain(|_, vm| !vm.incoming);
            world.links_changed();
            Ok(())
        })
    }
    /// Power is back; VMs stay off, for libvirt's autostart is not used.
    pub fn power_back(&self, host: &str) -> Result<()> {
        self.with(|world| {
            regain(world, host, |machine| machine.powered = true)?;
            world.links_changed();
            Ok(())
        })
    }
    /// The server no longer reaches the host; the host and its VMs go on.
    pub fn lose_host(&self, host: &str) -> Result<()> {
        self.with(|world| world.lose_connection(host, |machine| machine.reachable = false))
    }
    /// The server reaches the host again.
    pub fn find_host(&self, host: &str) -> Result<()> {
        self.with(|world| regain(world, host, |machine| machine.reachable = true))
    }
    /// libvirtd is restarted and away for `down`; guests run on, migrations are given up.
    pub fn restart_libvirtd(&self, host: &str, down: Duration) -> Result<()> {
        self.with(|world| world.restart_daemon(host, down))
    }
    /// The hosts no longer reach each other; a migration between them stands still and is given up after 30 s.
    pub fn cut(&self, a: &str, b: &str) {
        self.with(|world| {
            world.cuts.insert(pair(a, b));
            world.links_changed();
        });
    }
    /// The hosts reach each other again.
    pub fn heal(&self, a: &str, b: &str) {
        self.with(|world| {
            world.cuts.remove(&pair(a, b));
            world.links_changed();
        });
    }
    /// How much the host's link carries, for migrations that begin later.
    pub fn set_link(&self, host: &str, mib_s: u64) -> Result<()> {
        self.with(|world| {
            world.machine(host)?.link_mib_s = mib_s.max(1);
            Ok(())
        })
    }

    /// Changes what the host says of itself.
    pub fn set_facts(&self, host: &str, change: impl FnOnce(&mut HostFacts)) -> Result<()> {
        self.with(|world| {
            change(&mut world.machine(host)?.facts);
            Ok(())
        })
    }
    /// Changes the features of the host's CPU.
    pub fn set_cpu_features(&self, host: &str, features: &[&str]) -> Result<()> {
        let cpu = super::cpu::text("sim", features.iter().copied());
        self.set_facts(host, |facts| facts.cpu = cpu)
    }
    /// Takes the pool's free space away (bytes of all members, where it is shared); later deletions free theirs.
    pub fn fill_pool(&self, host: &str, pool: &str) -> Result<()> {
        self.with(|world| {
            let store = world.store(host, pool)?;
            store.capacity -= store.available();
            Ok(())
        })
    }
    /// The digest of a volume's bytes, to compare with [`super::Digest::of`].
    pub fn volume_digest(&self, host: &str, pool: &str, name: &str) -> Option<u64> {
        self.with(|world| {
            let store = world.store(host, pool).ok()?;
            store.volumes.get(name).map(|volume| volume.digest)
        })
    }
    /// Something wrote into a disk: it takes this many bytes now.
    pub fn grow_volume(&self, host: &str, pool: &str, name: &str, allocation: u64) -> Result<()> {
        self.with(|world| {
            let store = world.store(host, pool)?;
            if let Some(volume) = store.volumes.get_mut(name) {
                volume.allocation = allocation;
            }
            Ok(())
        })
    }

    /// A VM of a stranger appears, switched off.
    pub fn add_stranger(&self, host: &str, name: &str, vcpus: u32, memory: MiB) -> Result<Uuid> {
        self.with(|world| world.add_stranger(host, name, vcpus, memory))
    }
    /// How guests of VMs defined from now on behave.
    pub fn set_guests(&self, change: impl FnOnce(&mut Guest)) {
        self.with(|world| change(&mut world.spec.guest));
    }
    /// Changes how a VM's guest behaves, on whichever host it is.
    pub fn set_guest(&self, vm: Uuid, change: impl Fn(&mut Guest)) {
        self.with(|world| {
            let hosts: Vec<String> = world.machines.keys().cloned().collect();
            for host in hosts {
                // Counters up to now follow the old ways.
                let _ = world.count(&host);
                if let Ok(vm) = world.vm(&host, vm) {
                    change(&mut vm.guest);
                }
            }
        });
    }
    /// Somebody uses virsh: the VM is started behind our back.
    pub fn start_by_hand(&self, host: &str, vm: Uuid) -> Result<()> {
        self.with(|world| world.start(host, vm))
    }
    /// Somebody uses virsh: a VM that is off gets another name in libvirt.
    pub fn rename_by_hand(&self, host: &str, vm: Uuid, name: &str) -> Result<()> {
        self.with(|world| {
            let there = world.vm(host, vm)?;
            if there.power.is_live() {
                return Err(HypervisorError::WrongState("it runs".into()));
            }
            there.definition.name = name.into();
            world.emit(host, HostEvent::Lifecycle(vm));
            Ok(())
        })
    }
    /// The guest shuts itself down, or somebody uses virsh.
    pub fn guest_stops(&self, host: &str, vm: Uuid) -> Result<()> {
        self.with(|world| world.power_off(host, vm, PowerState::ShutOff))
    }
    /// The emulator breaks.
    pub fn crash(&self, host: &str, vm: Uuid) -> Result<()> {
        self.with(|world| world.power_off(host, vm, PowerState::Crashed))
    }
    /// The host pauses the VM, as it does when its disk is full.
    pub fn pause(&self, host: &str, vm: Uuid) -> Result<()> {
        self.with(|world| {
            world.count(host)?;
            let there = world.vm(host, vm)?;
            if there.power == PowerState::Running {
                there.power = PowerState::Paused;
            }
            world.emit(host, HostEvent::Lifecycle(vm));
            Ok(())
        })
    }
    /// The VM has a device of the host, or a snapshot: things that hinder migration.
    pub fn set_hindrance(
        &self,
        host: &str,
        vm: Uuid,
        passthrough: &[&str],
        snapshots: bool,
    ) -> Result<()> {
        self.with(|world| {
            let vm = world.vm(host, vm)?;
            vm.passthrough = passthrough.iter().map(|text| (*text).into()).collect();
            vm.snapshots = snapshots;
            Ok(())
        })
    }
    /// What must never happen: a second copy of the VM runs on `other`. [`Self::check`] tells of it from then on.
    pub fn run_twice(&self, vm: Uuid, other: &str) -> Result<()> {
        self.with(|world| {
            let runs = |there: &&super::vm::SimVm| there.power == PowerState::Running;
            let mut machines = world.machines.values();
            let copy = machines.find_map(|machine| machine.vms.get(&vm).filter(runs).cloned());
            if let Some(copy) = copy {
                world.machine(other)?.vms.insert(vm, copy);
                world.emit(other, HostEvent::Lifecycle(vm));
            }
            Ok(())
        })
    }

    /// The hosts on which the VM shows, with its power state there.
    pub fn whereabouts(&self, vm: Uuid) -> Vec<(String, PowerState)> {
        self.with(|world| {
            world
                .machines
                .iter()
                .filter_map(|(host, machine)| Some((host.clone(), machine.vms.get(&vm)?.power)))
                .collect()
        })
    }
    /// The password of the VM's screen and until when it holds, if one was set.
    pub fn screen_password(&self, host: &str, vm: Uuid) -> Option<(String, i64)> {
        self.with(|world| world.vm(host, vm).ok()?.screen_password.clone())
    }
    /// The migrations under way, as they were asked for.
    pub fn moving(&self) -> Vec<MigrateSpec> {
        self.with(|world| {
            let moves = world.moves.values();
            moves.map(|mv| mv.spec().clone()).collect()
        })
    }
    /// Every rule that is broken now or was broken by a call, in words: a VM that runs twice, a disk deleted that
    /// something refers to, two VMs with one disk, … Empty is good.
    pub fn check(&self) -> Vec<String> {
        self.with(|world| world.check())
    }
    /// Volumes that no VM and no overlay refers to, as `HOST/POOL/VOLUME`: leftovers, or images.
    pub fn unused_volumes(&self) -> Vec<String> {
        self.with(|world| world.unused_volumes())
    }
}

impl fmt::Debug for SimFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFleet({})", self.name())
    }
}

/// Sleeps until something is due and lets it happen; ends when the fleet is gone.
async fn wake(fleet: Weak<Mutex<Inner>>, due: Instant) {
    sleep_until(due).await;
    if let Some(inner) = fleet.upgrade() {
        let mut guard = inner.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.waking_at == Some(due) {
            guard.waking_at = None;
        }
        drop(guard);
        SimFleet(inner).with(|_| ());
    }
}

fn regain(world: &mut World, host: &str, change: impl FnOnce(&mut SimMachine)) -> Result<()> {
    let machine = world.machine(host)?;
    let before = machine.trouble().is_some();
    change(machine);
    if before && machine.trouble().is_none() {
        world.emit(host, HostEvent::Reconnected);
    }
    Ok(())
}

fn gone() -> crate::HypervisorError {
    crate::HypervisorError::Unreachable("the host lost its power".into())
}

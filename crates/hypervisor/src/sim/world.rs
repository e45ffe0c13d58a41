//! The state of a simulated fleet and the queue of what is due in it. Nothing here waits: time is an argument, and
//! [`World::settle`] brings the world to it, one due thing after the other.

use super::{
    cpu,
    fault::{self, Fault, Op, Planned},
    moves::Move,
    pool::Store,
    spec::SimSpec,
    vm::SimVm,
};
use crate::{HostEvent, HypervisorError, Result};
use bellwether_model::{
    MachineId, MiB, counters::HostCpuCounters, network::Carrier, observed::CarrierSeen,
    observed::HostFacts,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::{sync::broadcast, time::Instant};
use uuid::Uuid;

/// Something that happens at a moment without anybody asking. Stale ones are recognised by their token and ignored.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// A guest that was asked to shut down is off.
    GuestOff { host: String, vm: Uuid, boot: u64 },
    /// A migration's round, hand-over or waiting for a lost link ends.
    Move { id: u64, token: u64 },
    /// libvirtd is back.
    DaemonBack { host: String },
}

/// A host.
pub(super) struct SimMachine {
    pub facts: HostFacts,
    /// Pool name → index of its store.
    pub pools: BTreeMap<String, usize>,
    pub carriers: Vec<CarrierSeen>,
    pub vms: BTreeMap<Uuid, SimVm>,
    /// It has power.
    pub powered: bool,
    /// The server reaches it.
    pub reachable: bool,
    /// libvirtd answers.
    pub daemon: bool,
    pub link_mib_s: u64,
    pub events: broadcast::Sender<HostEvent>,
    pub cpu: HostCpuCounters,
    pub counted: Instant,
}

pub(super) struct World {
    pub spec: SimSpec,
    pub born: Instant,
    pub epoch_s: i64,
    pub now: Instant,
    pub machines: BTreeMap<String, SimMachine>,
    pub stores: Vec<Store>,
    pub cuts: BTreeSet<(String, String)>,
    pub planned: Vec<Planned>,
    pub moves: BTreeMap<u64, Move>,
    /// Rules that were broken by a call, in words.
    pub broken: Vec<String>,
    pub calls: BTreeMap<(String, Op), u64>,
    due: BTreeMap<(Instant, u64), Due>,
    tokens: u64,
}

impl World {
    pub fn new(spec: SimSpec, now: Instant) -> Self {
        let epoch_s = spec.epoch_s.unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
        });
        let mut world = Self {
            born: now,
            epoch_s,
            now,
            machines: BTreeMap::new(),
            stores: Vec::new(),
            cuts: BTreeSet::new(),
            planned: Vec::new(),
            moves: BTreeMap::new(),
            broken: Vec::new(),
            calls: BTreeMap::new(),
            due: BTreeMap::new(),
            tokens: 0,
            spec: spec.clone(),
        };
        let shared = (spec.shared_bytes > 0)
            .then(|| world.add_store("/srv/shared", "netfs", spec.shared_bytes));
        for number in 1..=spec.hosts {
            world.add_machine(&format!("host{number:02}"), shared);
        }
        super::strangers::populate(&mut world);
        world
    }

    pub fn add_store(&mut self, path: &str, kind: &'static str, capacity: u64) -> usize {
        self.stores.push(Store {
            path: path.into(),
            kind,
            capacity,
            volumes: BTreeMap::new(),
        });
        self.stores.len() - 1
    }

    pub fn add_machine(&mut self, name: &str, shared: Option<usize>) {
        let mut pools = BTreeMap::new();
        if let Some(shared) = shared {
            pools.insert("shared".to_string(), shared);
        }
        if self.spec.local_bytes > 0 {
            let own = self.add_store("/var/lib/libvirt/images", "dir", self.spec.local_bytes);
            pools.insert("local".to_string(), own);
        }
        let spec = &self.spec;
        let machine = SimMachine {
            facts: HostFacts {
                hostname: name.into(),
                arch: "x86_64".into(),
                cpu_model: "Simulated CPU".into(),
                cores: spec.cores,
                memory: spec.memory,
                libvirt_version: "11.3.0".into(),
                hypervisor_version: "10.0.2".into(),
                kernel: Some("6.12.0-sim".into()),
                kvm: spec.kvm,
                cpu: cpu::text("sim", spec.cpu_features.iter().map(String::as_str)),
                machine: Some(machine_of(&spec.name, name)),
            },
            pools,
            carriers: spec
                .bridges
                .iter()
                .map(|bridge| CarrierSeen {
                    carrier: Carrier::Bridge(bridge.clone()),
                    active: true,
                })
                .collect(),
            vms: BTreeMap::new(),
            powered: true,
            reachable: true,
            daemon: true,
            link_mib_s: spec.link_mib_s,
            events: broadcast::channel(1_024).0,
            cpu: HostCpuCounters::default(),
            counted: self.now,
        };
        self.machines.insert(name.into(), machine);
    }

    /// A number never used before: names a boot, a move, a thing due.
    pub fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    pub fn at(&mut self, when: Instant, due: Due) {
        let token = self.token();
        self.due.insert((when, token), due);
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.keys().next().map(|(when, _)| *when)
    }

    /// Seconds since 1970 on the hosts' clocks.
    pub fn wall_s(&self) -> i64 {
        let age = self.now.saturating_duration_since(self.born);
        self.epoch_s
            .saturating_add(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
    }

    /// Brings the world to `now`: everything due until then happens, in order, each at its own moment.
    pub fn settle(&mut self, now: Instant) {
        while let Some(entry) = self.due.first_entry() {
            let (when, _) = *entry.key();
            if when > now {
                break;
            }
            let due = entry.remove();
            self.now = self.now.max(when);
            match due {
                Due::GuestOff { host, vm, boot } => self.guest_off(&host, vm, boot),
                Due::Move { id, token } => self.move_due(id, token),
                Due::DaemonBack { host } => self.daemon_back(&host),
            }
        }
        self.now = self.now.max(now);
    }

    pub fn machine(&mut self, host: &str) -> Result<&mut SimMachine> {
        self.machines
            .get_mut(host)
            .ok_or_else(|| HypervisorError::Unreachable(format!("there is no host '{host}'")))
    }

    /// The machine, if the server can speak to it.
    pub fn answering(&mut self, host: &str) -> Result<&mut SimMachine> {
        let machine = self.machine(host)?;
        match machine.trouble() {
            Some(why) => Err(HypervisorError::Unreachable(why.into())),
            None => Ok(machine),
        }
    }

    pub fn store(&mut self, host: &str, pool: &str) -> Result<&mut Store> {
        let index = *self
            .machine(host)?
            .pools
            .get(pool)
            .ok_or_else(|| HypervisorError::NoSuchPool(pool.into()))?;
        Ok(&mut self.stores[index])
    }

    pub fn emit(&self, host: &str, event: HostEvent) {
        if let Some(machine) = self.machines.get(host)
            && machine.trouble().is_none()
        {
            // Nobody listening is fine.
            let _ = machine.events.send(event);
        }
    }

    pub fn take_fault(&mut self, host: &str, op: Op) -> Option<Fault> {
        *self.calls.entry((host.into(), op)).or_default() += 1;
        fault::take(&mut self.planned, host, op)
    }

    pub fn linked(&self, a: &str, b: &str) -> bool {
        let up = |host: &str| {
            self.machines
                .get(host)
                .is_some_and(|machine| machine.powered)
        };
        up(a) && up(b) && !self.cuts.contains(&pair(a, b))
    }

    /// libvirtd of `host` goes away for `down`: connections are lost, migrations from and to it are given up
    /// (the source's guest goes on), guests run on.
    pub fn restart_daemon(&mut self, host: &str, down: Duration) -> Result<()> {
        self.lose_connection(host, |machine| machine.daemon = false)?;
        self.break_moves(host, "libvirtd was restarted");
        let back = self.now + down;
        self.at(back, Due::DaemonBack { host: host.into() });
        Ok(())
    }

    fn daemon_back(&mut self, host: &str) {
        if let Some(machine) = self.machines.get_mut(host) {
            machine.daemon = true;
        }
        self.emit(host, HostEvent::Reconnected);
    }

    /// Does what loses the server's connection, and tells.
    pub fn lose_connection(
        &mut self,
        host: &str,
        change: impl FnOnce(&mut SimMachine),
    ) -> Result<()> {
        let machine = self.machine(host)?;
        let before = machine.trouble().is_none();
        change(machine);
        if before && machine.trouble().is_some() {
            let _ = machine.events.send(HostEvent::Disconnected);
            self.orphan_moves(host);
        }
        Ok(())
    }
}

impl SimMachine {
    /// Why the server can't speak to it, if so.
    pub fn trouble(&self) -> Option<&'static str> {
        if !self.powered {
            Some("no route to host (it has no power)")
        } else if !self.reachable {
            Some("no route to host")
        } else if !self.daemon {
            Some("connection refused (libvirtd does not run)")
        } else {
            None
        }
    }

    /// Memory its emulators hold, with a gibibyte for the host itself.
    pub fn memory_used(&self) -> MiB {
        MiB(1_024)
            + self
                .vms
                .values()
                .filter(|vm| vm.live.is_some())
                .map(SimVm::resident)
                .sum()
    }
}

/// Two hosts in the order in which cuts are kept.
pub(super) fn pair(a: &str, b: &str) -> (String, String) {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    (first.into(), second.into())
}

/// The UUID of a machine: of one fleet and name always the same.
fn machine_of(fleet: &str, name: &str) -> MachineId {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in fleet.bytes().chain([0]).chain(name.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    MachineId(uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid())
}

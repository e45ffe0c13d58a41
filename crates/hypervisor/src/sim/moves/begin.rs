//! How a move begins: everything the source and the target would refuse it for, then the incoming VM.

use super::{Copied, Move, Reply, USUAL_LIMIT, failed_error};
use crate::{
    HostEvent, HypervisorError, MigrateSpec, Result,
    sim::{
        connector, cpu,
        fault::Fault,
        vm::SimVm,
        world::{Due, World},
    },
};
use bellwether_model::{migration_policy::Encrypt, observed::PowerState};
use std::time::Duration;

impl World {
    /// Begins a move, or says why the source would refuse it.
    pub fn begin_move(
        &mut self,
        source: &str,
        spec: &MigrateSpec,
        reply: Reply,
        doubt: Option<Fault>,
    ) -> Result<u64> {
        let refused = |message: String| HypervisorError::Failed {
            operation: "migration".into(),
            message,
        };
        let id = spec.uuid;
        let target = self.peer(&spec.peer_uri)?;
        let vm = self.vm(source, id)?.clone();
        if vm.live.is_none() || !matches!(vm.power, PowerState::Running | PowerState::Paused) {
            return Err(HypervisorError::WrongState(format!(
                "it is {}, not running",
                vm.power.as_str()
            )));
        }
        self.not_moving(source, id)?;
        if target == source {
            return Err(refused("Attempt to migrate guest to the same host".into()));
        }
        let peer_answers = self.machine(&target).is_ok_and(|m| m.powered && m.daemon);
        if !peer_answers || !self.linked(source, &target) {
            return Err(refused(format!(
                "unable to connect to server at '{target}': No route to host"
            )));
        }
        if spec.encrypt == Encrypt::Always && !self.spec.tls {
            return Err(refused(
                "unable to use TLS for the migration: no certificates".into(),
            ));
        }
        if spec.post_copy && !spec.copy_disks.is_empty() {
            return Err(refused(
                "post-copy migration is not supported with non-shared storage".into(),
            ));
        }
        if !vm.passthrough.is_empty() {
            return Err(refused(
                "cannot migrate a domain with assigned host devices".into(),
            ));
        }
        if self
            .machine(&target)?
            .vms
            .get(&id)
            .is_some_and(|there| there.live.is_some())
        {
            return Err(refused(format!(
                "domain '{id}' is already active on {target}"
            )));
        }
        let target_cpu = self.machine(&target)?.facts.cpu.clone();
        cpu::can_run(&target_cpu, &vm.cpu())?.map_err(refused)?;
        let mut arriving = vm.definition.clone();
        if let Some(carrier) = &spec.carrier {
            arriving.carrier = carrier.clone();
        }
        self.needs_carrier(&target, &arriving.carrier)
            .map_err(refused)?;
        let mut copied = Vec::new();
        for (index, disk) in vm.definition.disks.iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
            let copy = spec
                .copy_disks
                .iter()
                .any(|target| target.ends_with(letter));
            let pool =
                self.disk_at_target(source, &target, disk, copy && !disk.seed, &mut copied)?;
            arriving.disks[index].pool = pool;
        }
        let memory = self.machine(&target)?.facts.memory;
        if vm.memory() > memory {
            return Err(refused(
                "cannot set up guest memory: Cannot allocate memory".into(),
            ));
        }
        self.enter_move(source, &target, spec, vm, arriving, copied, (reply, doubt))
    }

    /// The target's pool in which the disk is, or will be once copied.
    fn disk_at_target(
        &mut self,
        source: &str,
        target: &str,
        disk: &crate::DiskDefinition,
        copy: bool,
        copied: &mut Vec<Copied>,
    ) -> Result<String> {
        let refused = |message: String| HypervisorError::Failed {
            operation: "migration".into(),
            message,
        };
        let from = *self
            .machine(source)?
            .pools
            .get(&disk.pool)
            .ok_or_else(|| HypervisorError::NoSuchPool(disk.pool.clone()))?;
        let path = self.stores[from].path_of(&disk.volume);
        let same_path = self.stores[from].path.clone();
        let there = self
            .machine(target)?
            .pools
            .clone()
            .into_iter()
            .find(|(_, store)| self.stores[*store].path == same_path);
        let missing = || {
            refused(format!(
                "Cannot access storage file '{path}': No such file or directory"
            ))
        };
        let (pool, to) = there.ok_or_else(missing)?;
        let exists = self.stores[to].volumes.contains_key(&disk.volume);
        if !copy {
            if !exists {
                return Err(missing());
            }
            if from != to && !disk.seed {
                return Err(refused(
                    "Unsafe migration: Migration without shared storage is unsafe".into(),
                ));
            }
            return Ok(pool);
        }
        let volume = self.stores[from]
            .volumes
            .get(&disk.volume)
            .cloned()
            .ok_or_else(missing)?;
        if !exists {
            let needed = volume.allocation.max(1);
            if self.stores[to].available() < needed {
                return Err(HypervisorError::NoSpace(format!(
                    "the disk takes {needed} bytes, the target's pool '{pool}' has {}",
                    self.stores[to].available()
                )));
            }
        }
        copied.push(Copied {
            store: to,
            name: disk.volume.clone(),
            volume,
            made: !exists,
        });
        Ok(pool)
    }

    #[allow(clippy::too_many_arguments)] // one call, from `begin_move`, which hands over what it found
    fn enter_move(
        &mut self,
        source: &str,
        target: &str,
        spec: &MigrateSpec,
        vm: SimVm,
        arriving: crate::VmDefinition,
        copied: Vec<Copied>,
        (reply, doubt): (Reply, Option<Fault>),
    ) -> Result<u64> {
        let now = self.now;
        let (id, token) = (self.token(), self.token());
        let link = self
            .machine(source)?
            .link_mib_s
            .min(self.machine(target)?.link_mib_s)
            .min(spec.bandwidth.unwrap_or(u64::MAX))
            .max(1);
        let rate = link as f64 * 1_048_576.0;
        let memory = vm.resident().bytes() as f64;
        let disks: f64 = copied.iter().map(|c| c.volume.allocation as f64).sum();
        for copy in copied.iter().filter(|copy| copy.made) {
            // libvirt makes the target's volume through its pool, without the source's backing.
            let mut flat = copy.volume.clone();
            flat.backing = None;
            self.stores[copy.store]
                .volumes
                .insert(copy.name.clone(), flat);
        }
        let (uuid, round_bytes) = (vm.definition.uuid, memory + disks);
        let paused = vm.power == PowerState::Paused;
        let mut incoming = vm;
        incoming.definition = arriving;
        incoming.power = PowerState::Paused;
        incoming.incoming = true;
        incoming.figures = None;
        let screen = self.free_screen(target)?;
        if let Some(live) = &mut incoming.live {
            live.screen = screen;
        }
        self.machine(target)?.vms.insert(uuid, incoming);
        self.emit(target, HostEvent::Lifecycle(uuid));
        self.moves.insert(
            id,
            Move {
                vm: uuid,
                source: source.into(),
                target: target.into(),
                spec: spec.clone(),
                paused,
                reply: Some(reply),
                doubt,
                token,
                started: now,
                rate,
                memory,
                copied,
                round: 1,
                round_bytes,
                round_started: now,
                sent: 0.0,
                total: round_bytes,
                standing: None,
                lost: None,
                wrote_since: now,
                carried: 0.0,
                longest_pause: USUAL_LIMIT,
                held: 0.0,
                much: 0,
                switched: false,
            },
        );
        let end = now + Duration::from_secs_f64(round_bytes / rate);
        self.at(end, Due::Move { id, token });
        Ok(id)
    }

    /// The host that a URI names for its peers.
    fn peer(&mut self, uri: &str) -> Result<String> {
        let (fleet, host) = connector::parts(uri)?;
        if fleet != self.spec.name || !self.machines.contains_key(&host) {
            return Err(failed_error(&format!(
                "unable to connect to server at '{host}': Name or service not known"
            )));
        }
        Ok(host)
    }
}

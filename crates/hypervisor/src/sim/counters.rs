//! Counters of running guests: what they want, what they get of the host's CPU, and how a sample shows it.

use super::{
    spec::scramble,
    vm::{Live, SimVm},
    world::World,
};
use crate::{Groups, Result, VmSample};
use bellwether_model::{
    counters::{
        DiskCounters, MemoryCounters, NicCounters, Packets, Transfers, VcpuCounters, VmCounters,
    },
    observed::PowerState,
};
use tokio::time::Instant;

impl SimVm {
    /// Seconds of CPU the guest wants between two moments, counted from its birth: the integral of
    /// `load × (1 − swing × cos(2πt/period))`, which never falls as long as swing ≤ 1.
    fn demand_s(&self, born: Instant, from: Instant, until: Instant) -> f64 {
        let period = self.guest.swing_seconds.max(1.0);
        let swing = self.guest.swing.clamp(0.0, 1.0);
        let phase = scramble(1, self.definition.uuid.as_u128() as u64) as f64 / u64::MAX as f64;
        let integral = |t: Instant| {
            let t = t.saturating_duration_since(born).as_secs_f64() + phase * period;
            let turn = std::f64::consts::TAU / period;
            t - swing / turn * (turn * t).sin()
        };
        let wanted = self.guest.load.max(0.0) * (integral(until) - integral(from));
        let most = f64::from(self.vcpus().0) * until.saturating_duration_since(from).as_secs_f64();
        wanted.clamp(0.0, most)
    }
}

impl World {
    /// Brings all counters of a host to now. Where its guests want more CPU than it has, each gets its part and the
    /// rest is delay.
    pub fn count(&mut self, host: &str) -> Result<()> {
        let (now, born) = (self.now, self.born);
        let machine = self.machine(host)?;
        let cores = f64::from(machine.facts.cores);
        let elapsed = now.saturating_duration_since(machine.counted).as_secs_f64();
        let demands: f64 = machine
            .vms
            .values()
            .filter(|vm| vm.power == PowerState::Running)
            .filter_map(|vm| {
                let live = vm.live.as_ref()?;
                let span = now.saturating_duration_since(live.counted).as_secs_f64();
                (span > 0.0).then(|| vm.demand_s(born, live.counted, now) / span)
            })
            .sum();
        let granted = if demands > cores {
            cores / demands
        } else {
            1.0
        };
        let mut used_s = elapsed * cores * 0.01;
        for vm in machine.vms.values_mut() {
            let running = vm.power == PowerState::Running;
            let Some(live) = &vm.live else { continue };
            let span = now.saturating_duration_since(live.counted).as_secs_f64();
            let wanted = if running {
                vm.demand_s(born, live.counted, now)
            } else {
                0.0
            };
            let guest = &vm.guest;
            let (disk, net) = (guest.disk_rate, guest.net_rate);
            let (drops, swap, overhead) = (guest.drop_rate, guest.swap_in_kib_s, guest.overhead);
            let Some(live) = &mut vm.live else { continue };
            live.cpu_ns += (wanted * granted * 1e9) as u64;
            live.delay_ns += (wanted * (1.0 - granted) * 1e9) as u64;
            if running {
                live.disk.0 += disk.0 as f64 * span;
                live.disk.1 += disk.1 as f64 * span;
                live.net.0 += net.0 as f64 * span;
                live.net.1 += net.1 as f64 * span;
                live.dropped += drops * span;
                live.swapped_in_kib += swap * span;
                live.overhead_ns += (wanted * granted * overhead * 1e9) as u64;
            }
            live.counted = now;
            used_s += wanted * granted * (1.0 + overhead);
        }
        let used_ns = (used_s.min(elapsed * cores).max(0.0) * 1e9) as u64;
        // The kernel takes its tenth.
        machine.cpu.user_ns += used_ns - used_ns / 10;
        machine.cpu.system_ns += used_ns / 10;
        machine.cpu.idle_ns += ((elapsed * cores * 1e9) as u64).saturating_sub(used_ns);
        machine.counted = now;
        Ok(())
    }

    pub fn sample_of(&self, host: &str, vm: &SimVm, groups: Groups) -> VmSample {
        let live = vm.live.as_ref();
        VmSample {
            uuid: vm.definition.uuid,
            name: vm.definition.name.clone(),
            power: vm.power,
            migrating: vm.incoming || self.stands_still(host, vm.definition.uuid),
            vcpus: vm.vcpus().0,
            memory: groups.memory.then(|| vm.memory()),
            counters: live.map_or_else(VmCounters::default, |live| VmCounters {
                cpu_ns: Some(live.cpu_ns + live.overhead_ns),
                vcpus: vcpus(vm.vcpus().0, live),
                nics: vec![nic(live)],
                disks: groups.disks.then(|| vec![vm.disk(live)]),
                memory: groups
                    .memory
                    .then(|| vm.memory_counters(live, self.wall_s())),
            }),
        }
    }
}

impl SimVm {
    fn disk(&self, live: &Live) -> DiskCounters {
        let way = |bytes: f64| {
            let requests = bytes / self.guest.disk_request_bytes.max(1) as f64;
            Transfers {
                bytes: bytes as u64,
                requests: requests as u64,
                took_ns: Some((requests * self.guest.disk_latency_ms * 1e6) as u64),
            }
        };
        DiskCounters {
            device: "vda".into(),
            read: way(live.disk.0),
            written: way(live.disk.1),
            capacity: Some(10 << 30),
            allocation: Some(1 << 30),
        }
    }

    fn memory_counters(&self, live: &Live, wall_s: i64) -> MemoryCounters {
        let kib = self.memory().kib();
        let part = |share: f64| Some((kib as f64 * 0.96 * share) as u64);
        let free = 1.0 - self.guest.memory_share.clamp(0.0, 1.0);
        let resident = MemoryCounters {
            current_kib: Some(kib),
            resident_kib: Some(self.resident().kib()),
            ..MemoryCounters::default()
        };
        if !self.guest.balloon {
            return resident;
        }
        MemoryCounters {
            usable_kib: part(free),
            unused_kib: part(free / 2.0),
            available_kib: part(1.0),
            major_faults: Some((live.swapped_in_kib / 4.0) as u64),
            swapped_in_kib: Some(live.swapped_in_kib as u64),
            swapped_out_kib: Some(live.swapped_in_kib as u64),
            updated_s: Some(wall_s),
            ..resident
        }
    }
}

/// The vCPUs, with what the VM used spread evenly over them.
fn vcpus(count: u32, live: &Live) -> Vec<VcpuCounters> {
    let part = |total: u64, number: u32| {
        let (each, left) = (total / u64::from(count), total % u64::from(count));
        Some(each + u64::from(u64::from(number) < left))
    };
    let one = |number| VcpuCounters {
        number,
        time_ns: part(live.cpu_ns, number),
        delay_ns: part(live.delay_ns, number),
    };
    (0..count).map(one).collect()
}

fn nic(live: &Live) -> NicCounters {
    let way = |bytes: f64, dropped: f64| Packets {
        bytes: bytes as u64,
        packets: (bytes / 1_024.0) as u64,
        dropped: dropped as u64,
        errors: 0,
    };
    NicCounters {
        device: format!("vnet{}", live.boot),
        received: way(live.net.0, live.dropped),
        sent: way(live.net.1, 0.0),
    }
}

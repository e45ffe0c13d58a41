//! Counters of running guests: what they want, what they get of the host's CPU, and how a sample shows it.

use super::{spec::scramble, vm::SimVm, world::World};
use crate::{Result, VmSample};
use bellwether_model::observed::PowerState;
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
            let (disk, net) = (vm.guest.disk_rate, vm.guest.net_rate);
            let Some(live) = &mut vm.live else { continue };
            live.cpu_ns += (wanted * granted * 1e9) as u64;
            live.delay_ns += (wanted * (1.0 - granted) * 1e9) as u64;
            if running {
                live.disk.0 += disk.0 as f64 * span;
                live.disk.1 += disk.1 as f64 * span;
                live.net.0 += net.0 as f64 * span;
                live.net.1 += net.1 as f64 * span;
            }
            live.counted = now;
            used_s += wanted * granted;
        }
        machine.busy_ns += (used_s.min(elapsed * cores).max(0.0) * 1e9) as u64;
        machine.counted = now;
        Ok(())
    }

    pub fn sample_of(&self, host: &str, vm: &SimVm) -> VmSample {
        let live = vm.live.as_ref();
        let balloon = live.filter(|_| vm.guest.balloon);
        let kib = vm.memory().kib();
        let free_share = 1.0 - vm.guest.memory_share.clamp(0.0, 1.0);
        let whole = |(a, b): (f64, f64)| (a as u64, b as u64);
        VmSample {
            uuid: vm.definition.uuid,
            name: vm.definition.name.clone(),
            power: vm.power,
            migrating: vm.incoming || self.stands_still(host, vm.definition.uuid),
            vcpus: vm.vcpus().0,
            memory: vm.memory(),
            cpu_ns: live.map(|live| live.cpu_ns),
            delay_ns: live.map(|live| live.delay_ns),
            balloon_usable_kib: balloon.map(|_| (kib as f64 * 0.96 * free_share) as u64),
            balloon_available_kib: balloon.map(|_| (kib as f64 * 0.96) as u64),
            balloon_updated_s: balloon.map(|_| self.wall_s()),
            resident_kib: live.map(|_| vm.resident().kib()),
            disk_bytes: live.map(|live| whole(live.disk)),
            net_bytes: live.map(|live| whole(live.net)),
        }
    }
}

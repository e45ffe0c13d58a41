//! Rates from counters. A counter that went back (the VM was restarted, or came by migration) starts anew: no rate
//! rather than a spike or a negative one. Time is measured by the clock that never jumps; the wall's clock only dates.

use bellwether_hypervisor::{HostSample, VmSample};
use bellwether_model::{
    HostId, MiB, Timestamp,
    counters::{DiskCounters, HostCpuCounters, MemoryCounters, Packets, Transfers, VmCounters},
    host::HostHealth,
    observed::{DiskUse, HostCpu, HostSeen, NicUse, PacketRate, TransferRate, VmSeen},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// What a balloon reported is unknown, not current, once nothing new has come from it for so long, or for three looks.
const BALLOON_FRESH: Duration = Duration::from_secs(60);
/// What grows faster than this a second is no measurement: no machine moves 10 TB, or answers 10 billion requests.
const ABSURD: f64 = 1e13;
const ABSURD_EVENTS: f64 = 1e10;
/// Cores no host has.
const ABSURD_CORES: f64 = 1e5;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By which it is dated.
    pub wall: Timestamp,
    /// By which it is measured.
    pub tick: Instant,
}

/// How long what was seen counts, without anything newer.
#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    /// Of memory.
    pub memory: Duration,
    /// Of disks.
    pub disks: Duration,
}

/// The last sample of a host.
#[derive(Default)]
pub struct Rates {
    host: Option<(Instant, HostCpuCounters)>,
    vms: BTreeMap<Uuid, Last>,
}

/// What is remembered of a VM.
struct Last {
    tick: Instant,
    live: bool,
    /// Without disks and memory, which have moments of their own.
    counters: VmCounters,
    memory: MiB,
    up_since: Option<Timestamp>,
    disks: Option<Disks>,
    balloon: Option<Balloon>,
}

/// The last look at a VM's disks.
#[derive(Clone)]
struct Disks {
    at: Moment,
    counters: Vec<DiskCounters>,
    rates: Vec<DiskUse>,
}

/// The last look at a VM's memory.
#[derive(Clone)]
struct Balloon {
    at: Moment,
    counters: MemoryCounters,
    /// When it was last seen to have reported anew, by our clock: the host's may be wrong.
    reported: Option<Instant>,
    /// Faults, and bytes swapped in, a second, between its last two reports.
    pressure: (Option<f64>, Option<f64>),
}

impl Rates {
    /// What is seen of the host with this sample. `before` says since when a VM was known to be up that is new here.
    pub fn seen(
        &mut self,
        host: HostId,
        sample: HostSample,
        now: Moment,
        lasting: Lasting,
        before: impl Fn(&VmSample) -> Option<Timestamp>,
    ) -> HostSeen {
        let kinds = self
            .host
            .zip(sample.cpu)
            .and_then(|((then, before), cpu)| cpu_kinds(before, cpu, now.tick - then));
        self.host = sample.cpu.map(|cpu| (now.tick, cpu));
        let mut vms: Vec<VmSeen> = Vec::with_capacity(sample.vms.len());
        let mut kept = BTreeMap::new();
        for mut vm in sample.vms {
            let last = self.vms.remove(&vm.uuid);
            let last = last.unwrap_or_else(|| Last {
                up_since: before(&vm).filter(|_| vm.power.is_live()),
                live: vm.power.is_live(),
                ..Last::nothing(now.tick)
            });
            let next = last.follow(&mut vm, now);
            vms.push(next.seen(vm, &last, now, lasting));
            kept.insert(vms[vms.len() - 1].uuid, next);
        }
        self.vms = kept;
        vms.sort_by(|a, b| a.name.cmp(&b.name).then(a.uuid.cmp(&b.uuid)));
        HostSeen {
            health: HostHealth::Ready,
            at: Some(now.wall),
            cpu: kinds.map(|kinds| kinds.user + kinds.system),
            cpu_kinds: kinds,
            cpu_counters: sample.cpu,
            memory_used: sample.memory_used,
            vms,
            ..HostSeen::nothing(host)
        }
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.host.is_none() && self.vms.is_empty()
    }

    /// Whether the sample holds a VM that has an emulator and had none here.
    pub fn misses_running(&self, sample: &HostSample) -> bool {
        let live = sample.vms.iter().filter(|vm| vm.power.is_live());
        let mut known = live.map(|vm| self.vms.get(&vm.uuid).is_some_and(|last| last.live));
        known.any(|known| !known)
    }

    /// Whether the sample holds a VM whose size was never told: one that came since memory was last looked at.
    pub fn misses_sizes(&self, sample: &HostSample) -> bool {
        let unknown = |vm: &VmSample| vm.memory.is_none() && !self.vms.contains_key(&vm.uuid);
        sample.vms.iter().any(unknown)
    }
}

impl Last {
    fn nothing(tick: Instant) -> Self {
        Self {
            tick,
            live: false,
            counters: VmCounters::default(),
            memory: MiB(0),
            up_since: None,
            disks: None,
            balloon: None,
        }
    }

    /// What is to be remembered after `vm` was sampled; its counters of disks and memory move here.
    fn follow(&self, vm: &mut VmSample, now: Moment) -> Self {
        let live = vm.power.is_live();
        let began = live && (!self.live || went_back(self.counters.cpu_ns, vm.counters.cpu_ns));
        // What went before belongs to the same emulator.
        let before = Some(self).filter(|_| live && !began);
        let (disks, memory) = (vm.counters.disks.take(), vm.counters.memory.take());
        Self {
            tick: now.tick,
            live,
            counters: vm.counters.clone(),
            memory: vm.memory.unwrap_or(self.memory),
            up_since: match began {
                true => Some(now.wall),
                false => self.up_since.filter(|_| live),
            },
            disks: {
                let last = before.and_then(|before| before.disks.as_ref());
                match disks {
                    Some(counters) => Some(Disks::look(last, counters, now)),
                    None => last.cloned(),
                }
            },
            balloon: {
                let last = before.and_then(|before| before.balloon.as_ref());
                match memory {
                    Some(counters) => Some(Balloon::look(last, counters, now)),
                    None => last.cloned(),
                }
            },
        }
    }

    /// What is shown of the VM: `self` is how it is now, `last` how it was.
    fn seen(&self, vm: VmSample, last: &Self, now: Moment, lasting: Lasting) -> VmSeen {
        let elapsed = now.tick - last.tick;
        let cores = |of: fn(&VmCounters) -> Option<u64>| {
            let (then, now) = (of(&last.counters)?, of(&self.counters)?);
            let cores = growth(then, now, elapsed)? / 1e9;
            (cores < ABSURD_CORES).then_some(cores)
        };
        let (cpu, vcpus) = (cores(|c| c.cpu_ns), cores(VmCounters::vcpu_ns));
        let disks = self
            .disks
            .as_ref()
            .filter(|disks| now.tick - disks.at.tick <= lasting.disks);
        let balloon = self
            .balloon
            .as_ref()
            .filter(|balloon| now.tick - balloon.at.tick <= lasting.memory);
        let fresh = balloon.filter(|balloon| balloon.is_fresh(now.tick, lasting.memory));
        let mib = |kib: Option<u64>| kib.map(MiB::from_kib);
        VmSeen {
            migrating: vm.migrating,
            vcpus: vm.vcpus,
            memory: self.memory,
            up_since: self.up_since,
            cpu,
            contention: cores(VmCounters::delay_ns),
            // The two are read one after the other: less than nothing is nothing.
            overhead: cpu.zip(vcpus).map(|(all, vcpus)| (all - vcpus).max(0.0)),
            memory_used: mib(fresh.and_then(|balloon| balloon.used_kib())),
            memory_available: mib(fresh.and_then(|balloon| balloon.counters.usable_kib)),
            memory_resident: mib(balloon.and_then(|balloon| balloon.counters.resident_kib)),
            major_faults: fresh.and_then(|balloon| balloon.pressure.0),
            swap_in: fresh.and_then(|balloon| balloon.pressure.1),
            memory_at: balloon.map(|balloon| balloon.at.wall),
            disks: disks.map(|disks| disks.rates.clone()).unwrap_or_default(),
            disks_at: disks.map(|disks| disks.at.wall),
            nics: nics(&last.counters, &self.counters, elapsed),
            counters: VmCounters {
                disks: disks.map(|disks| disks.counters.clone()),
                memory: balloon.map(|balloon| balloon.counters),
                ..vm.counters
            },
            ..VmSeen::nothing(vm.uuid, vm.name, vm.power)
        }
    }
}

impl Disks {
    fn look(last: Option<&Self>, counters: Vec<DiskCounters>, at: Moment) -> Self {
        let before = |device: &str| {
            let last = last?;
            let disk = last.counters.iter().find(|disk| disk.device == device)?;
            Some((disk, at.tick - last.at.tick))
        };
        let rates = counters.iter().map(|disk| {
            let way = |of: fn(&DiskCounters) -> Transfers| {
                let (then, elapsed) = before(&disk.device)?;
                transfers(of(then), of(disk), elapsed)
            };
            DiskUse {
                device: disk.device.clone(),
                read: way(|disk| disk.read),
                written: way(|disk| disk.written),
                capacity: disk.capacity,
                allocation: disk.allocation,
            }
        });
        Self {
            at,
            rates: rates.collect(),
            counters,
        }
    }
}

impl Balloon {
    fn look(last: Option<&Self>, counters: MemoryCounters, at: Moment) -> Self {
        let mut next = Self {
            at,
            counters,
            reported: None,
            pressure: (None, None),
        };
        // Of a first look it can't be told how old its figures are.
        let (Some(last), Some(updated)) = (last, counters.updated_s) else {
            return next;
        };
        if last.counters.updated_s == Some(updated) {
            (next.reported, next.pressure) = (last.reported, last.pressure);
            return next;
        }
        next.reported = Some(at.tick);
        let between = last.counters.updated_s.and_then(|before| {
            let seconds = u64::try_from(updated.checked_sub(before)?).ok()?;
            Some(Duration::from_secs(seconds))
        });
        let rate = |of: fn(&MemoryCounters) -> Option<u64>| {
            growth(of(&last.counters)?, of(&counters)?, between?)
        };
        let (faults, swapped) = (rate(|m| m.major_faults), rate(|m| m.swapped_in_kib));
        next.pressure = (
            faults.filter(|faults| *faults < ABSURD_EVENTS),
            swapped.map(|kib| kib * 1024.0).filter(|b| *b < ABSURD),
        );
        next
    }

    fn is_fresh(&self, now: Instant, lasting: Duration) -> bool {
        self.reported
            .is_some_and(|reported| now - reported <= BALLOON_FRESH.max(lasting))
    }

    /// Memory the guest uses: what it sees less what it could still use.
    fn used_kib(&self) -> Option<u64> {
        let MemoryCounters {
            available_kib,
            usable_kib,
            ..
        } = self.counters;
        available_kib?.checked_sub(usable_kib?)
    }
}

fn cpu_kinds(then: HostCpuCounters, now: HostCpuCounters, elapsed: Duration) -> Option<HostCpu> {
    let cores = |of: fn(HostCpuCounters) -> u64| {
        let cores = growth(of(then), of(now), elapsed)? / 1e9;
        (cores < ABSURD_CORES).then_some(cores)
    };
    Some(HostCpu {
        user: cores(|cpu| cpu.user_ns)?,
        system: cores(|cpu| cpu.system_ns)?,
        // Kernels let it go back a little.
        io_wait: cores(|cpu| cpu.io_wait_ns).unwrap_or(0.0),
    })
}

fn transfers(then: Transfers, now: Transfers, elapsed: Duration) -> Option<TransferRate> {
    let bytes = growth(then.bytes, now.bytes, elapsed)?;
    let requests = growth(then.requests, now.requests, elapsed)?;
    let took = (then.took_ns.zip(now.took_ns))
        .and_then(|(then, now)| growth(then, now, elapsed))
        .filter(|_| requests > 0.0);
    (bytes < ABSURD && requests < ABSURD_EVENTS).then_some(TransferRate {
        bytes,
        requests,
        latency: took.map(|ns| ns / 1e9 / requests),
    })
}

fn nics(then: &VmCounters, now: &VmCounters, elapsed: Duration) -> Vec<NicUse> {
    let each = now.nics.iter().map(|nic| {
        let before = then.nics.iter().find(|old| old.device == nic.device);
        let way = |then: Option<Packets>, now: Packets| packets(then?, now, elapsed);
        NicUse {
            device: nic.device.clone(),
            received: way(before.map(|old| old.received), nic.received),
            sent: way(before.map(|old| old.sent), nic.sent),
        }
    });
    each.collect()
}

fn packets(then: Packets, now: Packets, elapsed: Duration) -> Option<PacketRate> {
    let rate = PacketRate {
        bytes: growth(then.bytes, now.bytes, elapsed)?,
        packets: growth(then.packets, now.packets, elapsed)?,
        dropped: growth(then.dropped, now.dropped, elapsed)?,
    };
    let sane = rate.bytes < ABSURD && rate.packets.max(rate.dropped) < ABSURD_EVENTS;
    sane.then_some(rate)
}

fn went_back(then: Option<u64>, now: Option<u64>) -> bool {
    then.zip(now).is_some_and(|(then, now)| now < then)
}

/// Growth a second; none where time stood still or the counter went back.
fn growth(then: u64, now: u64, elapsed: Duration) -> Option<f64> {
    let seconds = elapsed.as_secs_f64();
    let grown = now.checked_sub(then)?;
    (seconds > 0.0).then(|| grown as f64 / seconds)
}

#[cfg(test)]
mod tests;

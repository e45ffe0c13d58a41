//! Rates from counters. A counter that went back (the VM was restarted, or came by migration) starts anew: no rate
//! rather than a spike or a negative one.

use bellwether_hypervisor::{HostSample, VmSample};
use bellwether_model::{
    HostId, MiB, Timestamp,
    host::HostHealth,
    observed::{HostSeen, VmSeen},
};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// What a balloon reported is unknown, not current, once nothing new has come from it for so long.
const BALLOON_FRESH: Duration = Duration::from_secs(60);

/// The last sample of a host.
#[derive(Default)]
pub struct Rates {
    last: Option<(Timestamp, Option<u64>)>,
    vms: BTreeMap<Uuid, Last>,
}

/// The last sample of a VM.
struct Last {
    at: Timestamp,
    sample: VmSample,
    /// When its balloon was last seen to have reported anew, by our clock: the host's may be wrong.
    reported: Option<Timestamp>,
}

impl Rates {
    /// What is seen of the host with this sample.
    pub fn seen(&mut self, host: HostId, sample: HostSample, now: Timestamp) -> HostSeen {
        let cpu = self
            .last
            .and_then(|(then, busy)| per_second(busy, sample.cpu_busy_ns, then, now))
            .map(|ns| ns / 1e9);
        self.last = Some((now, sample.cpu_busy_ns));
        let mut vms: Vec<VmSeen> = Vec::with_capacity(sample.vms.len());
        let mut kept = BTreeMap::new();
        for vm in sample.vms {
            let last = self.vms.remove(&vm.uuid);
            let reported = reported(&vm, last.as_ref(), now);
            vms.push(vm_seen(&vm, last.as_ref(), reported, now));
            let last = Last {
                at: now,
                sample: vm,
                reported,
            };
            kept.insert(last.sample.uuid, last);
        }
        self.vms = kept;
        vms.sort_by(|a, b| a.name.cmp(&b.name).then(a.uuid.cmp(&b.uuid)));
        HostSeen {
            health: HostHealth::Ready,
            at: Some(now),
            cpu,
            memory_used: sample.memory_used,
            vms,
            ..HostSeen::nothing(host)
        }
    }
}

fn vm_seen(
    vm: &VmSample,
    last: Option<&Last>,
    reported: Option<Timestamp>,
    now: Timestamp,
) -> VmSeen {
    let rate = |of: fn(&VmSample) -> Option<u64>| {
        last.and_then(|last| per_second(of(&last.sample), of(vm), last.at, now))
    };
    let pair = |a: Option<f64>, b: Option<f64>| a.zip(b);
    VmSeen {
        uuid: vm.uuid,
        name: vm.name.clone(),
        power: vm.power,
        migrating: vm.migrating,
        vcpus: vm.vcpus,
        memory: vm.memory,
        cpu: rate(|vm| vm.cpu_ns)
            .map(|ns| ns / 1e9)
            .filter(|_| vm.power.is_live()),
        memory_used: guest_memory(vm, reported, now),
        memory_resident: vm
            .resident_kib
            .map(MiB::from_kib)
            .filter(|_| vm.power.is_live()),
        disk_rate: pair(
            rate(|vm| vm.disk_bytes.map(|bytes| bytes.0)),
            rate(|vm| vm.disk_bytes.map(|bytes| bytes.1)),
        ),
        net_rate: pair(
            rate(|vm| vm.net_bytes.map(|bytes| bytes.0)),
            rate(|vm| vm.net_bytes.map(|bytes| bytes.1)),
        ),
    }
}

/// When the VM's balloon was last seen to have reported anew. Of a first sample it can't be told how old its figures are.
fn reported(vm: &VmSample, last: Option<&Last>, now: Timestamp) -> Option<Timestamp> {
    let last = last?;
    match vm.balloon_updated_s? {
        at if last.sample.balloon_updated_s == Some(at) => last.reported,
        _ => Some(now),
    }
}

/// Memory the guest uses: what it sees less what it could still use, where the balloon said so lately; else unknown.
fn guest_memory(vm: &VmSample, reported: Option<Timestamp>, now: Timestamp) -> Option<MiB> {
    let fresh = now.since(reported?) <= BALLOON_FRESH;
    let used = vm
        .balloon_available_kib?
        .checked_sub(vm.balloon_usable_kib?)?;
    (fresh && vm.power.is_live()).then(|| MiB::from_kib(used))
}

/// Growth a second; none where a value is missing, time stood still or the counter went back.
fn per_second(
    then: Option<u64>,
    now: Option<u64>,
    at_then: Timestamp,
    at_now: Timestamp,
) -> Option<f64> {
    let seconds = at_now.since(at_then).as_secs_f64();
    let grown = now?.checked_sub(then?)?;
    (seconds > 0.0).then(|| grown as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::observed::PowerState;

    fn vm(cpu_ns: u64) -> VmSample {
        VmSample {
            uuid: Uuid::nil(),
            name: "a".into(),
            power: PowerState::Running,
            migrating: false,
            vcpus: 2,
            memory: MiB(512),
            cpu_ns: Some(cpu_ns),
            delay_ns: None,
            balloon_usable_kib: Some(100 * 1024),
            balloon_available_kib: Some(500 * 1024),
            balloon_updated_s: Some(1000),
            resident_kib: None,
            disk_bytes: None,
            net_bytes: None,
        }
    }

    fn seen(rates: &mut Rates, at: i64, cpu_ns: u64) -> VmSeen {
        let sample = HostSample {
            vms: vec![vm(cpu_ns)],
            ..HostSample::default()
        };
        rates
            .seen(HostId(Uuid::nil()), sample, Timestamp::from_seconds(at))
            .vms
            .remove(0)
    }

    #[test]
    fn a_restarted_vm_draws_no_spike() {
        let mut rates = Rates::default();
        assert_eq!(seen(&mut rates, 1000, 5_000_000_000).cpu, None);
        assert_eq!(seen(&mut rates, 1010, 15_000_000_000).cpu, Some(1.0));
        assert_eq!(
            seen(&mut rates, 1020, 1_000_000_000).cpu,
            None,
            "the counter went back"
        );
        assert_eq!(seen(&mut rates, 1030, 6_000_000_000).cpu, Some(0.5));
        assert_eq!(
            seen(&mut rates, 1030, 7_000_000_000).cpu,
            None,
            "no time went by"
        );
    }

    /// Guest memory at each second, with when the balloon last reported by the host's clock.
    fn memory(samples: &[(i64, i64)]) -> Vec<Option<MiB>> {
        let mut rates = Rates::default();
        let seen = samples.iter().map(|(at, updated)| {
            let sample = HostSample {
                vms: vec![VmSample {
                    balloon_updated_s: Some(*updated),
                    ..vm(0)
                }],
                ..HostSample::default()
            };
            let at = Timestamp::from_seconds(*at);
            let mut seen = rates.seen(HostId(Uuid::nil()), sample, at);
            seen.vms.remove(0).memory_used
        });
        seen.collect()
    }

    #[test]
    fn guest_memory_is_known_while_the_balloon_reports_whatever_the_hosts_clock_says() {
        let used = Some(MiB(400));
        // An hour behind, and every other sample finds nothing new.
        assert_eq!(
            memory(&[
                (10_000, 6_400),
                (10_010, 6_410),
                (10_020, 6_410),
                (10_030, 6_430)
            ]),
            [None, used, used, used]
        );
    }

    #[test]
    fn guest_memory_is_unknown_when_the_balloon_is_silent() {
        let used = Some(MiB(400));
        assert_eq!(
            memory(&[(1000, 990), (1010, 1000), (1060, 1000), (1080, 1000)]),
            [None, used, used, None]
        );
        assert_eq!(memory(&[(1000, 1000), (1010, 1000)]), [None, None]);
    }
}

use super::*;
use bellwether_model::{
    counters::{NicCounters, VcpuCounters},
    observed::PowerState::{self, Running, ShutOff},
};

const LASTING: Lasting = Lasting {
    memory: Duration::from_secs(90),
    disks: Duration::from_secs(90),
};
const S: u64 = 1_000_000_000;

/// A VM with this many seconds of CPU, of which it waited for none.
fn vm(cpu_s: u64) -> VmSample {
    VmSample {
        uuid: Uuid::nil(),
        name: "a".into(),
        power: Running,
        migrating: false,
        vcpus: 2,
        memory: Some(MiB(512)),
        counters: VmCounters {
            cpu_ns: Some(cpu_s * S),
            ..VmCounters::default()
        },
    }
}

fn off() -> VmSample {
    VmSample {
        power: ShutOff,
        counters: VmCounters::default(),
        ..vm(0)
    }
}

/// Looks at one host with one VM.
struct Looks {
    rates: Rates,
    began: Instant,
}

impl Looks {
    fn new() -> Self {
        Self {
            rates: Rates::default(),
            began: Instant::now(),
        }
    }
    /// The VM at this second by the steady clock, at this one by the wall's.
    fn at_wall(&mut self, second: u64, wall: i64, vm: VmSample) -> VmSeen {
        let now = Moment {
            wall: Timestamp::from_seconds(wall),
            tick: self.began + Duration::from_secs(second),
        };
        let sample = HostSample {
            vms: vec![vm],
            ..HostSample::default()
        };
        let host = HostId(Uuid::nil());
        let mut seen = self.rates.seen(host, sample, now, LASTING, |_| None);
        seen.vms.remove(0)
    }
    fn at(&mut self, second: u64, vm: VmSample) -> VmSeen {
        self.at_wall(second, second as i64, vm)
    }
}

#[test]
fn a_restarted_vm_draws_no_spike() {
    let mut looks = Looks::new();
    assert_eq!(looks.at(0, vm(5)).cpu, None);
    assert_eq!(looks.at(10, vm(15)).cpu, Some(1.0));
    assert_eq!(looks.at(20, vm(1)).cpu, None, "the counter went back");
    assert_eq!(looks.at(30, vm(6)).cpu, Some(0.5));
    assert_eq!(looks.at(30, vm(7)).cpu, None, "no time went by");
}

#[test]
fn the_walls_clock_may_jump_an_hour_either_way() {
    let mut looks = Looks::new();
    looks.at_wall(0, 10_000, vm(0));
    assert_eq!(looks.at_wall(10, 13_610, vm(5)).cpu, Some(0.5));
    assert_eq!(looks.at_wall(20, 10_020, vm(10)).cpu, Some(0.5));
}

#[test]
fn a_start_is_known_once_it_was_seen() {
    let mut looks = Looks::new();
    let up = |seen: VmSeen| seen.up_since.map(|at| at.seconds());
    assert_eq!(up(looks.at(0, vm(5))), None, "it ran before");
    assert_eq!(up(looks.at(10, off())), None);
    assert_eq!(up(looks.at(20, vm(1))), Some(20));
    assert_eq!(up(looks.at(30, vm(2))), Some(20));
    assert_eq!(up(looks.at(40, vm(1))), Some(40), "off and on in between");
}

#[test]
fn a_start_is_known_where_it_came_from() {
    let mut rates = Rates::default();
    let now = Moment {
        wall: Timestamp::from_seconds(100),
        tick: Instant::now(),
    };
    let mut up = |vm: VmSample, id: u128| {
        let vms = vec![VmSample {
            uuid: Uuid::from_u128(id),
            ..vm
        }];
        let sample = HostSample {
            vms,
            ..HostSample::default()
        };
        let host = HostId(Uuid::nil());
        let elsewhere = |_: &VmSample| Some(Timestamp::from_seconds(7));
        let seen = rates.seen(host, sample, now, LASTING, elsewhere);
        seen.vms[0].up_since.map(|at| at.seconds())
    };
    assert_eq!(up(vm(5), 1), Some(7));
    assert_eq!(up(off(), 2), None);
}

#[test]
fn contention_and_overhead_are_told_apart() {
    let used = |seconds: [u64; 3]| {
        let vcpu = |number, time: u64, delay: u64| VcpuCounters {
            number,
            time_ns: Some(time * S),
            delay_ns: Some(delay * S),
        };
        let [total, vcpus, delay] = seconds;
        let mut vm = vm(total);
        vm.counters.vcpus = vec![vcpu(0, vcpus, delay), vcpu(1, 0, delay)];
        vm
    };
    let mut looks = Looks::new();
    looks.at(0, used([0, 0, 0]));
    let seen = looks.at(10, used([12, 10, 2]));
    assert_eq!(seen.cpu, Some(1.2));
    assert!((seen.overhead.unwrap() - 0.2).abs() < 1e-9);
    assert_eq!(seen.contention, Some(0.4));
    let seen = looks.at(20, used([13, 12, 2]));
    assert_eq!(
        seen.overhead,
        Some(0.0),
        "read at slightly different moments"
    );
}

fn with_disk(bytes: u64, requests: u64, took_ns: u64) -> VmSample {
    let way = Transfers {
        bytes,
        requests,
        took_ns: Some(took_ns),
    };
    let mut vm = vm(0);
    vm.counters.disks = Some(vec![DiskCounters {
        device: "vda".into(),
        read: way,
        written: Transfers::default(),
        capacity: Some(1 << 30),
        allocation: Some(1 << 20),
    }]);
    vm
}

#[test]
fn disks_are_looked_at_seldomer_and_keep_their_rates_meanwhile() {
    let mut looks = Looks::new();
    assert_eq!(looks.at(0, with_disk(0, 0, 0)).disk_rate(), None);
    for second in [10, 20] {
        let seen = looks.at(second, vm(0));
        assert_eq!(seen.disks_at, Some(Timestamp::from_seconds(0)));
    }
    let seen = looks.at(30, with_disk(3_000, 30, 60_000_000));
    assert_eq!(seen.disk_rate(), Some((100.0, 0.0)));
    let read = seen.disks[0].read.unwrap();
    assert_eq!((read.requests, read.latency), (1.0, Some(0.002)));
    assert_eq!(
        seen.disks[0].written.unwrap().latency,
        None,
        "none was made"
    );
    // A long job holds the VM: the last look counts for a while.
    assert_eq!(looks.at(110, vm(0)).disk_rate(), Some((100.0, 0.0)));
    let late = looks.at(130, vm(0));
    assert_eq!((late.disk_rate(), late.disks_at), (None, None));
    assert_eq!(late.counters.disks, None);
}

#[test]
fn a_restart_between_two_looks_at_disks_draws_no_spike() {
    let mut looks = Looks::new();
    let used = |cpu_s, bytes| {
        let mut vm = with_disk(bytes, 0, 0);
        vm.counters.cpu_ns = Some(cpu_s * S);
        vm
    };
    looks.at(0, used(100, 1_000));
    // It has read more since its restart than in its life before.
    assert_eq!(looks.at(30, used(1, 9_000_000)).disk_rate(), None);
    assert_eq!(
        looks.at(40, used(2, 9_001_000)).disk_rate(),
        Some((100.0, 0.0))
    );
}

#[test]
fn absurd_counters_are_unknown() {
    let mut looks = Looks::new();
    looks.at(0, with_disk(0, 0, 0));
    let mut absurd = with_disk(u64::MAX, 5, 0);
    absurd.counters.cpu_ns = Some(u64::MAX);
    let seen = looks.at(10, absurd);
    assert_eq!((seen.cpu, seen.disk_rate()), (None, None));
}

#[test]
fn a_network_card_is_followed_by_its_name() {
    let with_cards = |cards: &[(&str, u64)]| {
        let mut vm = vm(0);
        let card = |(device, bytes): &(&str, u64)| NicCounters {
            device: (*device).into(),
            received: Packets {
                bytes: *bytes,
                packets: bytes / 10,
                dropped: 3,
                errors: 0,
            },
            ..NicCounters::default()
        };
        vm.counters.nics = cards.iter().map(card).collect();
        vm
    };
    let mut looks = Looks::new();
    looks.at(0, with_cards(&[("vnet1", 0), ("vnet2", 500)]));
    let seen = looks.at(10, with_cards(&[("vnet2", 600), ("vnet3", 9_000)]));
    let received = seen.nics[0].received.unwrap();
    assert_eq!((received.bytes, received.packets), (10.0, 1.0));
    assert_eq!(seen.nics[1].received, None, "it has just been plugged in");
    assert_eq!(seen.net_rate(), None, "a sum of what is not known");
}

/// A VM whose balloon last reported at this second by its host's clock.
fn reporting(updated: i64, faults: u64) -> VmSample {
    let mut vm = vm(0);
    vm.counters.memory = Some(MemoryCounters {
        usable_kib: Some(100 * 1024),
        available_kib: Some(500 * 1024),
        updated_s: Some(updated),
        major_faults: Some(faults),
        swapped_in_kib: Some(faults * 4),
        ..MemoryCounters::default()
    });
    vm
}

/// Guest memory at each second, with when the balloon last reported.
fn memory(samples: &[(u64, i64)]) -> Vec<Option<MiB>> {
    let mut looks = Looks::new();
    let seen = samples
        .iter()
        .map(|(at, updated)| looks.at(*at, reporting(*updated, 0)).memory_used);
    seen.collect()
}

#[test]
fn guest_memory_is_known_while_the_balloon_reports_whatever_the_hosts_clock_says() {
    let used = Some(MiB(400));
    // An hour behind, and every other sample finds nothing new.
    assert_eq!(
        memory(&[(0, 6_400), (10, 6_410), (20, 6_410), (30, 6_430)]),
        [None, used, used, used]
    );
}

#[test]
fn guest_memory_is_unknown_when_the_balloon_is_silent() {
    let used = Some(MiB(400));
    assert_eq!(
        memory(&[(0, 990), (10, 1000), (100, 1000), (110, 1000)]),
        [None, used, used, None]
    );
    assert_eq!(memory(&[(0, 1000), (10, 1000)]), [None, None]);
}

#[test]
fn pressure_is_measured_between_reports() {
    let mut looks = Looks::new();
    looks.at(0, reporting(1_000, 0));
    let seen = looks.at(30, reporting(1_020, 200));
    assert_eq!(
        (seen.major_faults, seen.swap_in),
        (Some(10.0), Some(40_960.0))
    );
    let seen = looks.at(40, reporting(1_020, 200));
    assert_eq!(seen.major_faults, Some(10.0), "no new report");
}

#[test]
fn what_is_new_is_missed_until_memory_was_looked_at() {
    let mut looks = Looks::new();
    let cheap = |power: PowerState| HostSample {
        vms: vec![VmSample {
            memory: None,
            power,
            ..vm(0)
        }],
        ..HostSample::default()
    };
    assert!(looks.rates.misses_sizes(&cheap(Running)));
    assert!(looks.rates.misses_sizes(&cheap(ShutOff)), "it holds a disk");
    looks.at(0, vm(0));
    assert!(!looks.rates.misses_sizes(&cheap(Running)));
    assert_eq!(looks.at(10, cheap(Running).vms.remove(0)).memory, MiB(512));
}

#[test]
fn a_hosts_cpu_is_told_by_kind() {
    let mut rates = Rates::default();
    let began = Instant::now();
    let mut at = |second: u64, cpu: HostCpuCounters| {
        let now = Moment {
            wall: Timestamp::from_seconds(0),
            tick: began + Duration::from_secs(second),
        };
        let sample = HostSample {
            cpu: Some(cpu),
            ..HostSample::default()
        };
        rates.seen(HostId(Uuid::nil()), sample, now, LASTING, |_| None)
    };
    let spent = |user: u64, system: u64, wait: u64| HostCpuCounters {
        user_ns: user * S,
        system_ns: system * S,
        io_wait_ns: wait * S,
        idle_ns: 0,
    };
    assert_eq!(at(0, spent(0, 0, 5)).cpu, None);
    let seen = at(10, spent(20, 5, 4));
    assert_eq!(seen.cpu, Some(2.5));
    let kinds = seen.cpu_kinds.unwrap();
    assert_eq!((kinds.user, kinds.system, kinds.io_wait), (2.0, 0.5, 0.0));
}

//! libvirt's statistics as samples: pure, so that every oddity can be a test.

use crate::ffi::{DomainStats, Params};
use bellwether_hypervisor::{Groups, VmSample};
use bellwether_model::{
    MiB,
    counters::{
        DiskCounters, HostCpuCounters, MemoryCounters, NicCounters, Packets, Transfers,
        VcpuCounters, VmCounters,
    },
    observed::PowerState,
};

/// The groups of libvirt that hold what was asked for. `balloon` and `block` ask QEMU's monitor most and are the dear ones;
/// since libvirt learnt `query-stats`, `cpu-total` and `vcpu` put one question each to it.
pub(crate) fn libvirt_groups(groups: Groups) -> u32 {
    let mut asked = virt_sys::VIR_DOMAIN_STATS_STATE
        | virt_sys::VIR_DOMAIN_STATS_CPU_TOTAL
        | virt_sys::VIR_DOMAIN_STATS_VCPU
        | virt_sys::VIR_DOMAIN_STATS_INTERFACE;
    if groups.memory {
        asked |= virt_sys::VIR_DOMAIN_STATS_BALLOON;
    }
    if groups.disks {
        asked |= virt_sys::VIR_DOMAIN_STATS_BLOCK;
    }
    asked
}

/// libvirt's domain state as a power state. What waits for I/O runs; what sleeps (S3) keeps its memory like one paused.
pub(crate) fn power_state(state: u32) -> PowerState {
    match state {
        virt_sys::VIR_DOMAIN_PAUSED | virt_sys::VIR_DOMAIN_PMSUSPENDED => PowerState::Paused,
        virt_sys::VIR_DOMAIN_SHUTDOWN => PowerState::ShuttingDown,
        virt_sys::VIR_DOMAIN_SHUTOFF => PowerState::ShutOff,
        virt_sys::VIR_DOMAIN_CRASHED => PowerState::Crashed,
        // NOSTATE, RUNNING, BLOCKED, and what a newer libvirt may add: better taken for running than started twice.
        _ => PowerState::Running,
    }
}

/// The power state in a domain's statistics.
pub(crate) fn state_of(params: &Params) -> PowerState {
    power_state(
        params
            .number("state.state")
            .and_then(|state| u32::try_from(state).ok())
            .unwrap_or(virt_sys::VIR_DOMAIN_NOSTATE),
    )
}

/// Whether a domain is paused because it is moving: at the target from the first byte, at the source when it is handed
/// over.
fn migrating(params: &Params) -> bool {
    params.number("state.state") == Some(u64::from(virt_sys::VIR_DOMAIN_PAUSED))
        && params.number("state.reason") == Some(u64::from(virt_sys::VIR_DOMAIN_PAUSED_MIGRATION))
}

/// A VM's sample; what the host did not say is unknown, not zero.
pub(crate) fn vm_sample(stats: &DomainStats) -> VmSample {
    let params = &stats.params;
    let power = state_of(params);
    VmSample {
        uuid: stats.uuid,
        name: stats.name.clone(),
        power,
        migrating: migrating(params),
        vcpus: params
            .number("vcpu.current")
            .or_else(|| params.number("vcpu.maximum"))
            .and_then(|vcpus| u32::try_from(vcpus).ok())
            .unwrap_or(0),
        memory: params
            .number("balloon.maximum")
            .or_else(|| params.number("balloon.current"))
            .map(MiB::from_kib),
        counters: if power.is_live() {
            counters(params)
        } else {
            VmCounters::default()
        },
    }
}

fn counters(params: &Params) -> VmCounters {
    VmCounters {
        cpu_ns: params.number("cpu.time"),
        // vCPUs can be switched off one by one: their numbers have holes, up to the highest there can be.
        vcpus: each(params.number("vcpu.maximum"))
            .filter_map(|number| vcpu(params, number))
            .collect(),
        nics: each(params.number("net.count"))
            .filter_map(|number| nic(params, number))
            .collect(),
        disks: disks(params),
        memory: memory(params),
    }
}

/// The numbers below `count`; no more than a VM can have of anything.
fn each(count: Option<u64>) -> std::ops::Range<u32> {
    const MOST: u64 = 4_096;
    0..u32::try_from(count.unwrap_or(0).min(MOST)).unwrap_or(0)
}

fn vcpu(params: &Params, number: u32) -> Option<VcpuCounters> {
    let figure = |name: &str| params.number(&format!("vcpu.{number}.{name}"));
    let (time_ns, delay_ns) = (figure("time"), figure("delay"));
    (time_ns.is_some() || delay_ns.is_some()).then_some(VcpuCounters {
        number,
        time_ns,
        delay_ns,
    })
}

/// A network card; none where the host counts nothing of it, as of one passed through to the guest.
fn nic(params: &Params, number: u32) -> Option<NicCounters> {
    let way = |way: &str| {
        let figure = |name: &str| params.number(&format!("net.{number}.{way}.{name}"));
        Some(Packets {
            bytes: figure("bytes")?,
            packets: figure("pkts").unwrap_or(0),
            dropped: figure("drop").unwrap_or(0),
            errors: figure("errs").unwrap_or(0),
        })
    };
    Some(NicCounters {
        device: named(params, "net", number),
        received: way("rx")?,
        sent: way("tx")?,
    })
}

/// Its disks. A drive without a medium has no counters and is left out; where no disk has any, a long job holds the VM and
/// nothing is known.
fn disks(params: &Params) -> Option<Vec<DiskCounters>> {
    let count = params.number("block.count")?;
    let disks: Vec<_> = each(Some(count))
        .filter_map(|number| disk(params, number))
        .collect();
    (count == 0 || !disks.is_empty()).then_some(disks)
}

fn disk(params: &Params, number: u32) -> Option<DiskCounters> {
    let figure = |name: &str| params.number(&format!("block.{number}.{name}"));
    let way = |way: &str| {
        Some(Transfers {
            bytes: figure(&format!("{way}.bytes"))?,
            requests: figure(&format!("{way}.reqs")).unwrap_or(0),
            took_ns: figure(&format!("{way}.times")),
        })
    };
    Some(DiskCounters {
        device: named(params, "block", number),
        read: way("rd")?,
        written: way("wr")?,
        capacity: figure("capacity"),
        allocation: figure("allocation"),
    })
}

/// The name of a device; its number where it has none.
fn named(params: &Params, group: &str, number: u32) -> String {
    let name = params.text(&format!("{group}.{number}.name"));
    name.map_or_else(|| number.to_string(), ToOwned::to_owned)
}

fn memory(params: &Params) -> Option<MemoryCounters> {
    let figure = |name: &str| params.number(&format!("balloon.{name}"));
    let memory = MemoryCounters {
        current_kib: figure("current"),
        usable_kib: figure("usable"),
        unused_kib: figure("unused"),
        available_kib: figure("available"),
        major_faults: figure("major_fault"),
        swapped_in_kib: figure("swap_in"),
        swapped_out_kib: figure("swap_out"),
        // 0 means that it never reported.
        updated_s: figure("last-update")
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| i64::try_from(seconds).ok()),
        resident_kib: figure("rss"),
    };
    // Of a VM that a long job holds, only its size is told.
    (memory.resident_kib.is_some()).then_some(memory)
}

/// CPU times by kind. None where libvirt gives none.
pub(crate) fn host_cpu(times: &[(String, u64)]) -> Option<HostCpuCounters> {
    let mut cpu = HostCpuCounters::default();
    let mut any = false;
    for (kind, time) in times {
        let part = match kind.as_str() {
            "user" => &mut cpu.user_ns,
            "iowait" => &mut cpu.io_wait_ns,
            "idle" => &mut cpu.idle_ns,
            "utilization" => continue,
            // kernel, intr, and what a newer libvirt may add: in use, but not by programs.
            _ => &mut cpu.system_ns,
        };
        *part = part.saturating_add(*time);
        any = true;
    }
    any.then_some(cpu)
}

/// Memory in use, of memory by kind (KiB): all but free, buffers and cache.
pub(crate) fn memory_used(kinds: &[(String, u64)]) -> Option<MiB> {
    let kind = |name: &str| {
        kinds
            .iter()
            .find(|(kind, _)| kind == name)
            .map(|(_, kib)| *kib)
    };
    let spare = kind("free")?
        .saturating_add(kind("buffers").unwrap_or(0))
        .saturating_add(kind("cached").unwrap_or(0));
    Some(MiB::from_kib(kind("total")?.saturating_sub(spare)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::{Params, Value};
    use uuid::Uuid;

    fn named(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect()
    }

    fn sampled(params: Params) -> VmSample {
        vm_sample(&DomainStats {
            uuid: Uuid::nil(),
            name: "a".into(),
            params,
        })
    }

    #[test]
    fn unknown_stays_unknown() {
        let sample = sampled(Params::default());
        assert_eq!(sample.power, PowerState::Running);
        assert_eq!(sample.memory, None);
        assert_eq!(sample.counters, VmCounters::default());
        assert_eq!(host_cpu(&[]), None);
        assert_eq!(memory_used(&named(&[("total", 5)])), None);
    }

    #[test]
    fn a_busy_vm_tells_of_its_vcpus_and_cards_but_not_of_disks_and_memory() {
        let n = Value::Unsigned;
        let sample = sampled(Params::from([
            ("cpu.time", n(9)),
            ("vcpu.current", n(2)),
            ("vcpu.maximum", n(4)),
            ("vcpu.0.time", n(4)),
            ("vcpu.0.delay", n(1)),
            ("vcpu.3.time", n(3)),
            ("vcpu.3.delay", n(2)),
            // The second is passed through: nothing counts what it does.
            ("net.count", n(2)),
            ("net.0.name", Value::Text("vnet7".into())),
            ("net.0.rx.bytes", n(10)),
            ("net.0.tx.bytes", n(20)),
            ("net.0.tx.drop", n(5)),
            ("block.count", n(1)),
            ("block.0.name", Value::Text("vda".into())),
            ("balloon.maximum", n(2048)),
        ]));
        assert_eq!((sample.vcpus, sample.memory), (2, Some(MiB(2))));
        let counters = sample.counters;
        assert_eq!(
            (counters.vcpu_ns(), counters.delay_ns()),
            (Some(7), Some(3))
        );
        assert_eq!(
            (counters.nics.len(), &*counters.nics[0].device),
            (1, "vnet7")
        );
        assert_eq!(
            (
                counters.nics[0].received.bytes,
                counters.nics[0].sent.dropped
            ),
            (10, 5)
        );
        assert_eq!((counters.disks, counters.memory), (None, None));
    }

    #[test]
    fn a_drive_without_a_medium_is_no_disk() {
        let n = Value::Unsigned;
        let sample = sampled(Params::from([
            ("block.count", n(2)),
            ("block.0.name", Value::Text("sda".into())),
            ("block.1.name", Value::Text("vda".into())),
            ("block.1.rd.bytes", n(7)),
            ("block.1.wr.bytes", n(8)),
            ("block.1.wr.times", n(9)),
            ("block.1.allocation", n(4096)),
        ]));
        let [disk] = &sample.counters.disks.unwrap()[..] else {
            panic!("not one disk")
        };
        assert_eq!((disk.device.as_str(), disk.allocation), ("vda", Some(4096)));
        assert_eq!((disk.read.took_ns, disk.written.took_ns), (None, Some(9)));
    }

    #[test]
    fn what_is_off_uses_nothing_whatever_is_said_of_it() {
        let sample = sampled(Params::from([
            (
                "state.state",
                Value::Signed(i64::from(virt_sys::VIR_DOMAIN_SHUTOFF)),
            ),
            ("cpu.time", Value::Unsigned(7)),
            ("block.count", Value::Unsigned(0)),
        ]));
        assert_eq!(sample.power, PowerState::ShutOff);
        assert_eq!(sample.counters, VmCounters::default());
    }

    #[test]
    fn host_sums() {
        let times = named(&[
            ("kernel", 10),
            ("intr", 1),
            ("user", 20),
            ("idle", 1000),
            ("iowait", 500),
            ("utilization", 70),
        ]);
        let cpu = host_cpu(&times).unwrap();
        assert_eq!((cpu.user_ns, cpu.system_ns, cpu.busy_ns()), (20, 11, 31));
        assert_eq!((cpu.io_wait_ns, cpu.idle_ns), (500, 1000));
        let memory = named(&[
            ("total", 4096),
            ("free", 1024),
            ("buffers", 512),
            ("cached", 512),
        ]);
        assert_eq!(memory_used(&memory), Some(MiB(2)));
    }
}

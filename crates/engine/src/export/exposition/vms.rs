//! VMs, managed or not, on whichever host they are.

use super::{Exposed, Kind, Sink, is_told, seconds};
use bellwether_model::{
    VmId,
    counters::{DiskCounters, MemoryCounters, NicCounters, VcpuCounters},
    observed::{PowerState, VmSeen},
    vm::Vm,
};
use std::{borrow::Cow, fmt};

/// A VM on a host, with what it is called.
struct Row<'a> {
    host: &'a str,
    uuid: String,
    seen: &'a VmSeen,
    /// Our record, where it is ours.
    ours: Option<&'a Vm>,
    owner: Option<&'a str>,
}

impl Row<'_> {
    /// The labels of everything that is measured of a VM.
    fn labels(&self) -> [(&str, &str); 4] {
        let name = self.ours.map_or(&self.seen.name, |vm| &vm.name);
        [
            ("host", self.host),
            ("domain", &self.seen.name),
            ("uuid", &self.uuid),
            ("name", name),
        ]
    }
    /// The same with one more.
    fn labels_and<'b>(&'b self, label: &'b str, value: &'b str) -> [(&'b str, &'b str); 5] {
        let [a, b, c, d] = self.labels();
        [a, b, c, d, (label, value)]
    }
}

type OfVm = (&'static str, &'static str, fn(&VmSeen) -> Option<f64>);
/// Of a part of a VM: a vCPU, a disk, a network card.
type Of<P> = (&'static str, &'static str, fn(&P) -> Option<f64>);

const VM_GAUGES: &[OfVm] = &[
    (
        "libvirt_domain_info_maximum_memory_bytes",
        "Memory it is defined with.",
        |vm| Some(vm.memory.bytes() as f64),
    ),
    (
        "libvirt_domain_info_virtual_cpus",
        "Virtual CPUs it is defined with.",
        |vm| Some(f64::from(vm.vcpus)),
    ),
    (
        "libvirt_domain_info_vstate",
        "libvirt's number of its state: 1 running, 3 paused, 4 in shutdown, 5 shut off, 6 crashed.",
        |vm| Some(state_number(vm.power)),
    ),
    (
        "libvirt_domain_info_memory_usage_bytes",
        "Memory the guest has at this moment, the balloon deducted.",
        |vm| kib(vm, |memory| memory.current_kib),
    ),
    (
        "libvirt_domain_memory_stats_available_bytes",
        "Memory the guest sees.",
        |vm| kib(vm, |memory| memory.available_kib),
    ),
    (
        "libvirt_domain_memory_stats_usable_bytes",
        "Memory the guest could still use.",
        |vm| kib(vm, |memory| memory.usable_kib),
    ),
    (
        "libvirt_domain_memory_stats_unused_bytes",
        "Memory the guest uses for nothing at all.",
        |vm| kib(vm, |memory| memory.unused_kib),
    ),
    (
        "libvirt_domain_memory_stats_rss_bytes",
        "Memory the emulator holds on the host.",
        |vm| kib(vm, |memory| memory.resident_kib),
    ),
    (
        "bellwether_vm_memory_used_bytes",
        "Memory the guest uses; absent where its balloon reports nothing fresh.",
        |vm| vm.memory_used.map(|memory| memory.bytes() as f64),
    ),
    (
        "bellwether_vm_up_since_seconds",
        "When it was started, seconds since 1970, where its start was seen; kept over moves.",
        |vm| vm.up_since.map(|at| at.seconds() as f64),
    ),
];

const VM_COUNTERS: &[OfVm] = &[
    (
        "libvirt_domain_info_cpu_time_seconds",
        "CPU all its threads used.",
        |vm| vm.counters.cpu_ns.map(seconds),
    ),
    (
        "libvirt_domain_memory_stats_major_fault",
        "Faults of the guest that needed a disk.",
        |vm| vm.counters.memory?.major_faults.map(|count| count as f64),
    ),
    (
        "libvirt_domain_memory_stats_swap_in_bytes",
        "Memory the guest read back from its swap.",
        |vm| kib(vm, |memory| memory.swapped_in_kib),
    ),
    (
        "libvirt_domain_memory_stats_swap_out_bytes",
        "Memory the guest wrote to its swap.",
        |vm| kib(vm, |memory| memory.swapped_out_kib),
    ),
];

const VCPU_COUNTERS: &[Of<VcpuCounters>] = &[
    (
        "libvirt_domain_vcpu_time_seconds",
        "CPU the vCPU used.",
        |vcpu| vcpu.time_ns.map(seconds),
    ),
    (
        "libvirt_domain_vcpu_delay_seconds",
        "Time the vCPU was ready but did not run: steal, as the guest sees it.",
        |vcpu| vcpu.delay_ns.map(seconds),
    ),
];

const DISK_COUNTERS: &[Of<DiskCounters>] = &[
    (
        "libvirt_domain_block_stats_read_bytes",
        "Bytes read.",
        |disk| Some(disk.read.bytes as f64),
    ),
    (
        "libvirt_domain_block_stats_read_requests",
        "Reads completed.",
        |disk| Some(disk.read.requests as f64),
    ),
    (
        "libvirt_domain_block_stats_read_time_seconds",
        "Time all reads took together.",
        |disk| disk.read.took_ns.map(seconds),
    ),
    (
        "libvirt_domain_block_stats_write_bytes",
        "Bytes written.",
        |disk| Some(disk.written.bytes as f64),
    ),
    (
        "libvirt_domain_block_stats_write_requests",
        "Writes completed.",
        |disk| Some(disk.written.requests as f64),
    ),
    (
        "libvirt_domain_block_stats_write_time_seconds",
        "Time all writes took together.",
        |disk| disk.written.took_ns.map(seconds),
    ),
];

const DISK_GAUGES: &[Of<DiskCounters>] = &[
    (
        "libvirt_domain_block_stats_capacity_bytes",
        "Bytes the guest sees.",
        |disk| disk.capacity.map(|bytes| bytes as f64),
    ),
    (
        "libvirt_domain_block_stats_allocation_bytes",
        "How far into its image was written.",
        |disk| disk.allocation.map(|bytes| bytes as f64),
    ),
];

const NIC_COUNTERS: &[Of<NicCounters>] = &[
    (
        "libvirt_domain_interface_stats_receive_bytes",
        "Bytes received.",
        |nic| Some(nic.received.bytes as f64),
    ),
    (
        "libvirt_domain_interface_stats_receive_packets",
        "Packets received.",
        |nic| Some(nic.received.packets as f64),
    ),
    (
        "libvirt_domain_interface_stats_receive_errors",
        "Packets received wrong.",
        |nic| Some(nic.received.errors as f64),
    ),
    (
        "libvirt_domain_interface_stats_receive_drops",
        "Packets dropped on the way in.",
        |nic| Some(nic.received.dropped as f64),
    ),
    (
        "libvirt_domain_interface_stats_transmit_bytes",
        "Bytes sent.",
        |nic| Some(nic.sent.bytes as f64),
    ),
    (
        "libvirt_domain_interface_stats_transmit_packets",
        "Packets sent.",
        |nic| Some(nic.sent.packets as f64),
    ),
    (
        "libvirt_domain_interface_stats_transmit_errors",
        "Packets sent wrong.",
        |nic| Some(nic.sent.errors as f64),
    ),
    (
        "libvirt_domain_interface_stats_transmit_drops",
        "Packets dropped on the way out.",
        |nic| Some(nic.sent.dropped as f64),
    ),
];

pub(super) fn give(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let rows = rows(exposed);
    about(&rows, sink)?;
    for (kind, all) in [(Kind::Gauge, VM_GAUGES), (Kind::Counter, VM_COUNTERS)] {
        for (name, help, value) in all {
            sink.family(kind, name, help, &mut |to| {
                for row in &rows {
                    if let Some(value) = value(row.seen) {
                        to.sample(&row.labels(), value)?;
                    }
                }
                Ok(())
            })?;
        }
    }
    parts(Kind::Counter, VCPU_COUNTERS, &rows, sink)?;
    parts(Kind::Counter, DISK_COUNTERS, &rows, sink)?;
    parts(Kind::Gauge, DISK_GAUGES, &rows, sink)?;
    parts(Kind::Counter, NIC_COUNTERS, &rows, sink)
}

/// A vCPU, disk or network card of a VM.
trait Part: Sized {
    /// The label that names it.
    const LABEL: &str;
    fn of(vm: &VmSeen) -> &[Self];
    fn name(&self) -> Cow<'_, str>;
}

impl Part for VcpuCounters {
    const LABEL: &str = "vcpu";
    fn of(vm: &VmSeen) -> &[Self] {
        &vm.counters.vcpus
    }
    fn name(&self) -> Cow<'_, str> {
        self.number.to_string().into()
    }
}

impl Part for DiskCounters {
    const LABEL: &str = "target_device";
    fn of(vm: &VmSeen) -> &[Self] {
        vm.counters.disks.as_deref().unwrap_or_default()
    }
    fn name(&self) -> Cow<'_, str> {
        self.device.as_str().into()
    }
}

impl Part for NicCounters {
    const LABEL: &str = "target_device";
    fn of(vm: &VmSeen) -> &[Self] {
        &vm.counters.nics
    }
    fn name(&self) -> Cow<'_, str> {
        self.device.as_str().into()
    }
}

/// Families of the parts of every VM.
fn parts<P: Part>(
    kind: Kind,
    families: &[Of<P>],
    rows: &[Row<'_>],
    sink: &mut dyn Sink,
) -> fmt::Result {
    for (name, help, value) in families {
        sink.family(kind, name, help, &mut |to| {
            for row in rows {
                for part in P::of(row.seen) {
                    if let Some(value) = value(part) {
                        to.sample(&row.labels_and(P::LABEL, &part.name()), value)?;
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Every VM where it is; one that is moving, where it runs.
fn rows(exposed: &Exposed) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let told = exposed.observed.hosts.iter();
    for (id, seen_host) in told.filter(|(_, seen)| is_told(seen)) {
        let Some(host) = exposed.records.name(id.0) else {
            continue;
        };
        for seen in seen_host.vms.iter().filter(|vm| !vm.migrating) {
            let ours = exposed.records.vm(VmId(seen.uuid));
            rows.push(Row {
                host,
                uuid: seen.uuid.to_string(),
                seen,
                ours,
                owner: ours.and_then(|vm| exposed.records.name(vm.owner.0)),
            });
        }
    }
    rows
}

/// Whose it is.
fn about(rows: &[Row<'_>], sink: &mut dyn Sink) -> fmt::Result {
    sink.family(
        Kind::Gauge,
        "bellwether_vm_info",
        "Whose the VM is, and in which state; 1 for each. Unmanaged ones have no owner.",
        &mut |to| {
            for row in rows {
                let state = row.ours.map_or("unmanaged", |vm| vm.state.as_str());
                let [a, b, c, d] = row.labels();
                let owner = ("owner", row.owner.unwrap_or_default());
                to.sample(&[a, b, c, d, owner, ("state", state)], 1.0)?;
            }
            Ok(())
        },
    )
}

fn kib(vm: &VmSeen, of: fn(&MemoryCounters) -> Option<u64>) -> Option<f64> {
    of(vm.counters.memory.as_ref()?).map(|kib| kib as f64 * 1024.0)
}

/// libvirt's `virDomainState`.
fn state_number(power: PowerState) -> f64 {
    match power {
        PowerState::Running => 1.0,
        PowerState::Paused => 3.0,
        PowerState::ShuttingDown => 4.0,
        PowerState::ShutOff => 5.0,
        PowerState::Crashed => 6.0,
    }
}

//! VMs, managed or not, on whichever host they are.

use super::{Exposed, Kind, Sink, is_told, seconds};
use bellwether_model::{
    VmId,
    counters::{DiskCounters, MemoryCounters, NicCounters, VcpuCounters},
    observed::{PowerState, VmSeen},
    vm::Vm,
};
use std::fmt;

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
type OfVcpu = (&'static str, &'static str, fn(&VcpuCounters) -> Option<u64>);
type OfDisk = (&'static str, &'static str, fn(&DiskCounters) -> Option<f64>);
type OfNic = (&'static str, &'static str, fn(&NicCounters) -> u64);

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

const VCPU_COUNTERS: &[OfVcpu] = &[
    (
        "libvirt_domain_vcpu_time_seconds",
        "CPU the vCPU used.",
        |vcpu| vcpu.time_ns,
    ),
    (
        "libvirt_domain_vcpu_delay_seconds",
        "Time the vCPU was ready but did not run: steal, as the guest sees it.",
        |vcpu| vcpu.delay_ns,
    ),
];

const DISK_COUNTERS: &[OfDisk] = &[
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

const DISK_GAUGES: &[OfDisk] = &[
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

const NIC_COUNTERS: &[OfNic] = &[
    (
        "libvirt_domain_interface_stats_receive_bytes",
        "Bytes received.",
        |nic| nic.received.bytes,
    ),
    (
        "libvirt_domain_interface_stats_receive_packets",
        "Packets received.",
        |nic| nic.received.packets,
    ),
    (
        "libvirt_domain_interface_stats_receive_errors",
        "Packets received wrong.",
        |nic| nic.received.errors,
    ),
    (
        "libvirt_domain_interface_stats_receive_drops",
        "Packets dropped on the way in.",
        |nic| nic.received.dropped,
    ),
    (
        "libvirt_domain_interface_stats_transmit_bytes",
        "Bytes sent.",
        |nic| nic.sent.bytes,
    ),
    (
        "libvirt_domain_interface_stats_transmit_packets",
        "Packets sent.",
        |nic| nic.sent.packets,
    ),
    (
        "libvirt_domain_interface_stats_transmit_errors",
        "Packets sent wrong.",
        |nic| nic.sent.errors,
    ),
    (
        "libvirt_domain_interface_stats_transmit_drops",
        "Packets dropped on the way out.",
        |nic| nic.sent.dropped,
    ),
];

pub(super) fn give(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let rows = rows(exposed);
    let live = || rows.iter().filter(|row| row.seen.power.is_live());
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
    vcpus(&rows, sink)?;
    for (kind, all) in [(Kind::Counter, DISK_COUNTERS), (Kind::Gauge, DISK_GAUGES)] {
        for (name, help, value) in all {
            sink.family(kind, name, help, &mut |to| {
                for row in live() {
                    for disk in row.seen.counters.disks.iter().flatten() {
                        if let Some(value) = value(disk) {
                            to.sample(&row.labels_and(DEVICE, &disk.device), value)?;
                        }
                    }
                }
                Ok(())
            })?;
        }
    }
    for (name, help, value) in NIC_COUNTERS {
        sink.family(Kind::Counter, name, help, &mut |to| {
            for row in live() {
                for nic in &row.seen.counters.nics {
                    to.sample(&row.labels_and(DEVICE, &nic.device), value(nic) as f64)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The label that names a disk or network card.
const DEVICE: &str = "target_device";

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

/// What each vCPU ran, and waited for.
fn vcpus(rows: &[Row<'_>], sink: &mut dyn Sink) -> fmt::Result {
    for (name, help, value) in VCPU_COUNTERS {
        sink.family(Kind::Counter, name, help, &mut |to| {
            for row in rows {
                for vcpu in &row.seen.counters.vcpus {
                    if let Some(ns) = value(vcpu) {
                        let number = vcpu.number.to_string();
                        to.sample(&row.labels_and("vcpu", &number), seconds(ns))?;
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(())
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

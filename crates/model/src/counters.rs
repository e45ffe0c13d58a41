//! Counters as a host gives them. They grow from when a VM's emulator began, and begin anew when it is started again or
//! moves to another host: rates are made of two of them, never of one.

use serde::{Deserialize, Serialize};

/// What a VM used since its emulator began. What the host does not say is unknown, not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VmCounters {
    /// Nanoseconds of CPU all its threads used.
    pub cpu_ns: Option<u64>,
    /// Each vCPU, by number.
    #[serde(skip)]
    pub vcpus: Vec<VcpuCounters>,
    /// Each network card, in the order of the definition.
    #[serde(skip)]
    pub nics: Vec<NicCounters>,
    /// Each disk, in the order of the definition; none where disks were not asked for, or can't be told while a long job
    /// holds the VM.
    #[serde(skip)]
    pub disks: Option<Vec<DiskCounters>>,
    /// Memory; none where it was not asked for, or can't be told.
    #[serde(skip)]
    pub memory: Option<MemoryCounters>,
}

impl VmCounters {
    /// Nanoseconds its vCPUs ran, summed; none where one of them is not known.
    pub fn vcpu_ns(&self) -> Option<u64> {
        sum(&self.vcpus, |vcpu| vcpu.time_ns)
    }
    /// Nanoseconds its vCPUs were ready but did not run, summed; none where one of them is not known.
    pub fn delay_ns(&self) -> Option<u64> {
        sum(&self.vcpus, |vcpu| vcpu.delay_ns)
    }
}

/// The sum over all; none where there are none, or one is unknown.
fn sum<T>(all: &[T], value: impl Fn(&T) -> Option<u64>) -> Option<u64> {
    let mut total = 0_u64;
    for one in all {
        total = total.saturating_add(value(one)?);
    }
    (!all.is_empty()).then_some(total)
}

/// One virtual CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VcpuCounters {
    /// Its number in the VM.
    pub number: u32,
    /// Nanoseconds it ran.
    pub time_ns: Option<u64>,
    /// Nanoseconds it was ready but did not run (`/proc/PID/task/TID/schedstat`, second figure).
    pub delay_ns: Option<u64>,
}

/// One disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Its name in the VM: `vda`.
    pub device: String,
    /// Read.
    pub read: Transfers,
    /// Written.
    pub written: Transfers,
    /// Bytes the guest sees.
    pub capacity: Option<u64>,
    /// How far into its image was written, bytes (libvirt's `allocation`): of a qcow2 image since the emulator began.
    pub allocation: Option<u64>,
}

/// One direction of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Bytes.
    pub bytes: u64,
    /// Requests completed.
    pub requests: u64,
    /// Nanoseconds all requests took together, where it is measured.
    pub took_ns: Option<u64>,
}

/// One network card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NicCounters {
    /// Its device on the host: `vnet3`.
    pub device: String,
    /// Received by the guest.
    pub received: Packets,
    /// Sent by the guest.
    pub sent: Packets,
}

/// One direction of a network card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Packets that were wrong.
    pub errors: u64,
}

/// A VM's memory as host and balloon tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryCounters {
    /// Memory the guest has at this moment (KiB).
    pub current_kib: Option<u64>,
    /// Memory the guest could still use (KiB).
    pub usable_kib: Option<u64>,
    /// Memory the guest uses for nothing at all (KiB).
    pub unused_kib: Option<u64>,
    /// Memory the guest sees (KiB).
    pub available_kib: Option<u64>,
    /// Faults of the guest that needed a disk.
    pub major_faults: Option<u64>,
    /// Memory the guest read back from its swap (KiB).
    pub swapped_in_kib: Option<u64>,
    /// Memory the guest wrote to its swap (KiB).
    pub swapped_out_kib: Option<u64>,
    /// When the balloon last reported (seconds since 1970 by the host's clock).
    pub updated_s: Option<i64>,
    /// Memory of the emulator on the host (KiB).
    pub resident_kib: Option<u64>,
}

/// Nanoseconds of CPU a host spent since it started, summed over its cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCpuCounters {
    /// For programs, guests included.
    pub user_ns: u64,
    /// For the kernel and interrupts.
    pub system_ns: u64,
    /// Idle while something waited for a disk.
    pub io_wait_ns: u64,
    /// Idle.
    pub idle_ns: u64,
}

impl HostCpuCounters {
    /// In use: neither idle nor waiting for a disk.
    pub fn busy_ns(self) -> u64 {
        self.user_ns.saturating_add(self.system_ns)
    }
}

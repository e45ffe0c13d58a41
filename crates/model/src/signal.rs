//! What is measured: one table of signals, each with its word, unit and meaning. History, REST, graphs and exports read it.

use std::fmt;

/// What a signal is measured of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A VM, by its libvirt UUID, managed or not, on whichever host it is.
    Vm,
    /// A host.
    Host,
}

impl Entity {
    /// Its word in the history and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Entity::Vm => "vm",
            Entity::Host => "host",
        }
    }
}

/// What a signal's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Cores, or vCPUs: seconds a second.
    Cores,
    /// MiB.
    MiB,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Events a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// How many.
    Count,
}

impl Unit {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Cores => "cores",
            Unit::MiB => "mib",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes_per_second",
            Unit::PerSecond => "per_second",
            Unit::Seconds => "seconds",
            Unit::Count => "count",
        }
    }
}

/// One signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Of what.
    pub of: Entity,
    /// Its word in the history, in REST and in paths of exports.
    pub word: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What it means, as a sentence without its full stop.
    pub meaning: &'static str,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

/// The signals of an entity.
pub fn of(entity: Entity) -> impl Iterator<Item = Signal> {
    let all = match entity {
        Entity::Vm => vm::ALL,
        Entity::Host => host::ALL,
    };
    all.iter().copied()
}

macro_rules! signals {
    ($of:expr; $($name:ident $word:literal $unit:ident $meaning:literal;)*) => {
        $(#[doc = concat!($meaning, ".")] pub const $name: Signal = Signal { of: $of, word: $word, unit: Unit::$unit, meaning: $meaning };)*
        /// All of them, in the order in which they are shown.
        pub const ALL: &[Signal] = &[$($name),*];
    };
}

/// What is measured of a VM. Disks and network cards are summed over the VM; each of them by itself is in what was last
/// seen and in exports.
pub mod vm {
    use super::{Entity, Signal, Unit};

    signals! { Entity::Vm;
        CPU "cpu" Cores "CPU in use by all threads of the VM";
        CONTENTION "contention" Cores "Time its vCPUs were ready but did not run (steal, as the guest sees it)";
        OVERHEAD "overhead" Cores "CPU the emulator used beside the vCPUs: total less the sum of the vCPUs";
        MEMORY "memory" MiB "Memory the guest uses, where its balloon reports it";
        MEMORY_AVAILABLE "memory_available" MiB "Memory the guest could still use, where its balloon reports it";
        MEMORY_RESIDENT "memory_resident" MiB "Memory the emulator holds on the host";
        MAJOR_FAULTS "major_faults" PerSecond "Faults of the guest that needed a disk";
        SWAP_IN "swap_in" BytesPerSecond "Memory the guest reads back from its swap";
        DISK_READ "disk_read" BytesPerSecond "Read from disks";
        DISK_WRITE "disk_write" BytesPerSecond "Written to disks";
        DISK_READ_REQUESTS "disk_read_requests" PerSecond "Reads completed by disks";
        DISK_WRITE_REQUESTS "disk_write_requests" PerSecond "Writes completed by disks";
        DISK_READ_LATENCY "disk_read_latency" Seconds "How long a read took on average";
        DISK_WRITE_LATENCY "disk_write_latency" Seconds "How long a write took on average";
        DISK_ALLOCATION "disk_allocation" Bytes "How far into their images its disks were written";
        NET_RX "net_rx" BytesPerSecond "Received";
        NET_TX "net_tx" BytesPerSecond "Sent";
        NET_RX_PACKETS "net_rx_packets" PerSecond "Packets received";
        NET_TX_PACKETS "net_tx_packets" PerSecond "Packets sent";
        NET_DROPS "net_drops" PerSecond "Packets dropped in either direction";
        RUNNING "running" Count "1 while it runs, 0 while it is paused, crashed or off; on average, the share of the time it ran";
        UPTIME "uptime" Seconds "How long ago it was started";
    }
}

/// What is measured of a host.
pub mod host {
    use super::{Entity, Signal, Unit};

    signals! { Entity::Host;
        CPU "cpu" Cores "CPU in use: all but idle and waiting for disks";
        CPU_USER "cpu_user" Cores "CPU in use by programs, guests included";
        CPU_SYSTEM "cpu_system" Cores "CPU in use by the kernel and interrupts";
        CPU_IO_WAIT "cpu_iowait" Cores "CPU idle while something waited for a disk";
        CONTENTION "contention" Cores "Time the vCPUs of all its VMs were ready but did not run";
        MEMORY "memory" MiB "Memory in use: all but free, buffers and cache";
        RUNNING_VMS "running_vms" Count "VMs that run";
        COMMITTED_VCPUS "committed_vcpus" Count "vCPUs of all VMs that run";
        COMMITTED_MEMORY "committed_memory" MiB "Memory that all VMs that run are defined with";
        SAMPLE_LATENCY "sample_latency" Seconds "How long the host took to answer a sample";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_distinct_and_fit_for_paths() {
        for entity in [Entity::Vm, Entity::Host] {
            let words: BTreeSet<&str> = of(entity).map(|signal| signal.word).collect();
            assert_eq!(words.len(), of(entity).count());
            for signal in of(entity) {
                assert_eq!(signal.of, entity);
                assert!(
                    signal
                        .word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b == b'_'),
                    "{signal}"
                );
                assert!(!signal.meaning.ends_with('.'), "{signal}");
            }
        }
    }
}

//! One VM: what it uses and what it waits for, wherever it runs.

use bellwether_model::signal::{Signal, vm};

use super::definition::{Dashboard, Kind, Panel, Row, Shown};
use super::query::{OWNER_OF_VMS, VM, about, by_node, called, of_chosen, rate, shown, target};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        slug: "vm",
        title: "Bellwether: VM",
        description: "What a VM uses and what it waits for, wherever it runs.",
        variables: vec![OWNER_OF_VMS, VM],
        rows: vec![cpu(), memory(), disks(), net()],
    }
}

/// A family of the chosen VM.
fn here(family: &str) -> String {
    format!("{family}{{uuid=\"$vm\"}}")
}

/// How fast a counter of the VM grows; it begins anew where it moves to another host, and after that goes on.
fn grows(counter: &str) -> String {
    format!("sum({})", rate(&here(counter)))
}

/// The same by disk or network card.
fn grows_by_device(counter: &str) -> String {
    format!("sum by (target_device) ({})", rate(&here(counter)))
}

/// A panel of one signal.
fn of(signal: Signal, title: &str) -> Panel {
    about(Panel::new(Kind::Lines, shown(signal), title), signal).wide(8)
}

fn cpu() -> Row {
    let used = "libvirt_domain_info_cpu_time_seconds_total";
    let by_vcpus = "libvirt_domain_vcpu_time_seconds_total";
    let delay = "libvirt_domain_vcpu_delay_seconds_total";
    Row {
        title: "CPU",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Cores, "CPU, waiting and overhead")
                .about("In use by all its threads; ready but not running (steal, as the guest sees it); used by the emulator beside the vCPUs.")
                .with(target(
                    grows(used),
                    "in use",
                    called(&of_chosen(vm::CPU), "in use"),
                ))
                .with(target(
                    grows(delay),
                    "waited",
                    called(&of_chosen(vm::CONTENTION), "waited"),
                ))
                .with(target(
                    format!("clamp_min({} - {}, 0)", grows(used), grows(by_vcpus)),
                    "overhead",
                    called(&of_chosen(vm::OVERHEAD), "overhead"),
                )),
            Panel::new(Kind::Stacked, Shown::Cores, "CPU by the host it is on")
                .about("Where the colour changes, it moved.")
                .with(target(
                    format!("sum by (host) ({})", rate(&here(used))),
                    "{{host}}",
                    by_node("$prefix.hosts.*.vms.$vm.cpu", -4),
                )),
        ],
    }
}

fn memory() -> Row {
    let gauge = |family: &str| format!("max({})", here(family));
    Row {
        title: "Memory",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Bytes, "Memory")
                .about("Used and still usable as the guest's balloon reports, which not every guest does; held by the emulator on the host.")
                .slow()
                .with(target(
                    gauge("bellwether_vm_memory_used_bytes"),
                    "used",
                    called(&of_chosen(vm::MEMORY), "used"),
                ))
                .with(target(
                    gauge("libvirt_domain_memory_stats_usable_bytes"),
                    "usable",
                    called(&of_chosen(vm::MEMORY_AVAILABLE), "usable"),
                ))
                .with(target(
                    gauge("libvirt_domain_memory_stats_rss_bytes"),
                    "held on the host",
                    called(&of_chosen(vm::MEMORY_RESIDENT), "held on the host"),
                )),
            of(vm::MAJOR_FAULTS, "Major faults").wide(6).with(target(
                grows("libvirt_domain_memory_stats_major_fault_total"),
                "faults",
                called(&of_chosen(vm::MAJOR_FAULTS), "faults"),
            )),
            of(vm::SWAP_IN, "Read back from swap").wide(6).with(target(
                grows("libvirt_domain_memory_stats_swap_in_bytes_total"),
                "read back",
                called(&of_chosen(vm::SWAP_IN), "read back"),
            )),
        ],
    }
}

fn disks() -> Row {
    let counter = |word: &str| format!("libvirt_domain_block_stats_{word}_total");
    let took = |way: &str| {
        format!(
            "{} / ({} > 0)",
            grows_by_device(&counter(&format!("{way}_time_seconds"))),
            grows_by_device(&counter(&format!("{way}_requests")))
        )
    };
    let both = |panel: Panel, read: String, written: String, signals: [Signal; 2]| {
        panel
            .slow()
            .wide(8)
            .with(target(
                read,
                "{{target_device}} read",
                called(&of_chosen(signals[0]), "read"),
            ))
            .with(target(
                written,
                "{{target_device}} written",
                called(&of_chosen(signals[1]), "written"),
            ))
    };
    Row {
        title: "Disks",
        panels: vec![
            both(
                Panel::new(Kind::Lines, Shown::BytesPerSecond, "Read and written"),
                grows_by_device(&counter("read_bytes")),
                grows_by_device(&counter("write_bytes")),
                [vm::DISK_READ, vm::DISK_WRITE],
            )
            .about("By disk in Prometheus, of all its disks in Graphite."),
            both(
                Panel::new(Kind::Lines, Shown::PerSecond, "Requests"),
                grows_by_device(&counter("read_requests")),
                grows_by_device(&counter("write_requests")),
                [vm::DISK_READ_REQUESTS, vm::DISK_WRITE_REQUESTS],
            )
            .about("Completed by disks."),
            both(
                Panel::new(Kind::Lines, Shown::Seconds, "How long requests take"),
                took("read"),
                took("write"),
                [vm::DISK_READ_LATENCY, vm::DISK_WRITE_LATENCY],
            )
            .about("On average. None is shown while nothing is read or written."),
            of(vm::DISK_ALLOCATION, "How far disks are written")
                .wide(24)
                .with(target(
                    format!(
                        "sum by (target_device) ({})",
                        here("libvirt_domain_block_stats_allocation_bytes")
                    ),
                    "{{target_device}}",
                    called(&of_chosen(vm::DISK_ALLOCATION), "all disks"),
                )),
        ],
    }
}

fn net() -> Row {
    let counter = |word: &str| grows(&format!("libvirt_domain_interface_stats_{word}_total"));
    let both = |panel: Panel, word: &str, signals: [Signal; 2]| {
        panel
            .wide(8)
            .with(target(
                counter(&format!("receive_{word}")),
                "received",
                called(&of_chosen(signals[0]), "received"),
            ))
            .with(target(
                counter(&format!("transmit_{word}")),
                "sent",
                called(&of_chosen(signals[1]), "sent"),
            ))
    };
    Row {
        title: "Network",
        panels: vec![
            both(
                Panel::new(Kind::Lines, Shown::BytesPerSecond, "Received and sent"),
                "bytes",
                [vm::NET_RX, vm::NET_TX],
            )
            .about("By all its network cards."),
            both(
                Panel::new(Kind::Lines, Shown::PerSecond, "Packets"),
                "packets",
                [vm::NET_RX_PACKETS, vm::NET_TX_PACKETS],
            )
            .about("By all its network cards."),
            of(vm::NET_DROPS, "Dropped packets").with(target(
                format!(
                    "{} + {}",
                    counter("receive_drops"),
                    counter("transmit_drops")
                ),
                "dropped",
                called(&of_chosen(vm::NET_DROPS), "dropped"),
            )),
        ],
    }
}

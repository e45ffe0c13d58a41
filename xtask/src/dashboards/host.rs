//! One host: how full it is, and by whom.

use bellwether_model::signal::{Signal, host, vm};

use super::definition::{Dashboard, Kind, Panel, Row, Shown};
use super::query::{
    HOST, by_node, called, host_cpu, in_bytes, of_chosen, rate, share_by_host, target,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        slug: "host",
        title: "Bellwether: host",
        description: "How full a host is, and which of its VMs fill it.",
        variables: vec![HOST],
        rows: vec![now(), cpu(), memory(), pools(), sampling()],
    }
}

/// A family of the chosen host.
fn here(family: &str) -> String {
    format!("{family}{{host=\"$host\"}}")
}

/// A signal of each VM that is on the chosen host.
fn by_vm(signal: Signal) -> String {
    let path = format!("$prefix.hosts.$host.vms.*.{signal}");
    match signal == vm::MEMORY_RESIDENT {
        true => by_node(&in_bytes(&format!("keepLastValue({path}, 6)")), -2),
        false => by_node(&path, -2),
    }
}

fn now() -> Row {
    let number = |unit, title: &str| Panel::new(Kind::Number, unit, title).wide(6);
    let chosen = |part, whole| share_by_host(part, whole).replacen("hosts.*", "hosts.$host", 1);
    Row {
        title: "Now",
        panels: vec![
            number(Shown::Share, "CPU in use")
                .about("Of its cores.")
                .with(target(
                    format!(
                        "{} / {}",
                        host_cpu("", ",host=\"$host\""),
                        format_args!("sum({})", here("bellwether_host_cpus"))
                    ),
                    "CPU",
                    chosen("cpu", "cores"),
                )),
            number(Shown::Share, "Memory in use")
                .about("All but free, buffers and cache.")
                .with(target(
                    format!(
                        "{} / {}",
                        here("bellwether_host_memory_used_bytes"),
                        here("bellwether_host_memory_bytes")
                    ),
                    "memory",
                    chosen("memory", "memory_size"),
                )),
            number(Shown::Count, "VMs that run")
                .about("Those that are not managed included.")
                .with(target(
                    here("bellwether_host_running_vms"),
                    "VMs",
                    called(&of_chosen(host::RUNNING_VMS), "VMs"),
                )),
            number(Shown::Count, "Answers")
                .about("1 if it answered the last look, 0 if not.")
                .with(target(
                    here("libvirt_up"),
                    "answers",
                    called("$prefix.hosts.$host.up", "answers"),
                )),
        ],
    }
}

fn cpu() -> Row {
    let by_name = |counter: &str| format!("sum by (uuid, name) ({})", rate(&here(counter)));
    let mode = |mode: &str| {
        let counter = "bellwether_host_cpu_seconds_total";
        let of_mode = format!("{counter}{{host=\"$host\",mode=\"{mode}\"}}");
        format!("sum({})", rate(&of_mode))
    };
    let used =
        |signal, word: &'static str| target(mode(word), word, called(&of_chosen(signal), word));
    Row {
        title: "CPU",
        panels: vec![
            Panel::new(Kind::Stacked, Shown::Cores, "CPU by VM")
                .about("Who uses the host: the widest band is the hog.")
                .wide(24)
                .with(target(
                    by_name("libvirt_domain_info_cpu_time_seconds_total"),
                    "{{name}}",
                    by_vm(vm::CPU),
                )),
            Panel::new(Kind::Stacked, Shown::Cores, "CPU of the host by kind")
                .about("By programs (guests included), by the kernel, and idle while something waited for a disk.")
                .with(used(host::CPU_USER, "user"))
                .with(used(host::CPU_SYSTEM, "system"))
                .with(used(host::CPU_IO_WAIT, "iowait")),
            Panel::new(Kind::Stacked, Shown::Cores, "Waited for CPU by VM")
                .about("Time vCPUs were ready but did not run. Where it grows, a VM should move away.")
                .with(target(
                    by_name("libvirt_domain_vcpu_delay_seconds_total"),
                    "{{name}}",
                    by_vm(vm::CONTENTION),
                )),
        ],
    }
}

fn memory() -> Row {
    Row {
        title: "Memory",
        panels: vec![
            Panel::new(Kind::Stacked, Shown::Bytes, "Memory by VM")
                .about("What each emulator holds on the host.")
                .slow()
                .with(target(
                    format!(
                        "sum by (uuid, name) ({})",
                        here("libvirt_domain_memory_stats_rss_bytes")
                    ),
                    "{{name}}",
                    by_vm(vm::MEMORY_RESIDENT),
                )),
            Panel::new(Kind::Lines, Shown::Bytes, "Promised and used")
                .about("What running VMs are defined with, what the host offers and has, and what is really in use.")
                .with(target(
                    here("bellwether_host_memory_used_bytes"),
                    "in use",
                    called(&of_chosen(host::MEMORY), "in use"),
                ))
                .with(target(
                    here("bellwether_host_committed_memory_bytes"),
                    "promised",
                    called(&of_chosen(host::COMMITTED_MEMORY), "promised"),
                ))
                .with(target(
                    here("bellwether_host_offered_memory_bytes"),
                    "offered",
                    called(&in_bytes("$prefix.hosts.$host.offered_memory"), "offered"),
                ))
                .with(target(
                    here("bellwether_host_memory_bytes"),
                    "there is",
                    called(&in_bytes("$prefix.hosts.$host.memory_size"), "there is"),
                )),
        ],
    }
}

fn pools() -> Row {
    Row {
        title: "Pools",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Share, "How full pools are")
                .about("Used, of the size of each pool that is started. One that climbs will be full.")
                .with(target(
                    format!(
                        "{} / {}",
                        here("libvirt_pool_info_allocation_bytes"),
                        here("libvirt_pool_info_capacity_bytes")
                    ),
                    "{{pool}}",
                    "aliasByNode(applyByNode($prefix.hosts.$host.pools.*.used, -2, \"divideSeries(%.used, %.capacity)\", \"%\"), -1)",
                )),
            Panel::new(Kind::Bars, Shown::Bytes, "Used of pools")
                .about("In bytes.")
                .with(target(
                    here("libvirt_pool_info_allocation_bytes"),
                    "{{pool}}",
                    by_node("$prefix.hosts.$host.pools.*.used", -2),
                )),
        ],
    }
}

fn sampling() -> Row {
    Row {
        title: "Sampling",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Seconds, "Age and length of looks")
                .about("How long ago the host was seen, and how long it took to answer.")
                .wide(24)
                .with(target(
                    here("bellwether_host_sample_age_seconds"),
                    "age",
                    called("$prefix.hosts.$host.sample_age", "age"),
                ))
                .with(target(
                    here("bellwether_host_sample_duration_seconds"),
                    "length",
                    called(&of_chosen(host::SAMPLE_LATENCY), "length"),
                )),
        ],
    }
}

//! The whole fleet: which host is hot and which empty, who waits for CPU, what was promised and what is used, and whether
//! what is shown is fresh.

use bellwether_model::signal::{host, vm};

use super::definition::{Dashboard, Kind, Panel, Row, Shown};
use super::query::{
    by_node, called, host_cpu, in_bytes, of_all_vms, over_hosts, path, rate, share_by_host, sum,
    target,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        slug: "fleet",
        title: "Bellwether: fleet",
        description: "Which host is hot and which is empty, who waits for CPU, what was promised and what is used.",
        variables: Vec::new(),
        rows: vec![now(), hosts(), promised(), vms(), sampling()],
    }
}

fn now() -> Row {
    let number = |unit, title: &str| Panel::new(Kind::Number, unit, title);
    Row {
        title: "Now",
        panels: vec![
            number(Shown::Count, "Hosts that answer")
                .about("Hosts that answered the last look, and how many there are.")
                .with(target(
                    "sum(libvirt_up)",
                    "answer",
                    called(&sum("$prefix.hosts.*.up"), "answer"),
                ))
                .with(target(
                    "count(libvirt_up)",
                    "there are",
                    called("countSeries($prefix.hosts.*.up)", "there are"),
                )),
            number(Shown::Count, "VMs that run")
                .about("On all hosts, those that are not managed included.")
                .with(target(
                    "sum(bellwether_host_running_vms)",
                    "VMs",
                    called(&over_hosts(host::RUNNING_VMS), "VMs"),
                )),
            number(Shown::Share, "CPU in use")
                .about("Of all cores of all hosts.")
                .with(target(
                    format!("{} / sum(bellwether_host_cpus)", host_cpu("", "")),
                    "CPU",
                    called(
                        &format!(
                            "divideSeries({}, sumSeries($prefix.hosts.*.cores))",
                            over_hosts(host::CPU)
                        ),
                        "CPU",
                    ),
                )),
            number(Shown::Share, "Memory in use")
                .about("Of the memory of all hosts: all but free, buffers and cache.")
                .with(target(
                    "sum(bellwether_host_memory_used_bytes) / sum(bellwether_host_memory_bytes)",
                    "memory",
                    called(
                        "divideSeries(sumSeries($prefix.hosts.*.memory), sumSeries($prefix.hosts.*.memory_size))",
                        "memory",
                    ),
                )),
            number(Shown::Cores, "Waited for CPU")
                .about("Time the vCPUs of all VMs were ready but did not run. Where this grows, hosts are too full.")
                .with(target(
                    "sum(bellwether_host_contention_vcpus)",
                    "waited",
                    called(&over_hosts(host::CONTENTION), "waited"),
                )),
            number(Shown::Seconds, "Oldest look")
                .about("How long ago the host was seen that was not seen for longest.")
                .with(target(
                    "max(bellwether_host_sample_age_seconds)",
                    "ago",
                    called("maxSeries($prefix.hosts.*.sample_age)", "ago"),
                )),
        ],
    }
}

fn hosts() -> Row {
    Row {
        title: "Hot and empty hosts",
        panels: vec![
            Panel::new(Kind::Cells, Shown::Share, "CPU in use by host")
                .about("Of the host's cores: the red one is hot, the green one empty.")
                .with(target(
                    format!(
                        "{} / on (host) max by (host) (bellwether_host_cpus)",
                        host_cpu(" by (host)", "")
                    ),
                    "{{host}}",
                    share_by_host("cpu", "cores"),
                )),
            Panel::new(Kind::Cells, Shown::Share, "Memory in use by host")
                .about("Of the host's memory: all but free, buffers and cache.")
                .with(target(
                    "bellwether_host_memory_used_bytes / bellwether_host_memory_bytes",
                    "{{host}}",
                    share_by_host("memory", "memory_size"),
                )),
            Panel::new(Kind::Lines, Shown::Cores, "Waited for CPU by host")
                .about("Time the vCPUs of a host's VMs were ready but did not run.")
                .with(target(
                    "bellwether_host_contention_vcpus",
                    "{{host}}",
                    by_node(&path("hosts.*", host::CONTENTION), -2),
                )),
            Panel::new(Kind::Bars, Shown::Share, "Memory promised by host")
                .about("What running VMs are defined with, of what the host offers to VMs.")
                .with(target(
                    "bellwether_host_committed_memory_bytes / bellwether_host_offered_memory_bytes",
                    "{{host}}",
                    share_by_host("committed_memory", "offered_memory"),
                )),
        ],
    }
}

fn promised() -> Row {
    Row {
        title: "Promised and used",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Cores, "CPU")
                .about("vCPUs of running VMs, what hosts offer, and what is really in use.")
                .with(target(
                    host_cpu("", ""),
                    "in use",
                    called(&over_hosts(host::CPU), "in use"),
                ))
                .with(target(
                    "sum(bellwether_host_committed_vcpus)",
                    "promised",
                    called(&over_hosts(host::COMMITTED_VCPUS), "promised"),
                ))
                .with(target(
                    "sum(bellwether_host_offered_cpus)",
                    "offered",
                    called(&sum("$prefix.hosts.*.offered_cores"), "offered"),
                )),
            Panel::new(Kind::Lines, Shown::Bytes, "Memory")
                .about("What running VMs are defined with, what hosts offer, and what is really in use.")
                .with(target(
                    "sum(bellwether_host_memory_used_bytes)",
                    "in use",
                    called(&over_hosts(host::MEMORY), "in use"),
                ))
                .with(target(
                    "sum(bellwether_host_committed_memory_bytes)",
                    "promised",
                    called(&over_hosts(host::COMMITTED_MEMORY), "promised"),
                ))
                .with(target(
                    "sum(bellwether_host_offered_memory_bytes)",
                    "offered",
                    called(&sum(&in_bytes("$prefix.hosts.*.offered_memory")), "offered"),
                )),
        ],
    }
}

fn vms() -> Row {
    let top = |counter: &str| format!("topk(10, sum by (uuid, name) ({}))", rate(counter));
    let highest = |of_each: &str| by_node(&format!("highestAverage({of_each}, 10)"), -2);
    Row {
        title: "VMs",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Cores, "The ten busiest VMs")
                .about("CPU in use by all threads of the VM.")
                .with(target(
                    top("libvirt_domain_info_cpu_time_seconds_total"),
                    "{{name}}",
                    highest(&of_all_vms(vm::CPU)),
                )),
            Panel::new(Kind::Lines, Shown::Cores, "The ten that wait most")
                .about(
                    "Time their vCPUs were ready but did not run: steal, as their guests see it.",
                )
                .with(target(
                    top("libvirt_domain_vcpu_delay_seconds_total"),
                    "{{name}}",
                    highest(&of_all_vms(vm::CONTENTION)),
                )),
        ],
    }
}

fn sampling() -> Row {
    Row {
        title: "Sampling",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Seconds, "Age of what is known of a host")
                .about("A line that climbs is a host that does not answer; nothing newer is known of its VMs.")
                .with(target(
                    "bellwether_host_sample_age_seconds",
                    "{{host}}",
                    by_node("$prefix.hosts.*.sample_age", -2),
                )),
            Panel::new(Kind::Lines, Shown::Seconds, "How long a look takes")
                .about("From asking a host until it answered.")
                .with(target(
                    "bellwether_host_sample_duration_seconds",
                    "{{host}}",
                    by_node(&path("hosts.*", host::SAMPLE_LATENCY), -2),
                )),
        ],
    }
}

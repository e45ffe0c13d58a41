//! Pieces of queries: Prometheus's expressions and Graphite's functions, from the words of signals.
//!
//! What stands behind `$` is filled in by Grafana: what was chosen, and `$__rate_interval`, a span that holds enough samples
//! for a rate. Graphite's nodes are counted from the end, since the prefix may have any number of parts.

use bellwether_model::signal::{Entity, Signal, Unit, host, vm};

use super::definition::{Panel, Shown, Target, Variable};

/// Which Graphite paths begin with.
pub(super) const PREFIX: &str = "bellwether";

/// One host is looked at.
pub(super) const HOST: Variable = Variable {
    name: "host",
    label: "Host",
    prometheus: Some("label_values(libvirt_up, host)"),
    prometheus_regex: "",
    graphite: Some("$prefix.hosts.*"),
    many: false,
};

/// Whose VMs there are to choose from; Graphite's paths do not say whose a VM is.
pub(super) const OWNER_OF_VMS: Variable = Variable {
    name: "owner",
    label: "Owner",
    prometheus: Some("label_values(bellwether_vm_info, owner)"),
    prometheus_regex: "",
    graphite: None,
    many: true,
};

/// Shown by name and asked for by UUID, which stays.
pub(super) const VM: Variable = Variable {
    name: "vm",
    label: "VM",
    prometheus: Some("query_result(bellwether_vm_info{owner=~\"$owner\"})"),
    prometheus_regex: "/ name=\"(?<text>[^\"]+)\".*uuid=\"(?<value>[^\"]+)\"/",
    graphite: Some("$prefix.vms.*"),
    many: false,
};

/// People with a VM.
pub(super) const PERSON: Variable = Variable {
    name: "owner",
    label: "Person",
    prometheus: Some("label_values(bellwether_person_vms, owner)"),
    prometheus_regex: "",
    graphite: Some("$prefix.people.*"),
    many: true,
};

/// A query in both languages, with the legend of Prometheus's series.
pub(super) fn target(
    prometheus: impl Into<String>,
    legend: &'static str,
    graphite: impl Into<String>,
) -> Target {
    Target {
        prometheus: prometheus.into(),
        legend,
        graphite: graphite.into(),
    }
}

/// How fast a counter grows.
pub(super) fn rate(counter: &str) -> String {
    format!("rate({counter}[$__rate_interval])")
}

/// The path of a signal below `of`, in base units. What is measured every third sample holds its value over the gaps, but not
/// for ever.
pub(super) fn path(of: &str, signal: Signal) -> String {
    let mut path = format!("$prefix.{of}.{signal}");
    if is_slow(signal) {
        path = format!("keepLastValue({path}, 6)");
    }
    match signal.unit {
        Unit::MiB => in_bytes(&path),
        _ => path,
    }
}

/// The path of a signal of the chosen host or VM.
pub(super) fn of_chosen(signal: Signal) -> String {
    match signal.of {
        Entity::Vm => path("vms.$vm", signal),
        Entity::Host => path("hosts.$host", signal),
    }
}

fn is_slow(signal: Signal) -> bool {
    let quick = [vm::CPU, vm::CONTENTION, vm::OVERHEAD];
    signal.of == Entity::Vm && !quick.contains(&signal) && !signal.word.starts_with("net_")
}

/// What is pushed as MiB.
pub(super) fn in_bytes(path: &str) -> String {
    format!("scale({path}, 1048576)")
}

/// Series called by one part of their paths, from the end: -1 is the last.
pub(super) fn by_node(series: &str, node: i32) -> String {
    format!("aliasByNode({series}, {node})")
}

pub(super) fn called(series: &str, name: &str) -> String {
    format!("alias({series}, \"{name}\")")
}

pub(super) fn sum(series: &str) -> String {
    format!("sumSeries({series})")
}

/// A share for each host, which its name is given to: `part` and `whole` are words below a host.
pub(super) fn share_by_host(part: &str, whole: &str) -> String {
    format!(
        "aliasByNode(applyByNode($prefix.hosts.*.{part}, -2, \"divideSeries(%.{part}, %.{whole})\", \"%\"), -1)"
    )
}

/// CPU hosts use, of all but idle and waiting for disks.
pub(super) fn host_cpu(by: &str, labels: &str) -> String {
    let modes = format!("bellwether_host_cpu_seconds_total{{mode=~\"user|system\"{labels}}}");
    format!("sum{by} ({})", rate(&modes))
}

/// A panel whose sense is a signal's: its meaning and unit are told.
pub(super) fn about(panel: Panel, signal: Signal) -> Panel {
    let slow = is_slow(signal);
    let panel = panel.about(format!("{}.", signal.meaning));
    if slow { panel.slow() } else { panel }
}

/// How a signal's unit is shown once it is a base unit.
pub(super) fn shown(signal: Signal) -> Shown {
    match signal.unit {
        Unit::Cores => Shown::Cores,
        Unit::MiB | Unit::Bytes => Shown::Bytes,
        Unit::BytesPerSecond => Shown::BytesPerSecond,
        Unit::PerSecond => Shown::PerSecond,
        Unit::Seconds => Shown::Seconds,
        Unit::Count => Shown::Count,
    }
}

/// Graphite's sum of a signal over all hosts.
pub(super) fn over_hosts(signal: Signal) -> String {
    debug_assert_eq!(signal.of, host::CPU.of);
    sum(&path("hosts.*", signal))
}

/// Graphite's paths of a signal of every VM.
pub(super) fn of_all_vms(signal: Signal) -> String {
    path("vms.*", signal)
}

//! Hosts and their pools.

use super::{Exposed, Family, seconds};
use bellwether_model::{
    host::{Host, HostHealth},
    observed::HostSeen,
};
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

type Gauge = (
    &'static str,
    &'static str,
    fn(&Host, &HostSeen) -> Option<f64>,
);

/// Of each host, as far as it is known.
const GAUGES: &[Gauge] = &[
    (
        "bellwether_host_cpus",
        "Cores or threads the host shows.",
        |_, seen| seen.facts.as_ref().map(|facts| f64::from(facts.cores)),
    ),
    (
        "bellwether_host_offered_cpus",
        "Cores it offers to VMs.",
        |host, _| Some(f64::from(host.cores)),
    ),
    (
        "bellwether_host_memory_bytes",
        "Memory the host shows.",
        |_, seen| seen.facts.as_ref().map(|facts| facts.memory.bytes() as f64),
    ),
    (
        "bellwether_host_offered_memory_bytes",
        "Memory it offers to VMs.",
        |host, _| Some(host.memory.bytes() as f64),
    ),
    (
        "bellwether_host_memory_used_bytes",
        "Memory in use: all but free, buffers and cache.",
        |_, seen| seen.memory_used.map(|memory| memory.bytes() as f64),
    ),
    (
        "bellwether_host_committed_vcpus",
        "vCPUs of all VMs that run there, managed or not.",
        |_, seen| Some(f64::from(seen.running().1.0)),
    ),
    (
        "bellwether_host_committed_memory_bytes",
        "Memory that all VMs that run there are defined with.",
        |_, seen| Some(seen.running().2.bytes() as f64),
    ),
    (
        "bellwether_host_running_vms",
        "VMs that run there, managed or not.",
        |_, seen| Some(f64::from(seen.running().0)),
    ),
    (
        "bellwether_host_contention_vcpus",
        "Time the vCPUs of all its VMs were ready but did not run, seconds a second.",
        |_, seen| seen.contention(),
    ),
    (
        "bellwether_host_sample_duration_seconds",
        "How long the host took to answer the last sample.",
        |_, seen| seen.latency_ms.map(|ms| ms as f64 / 1e3),
    ),
];

pub(super) fn write(exposed: &Exposed, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let hosts: Vec<(&Host, Option<&HostSeen>)> = exposed
        .records
        .hosts
        .iter()
        .map(|host| (host, exposed.observed.hosts.get(&host.id)))
        .collect();
    let seen_hosts = || {
        hosts
            .iter()
            .filter_map(|(host, seen)| Some((host, (*seen)?)))
    };
    let of = |host: &Host| [("host", host.name.clone())];
    let mut family = Family::gauges(
        encoder,
        "libvirt_up",
        "Whether the host answered the last sample.",
    )?;
    for (host, seen) in &hosts {
        let up = seen.is_some_and(|seen| seen.health == HostHealth::Ready);
        family.gauge(&of(host), &u32::from(up))?;
    }
    let mut family = Family::gauges(
        encoder,
        "bellwether_host_sample_age_seconds",
        "How long ago the host was last seen.",
    )?;
    for (host, seen) in seen_hosts() {
        if let Some(at) = seen.at {
            family.gauge(&of(host), &exposed.now.since(at).as_secs_f64())?;
        }
    }
    for (name, help, value) in GAUGES {
        let mut family = Family::gauges(encoder, name, help)?;
        for (host, seen) in seen_hosts() {
            if let Some(value) = value(host, seen) {
                family.gauge(&of(host), &value)?;
            }
        }
    }
    let mut family = Family::counters(
        encoder,
        "bellwether_host_cpu_seconds",
        "CPU the host spent since it started, by what for.",
    )?;
    for (host, seen) in seen_hosts() {
        let Some(cpu) = seen.cpu_counters else {
            continue;
        };
        for (mode, ns) in [
            ("user", cpu.user_ns),
            ("system", cpu.system_ns),
            ("iowait", cpu.io_wait_ns),
            ("idle", cpu.idle_ns),
        ] {
            let labels = [("host", host.name.as_str()), ("mode", mode)];
            family.counter(&labels, &seconds(ns))?;
        }
    }
    for (name, help, value) in [
        (
            "libvirt_pool_info_capacity_bytes",
            "Size of the pool.",
            (|pool| pool.capacity) as fn(&bellwether_model::observed::PoolSeen) -> u64,
        ),
        (
            "libvirt_pool_info_available_bytes",
            "What is free in the pool.",
            |pool| pool.available,
        ),
        (
            "libvirt_pool_info_allocation_bytes",
            "What is used of the pool.",
            |pool| pool.capacity.saturating_sub(pool.available),
        ),
    ] {
        let mut family = Family::gauges(encoder, name, help)?;
        for (host, seen) in seen_hosts() {
            for pool in seen.pools.iter().filter(|pool| pool.active) {
                let labels = [("host", host.name.as_str()), ("pool", pool.name.as_str())];
                family.gauge(&labels, &value(pool))?;
            }
        }
    }
    Ok(())
}

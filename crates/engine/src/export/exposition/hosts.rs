//! Hosts and their pools.

use super::{Exposed, Kind, Sink, is_told, seconds};
use bellwether_model::{
    counters::HostCpuCounters,
    host::{Host, HostHealth},
    observed::{HostSeen, PoolSeen},
};
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

pub(super) fn give(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let hosts: Vec<(&Host, Option<&HostSeen>)> = exposed
        .records
        .hosts
        .iter()
        .map(|host| (host, exposed.observed.host(host.id)))
        .collect();
    let seen_hosts = || {
        hosts
            .iter()
            .filter_map(|(host, seen)| Some((*host, (*seen)?)))
    };
    let told_hosts = || seen_hosts().filter(|(_, seen)| is_told(seen));
    sink.family(
        Kind::Gauge,
        "libvirt_up",
        "Whether the host answered the last sample.",
        &mut |to| {
            for (host, seen) in &hosts {
                let up = seen.is_some_and(|seen| seen.health == HostHealth::Ready);
                to.sample(&[("host", &host.name)], f64::from(u8::from(up)))?;
            }
            Ok(())
        },
    )?;
    sink.family(
        Kind::Gauge,
        "bellwether_host_sample_age_seconds",
        "How long ago the host was last seen.",
        &mut |to| {
            for (host, seen) in seen_hosts() {
                if let Some(at) = seen.at {
                    to.sample(&[("host", &host.name)], exposed.now.since(at).as_secs_f64())?;
                }
            }
            Ok(())
        },
    )?;
    for (name, help, value) in GAUGES {
        sink.family(Kind::Gauge, name, help, &mut |to| {
            for (host, seen) in told_hosts() {
                if let Some(value) = value(host, seen) {
                    to.sample(&[("host", &host.name)], value)?;
                }
            }
            Ok(())
        })?;
    }
    sink.family(
        Kind::Counter,
        "bellwether_host_cpu_seconds",
        "CPU the host spent since it started, by what for.",
        &mut |to| {
            for (host, seen) in told_hosts() {
                for (mode, ns) in seen.cpu_counters.iter().flat_map(|cpu| modes(*cpu)) {
                    to.sample(&[("host", &host.name), ("mode", mode)], seconds(ns))?;
                }
            }
            Ok(())
        },
    )?;
    for (name, help, value) in POOLS {
        sink.family(Kind::Gauge, name, help, &mut |to| {
            for (host, seen) in told_hosts() {
                for pool in seen.pools.iter().filter(|pool| pool.active) {
                    let labels = [("host", host.name.as_str()), ("pool", &pool.name)];
                    to.sample(&labels, value(pool) as f64)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

type OfPool = (&'static str, &'static str, fn(&PoolSeen) -> u64);

/// Of each pool that is started.
const POOLS: &[OfPool] = &[
    (
        "libvirt_pool_info_capacity_bytes",
        "Size of the pool.",
        |pool| pool.capacity,
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
];

fn modes(cpu: HostCpuCounters) -> [(&'static str, u64); 4] {
    [
        ("user", cpu.user_ns),
        ("system", cpu.system_ns),
        ("iowait", cpu.io_wait_ns),
        ("idle", cpu.idle_ns),
    ]
}

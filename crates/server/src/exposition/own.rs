//! Bellwether's own: people, requests, jobs, migrations, tasks.

use super::{Exposed, Family};
use bellwether_model::{GiB, MiB, UserId, Vcpus, VmId};
use prometheus_client::encoding::DescriptorEncoder;
use std::{collections::BTreeMap, fmt};

/// What a person's VMs hold, and use as far as it is known.
#[derive(Clone, Copy, Default)]
struct Held {
    vms: u32,
    vcpus: Vcpus,
    memory: MiB,
    disk: GiB,
    used_vcpus: f64,
    used_memory: MiB,
}

type OfPerson = (&'static str, &'static str, fn(&Held) -> f64);

const PEOPLE: &[OfPerson] = &[
    ("bellwether_person_vms", "VMs a person has.", |held| {
        f64::from(held.vms)
    }),
    (
        "bellwether_person_vcpus",
        "vCPUs of a person's VMs.",
        |held| f64::from(held.vcpus.0),
    ),
    (
        "bellwether_person_memory_bytes",
        "Memory of a person's VMs.",
        |held| held.memory.bytes() as f64,
    ),
    (
        "bellwether_person_disk_bytes",
        "Disk of a person's VMs.",
        |held| held.disk.bytes() as f64,
    ),
    (
        "bellwether_person_used_vcpus",
        "CPU a person's VMs use, where it is known.",
        |held| held.used_vcpus,
    ),
    (
        "bellwether_person_used_memory_bytes",
        "Memory a person's guests use, where their balloons report it.",
        |held| held.used_memory.bytes() as f64,
    ),
];

pub(super) fn write(exposed: &Exposed, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let held = held(exposed);
    for (name, help, value) in PEOPLE {
        let mut family = Family::gauges(encoder, name, help)?;
        for (user, held) in &held {
            if let Some(login) = exposed.records.name(user.0) {
                family.gauge(&[("owner", login)], &value(held))?;
            }
        }
    }
    tallies(exposed, encoder)?;
    let mut family = Family::gauges(
        encoder,
        "bellwether_task_last_run_seconds",
        "When a task last ended, seconds since 1970.",
    )?;
    for task in &exposed.tasks {
        if let Some(at) = task.last_run {
            family.gauge(&[("task", task.name)], &(at.seconds() as f64))?;
        }
    }
    let mut family = Family::gauges(
        encoder,
        "bellwether_task_failing",
        "Whether a task's last run went wrong.",
    )?;
    for task in &exposed.tasks {
        family.gauge(&[("task", task.name)], &u32::from(task.trouble.is_some()))?;
    }
    let mut family = Family::gauges(encoder, "bellwether_build_info", "The version; 1.")?;
    family.gauge(&[("version", env!("CARGO_PKG_VERSION"))], &1_u32)
}

fn held(exposed: &Exposed) -> BTreeMap<UserId, Held> {
    let mut all: BTreeMap<UserId, Held> = BTreeMap::new();
    for vm in exposed.records.vms.iter() {
        let held = all.entry(vm.owner).or_default();
        held.vms += 1;
        held.vcpus += vm.vcpus;
        held.memory += vm.memory;
        held.disk += vm.disk;
    }
    let seen = exposed.observed.hosts.values().flat_map(|host| &host.vms);
    for seen in seen.filter(|seen| !seen.migrating) {
        let Some(vm) = exposed.records.vm(VmId(seen.uuid)) else {
            continue;
        };
        let held = all.entry(vm.owner).or_default();
        held.used_vcpus += seen.cpu.unwrap_or(0.0);
        held.used_memory += seen.memory_used.unwrap_or_default();
    }
    all
}

fn tallies(exposed: &Exposed, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let of = |what: &'static str| exposed.tallies.iter().filter(move |tally| tally.of == what);
    let mut family = Family::gauges(encoder, "bellwether_requests", "Requests, by state.")?;
    for tally in of("request") {
        family.gauge(&[("state", tally.state.as_str())], &tally.count)?;
    }
    let mut family = Family::gauges(encoder, "bellwether_jobs", "Jobs, by kind and state.")?;
    for tally in of("job") {
        let labels = [
            ("kind", tally.kind.as_str()),
            ("state", tally.state.as_str()),
        ];
        family.gauge(&labels, &tally.count)?;
    }
    let ended = || of("migration").filter(|tally| tally.state != "running");
    let mut family = Family::gauges(
        encoder,
        "bellwether_migrations_running",
        "Migrations under way.",
    )?;
    let running = of("migration").find(|tally| tally.state == "running");
    let no_labels: [(&str, &str); 0] = [];
    family.gauge(&no_labels, &running.map_or(0, |tally| tally.count))?;
    let mut family = Family::counters(
        encoder,
        "bellwether_migrations",
        "Migrations that are over, by how they ended.",
    )?;
    for tally in ended() {
        family.counter(&[("outcome", tally.state.as_str())], &tally.count)?;
    }
    let mut family = Family::counters(
        encoder,
        "bellwether_migration_seconds",
        "Time migrations took together, by how they ended.",
    )?;
    for tally in ended() {
        let labels = [("outcome", tally.state.as_str())];
        family.counter(&labels, &(tally.total_ms as f64 / 1e3))?;
    }
    let mut family = Family::counters(
        encoder,
        "bellwether_migration_downtime_seconds",
        "Time VMs stood still at the end of their migrations, together.",
    )?;
    for tally in ended() {
        let labels = [("outcome", tally.state.as_str())];
        family.counter(&labels, &(tally.downtime_ms as f64 / 1e3))?;
    }
    Ok(())
}

//! Bellwether's own: people, requests, jobs, migrations, tasks.

use super::{super::OutletStatus, Exposed, Kind, Sink};
use crate::usage::{self, Usage};
use bellwether_decide::forecast::Accuracy;
use bellwether_model::{GiB, MiB, UserId, Vcpus, migration::MigrationOutcome};
use bellwether_store::Tally;
use std::{collections::BTreeMap, fmt};

/// What a person's VMs hold, and use as far as it is known.
#[derive(Clone, Copy, Default)]
struct Held {
    vms: u32,
    vcpus: Vcpus,
    memory: MiB,
    disk: GiB,
    usage: Usage,
}

type OfPerson = (&'static str, &'static str, fn(&Held) -> Option<f64>);

const PEOPLE: &[OfPerson] = &[
    ("bellwether_person_vms", "VMs a person has.", |held| {
        Some(f64::from(held.vms))
    }),
    (
        "bellwether_person_vcpus",
        "vCPUs of a person's VMs.",
        |held| Some(f64::from(held.vcpus.0)),
    ),
    (
        "bellwether_person_memory_bytes",
        "Memory of a person's VMs.",
        |held| Some(held.memory.bytes() as f64),
    ),
    (
        "bellwether_person_disk_bytes",
        "Disk of a person's VMs.",
        |held| Some(held.disk.bytes() as f64),
    ),
    (
        "bellwether_person_used_vcpus",
        "CPU a person's VMs use, of those of which it is known.",
        |held| held.usage.vcpus,
    ),
    (
        "bellwether_person_used_memory_bytes",
        "Memory a person's guests use, where their balloons report it.",
        |held| held.usage.memory.map(|memory| memory.bytes() as f64),
    ),
];

pub(super) fn give(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let held = held(exposed);
    for (name, help, value) in PEOPLE {
        sink.family(Kind::Gauge, name, help, &mut |to| {
            for (user, held) in &held {
                if let Some((login, value)) = exposed.records.name(user.0).zip(value(held)) {
                    to.sample(&[("owner", login)], value)?;
                }
            }
            Ok(())
        })?;
    }
    tallies(exposed, sink)?;
    sink.family(
        Kind::Gauge,
        "bellwether_task_last_run_seconds",
        "When a task last ended, seconds since 1970.",
        &mut |to| {
            for task in &exposed.tasks {
                if let Some(at) = task.last_run {
                    to.sample(&[("task", task.name)], at.seconds() as f64)?;
                }
            }
            Ok(())
        },
    )?;
    sink.family(
        Kind::Gauge,
        "bellwether_task_failing",
        "Whether a task's last run went wrong.",
        &mut |to| {
            for task in &exposed.tasks {
                let failing = u8::from(task.trouble.is_some());
                to.sample(&[("task", task.name)], f64::from(failing))?;
            }
            Ok(())
        },
    )?;
    outlets(exposed, sink)?;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    sink.family(
        Kind::Gauge,
        "bellwether_build_info",
        "The version; 1.",
        &mut |to| to.sample(&version, 1.0),
    )
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
    for (user, usage) in usage::by_person(&exposed.records, &exposed.observed) {
        all.entry(user).or_default().usage = usage;
    }
    all
}

type OfOutlet = (Kind, &'static str, &'static str, fn(&OutletStatus) -> u64);

/// Of each server that measurements are pushed to.
const OUTLETS: &[OfOutlet] = &[
    (
        Kind::Gauge,
        "bellwether_export_up",
        "Whether the server took the last that was sent.",
        |outlet| u64::from(outlet.trouble.is_none()),
    ),
    (
        Kind::Counter,
        "bellwether_export_sent_samples",
        "Samples the server took.",
        |outlet| outlet.sent,
    ),
    (
        Kind::Counter,
        "bellwether_export_refused_samples",
        "Samples the server refused for good.",
        |outlet| outlet.refused,
    ),
    (
        Kind::Counter,
        "bellwether_export_dropped_samples",
        "Samples dropped because the server took none for too long.",
        |outlet| outlet.dropped,
    ),
    (
        Kind::Gauge,
        "bellwether_export_waiting_samples",
        "Samples that wait for the server.",
        |outlet| outlet.waiting,
    ),
];

fn outlets(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    for (kind, name, help, value) in OUTLETS {
        sink.family(*kind, name, help, &mut |to| {
            for outlet in &exposed.outlets {
                let labels = [("kind", outlet.kind), ("to", outlet.to.as_str())];
                to.sample(&labels, value(outlet) as f64)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

type OfTally = (&'static str, &'static str, fn(&Tally) -> f64);

/// Of migrations that are over, by how they ended.
const MIGRATIONS: &[OfTally] = &[
    (
        "bellwether_migrations",
        "Migrations that are over, by how they ended.",
        |tally| tally.count as f64,
    ),
    (
        "bellwether_migration_seconds",
        "Time migrations took together, by how they ended.",
        |tally| tally.total_ms as f64 / 1e3,
    ),
    (
        "bellwether_migration_downtime_seconds",
        "Time VMs stood still at the end of their migrations, together.",
        |tally| tally.downtime_ms as f64 / 1e3,
    ),
];

type OfForecasts = (&'static str, &'static str, fn(&Accuracy) -> Option<f64>);

/// How right the forecasts of the last migrations were; absent before the first.
const FORECASTS: &[OfForecasts] = &[
    (
        "bellwether_migration_forecasts",
        "Migrations that were forecast and completed, of the last 200.",
        |of| Some(of.moves as f64),
    ),
    (
        "bellwether_migration_forecast_median_error_ratio",
        "Half of the forecasts of the whole time were off by less than this part of it.",
        |of| Some(of.median_error),
    ),
    (
        "bellwether_migration_forecast_p90_error_ratio",
        "Nine of ten forecasts of the whole time were off by less than this part of it.",
        |of| Some(of.p90_error),
    ),
    (
        "bellwether_migration_forecast_within_range_ratio",
        "Share of migrations that ended within the range they were forecast to.",
        |of| Some(of.within_range),
    ),
    (
        "bellwether_migration_forecast_downtime_near_ratio",
        "Share of pauses that were forecast within a factor of 1.5.",
        |of| of.downtime_near,
    ),
];

fn tallies(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let of = |what: &'static str| exposed.tallies.iter().filter(move |tally| tally.of == what);
    let help = "Requests, by state.";
    sink.family(Kind::Gauge, "bellwether_requests", help, &mut |to| {
        for tally in of("request") {
            to.sample(&[("state", &tally.state)], tally.count as f64)?;
        }
        Ok(())
    })?;
    let help = "Jobs, by kind and state.";
    sink.family(Kind::Gauge, "bellwether_jobs", help, &mut |to| {
        for tally in of("job") {
            let labels = [("kind", tally.kind.as_str()), ("state", &tally.state)];
            to.sample(&labels, tally.count as f64)?;
        }
        Ok(())
    })?;
    let is_running = |tally: &&Tally| tally.state == MigrationOutcome::Running.as_str();
    let running = of("migration")
        .find(is_running)
        .map_or(0, |tally| tally.count);
    let help = "Migrations under way.";
    sink.family(
        Kind::Gauge,
        "bellwether_migrations_running",
        help,
        &mut |to| to.sample(&[], running as f64),
    )?;
    for (name, help, value) in MIGRATIONS {
        sink.family(Kind::Counter, name, help, &mut |to| {
            for tally in of("migration").filter(|tally| !is_running(tally)) {
                to.sample(&[("outcome", &tally.state)], value(tally))?;
            }
            Ok(())
        })?;
    }
    for (name, help, value) in FORECASTS {
        sink.family(
            Kind::Gauge,
            name,
            help,
            &mut |to| match value(&exposed.accuracy).filter(|_| exposed.accuracy.moves > 0) {
                Some(value) => to.sample(&[], value),
                None => Ok(()),
            },
        )?;
    }
    Ok(())
}

//! Migrations: how many there are, how they end, what they cost, and what they do to hosts.

use bellwether_model::signal::host;

use super::definition::{Dashboard, Kind, Panel, Row, Shown};
use super::query::{by_node, called, path, target};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        slug: "migrations",
        title: "Bellwether: migrations",
        description: "How many VMs move, how their migrations end and how long they take, and what that does to hosts.",
        variables: Vec::new(),
        rows: vec![count(), time(), effect()],
    }
}

/// Completed migrations have this outcome; others did not leave the VM where it was to go.
const COMPLETED: &str = "completed";

fn count() -> Row {
    let over = "bellwether_migrations_total";
    let number = |unit, title: &str| Panel::new(Kind::Number, unit, title).wide(6);
    Row {
        title: "How many, and how they end",
        panels: vec![
            number(Shown::Count, "Under way").about("At this moment.").with(target(
                "bellwether_migrations_running",
                "under way",
                called("$prefix.migrations_running", "under way"),
            )),
            number(Shown::Count, "Over")
                .about("Since the server was set up, by how they ended.")
                .wide(12)
                .with(target(
                    format!("sum by (outcome) ({over})"),
                    "{{outcome}}",
                    by_node("$prefix.migrations.*", -1),
                )),
            number(Shown::Share, "Not completed")
                .about("Of all that are over. Their VMs run on where they were, or somebody was asked to look.")
                .with(target(
                    format!("1 - sum({over}{{outcome=\"{COMPLETED}\"}}) / sum({over})"),
                    "not completed",
                    called(
                        &format!(
                            "offset(scale(divideSeries($prefix.migrations.{COMPLETED}, sumSeries($prefix.migrations.*)), -1), 1)"
                        ),
                        "not completed",
                    ),
                )),
            Panel::new(Kind::Lines, Shown::Count, "Ended within an hour")
                .about("By how they ended: in Prometheus within the hour before each moment, in Graphite since the hour began.")
                .with(target(
                    format!("sum by (outcome) (increase({over}[1h]))"),
                    "{{outcome}}",
                    by_node(
                        "integralByInterval(nonNegativeDerivative(keepLastValue($prefix.migrations.*)), \"1h\")",
                        -1,
                    ),
                )),
            Panel::new(Kind::Lines, Shown::Count, "Jobs that migrate, by state")
                .about("One that needs a person, or runs for long, deserves a look.")
                .with(target(
                    "sum by (state) (bellwether_jobs{kind=\"migrate\"})",
                    "{{state}}",
                    by_node("$prefix.jobs.migrate.*", -1),
                )),
        ],
    }
}

fn time() -> Row {
    let mean = |family: &str| {
        format!(
            "sum by (outcome) ({family}_total) / sum by (outcome) (bellwether_migrations_total)"
        )
    };
    let of_each = |group: &str| {
        format!("divideSeries($prefix.{group}.{COMPLETED}, $prefix.migrations.{COMPLETED})")
    };
    Row {
        title: "What they take",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Seconds, "How long one takes")
                .about("On average of all that are over; Graphite shows completed ones.")
                .with(target(
                    mean("bellwether_migration_seconds"),
                    "{{outcome}}",
                    called(&of_each("migration_seconds"), COMPLETED),
                )),
            Panel::new(Kind::Lines, Shown::Seconds, "How long the VM stands still")
                .about("At the end of its migration, on average of all that are over; Graphite shows completed ones.")
                .with(target(
                    mean("bellwether_migration_downtime_seconds"),
                    "{{outcome}}",
                    called(&of_each("migration_downtime_seconds"), COMPLETED),
                )),
        ],
    }
}

fn effect() -> Row {
    Row {
        title: "What they do to hosts",
        panels: vec![
            Panel::new(Kind::Stacked, Shown::Count, "VMs by host")
                .about("Where one band loses a VM and another wins it, one has moved.")
                .with(target(
                    "bellwether_host_running_vms",
                    "{{host}}",
                    by_node(&path("hosts.*", host::RUNNING_VMS), -2),
                )),
            Panel::new(Kind::Lines, Shown::Cores, "Waited for CPU by host")
                .about("What moving VMs away from a full host should lower.")
                .with(target(
                    "bellwether_host_contention_vcpus",
                    "{{host}}",
                    by_node(&path("hosts.*", host::CONTENTION), -2),
                )),
        ],
    }
}

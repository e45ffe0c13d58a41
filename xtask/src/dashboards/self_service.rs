//! Self-service: what people ask for, what becomes of it, and what they hold and use.

use super::definition::{Dashboard, Kind, Panel, Row, Shown};
use super::query::{PERSON, by_node, called, in_bytes, sum, target};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        slug: "self-service",
        title: "Bellwether: self-service",
        description: "What people ask for and what becomes of it; what they hold, and what of that they use.",
        variables: vec![PERSON],
        rows: vec![requests(), jobs(), people()],
    }
}

fn requests() -> Row {
    let in_state = |state: &str, word: &str| {
        (
            format!("sum(bellwether_requests{{state=\"{state}\"}}) or vector(0)"),
            // Of a state in which no request is nothing is pushed; what is not there yet is no zero.
            format!("transformNull(keepLastValue($prefix.requests.{word}, 6), 0)"),
        )
    };
    let number = |title: &str, about: &str, (prometheus, graphite): (String, String)| {
        Panel::new(Kind::Number, Shown::Count, title)
            .wide(6)
            .about(about)
            .with(target(
                prometheus,
                "requests",
                called(&graphite, "requests"),
            ))
    };
    Row {
        title: "Requests",
        panels: vec![
            number(
                "Wait for an administrator",
                "People wait for a decision on these.",
                in_state("pending", "pending"),
            ),
            Panel::new(Kind::Number, Shown::Count, "VMs people have")
                .wide(6)
                .about("Managed ones.")
                .with(target(
                    "sum(bellwether_person_vms)",
                    "VMs",
                    called(&sum("$prefix.people.*.vms"), "VMs"),
                )),
            Panel::new(Kind::Lines, Shown::Count, "Requests by state")
                .about("All there ever were. Those that wait for room were approved, but no host can take them yet.")
                .with(target(
                    "sum by (state) (bellwether_requests)",
                    "{{state}}",
                    by_node("$prefix.requests.*", -1),
                )),
        ],
    }
}

fn jobs() -> Row {
    Row {
        title: "Jobs",
        panels: vec![
            Panel::new(Kind::Lines, Shown::Count, "Jobs by state")
                .about("All there ever were. One that needs a person can't go on alone.")
                .with(target(
                    "sum by (state) (bellwether_jobs)",
                    "{{state}}",
                    "aliasByNode(groupByNode($prefix.jobs.*.*, -1, \"sum\"), -1)",
                )),
            Panel::new(Kind::Lines, Shown::Count, "Jobs by kind")
                .about("All there ever were.")
                .with(target(
                    "sum by (kind) (bellwether_jobs)",
                    "{{kind}}",
                    "aliasByNode(groupByNode($prefix.jobs.*.*, -2, \"sum\"), -1)",
                )),
        ],
    }
}

fn people() -> Row {
    let of = |family: &str| format!("{family}{{owner=~\"$owner\"}}");
    let path = |word: &str| format!("$prefix.people.$owner.{word}");
    let panel = |kind, unit, title: &str, about: &str, family: &str, graphite: &str| {
        Panel::new(kind, unit, title).about(about).with(target(
            of(family),
            "{{owner}}",
            by_node(graphite, -2),
        ))
    };
    let (held, used) = (
        "Of all VMs of each person.",
        "As far as it is known of their VMs.",
    );
    Row {
        title: "What people hold and use",
        panels: vec![
            panel(
                Kind::Bars,
                Shown::Count,
                "VMs held",
                held,
                "bellwether_person_vms",
                &path("vms"),
            )
            .wide(8),
            panel(
                Kind::Bars,
                Shown::Count,
                "vCPUs held",
                held,
                "bellwether_person_vcpus",
                &path("vcpus"),
            )
            .wide(8),
            panel(
                Kind::Bars,
                Shown::Bytes,
                "Disk held",
                held,
                "bellwether_person_disk_bytes",
                &path("disk"),
            )
            .wide(8),
            panel(
                Kind::Stacked,
                Shown::Cores,
                "CPU used",
                used,
                "bellwether_person_used_vcpus",
                &path("used_cpu"),
            )
            .wide(8),
            panel(
                Kind::Lines,
                Shown::Bytes,
                "Memory held",
                held,
                "bellwether_person_memory_bytes",
                &in_bytes(&path("memory")),
            )
            .wide(8),
            panel(
                Kind::Stacked,
                Shown::Bytes,
                "Memory used",
                "Where balloons report it.",
                "bellwether_person_used_memory_bytes",
                &in_bytes(&path("used_memory")),
            )
            .wide(8),
        ],
    }
}

//! What the style guide of a debug build shows.

use super::{Badge, Reading, badge, chart, timeline::Timeline};
use crate::graphed::{
    marks::{Mark, MarkKind},
    stretch::{Stretch, StretchQuery},
};
use bellwether_model::{
    Timestamp,
    host::{HostHealth, HostMode},
    image::ImageState,
    job::JobState,
    migration::{MigrationOutcome, Verdict},
    people::AccountState,
    request::RequestState,
    states::State,
    vm::VmState,
};

/// Names of the colour roles.
pub const ROLES: [&str; 14] = [
    "--paper",
    "--rail",
    "--raised",
    "--sunken",
    "--line",
    "--line-strong",
    "--ink",
    "--ink-2",
    "--ink-3",
    "--accent",
    "--good",
    "--warn",
    "--bad",
    "--idle",
];

/// Every badge, by what has the state.
pub fn badges() -> Vec<(&'static str, Vec<Badge>)> {
    fn all<T: State + Into<Badge>>() -> Vec<Badge> {
        T::ALL.iter().map(|state| (*state).into()).collect()
    }
    let hosts = [
        HostHealth::Connecting,
        HostHealth::Ready,
        HostHealth::Stale,
        HostHealth::Unreachable,
    ];
    let modes = [HostMode::Maintenance, HostMode::DeclaredOff];
    vec![
        ("VM", all::<VmState>()),
        ("Request", all::<RequestState>()),
        ("Job", all::<JobState>()),
        ("Image", all::<ImageState>()),
        ("Account", all::<AccountState>()),
        (
            "Host",
            hosts
                .map(Badge::from)
                .into_iter()
                .chain(modes.map(|mode| badge::host(mode, HostHealth::Ready)))
                .collect(),
        ),
        (
            "Migration",
            [
                MigrationOutcome::Running,
                MigrationOutcome::Completed,
                MigrationOutcome::Failed,
                MigrationOutcome::Cancelled,
                MigrationOutcome::Unknown,
            ]
            .map(Badge::from)
            .to_vec(),
        ),
        (
            "Check",
            [
                Verdict::Pass,
                Verdict::Warn,
                Verdict::Fail,
                Verdict::Unknown,
            ]
            .map(Badge::from)
            .to_vec(),
        ),
    ]
}

/// A figure in each of its states.
pub fn readings() -> Vec<(&'static str, Reading)> {
    vec![
        ("Known", Reading::new("7.1", "GiB")),
        ("Old", Reading::new("42", "%").aged(Some("7 min".into()))),
        (
            "Unknown",
            Reading::unknown("Its balloon driver has not reported."),
        ),
    ]
}

/// Points of an hour with a hole in it, a wave each.
fn wave(end: i64, n: usize, scale: f64) -> Vec<(Timestamp, f64)> {
    (0..360)
        .filter(|i| !(200..220).contains(i))
        .map(|i| {
            let t = f64::from(i);
            let value = 0.35
                + 0.2 * (t / 40.0 + n as f64).sin()
                + 0.08 * (t / 7.0).cos()
                + if (120..150).contains(&i) { 0.25 } else { 0.0 };
            (
                Timestamp::from_seconds(end - 3600 + i64::from(i) * 10),
                scale * value.max(0.0) / (1.0 + n as f64),
            )
        })
        .collect()
}

/// What happened in that hour.
pub fn marks(now: Timestamp) -> Vec<Mark> {
    let at = |back: i64| Timestamp::from_seconds(now.seconds() - back);
    let mark = |back, kind, label: &str, text: &str| Mark {
        at: at(back),
        until: None,
        kind,
        label: label.into(),
        text: text.into(),
        who: "ada".into(),
    };
    vec![
        mark(3_000, MarkKind::Power, "started", "Started thesis-db"),
        Mark {
            until: Some(at(1_440)),
            who: String::new(),
            ..mark(
                1_500,
                MarkKind::Migration,
                "to host2",
                "host1 → host2, completed, paused 84 ms",
            )
        },
        mark(
            1_380,
            MarkKind::Lease,
            "extended",
            "Extended until 31 Dec 2026",
        ),
    ]
}

fn graph(
    now: Timestamp,
    (id, title, unit): (&'static str, &'static str, chart::Unit),
    shape: chart::Shape,
    labels: &[&str],
    scale: f64,
    ceiling: Option<f64>,
) -> chart::Graph {
    let end = now.seconds();
    let window = chart::Window {
        from: Timestamp::from_seconds(end - 3600),
        to: now,
        now,
        follows: true,
        step: 10,
        zone: jiff::tz::TimeZone::UTC,
    };
    let traces = labels.iter().enumerate().map(|(n, label)| chart::Trace {
        label: (*label).into(),
        key: format!("{id}-{n}"),
        points: wave(end, n, scale),
    });
    let mut traces: Vec<chart::Trace> = traces.collect();
    if shape == chart::Shape::Stack {
        // What they are parts of is a little more than their sum.
        let sum = |at: usize| traces.iter().map(|trace| trace.points[at].1).sum::<f64>();
        let whole = |(n, (at, _)): (usize, &(Timestamp, f64))| (*at, sum(n) + 0.05 * scale);
        let points = traces[0].points.iter().enumerate().map(whole).collect();
        traces.push(chart::Trace {
            label: "the host in all".into(),
            key: "whole".into(),
            points,
        });
    }
    let plan = chart::Plan {
        id,
        title,
        unit,
        shape,
        source: None,
        scale: 1.0,
        ceiling,
        empty: "No samples yet",
        labels: id == "cpu" || shape == chart::Shape::Stack,
    };
    chart::draw(plan, &window, traces, &marks(now))
}

/// Graphs of made-up series, with a hole and marks.
pub fn graphs(now: Timestamp) -> Vec<chart::Graph> {
    use chart::{Shape, Unit};
    let gib = 1_073_741_824.0;
    let lines = |head, labels: &[&str], scale, ceiling| {
        graph(now, head, Shape::Lines, labels, scale, ceiling)
    };
    vec![
        lines(
            ("cpu", "CPU", Unit::Share),
            &["in use", "waited for"],
            1.0,
            Some(1.0),
        ),
        lines(
            ("memory", "Memory", Unit::Bytes),
            &["used by the guest"],
            4.0 * gib,
            Some(4.0 * gib),
        ),
        lines(
            ("disk", "Disk", Unit::Rate),
            &["read", "written"],
            9e6,
            None,
        ),
        lines(
            ("net", "Network", Unit::Rate),
            &["received", "sent"],
            4e5,
            None,
        ),
    ]
}

/// A graph of made-up parts of a host.
pub fn stack(now: Timestamp) -> chart::Graph {
    graph(
        now,
        ("shares", "CPU by VM", chart::Unit::Cores),
        chart::Shape::Stack,
        &["thesis-db", "old-wiki", "build-3", "4 other VMs"],
        6.0,
        Some(16.0),
    )
}

/// Every kind of graph.
pub fn all_graphs(now: Timestamp) -> Vec<chart::Graph> {
    let mut all = graphs(now);
    all.push(stack(now));
    all
}

/// A stretch of those graphs, with the ways to others.
pub fn timeline(now: Timestamp, lease: bool, graphs: Vec<chart::Graph>) -> Timeline {
    let utc = jiff::tz::TimeZone::UTC;
    let stretch = Stretch::of(&StretchQuery::default(), now, None, &utc);
    Timeline::new(&stretch, lease, graphs, &marks(now), now, &utc)
}

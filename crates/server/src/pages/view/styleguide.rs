//! What the style guide of a debug build shows.

use super::{Badge, Reading, badge, chart};
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

fn graph(
    now: Timestamp,
    id: &'static str,
    title: &'static str,
    unit: chart::Unit,
    labels: &[(&'static str, &'static str)],
    scale: f64,
    ceiling: Option<f64>,
) -> chart::Graph {
    let end = now.seconds();
    let window = chart::Window {
        from: Timestamp::from_seconds(end - 3600),
        to: Timestamp::from_seconds(end),
        step: 10,
        zone: jiff::tz::TimeZone::UTC,
    };
    let traces = labels
        .iter()
        .enumerate()
        .map(|(n, (label, signal))| chart::Trace {
            label,
            signal,
            points: (0..360)
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
                .collect(),
        })
        .collect();
    let events = [chart::Event {
        at: Timestamp::from_seconds(end - 1500),
        label: "moved to host2".into(),
    }];
    chart::draw(
        (id, title, unit),
        None,
        1.0,
        &window,
        traces,
        &events,
        ceiling,
        "No samples yet",
    )
}

/// Graphs of made-up series, with a hole and a mark.
pub fn graphs(now: Timestamp) -> Vec<chart::Graph> {
    use chart::Unit;
    let gib = 1_073_741_824.0;
    vec![
        graph(
            now,
            "cpu",
            "CPU",
            Unit::Share,
            &[("CPU", "cpu")],
            1.0,
            Some(1.0),
        ),
        graph(
            now,
            "memory",
            "Memory",
            Unit::Bytes,
            &[("used by the guest", "memory")],
            4.0 * gib,
            Some(4.0 * gib),
        ),
        graph(
            now,
            "disk",
            "Disk",
            Unit::Rate,
            &[("read", "disk_read"), ("written", "disk_write")],
            9e6,
            None,
        ),
        graph(
            now,
            "net",
            "Network",
            Unit::Rate,
            &[("received", "net_rx"), ("sent", "net_tx")],
            4e5,
            None,
        ),
    ]
}

//! What several pages gather: names of things, histories, what happened, sizes in words.

use super::view::{
    chart::{self, Event, Graph, Trace, Unit, Window},
    machines::Happened,
    words,
};
use crate::{graphed::Graphed, names::Directory};
use bellwether_api::Names;
use bellwether_engine::Engine;
use bellwether_model::{
    GiB, MiB, Result, Timestamp, UserId, Vcpus, migration::MigrationOutcome, signal::Signal,
};
use bellwether_store::{AuditQuery, SeriesKey};
use std::{collections::BTreeMap, time::Duration};

/// `2 vCPU · 4 GiB · 20 GiB disk`.
pub fn size_words(vcpus: Vcpus, memory: MiB, disk: GiB) -> String {
    format!("{vcpus} · {} · {disk} disk", words::memory_text(memory))
}

/// What a person has: `2 machines: 4 vCPU, 8 GiB memory, 60 GiB disk`.
pub fn has_words(vms: u32, vcpus: Vcpus, memory: MiB, disk: GiB) -> String {
    if vms == 0 {
        return "No machine.".into();
    }
    let machines = words::count(vms as usize, "machine", "machines");
    format!(
        "{machines}: {vcpus}, {} memory, {disk} disk.",
        words::memory_text(memory)
    )
}

/// `5 machines use it`.
pub fn used_by(count: usize) -> String {
    match count {
        0 => "no machine uses it".into(),
        1 => "one machine uses it".into(),
        n => format!("{n} machines use it"),
    }
}

/// What `user` has now.
pub async fn has(engine: &Engine, user: UserId) -> Result<String> {
    let totals = engine.store().totals().await?;
    Ok(totals.iter().find(|total| total.user == user).map_or_else(
        || "No machine.".into(),
        |t| has_words(t.vms, t.vcpus, t.memory, t.disk),
    ))
}

/// `24 Nov 2026 – 23 Dec 2026`.
pub fn period_words(from: bellwether_model::Day, until: bellwether_model::Day) -> String {
    format!(
        "{} – {}",
        from.strftime("%-d %b %Y"),
        until.strftime("%-d %b %Y")
    )
}

/// The stretches of time graphs show: word, seconds, seconds from point to point.
const RANGES: [(&str, i64, u32); 3] = [
    ("hour", 3_600, 10),
    ("day", 86_400, 300),
    ("week", 604_800, 1_800),
];

/// The stretch named so; an hour for anything else.
pub fn range(text: Option<&str>) -> (&'static str, i64, u32) {
    RANGES
        .into_iter()
        .find(|(name, ..)| Some(*name) == text)
        .unwrap_or(RANGES[0])
}

/// One graph to be drawn: identifier, title, unit, signals with labels, what a measured value is multiplied by, the top.
pub struct Wanted {
    /// Identifier on the page and title.
    pub id: (&'static str, &'static str),
    /// What its values are.
    pub unit: Unit,
    /// Signals, with labels.
    pub signals: &'static [(Signal, &'static str)],
    /// Factor from the measured value to the unit.
    pub scale: f64,
    /// Top of the axis.
    pub ceiling: Option<f64>,
    /// How often its signals are looked at.
    pub every: Duration,
    /// Why it says nothing while others of the same thing do.
    pub silent: &'static str,
}

/// Why most graphs are empty.
pub const NO_SAMPLES: &str = "No samples in this time.";

/// Draws `wanted` of one thing over the stretch, with its migrations marked.
pub async fn graphs(
    engine: &Engine,
    of: Graphed,
    (_, seconds, step): (&'static str, i64, u32),
    wanted: Vec<Wanted>,
) -> Result<Vec<Graph>> {
    let id = of.id();
    let to = engine.now();
    let window = Window {
        from: to.minus(Duration::from_secs(seconds.unsigned_abs())),
        to,
        step: i64::from(step),
        zone: engine.zone().clone(),
    };
    let events = marks(engine, of, window.from).await?;
    let keys: Vec<SeriesKey> = wanted
        .iter()
        .flat_map(|graph| {
            let signals = graph.signals.iter();
            signals.map(|(signal, _)| SeriesKey::new(id, *signal))
        })
        .collect();
    let series = engine.history().range(&keys, window.from, to, step).await?;
    let mut points: BTreeMap<&str, Vec<(Timestamp, f64)>> = series
        .into_iter()
        .map(|series| {
            let points = series.points.iter().map(|p| (p.0, f64::from(p.1)));
            (series.key.signal, points.collect())
        })
        .collect();
    let sampled = points.values().any(|points| !points.is_empty());
    let source = format!("/api/v1/{}s/{id}/metrics", of.entity().as_str());
    Ok(wanted
        .into_iter()
        .map(|graph| {
            let every = i64::try_from(graph.every.as_secs()).unwrap_or(window.step);
            let window = Window {
                step: window.step.max(every),
                ..window.clone()
            };
            let traces = graph
                .signals
                .iter()
                .map(|(signal, label)| Trace {
                    label,
                    signal: signal.word,
                    points: points
                        .remove(signal.word)
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(at, value)| (at, value * graph.scale))
                        .collect(),
                })
                .collect();
            chart::draw(
                (graph.id.0, graph.id.1, graph.unit),
                Some(source.clone()),
                graph.scale,
                &window,
                traces,
                &events,
                graph.ceiling,
                if sampled { graph.silent } else { NO_SAMPLES },
            )
        })
        .collect())
}

/// Characters of a VM's name beside a mark.
const NAME_AT_A_MARK: usize = 20;

/// The marks of completed migrations, for the stretch of time a graph shows.
async fn marks(engine: &Engine, of: Graphed, since: Timestamp) -> Result<Vec<Event>> {
    let migrations = of.migrations(engine, since).await?;
    let vms = migrations.iter().map(|migration| migration.vm).collect();
    let names = Directory::load(engine).await?.with_vms(engine, vms).await?;
    let marked = migrations.into_iter().filter_map(|migration| {
        let at = migration
            .ended_at
            .filter(|_| migration.outcome == MigrationOutcome::Completed)?;
        let label = match of {
            Graphed::Vm(_) => {
                let target = names.host(migration.target);
                format!("to {}", target.unwrap_or_else(|| "a removed host".into()))
            }
            Graphed::Host(host) => {
                let name = names.vm(migration.vm);
                let name = name.unwrap_or_else(|| "a removed VM".into());
                let came = if host == migration.target {
                    "came"
                } else {
                    "left"
                };
                format!("{} {came}", words::shortened(&name, NAME_AT_A_MARK))
            }
        };
        Some(Event { at, label })
    });
    Ok(marked.collect())
}

/// What was done about one thing, newest first.
pub async fn history(
    engine: &Engine,
    about: &str,
    id: impl ToString,
    limit: u32,
) -> Result<Vec<Happened>> {
    let query = AuditQuery {
        about: Some((about.into(), id.to_string())),
        limit,
        ..AuditQuery::default()
    };
    let lines = engine.store().audit(query).await?;
    Ok(lines
        .into_iter()
        .map(|line| Happened {
            when: words::moment(line.at, engine.zone()),
            tone: tone(&line.action),
            who: line.actor_login,
            what: told(&line.action, &line.text),
            href: None,
        })
        .collect())
}

/// Colour of an audit line's dot.
fn tone(action: &str) -> &'static str {
    match action.rsplit('.').next().unwrap_or_default() {
        "made" | "migrated" | "approve" | "place" | "fulfilled" => "good",
        "alarm" | "missing" | "migration_unknown" | "not_made" | "failed" | "leftover" => "bad",
        _ => "",
    }
}

/// What an audit line says, with the verb where its text names only the thing.
pub fn told(action: &str, text: &str) -> String {
    let verb = match action {
        "host.add" | "image.add" => "Added",
        "host.remove" | "image.remove" | "network.remove" | "storage.remove" => "Removed",
        "image.upload" => "Uploaded",
        "image.retry" => "Tried again",
        "network.create" | "storage.create" => "Confirmed",
        "network.change" | "storage.change" => "Changed",
        "storage.prove" => "Proven",
        "request.submit" => "Asked for",
        "request.approve" => "Approved",
        "request.place" => "Placed",
        "request.refuse" => "Refused",
        "request.withdraw" => "Withdrawn",
        "token.create" => "Made",
        "user.state" => "Account",
        "user.role" => "Role",
        "vm.start" => "Started",
        "vm.shutdown" => "Asked to shut down",
        "vm.reboot" => "Asked to reboot",
        "vm.force_off" => "Took the power of",
        "vm.migrate" => "Asked to migrate",
        "vm.delete" => "Asked to delete",
        "vm.gone" => "Deleted",
        _ => return words::capital(text),
    };
    format!("{verb} {text}")
}

/// A name, or what stands for one that is no more.
pub fn or_removed(name: Option<String>, what: &str) -> String {
    name.unwrap_or_else(|| format!("a removed {what}"))
}

/// The page of what an audit line or event is about.
pub fn href_of(about: &str, id: &str) -> Option<String> {
    Some(match about {
        "vm" => format!("/vms/{id}"),
        "request" => format!("/requests/{id}"),
        "host" => format!("/hosts/{id}"),
        "job" => format!("/jobs/{id}"),
        "migration" => format!("/migrations/{id}"),
        "storage" => format!("/storages/{id}"),
        "network" => format!("/networks/{id}"),
        "image" => format!("/images/{id}"),
        "user" => "/people".into(),
        "policy" => "/policy".into(),
        _ => return None,
    })
}

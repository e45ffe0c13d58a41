//! What several pages gather: names of things, histories, what happened, sizes in words.

use super::view::{
    chart::{self, Graph, Plan, Shape, Trace, Unit, Window},
    machines::Happened,
    words,
};
use crate::{
    graphed::{
        Graphed, Whole,
        marks::Mark,
        share::{self, Guests, Parts, Shared},
        stretch::Stretch,
    },
    told::{told, tone},
};
use bellwether_engine::Engine;
use bellwether_model::{GiB, HostId, MiB, Result, Timestamp, UserId, Vcpus, signal::Signal};
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

/// One graph to be drawn of signals.
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

/// The stretch as graphs take it.
pub fn window(engine: &Engine, stretch: &Stretch) -> Window {
    Window {
        from: stretch.from,
        to: stretch.to,
        now: engine.now(),
        follows: stretch.follows,
        step: i64::from(stretch.step),
        zone: engine.zone().clone(),
    }
}

/// The window of a graph whose signals are looked at so often: what comes seldomer leaves no holes.
fn at_pace(window: &Window, every: Duration) -> Window {
    let every = i64::try_from(every.as_secs()).unwrap_or(window.step);
    Window {
        step: window.step.max(every),
        ..window.clone()
    }
}

/// Draws `wanted` of one thing over the stretch, with what happened meanwhile; the first of a VM's has the words of the marks.
pub async fn graphs(
    engine: &Engine,
    of: Graphed<'_>,
    stretch: &Stretch,
    wanted: Vec<Wanted>,
    marks: &[Mark],
) -> Result<Vec<Graph>> {
    let id = of.id();
    let keys: Vec<SeriesKey> = wanted
        .iter()
        .flat_map(|graph| {
            let signals = graph.signals.iter();
            signals.map(|(signal, _)| SeriesKey::new(id, *signal))
        })
        .collect();
    // The same for all of them: the page asks once.
    let words: Vec<&str> = keys.iter().map(|key| key.signal).collect();
    let source = format!(
        "/api/v1/{}s/{id}/metrics?signals={}",
        of.entity().as_str(),
        words.join(",")
    );
    let history = engine.history();
    let series = history
        .range(&keys, stretch.from, stretch.to, stretch.step)
        .await?;
    let mut points: BTreeMap<&str, Vec<(Timestamp, f64)>> = series
        .into_iter()
        .map(|series| {
            let points = series.points.iter().map(|p| (p.0, f64::from(p.1)));
            (series.key.signal, points.collect())
        })
        .collect();
    let sampled = points.values().any(|points| !points.is_empty());
    let window = window(engine, stretch);
    let drawn = wanted.into_iter().enumerate().map(|(n, graph)| {
        let traces = graph.signals.iter().map(|(signal, label)| Trace {
            label: (*label).into(),
            key: signal.word.into(),
            points: points
                .remove(signal.word)
                .unwrap_or_default()
                .into_iter()
                .map(|(at, value)| (at, value * graph.scale))
                .collect(),
        });
        let plan = Plan {
            id: graph.id.0,
            title: graph.id.1,
            unit: graph.unit,
            shape: Shape::Lines,
            source: Some(source.clone()),
            scale: graph.scale,
            ceiling: graph.ceiling,
            empty: if sampled { graph.silent } else { NO_SAMPLES },
            labels: n == 0 && matches!(of, Graphed::Vm(_)),
        };
        chart::draw(
            plan,
            &at_pace(&window, graph.every),
            traces.collect(),
            marks,
        )
    });
    Ok(drawn.collect())
}

/// Draws who takes how much of a host over the stretch.
pub async fn stacked(
    engine: &Engine,
    (host, whole): (HostId, Whole),
    stretch: &Stretch,
    marks: &[Mark],
) -> Result<Vec<Graph>> {
    let mib = 1_048_576.0;
    let cpu = (Shared::Cpu, Unit::Cores, 1.0, whole.cores);
    let memory = (Shared::Memory, Unit::Bytes, mib, whole.memory_mib * mib);
    let guests = Guests::load(engine, host, stretch).await?;
    let mut graphs = Vec::with_capacity(2);
    for (shared, unit, scale, ceiling) in [cpu, memory] {
        let parts = guests.parts(engine, shared, share::USUAL_PARTS).await?;
        let (id, title) = match shared {
            Shared::Cpu => ("cpu", "CPU by VM"),
            Shared::Memory => ("memory", "Memory by VM"),
        };
        let plan = Plan {
            id,
            title,
            unit,
            shape: Shape::Stack,
            source: Some(format!(
                "/api/v1/hosts/{host}/shares?of={}",
                shared.as_str()
            )),
            scale,
            ceiling: Some(ceiling),
            empty: NO_SAMPLES,
            labels: shared == Shared::Cpu,
        };
        let window = at_pace(&window(engine, stretch), shared.pace(engine));
        graphs.push(chart::draw(plan, &window, traces(parts, scale), marks));
    }
    Ok(graphs)
}

/// Characters of a VM's name in a legend.
const NAME_IN_A_LEGEND: usize = 28;

/// The parts as traces, the whole last.
fn traces(parts: Parts, scale: f64) -> Vec<Trace> {
    let scaled = |points: Vec<(Timestamp, f64)>| {
        let scaled = points.into_iter().map(|(at, value)| (at, value * scale));
        scaled.collect::<Vec<_>>()
    };
    let mut traces: Vec<Trace> = parts
        .largest
        .into_iter()
        .map(|part| Trace {
            label: words::shortened(&part.name, NAME_IN_A_LEGEND),
            key: part.vm.to_string(),
            points: scaled(part.points),
        })
        .collect();
    if parts.other_vms > 0 {
        traces.push(Trace {
            label: words::count(parts.other_vms, "other VM", "other VMs"),
            key: "others".into(),
            points: scaled(parts.others),
        });
    }
    traces.push(Trace {
        label: "the host in all".into(),
        key: "whole".into(),
        points: scaled(parts.whole),
    });
    traces
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
        "server" => "/policy#h-history".into(),
        _ => return None,
    })
}

//! Hosts: the list, and adding one.

use super::{
    csv::{Csv, Known, Thousandths},
    site::{AdminVisit, again, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, List, ListQuery, Reading, badge,
        hosts::{HostAdded, HostRow, Hosts, Missing, NewHost},
        words,
    },
};
use crate::{error::Result, extract::Query, rest::input::renamed};
use axum::response::Response;
use bellwether_decide::fleet::Room;
use bellwether_engine::{Look, hosts as engine_hosts};
use bellwether_model::{
    Error, MiB, Timestamp,
    host::{Host, HostHealth, HostMode},
    network::Carrier,
    observed::{HostFacts, HostSeen},
};
use std::{borrow::Cow, time::Duration};

fn hundredths(part: f64, whole: f64) -> u32 {
    if whole <= 0.0 {
        0
    } else {
        (part / whole * 100.0).clamp(0.0, 100.0) as u32
    }
}

/// A host with what was last seen of it, and what is promised on it.
struct Line<'a> {
    host: &'a Host,
    seen: Cow<'a, HostSeen>,
    room: Room,
}

impl Line<'_> {
    fn badge(&self) -> Badge {
        badge::host(self.host.mode, self.seen.health)
    }
    /// VMs on it; none while it was never seen.
    fn vms(&self) -> Option<usize> {
        self.seen.at.map(|_| self.seen.vms.len())
    }
    fn cores(&self) -> f64 {
        f64::from(self.host.cores.max(1))
    }
}

fn selected(look: &Look, mut list: List) -> (List, Vec<Line<'_>>) {
    let rows = look
        .records
        .hosts
        .iter()
        .map(|host| Line {
            seen: match look.observed.host(host.id) {
                Some(seen) => Cow::Borrowed(seen),
                None => Cow::Owned(HostSeen::nothing(host.id)),
            },
            room: look.room(host.id),
            host,
        })
        .collect();
    let rows = list.apply(
        rows,
        |line: &Line<'_>| {
            format!(
                "{} {} {} {}",
                line.host.name, line.host.uri, line.host.site, line.host.id
            )
        },
        |line| line.badge().word,
        |line, key| {
            let number = |n: u64| (n, String::new());
            match key {
                "state" => (0, line.badge().word.into()),
                "vms" => number(line.vms().map_or(0, |vms| vms as u64 + 1)),
                "cpu" => number(u64::from(line.room.vcpus.0)),
                "memory" => number(line.room.memory.0),
                "site" => (0, line.host.site.to_lowercase()),
                _ => (0, line.host.name.to_lowercase()),
            }
        },
    );
    (list, rows)
}

fn listed(query: &ListQuery) -> List {
    List::new("/hosts", query, "name")
}

fn row(line: &Line<'_>, now: Timestamp, period: Duration) -> HostRow {
    let Line { host, seen, room } = line;
    let cores = line.cores();
    let cpu = seen
        .cpu
        .map_or("unknown".into(), |cpu| words::percent(cpu / cores).text());
    let used = seen.memory_used.map_or("unknown".into(), words::gib);
    HostRow {
        href: format!("/hosts/{}", host.id),
        name: host.name.clone(),
        badge: line.badge(),
        trouble: seen.trouble.clone(),
        vms: Reading::or_unknown(
            line.vms().map(|vms| Reading::new(vms.to_string(), "")),
            "It has not answered yet.",
        ),
        cpu_committed: hundredths(f64::from(room.vcpus.0), f64::from(room.vcpus_limit.0)),
        cpu_used: hundredths(seen.cpu.unwrap_or(0.0), cores),
        cpu: format!("{} of {}, {cpu} used", room.vcpus.0, room.vcpus_limit),
        memory_committed: hundredths(room.memory.0 as f64, room.memory_limit.0 as f64),
        memory_used: hundredths(
            seen.memory_used.unwrap_or_default().0 as f64,
            room.memory_limit.0 as f64,
        ),
        memory: format!(
            "{} of {} GiB, {used} used",
            words::gib(room.memory),
            words::gib(room.memory_limit)
        ),
        age: words::stale_age(seen.at, now, period),
        site: host.site.clone(),
    }
}

pub async fn list(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let look = visit.engine().look().await?;
    let (list, rows) = selected(&look, listed(&query));
    let (now, period) = (visit.engine().now(), visit.engine().settings().period);
    let healths = [
        HostHealth::Ready,
        HostHealth::Connecting,
        HostHealth::Stale,
        HostHealth::Unreachable,
    ];
    let modes = [HostMode::Maintenance, HostMode::DeclaredOff];
    let states = healths
        .map(Badge::from)
        .into_iter()
        .chain(modes.map(|mode| badge::host(mode, HostHealth::Ready)));
    show(&Hosts {
        frame: visit.page("Hosts", "/hosts").await?,
        states: states.map(|badge| badge.word.to_string()).collect(),
        sites: rows.iter().any(|line| line.host.site != rows[0].host.site),
        rows: rows.iter().map(|line| row(line, now, period)).collect(),
        list,
    })
}

pub async fn list_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let look = visit.engine().look().await?;
    let (_, rows) = selected(&look, listed(&query).in_one());
    let head = [
        "id",
        "name",
        "uri",
        "state",
        "vms",
        "vcpus_committed",
        "vcpus_most",
        "cpu_cores_used",
        "memory_committed_mib",
        "memory_most_mib",
        "memory_used_mib",
        "site",
    ];
    let mut file = Csv::new(head, rows.len());
    for line in rows {
        file.row([
            &line.host.id,
            &line.host.name,
            &line.host.uri,
            &line.badge().word,
            &Known(line.vms()),
            &line.room.vcpus.0,
            &line.room.vcpus_limit.0,
            &Known(line.seen.cpu.map(Thousandths)),
            &line.room.memory.0,
            &line.room.memory_limit.0,
            &Known(line.seen.memory_used.map(|used| used.0)),
            &line.host.site,
        ]);
    }
    Ok(file.answer("hosts"))
}

/// What a host says of itself, in words.
pub fn facts_words(facts: &HostFacts) -> Vec<(&'static str, String)> {
    vec![
        ("Own name", facts.hostname.clone()),
        (
            "Processor",
            format!("{}, {} cores, {}", facts.cpu_model, facts.cores, facts.arch),
        ),
        ("Memory", words::memory_text(facts.memory)),
        (
            "libvirt, QEMU",
            format!("{}, {}", facts.libvirt_version, facts.hypervisor_version),
        ),
        (
            "Kernel",
            facts.kernel.clone().unwrap_or_else(|| "unknown".into()),
        ),
        (
            "KVM",
            if facts.kvm {
                "works".into()
            } else {
                "missing: VMs are emulated, which is slow".into()
            },
        ),
    ]
}

/// `312 of 400 GiB`.
pub fn room_words(available: u64, capacity: u64) -> String {
    let gib = |bytes: u64| words::gib(MiB::from_bytes(bytes));
    format!("{} of {} GiB", gib(available), gib(capacity))
}

/// A carrier's name and what it is.
pub fn carrier_words(carrier: &Carrier) -> (String, &'static str) {
    match carrier {
        Carrier::Bridge(name) => (name.clone(), "bridge"),
        Carrier::Libvirt(name) => (name.clone(), "libvirt network"),
    }
}

pub async fn new(visit: AdminVisit) -> Result<Response> {
    let frame = visit.page("Add a host", "/hosts").await?;
    show(&NewHost {
        frame,
        form: Form::default(),
        found: Vec::new(),
    })
}

pub async fn add(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    if typed.given("only_try").is_some() {
        let tried = engine_hosts::try_connect(engine, &visit.admin, &typed.get("uri")).await;
        let (form, found) = match tried {
            Ok(facts) => (typed.form(), facts_words(&facts)),
            Err(error) => (
                typed.form().refused(&beside_uri(typed_wrong(error)?)),
                Vec::new(),
            ),
        };
        let page = NewHost {
            frame: visit.page("Add a host", "/hosts").await?,
            form,
            found,
        };
        return if page.found.is_empty() {
            again(&page)
        } else {
            show(&page)
        };
    }
    let input = || -> Result<engine_hosts::NewHost, Error> {
        Ok(engine_hosts::NewHost {
            name: typed.get("name"),
            uri: typed.get("uri"),
            peer_uri: typed.given("peer_uri"),
            migration_address: typed.given("migration_address"),
            site: typed.given("site"),
            cores: typed.number("cores", "a whole number")?,
            memory_mib: typed.gib_as_mib("memory_gib")?,
        })
    };
    let added = match input() {
        Ok(input) => engine_hosts::add(engine, &visit.admin, input).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(added) => show(&HostAdded {
            frame: visit
                .page(format!("{} is added", added.host.name), "/hosts")
                .await?,
            href: format!("/hosts/{}", added.host.id),
            name: added.host.name,
            facts: facts_words(&added.facts),
            missing: added.missing.into_iter().map(Missing::from).collect(),
        }),
        Err(error) => {
            let error = beside_uri(renamed(
                typed_wrong(error)?,
                &[("memory_mib", "memory_gib")],
            ));
            let frame = visit.page("Add a host", "/hosts").await?;
            again(&NewHost {
                frame,
                form: typed.form().refused(&error),
                found: Vec::new(),
            })
        }
    }
}

/// A connection that fails is about the address typed: it is said there.
fn beside_uri(error: Error) -> Error {
    if error.fields.is_empty() && error.kind == bellwether_model::ErrorKind::Unavailable {
        Error::field("uri", error.message)
    } else {
        error
    }
}

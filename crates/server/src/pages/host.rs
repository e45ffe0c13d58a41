//! One host: what it does, what is on it; changing it, putting it aside, removing it.

use super::{
    alerts,
    fleet::Seen,
    gather::{self, Wanted},
    hosts::{carrier_words, facts_words, room_words},
    machine::sampled_words,
    networks,
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Form, Held, Reading, badge,
        chart::Unit,
        hosts::{CarrierRow, HostPage, Missing, PoolRow},
        timeline::Timeline,
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    graphed::{
        Graphed, Whole, marks,
        stretch::{Stretch, StretchQuery},
    },
    rest::input::renamed,
};
use axum::response::Response;
use bellwether_engine::{Engine, hosts as engine_hosts};
use bellwether_model::{
    Error, HostId,
    host::{Host, HostHealth, HostMode},
    observed::HostSeen,
    signal,
    text::shown,
};

/// What an act on the host brings back to its page: each form with what is wrong with it.
#[derive(Default)]
struct Back {
    act: Form,
    change: Option<Form>,
    off: Form,
    remove: Form,
}

async fn page(
    visit: &AdminVisit,
    host: Host,
    asked: &StretchQuery,
    back: Back,
) -> Result<HostPage> {
    let engine = visit.engine();
    let all = Seen::load(engine).await?;
    let records = &all.look.records;
    let (storages, all_networks) = (&records.storages, &records.networks);
    let nothing = HostSeen::nothing(host.id);
    let seen = all.look.observed.host(host.id).unwrap_or(&nothing);
    let now = engine.now();
    let age = words::stale_age(seen.at, now, engine.settings().period);
    let room = all.look.room(host.id);
    let whole = Whole::of(&host, Some(seen));
    let cores = whole.cores;
    let stretch = Stretch::of(asked, now, None, engine.zone()).as_kept(engine);
    let marks = marks::of(
        engine,
        Graphed::Host(host.id),
        stretch.from,
        stretch.to.min(now),
    )
    .await?;
    let mut graphs = gather::stacked(engine, (host.id, whole), &stretch, &marks).await?;
    let more = gather::graphs(
        engine,
        Graphed::Host(host.id),
        &stretch,
        wanted(engine, cores),
        &marks,
    );
    graphs.extend(more.await?);
    let mut vms: Vec<_> = seen.vms.iter().map(|vm| all.row(host.id, vm)).collect();
    vms.sort_by_key(|row| (row.badge.word != "running", row.name.to_lowercase()));
    let mut facts = seen.facts.as_ref().map(facts_words).unwrap_or_default();
    facts.extend([
        (
            "Offers",
            format!("{} cores, {}", host.cores, words::memory_text(host.memory)),
        ),
        ("Other hosts reach it by", host.peer_uri.clone()),
        (
            "Migration traffic",
            host.migration_address
                .clone()
                .unwrap_or_else(|| "by the same way".into()),
        ),
        ("Site", host.site.clone()),
        ("Added", words::moment(host.created_at, engine.zone())),
    ]);
    let unknown = "The host has not said it yet.";
    let may_declare_off = host.mode != HostMode::DeclaredOff
        && matches!(seen.health, HostHealth::Unreachable | HostHealth::Stale);
    // Where the form it came from is not offered (any more), it is said above the page.
    let (act, off) = if back.off.wrong() && !may_declare_off {
        (back.off, Form::default())
    } else {
        (back.act, back.off)
    };
    Ok(HostPage {
        frame: visit.page(host.name.clone(), "/hosts").await?,
        alerts: alerts::about(visit, host.id.0).await?,
        id: host.id.to_string(),
        badge: badge::host(host.mode, seen.health),
        uri: host.uri.clone(),
        trouble: seen.trouble.clone(),
        missing: engine_hosts::missing(engine, &host)
            .await?
            .into_iter()
            .map(Missing::from)
            .collect(),
        sampled: format!(
            "{}{}",
            sampled_words(seen.at, now, age.is_some(), engine.settings().period),
            seen.latency_ms
                .map_or(String::new(), |ms| format!(" It took {ms} ms."))
        ),
        cpu: Reading::or_unknown(seen.cpu.map(|cpu| words::percent(cpu / cores)), unknown)
            .aged(age.clone()),
        cpu_under: seen.cpu.map_or(String::new(), |cpu| {
            format!("{} of {} cores", words::number(cpu), words::number(cores))
        }),
        memory: Reading::or_unknown(seen.memory_used.map(words::memory), unknown).aged(age),
        memory_under: seen.facts.as_ref().map_or(String::new(), |facts| {
            format!("of {}", words::memory_text(facts.memory))
        }),
        promised_cpu: Reading::new(room.vcpus.0.to_string(), "vCPU"),
        promised_cpu_under: format!("of {} that may be", room.vcpus_limit.0),
        promised: words::memory(room.memory),
        promised_under: format!("of {} that may be", words::memory_text(room.memory_limit)),
        timeline: Timeline::new(&stretch, false, graphs, &marks, now, engine.zone()),
        calm: engine.settings().period.as_secs(),
        vms,
        facts,
        pools: seen
            .pools
            .iter()
            .map(|pool| PoolRow {
                name: pool.name.clone(),
                kind: pool.kind.clone(),
                path: pool.path.clone().unwrap_or_default(),
                badge: badge::started(pool.active),
                room: room_words(pool.available, pool.capacity),
                storage: storages
                    .iter()
                    .find(|storage| {
                        storage
                            .on(host.id)
                            .is_some_and(|member| member.pool == pool.name)
                    })
                    .map(|storage| (storage.name.clone(), format!("/storages/{}", storage.id))),
                value: format!("{}/{}", host.id, pool.name),
                joins: storages
                    .iter()
                    .filter(|storage| storage.on(host.id).is_none())
                    .map(|storage| {
                        (
                            storage.name.clone(),
                            format!("/storages/{}/join", storage.id),
                        )
                    })
                    .collect(),
            })
            .collect(),
        carriers: seen
            .carriers
            .iter()
            .map(|carrier| {
                let (name, kind) = carrier_words(&carrier.carrier);
                CarrierRow {
                    name,
                    kind,
                    badge: badge::started(carrier.active),
                    network: all_networks
                        .iter()
                        .find(|network| {
                            network
                                .on(host.id)
                                .is_some_and(|member| member.carrier == carrier.carrier)
                        })
                        .map(|network| (network.name.clone(), format!("/networks/{}", network.id))),
                    value: networks::value(host.id, &carrier.carrier),
                    joins: all_networks
                        .iter()
                        .filter(|network| network.on(host.id).is_none())
                        .map(|network| {
                            (
                                network.name.clone(),
                                format!("/networks/{}/join", network.id),
                            )
                        })
                        .collect(),
                }
            })
            .collect(),
        maintenance: host.mode == HostMode::Maintenance,
        declared_off: host.mode == HostMode::DeclaredOff,
        may_declare_off,
        act,
        off,
        remove: back.remove,
        change: back
            .change
            .unwrap_or_else(|| as_it_is(&host).noted("", &[])),
        history: gather::history(engine, "host", host.id, 20).await?,
        name: host.name,
    })
}

/// The form of the host's own values.
fn as_it_is(host: &Host) -> Form {
    Form::default()
        .with("name", &host.name)
        .with("uri", &host.uri)
        .with("peer_uri", &host.peer_uri)
        .with(
            "migration_address",
            host.migration_address.clone().unwrap_or_default(),
        )
        .with("site", &host.site)
        .with("cores", host.cores)
        .with("memory_gib", words::gib_exact(host.memory))
}

/// What is drawn of the host itself, below what its VMs take of it.
fn wanted(engine: &Engine, cores: f64) -> Vec<Wanted> {
    vec![Wanted {
        id: ("kinds", "CPU by kind"),
        unit: Unit::Share,
        signals: &[
            (signal::host::CPU, "in use"),
            (signal::host::CPU_SYSTEM, "kernel"),
            (signal::host::CPU_IO_WAIT, "waiting for disks"),
            (signal::host::CONTENTION, "VMs waited"),
        ],
        scale: 1.0 / cores,
        ceiling: Some(1.0),
        every: engine.settings().period,
        silent: gather::NO_SAMPLES,
    }]
}

pub async fn one(
    visit: AdminVisit,
    Path(id): Path<HostId>,
    Query(asked): Query<StretchQuery>,
) -> Result<Response> {
    let records = visit.engine().store().records().await?;
    let host = records.host(id).cloned();
    let host = host.ok_or_else(|| Error::not_found("host"))?;
    show(&page(&visit, host, &asked, Back::default()).await?)
}

async fn bring_back(visit: &AdminVisit, id: HostId, back: Back) -> Result<Response> {
    let host = visit.engine().store().host(id).await?;
    again(&page(visit, host, &StretchQuery::default(), back).await?)
}

pub async fn mode(visit: AdminVisit, Path(id): Path<HostId>, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let mode = match typed.get("mode").as_str() {
        "active" => HostMode::Active,
        "maintenance" => HostMode::Maintenance,
        "declared_off" => HostMode::DeclaredOff,
        other => {
            return Err(Error::field(
                "mode",
                format!(
                    "'{}' is none of: active, maintenance, declared_off",
                    shown(other)
                ),
            )
            .into());
        }
    };
    match engine_hosts::set_mode(
        engine,
        &visit.admin,
        id,
        mode,
        typed.given("typed_name").as_deref(),
    )
    .await
    {
        Ok(host) => {
            let said = match mode {
                HostMode::Active => format!("{} takes machines again.", host.name),
                HostMode::Maintenance => format!(
                    "{} is put aside: what runs there goes on, nothing new lands.",
                    host.name
                ),
                HostMode::DeclaredOff => format!("{} is declared off.", host.name),
            };
            Ok(done(&format!("/hosts/{id}"), &said))
        }
        Err(error) => {
            let error = renamed(typed_wrong(error)?, &[("name", "typed_name")]);
            let back = if mode == HostMode::DeclaredOff {
                Back {
                    off: typed.form().refused(&error),
                    ..Back::default()
                }
            } else {
                Back {
                    act: Form::default().failed(&error),
                    ..Back::default()
                }
            };
            bring_back(&visit, id, back).await
        }
    }
}

pub async fn change(
    visit: AdminVisit,
    Path(id): Path<HostId>,
    mut typed: Typed,
) -> Result<Response> {
    let engine = visit.engine();
    let before = engine.store().host(id).await?;
    let kept_up = typed.keep_up(&Held::of_form(&as_it_is(&before), "", &[]));
    let peer_uri = typed.get("peer_uri");
    let input = || -> Result<engine_hosts::HostChange, Error> {
        Ok(engine_hosts::HostChange {
            name: Some(typed.get("name")),
            uri: Some(typed.get("uri")),
            // Left as it was, it may follow the host's own.
            peer_uri: (peer_uri.trim() != before.peer_uri).then_some(peer_uri),
            migration_address: Some(typed.get("migration_address")),
            site: Some(typed.get("site")),
            cores: typed.number("cores", "a whole number")?,
            memory_mib: typed.gib_as_mib("memory_gib")?,
        })
    };
    let changed = match kept_up.and_then(|()| input()) {
        Ok(input) => engine_hosts::update(engine, &visit.admin, id, input).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Ok(done(&format!("/hosts/{id}"), "Saved.")),
        Err(error) => {
            let error = renamed(typed_wrong(error)?, &[("memory_mib", "memory_gib")]);
            let back = Back {
                change: Some(typed.form().refused(&error)),
                ..Back::default()
            };
            bring_back(&visit, id, back).await
        }
    }
}

pub async fn remove(visit: AdminVisit, Path(id): Path<HostId>, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let host = engine.store().host(id).await?;
    let removed = match typed.names(&host.name) {
        Ok(()) => engine_hosts::remove(engine, &visit.admin, id).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(done(
            "/hosts",
            &format!(
                "{} is removed from the fleet; the host itself goes on as it is.",
                host.name
            ),
        )),
        Err(error) => {
            let back = Back {
                remove: typed.form().refused(&typed_wrong(error)?),
                ..Back::default()
            };
            bring_back(&visit, id, back).await
        }
    }
}

//! The fleet as a picture and as a table; the first steps of an empty one; the search; the front door.

use super::{
    gather,
    site::{AdminVisit, Visit, csv, go, show},
    view::{
        Badge, List, ListQuery, Reading, badge,
        fleet::{Fleet, Hit, Picture, Piece, Pieces, Search, SeenRow, Start, Step, Tower},
        words,
    },
};
use crate::{
    alarms::alarms,
    error::{Failure, Result},
    extract::Query,
    memo::Same,
    names::Directory,
};
use askama::Template;
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::{Engine, Look};
use bellwether_model::{
    Error, HostId, VmId,
    host::{Host, HostHealth},
    image::ImageState,
    observed::{HostSeen, PowerState, VmSeen},
    vm::Vm,
};
use bellwether_store::{RequestQuery, VmQuery};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// To where this person begins.
pub async fn front(visit: Visit) -> Result<Response> {
    if !visit.actor.is_admin() {
        return Ok(go("/machines"));
    }
    let hosts = visit.engine().store().hosts().await?;
    Ok(go(if hosts.is_empty() { "/start" } else { "/fleet" }))
}

/// What is needed to say what runs where.
pub struct Seen {
    /// The fleet at this moment.
    pub look: Arc<Look>,
    /// Names.
    pub names: Directory,
}

impl Seen {
    /// Gathers it.
    pub async fn load(engine: &Engine) -> Result<Self> {
        let look = engine.look().await?;
        Ok(Self {
            names: Directory::of(look.records.clone()),
            look,
        })
    }
    /// The VM seen, where it is one of ours.
    fn ours(&self, seen: &VmSeen) -> Option<&Vm> {
        self.look.records.vm(VmId(seen.uuid))
    }
    /// A row of the table.
    pub fn row(&self, host: HostId, seen: &VmSeen) -> SeenRow {
        let ours = self.ours(seen);
        let live = seen.power.is_live();
        SeenRow {
            href: ours.map(|vm| format!("/vms/{}", vm.id)),
            name: ours.map_or_else(|| seen.name.clone(), |vm| vm.name.clone()),
            libvirt_name: seen.name.clone(),
            owner: ours
                .map(|vm| gather::or_removed(self.names.user(vm.owner), "person"))
                .unwrap_or_default(),
            badge: seen.power.into(),
            host: gather::or_removed(self.names.host(host), "host"),
            host_href: format!("/hosts/{host}"),
            vcpus: seen.vcpus,
            cpu: if live {
                cpu(seen)
            } else {
                Reading::new("–", "")
            },
            memory: words::memory_text(seen.memory),
            used: match seen.memory_used {
                _ if !live => Reading::new("–", ""),
                Some(used) => words::memory(used),
                None => Reading::unknown(
                    "Its guest does not report it: no balloon driver, or it has not answered yet.",
                ),
            },
            managed: ours.is_some(),
            moving: seen.migrating,
        }
    }
}

fn cpu(seen: &VmSeen) -> Reading {
    let share = seen
        .cpu
        .map(|cpu| words::percent(cpu / f64::from(seen.vcpus.max(1))));
    Reading::or_unknown(share, "It takes two samples to know.")
}

/// The shade of a piece.
fn shade(seen: &VmSeen) -> &'static str {
    if !seen.power.is_live() {
        return "h0";
    }
    match seen.cpu.map(|cpu| cpu / f64::from(seen.vcpus.max(1))) {
        None => "hu",
        Some(share) if share < 0.1 => "h0",
        Some(share) if share < 0.3 => "h1",
        Some(share) if share < 0.6 => "h2",
        Some(share) if share < 0.85 => "h3",
        Some(_) => "h4",
    }
}

/// The pieces of a host, from the bottom; heights of 1000 for the memory it offers, or what runs there where that is more.
fn pieces(seen: &HostSeen, offered: u64, all: &Seen) -> Vec<Piece> {
    let mut live: Vec<&VmSeen> = seen.vms.iter().filter(|vm| vm.power.is_live()).collect();
    live.sort_by(|a, b| b.memory.cmp(&a.memory).then_with(|| a.name.cmp(&b.name)));
    let whole = live
        .iter()
        .map(|vm| vm.memory.0)
        .sum::<u64>()
        .max(offered)
        .max(1);
    let mut below = 0_u64;
    live.into_iter()
        .map(|vm| {
            let ours = all.ours(vm);
            let from = below * 1000 / whole;
            below += vm.memory.0;
            let until = below * 1000 / whole;
            let kind = match (ours, vm.migrating) {
                (Some(vm), true) if vm.host != seen.host => "incoming",
                (_, true) => "moving",
                (Some(_), _) => "managed",
                (None, _) => "unmanaged",
            };
            let name = ours.map_or(vm.name.as_str(), |ours| ours.name.as_str());
            Piece {
                href: ours.map(|vm| format!("/vms/{}", vm.id)),
                y: u32::try_from(1000 - until).unwrap_or(0),
                height: u32::try_from((until - from).max(4)).unwrap_or(4),
                shade: shade(vm),
                kind,
                title: format!(
                    "{name}: {}, CPU {}",
                    words::memory_text(vm.memory),
                    cpu(vm).text()
                ),
            }
        })
        .collect()
}

/// The pieces of hosts as last drawn, and what from.
#[derive(Default)]
pub(crate) struct DrawnPieces(Mutex<BTreeMap<HostId, DrawnFrom>>);

struct DrawnFrom {
    vms: Vec<VmSeen>,
    offered: u64,
    ours: Same<[Vm]>,
    pieces: Arc<String>,
}

impl DrawnPieces {
    /// Those of a host; drawn where it or our records changed.
    fn of(&self, seen: &HostSeen, offered: u64, all: &Seen) -> Result<Arc<String>> {
        let ours = Same(all.look.records.vms.clone());
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(drawn) = drawn.get(&seen.host)
            && (&drawn.vms, drawn.offered, &drawn.ours) == (&seen.vms, offered, &ours)
        {
            return Ok(drawn.pieces.clone());
        }
        let pieces = Pieces {
            pieces: pieces(seen, offered, all),
        };
        let pieces = Arc::new(pieces.render().map_err(Error::internal)?);
        let from = DrawnFrom {
            vms: seen.vms.clone(),
            offered,
            ours,
            pieces: pieces.clone(),
        };
        drawn.insert(seen.host, from);
        Ok(pieces)
    }

    /// Forgets hosts that are no more.
    fn keep(&self, hosts: &[Host]) {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.retain(|id, _| hosts.iter().any(|host| host.id == *id));
    }
}

fn tower(host: &Host, all: &Seen, engine: &Engine, drawn: &DrawnPieces) -> Result<Tower> {
    let nothing = HostSeen::nothing(host.id);
    let seen = all.look.observed.hosts.get(&host.id).unwrap_or(&nothing);
    let room = all.look.room(host.id);
    let share = seen.cpu.map(|cpu| cpu / f64::from(host.cores.max(1)));
    let silent = matches!(
        seen.health,
        HostHealth::Unreachable | HostHealth::Connecting
    );
    Ok(Tower {
        href: format!("/hosts/{}", host.id),
        name: host.name.clone(),
        badge: badge::host(host.mode, seen.health),
        tight: share.is_some_and(|share| share > 0.9) || room.memory > room.memory_limit,
        silent,
        memory: format!(
            "{} of {} GiB",
            words::gib(room.memory),
            words::gib(room.memory_limit)
        ),
        cpu: share.map_or("CPU unknown".into(), |share| {
            format!("CPU {}", words::percent(share).text())
        }),
        age: words::stale_age(seen.at, engine.now(), engine.settings().period),
        pieces: drawn.of(seen, host.memory.0, all)?,
    })
}

/// What the table can be sorted by, before anything is put in words.
fn sort_key(host: &str, owner: &str, name: &str, seen: &VmSeen, key: &str) -> (u64, String) {
    let lower = |text: &str| (0, text.to_lowercase());
    match key {
        "state" => lower(Badge::from(seen.power).word),
        "host" => lower(host),
        "owner" => lower(owner),
        "vcpus" => (u64::from(seen.vcpus), String::new()),
        "cpu" => ((seen.cpu.unwrap_or(-1.0) * 1e6 + 1e6) as u64, String::new()),
        "memory" => (seen.memory.0, String::new()),
        _ => lower(name),
    }
}

/// A VM with the names of its host, of itself and of whose it is.
type Line<'a> = (HostId, &'a VmSeen, &'a str, &'a str, &'a str);

fn selected(all: &Seen, mut list: List) -> (List, Vec<Line<'_>>) {
    let records = &all.look.records;
    let mut rows: Vec<Line<'_>> = Vec::new();
    for (host, seen) in &all.look.observed.hosts {
        let Some(host_name) = records.name(host.0) else {
            continue;
        };
        for vm in &seen.vms {
            let ours = all.ours(vm);
            let name = ours.map_or(vm.name.as_str(), |ours| ours.name.as_str());
            let owner = ours.and_then(|ours| records.name(ours.owner.0));
            rows.push((*host, vm, host_name, name, owner.unwrap_or("unmanaged")));
        }
    }
    let text = |(_, vm, host, name, owner): &Line<'_>| {
        format!("{name} {} {host} {owner} {}", vm.name, vm.uuid)
    };
    let state = |(_, vm, ..): &Line<'_>| Badge::from(vm.power).word;
    let key =
        |(_, vm, host, name, owner): &Line<'_>, key: &str| sort_key(host, owner, name, vm, key);
    let rows = list.apply(rows, text, state, key);
    (list, rows)
}

pub async fn fleet(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let engine = visit.engine();
    let all = Seen::load(engine).await?;
    let hosts = &all.look.records.hosts;
    if hosts.is_empty() {
        return Ok(go("/start"));
    }
    let second = engine.now().seconds();
    let moment = || (Same(all.look.clone()), second);
    let picture = visit.state.drawn.picture.get(moment(), async {
        let drawn = &visit.state.drawn.pieces;
        drawn.keep(hosts);
        let towers = hosts.iter().map(|host| tower(host, &all, engine, drawn));
        let towers = towers.collect::<Result<_>>()?;
        let picture = Picture { towers }.render();
        Ok::<_, Failure>(picture.map_err(Error::internal)?)
    });
    let picture = picture.await?;
    let rooms = all.look.rooms.values();
    let (promised, limit) = rooms.fold((0, 0), |(a, b), room| {
        (a + room.memory.0, b + room.memory_limit.0)
    });
    let seen = || all.look.observed.hosts.values().flat_map(|host| &host.vms);
    let wanted = (moment(), query.clone());
    let table = visit.state.drawn.table.get(wanted, async {
        let (list, rows) = selected(&all, List::new("/fleet", &query, "name"));
        let rows = rows.into_iter().map(|(host, vm, ..)| all.row(host, vm));
        Ok::<_, Error>((list, rows.collect()))
    });
    let (list, rows) = table.await?.as_ref().clone();
    show(&Fleet {
        frame: visit.page("Fleet", "/fleet").await?,
        summary: format!(
            "{}, {} of which {} run; {} of {} GiB memory committed.",
            words::count(hosts.len(), "host", "hosts"),
            words::count(seen().count(), "VM", "VMs"),
            seen().filter(|vm| vm.power.is_live()).count(),
            words::gib(bellwether_model::MiB(promised)),
            words::gib(bellwether_model::MiB(limit))
        ),
        alarms: alarms(&all.look, &all.names).into_values().collect(),
        picture,
        list,
        states: [
            PowerState::Running,
            PowerState::Paused,
            PowerState::ShuttingDown,
            PowerState::ShutOff,
            PowerState::Crashed,
        ]
        .map(|state| Badge::from(state).word.to_string())
        .to_vec(),
        rows,
    })
}

pub async fn fleet_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let all = Seen::load(visit.engine()).await?;
    let (_, rows) = selected(&all, List::new("/fleet", &query, "name").in_one());
    let rows = rows.into_iter().map(|(_, vm, host, name, owner)| {
        let maybe = |value: Option<String>| value.unwrap_or_default();
        vec![
            vm.uuid.to_string(),
            name.to_string(),
            vm.name.clone(),
            owner.to_string(),
            vm.power.as_str().to_string(),
            host.to_string(),
            vm.vcpus.to_string(),
            vm.memory.0.to_string(),
            maybe(vm.cpu.map(|cpu| format!("{cpu:.3}"))),
            maybe(vm.memory_used.map(|used| used.0.to_string())),
        ]
    });
    let head = [
        "uuid",
        "name",
        "libvirt_name",
        "owner",
        "state",
        "host",
        "vcpus",
        "memory_mib",
        "cpu_vcpus",
        "memory_used_mib",
    ];
    Ok(csv("fleet", &head, rows.collect()))
}

pub async fn start(visit: AdminVisit) -> Result<Response> {
    let store = visit.engine().store();
    let any = RequestQuery {
        limit: 1,
        ..RequestQuery::default()
    };
    let (hosts, storages, networks, images, requests) = tokio::try_join!(
        store.hosts(),
        store.storages(),
        store.networks(),
        store.images(),
        store.requests(any)
    )?;
    let ready = images.iter().any(|image| image.state == ImageState::Ready);
    let steps = [
        (
            "Add a host",
            "A machine that runs libvirt; it carries the VMs. It is reached by its libvirt address, and what already runs there is left alone.",
            "/hosts/new",
            !hosts.is_empty(),
        ),
        (
            "Name a storage",
            "Where the machines' disks lie. The pools of the hosts are found by themselves; you say which belong together.",
            "/storages",
            !storages.is_empty(),
        ),
        (
            "Name a network",
            "What the machines are attached to, and which addresses may be given.",
            "/networks",
            !networks.is_empty(),
        ),
        (
            "Add an image",
            "The operating system a disk starts from: from the catalogue, a URL, or a file.",
            "/images",
            ready,
        ),
        (
            "Request a machine",
            "The first one, to see it all work. You find it in the inbox and approve it yourself.",
            "/requests/new",
            !requests.is_empty(),
        ),
    ];
    let first_open = steps.iter().position(|step| !step.3);
    show(&Start {
        frame: visit.page("First steps", "/fleet").await?,
        complete: first_open.is_none(),
        steps: steps
            .into_iter()
            .enumerate()
            .map(|(n, (title, why, href, done))| Step {
                title,
                why,
                href,
                act: if done { "See" } else { title },
                done,
                now: Some(n) == first_open,
            })
            .collect(),
    })
}

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    q: String,
}

/// At most so many hits are shown.
const HITS: usize = 100;

pub async fn search(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response> {
    let engine = visit.engine();
    let q: String = wanted.q.trim().chars().take(200).collect();
    let mut hits = Vec::new();
    if !q.is_empty() {
        let admin = visit.actor.is_admin();
        let owner = (!admin).then_some(visit.actor.user);
        let names = Directory::load(engine).await?;
        let needle = q.to_lowercase();
        let matches = |text: &str| text.to_lowercase().contains(&needle);
        let store = engine.store();
        for vm in store
            .vms(VmQuery {
                owner,
                ..VmQuery::default()
            })
            .await?
        {
            if matches(&format!(
                "{} {} {} {} {}",
                vm.name, vm.hostname, vm.address, vm.id, vm.mac
            )) {
                let more = if admin {
                    format!(
                        "{}, on {}",
                        gather::or_removed(names.user(vm.owner), "person"),
                        gather::or_removed(names.host(vm.host), "host")
                    )
                } else {
                    vm.address.to_string()
                };
                hits.push(Hit {
                    href: format!("/vms/{}", vm.id),
                    name: vm.name,
                    kind: "machine",
                    more,
                });
            }
        }
        if admin {
            for host in store.hosts().await? {
                if matches(&format!("{} {} {}", host.name, host.uri, host.id)) {
                    hits.push(Hit {
                        href: format!("/hosts/{}", host.id),
                        name: host.name,
                        kind: "host",
                        more: host.uri,
                    });
                }
            }
            for user in store.users().await? {
                if matches(&format!("{} {} {}", user.login, user.full_name, user.mail)) {
                    let href = format!(
                        "/people?q={}",
                        percent_encoding::utf8_percent_encode(
                            &user.login,
                            percent_encoding::NON_ALPHANUMERIC
                        )
                    );
                    hits.push(Hit {
                        href,
                        name: user.full_name,
                        kind: "person",
                        more: user.login,
                    });
                }
            }
        }
        for request in store
            .requests(RequestQuery {
                owner,
                limit: 100_000,
                ..RequestQuery::default()
            })
            .await?
        {
            if matches(&format!(
                "{} {} {}",
                request.spec.name, request.spec.purpose, request.id
            )) {
                let more = format!(
                    "{}, {}",
                    gather::or_removed(names.user(request.owner), "person"),
                    request.state
                );
                hits.push(Hit {
                    href: format!("/requests/{}", request.id),
                    name: request.spec.name,
                    kind: "request",
                    more,
                });
            }
        }
    }
    let more = hits.len() > HITS;
    hits.truncate(HITS);
    show(&Search {
        frame: visit.page("Find", "").await?,
        q,
        hits,
        more,
    })
}

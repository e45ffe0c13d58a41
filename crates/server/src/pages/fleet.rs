//! The fleet's page: its picture and its table; the first steps of an empty one; the front door.

use super::{
    csv::{Csv, Known, Thousandths},
    gather, picture,
    site::{AdminVisit, Visit, go, show},
    view::{
        Badge, List, ListQuery, Reading,
        fleet::{Fleet, SeenRow, Start, Step},
        words,
    },
};
use crate::{alarms, error::Result, extract::Query, memo::Same, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::{Engine, Look};
use bellwether_model::{
    Error, HostId, VmId,
    image::ImageState,
    observed::{PowerState, VmSeen},
    vm::Vm,
};
use bellwether_store::RequestQuery;
use std::sync::Arc;

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
    pub fn ours(&self, seen: &VmSeen) -> Option<&Vm> {
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

pub(super) fn cpu(seen: &VmSeen) -> Reading {
    let share = seen
        .cpu
        .map(|cpu| words::percent(cpu / f64::from(seen.vcpus.max(1))));
    Reading::or_unknown(share, "It takes two samples to know.")
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
    let drawn = &visit.state.drawn;
    let picture = picture::draw(engine, &all, &drawn.pieces);
    let picture = drawn.picture.get(moment(), picture).await?;
    let rooms = all.look.rooms.values();
    let (promised, limit) = rooms.fold((0, 0), |(a, b), room| {
        (a + room.memory.0, b + room.memory_limit.0)
    });
    let seen = || all.look.observed.hosts.values().flat_map(|host| &host.vms);
    let wanted = (moment(), query.clone());
    let table = drawn.table.get(wanted, async {
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
        alarms: alarms::all(engine, &all.look, &all.names),
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
    let mut file = Csv::new(head, rows.len());
    for (_, vm, host, name, owner) in rows {
        file.row([
            &vm.uuid,
            &name,
            &vm.name,
            &owner,
            &vm.power.as_str(),
            &host,
            &vm.vcpus,
            &vm.memory.0,
            &Known(vm.cpu.map(Thousandths)),
            &Known(vm.memory_used.map(|used| used.0)),
        ]);
    }
    Ok(file.answer("fleet"))
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

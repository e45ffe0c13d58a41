//! Storages: pools found on the hosts, named and confirmed here.

use super::{
    csv::{Csv, Known},
    gather,
    hosts::room_words,
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, Held, List, ListQuery, badge,
        places::{Found, Member, PlaceRow, StoragePage, Storages},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    names::Directory,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::storages;
use bellwether_model::{
    Error, HostId, StorageId,
    observed::{Observed, PoolSeen},
    storage::{Storage, StorageKind, StorageMember},
    text::shown,
};

fn pool<'a>(observed: &'a Observed, member: &StorageMember) -> Option<&'a PoolSeen> {
    let seen = observed.hosts.get(&member.host)?;
    seen.pools.iter().find(|pool| pool.name == member.pool)
}

/// Bytes free and in all: of a shared storage once, of a local one in all its pools; none while no pool is seen.
fn room(observed: &Observed, storage: &Storage) -> Option<(u64, u64)> {
    let mut seen = storage.members.iter().filter_map(|m| pool(observed, m));
    match storage.kind {
        StorageKind::Shared => seen.next().map(|pool| (pool.available, pool.capacity)),
        StorageKind::Local => seen
            .map(|pool| (pool.available, pool.capacity))
            .reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1))),
    }
}

fn state(observed: &Observed, storage: &Storage) -> Badge {
    match storage.kind {
        StorageKind::Shared => badge::proven(storage.members.iter().all(|m| m.proven_at.is_some())),
        StorageKind::Local => {
            let active = |m: &StorageMember| pool(observed, m).is_some_and(|pool| pool.active);
            badge::started(storage.members.iter().all(active))
        }
    }
}

type Line = (Storage, Badge, Option<(u64, u64)>, usize);

async fn selected(visit: &AdminVisit, mut list: List) -> Result<(List, Vec<Line>)> {
    let look = visit.engine().look().await?;
    let (records, observed) = (&look.records, &look.observed);
    let rows = records
        .storages
        .iter()
        .map(|storage| {
            let vms = records.vms.iter();
            let machines = vms.filter(|vm| vm.storage == storage.id).count();
            let (state, room) = (state(observed, storage), room(observed, storage));
            (storage.clone(), state, room, machines)
        })
        .collect();
    let rows = list.apply(
        rows,
        |(storage, ..)| format!("{} {}", storage.name, storage.kind.as_str()),
        |(_, state, ..)| state.word,
        |(storage, state, room, machines), key| {
            let number = |n: u64| (n, String::new());
            match key {
                "state" => (0, state.word.into()),
                "kind" => (0, storage.kind.as_str().into()),
                "hosts" => number(storage.members.len() as u64),
                "free" => number(room.map_or(0, |room| room.0)),
                "machines" => number(*machines as u64),
                _ => (0, storage.name.to_lowercase()),
            }
        },
    );
    Ok((list, rows))
}

/// Pools that belong to `of` or to nothing, as ticks.
async fn found(visit: &AdminVisit, of: Option<&Storage>, ticked: &[String]) -> Result<Vec<Found>> {
    let found = storages::discovered(visit.engine(), &visit.admin).await?;
    let names = Directory::load(visit.engine()).await?;
    let id = of.map(|storage| storage.id);
    let seen: Vec<_> = found
        .into_iter()
        .filter(|found| found.storage.is_none() || found.storage == id)
        .collect();
    // A member that is not seen now is not dropped unasked: its tick is there to be taken away.
    let unseen = of.map_or(&[][..], |storage| &storage.members).iter();
    let unseen = unseen.filter(|member| {
        let is = |found: &storages::FoundPool| {
            found.host == member.host && found.pool.name == member.pool
        };
        !seen.iter().any(is)
    });
    let unseen: Vec<Found> = unseen
        .map(|member| {
            let value = format!("{}/{}", member.host, member.pool);
            Found {
                ticked: ticked.contains(&value),
                host: gather::or_removed(names.host(member.host), "host"),
                words: "not seen".into(),
                badge: badge::unseen(),
                name: member.pool.clone(),
                value,
            }
        })
        .collect();
    Ok(seen
        .into_iter()
        .map(|found| {
            let value = format!("{}/{}", found.host, found.pool.name);
            let path = found.pool.path.as_ref();
            Found {
                ticked: ticked.contains(&value),
                host: found.host_name,
                words: format!(
                    "{}{} · {} free",
                    found.pool.kind,
                    path.map_or(String::new(), |path| format!(" · {path}")),
                    room_words(found.pool.available, found.pool.capacity)
                ),
                badge: badge::started(found.pool.active),
                name: found.pool.name,
                value,
            }
        })
        .chain(unseen)
        .collect())
}

async fn list_view(
    visit: &AdminVisit,
    list: List,
    form: Form,
    ticked: &[String],
) -> Result<Storages> {
    let (list, rows) = selected(visit, list).await?;
    let observed = visit.engine().observed();
    Ok(Storages {
        frame: visit.page("Storages", "/storages").await?,
        list,
        states: [
            badge::proven(true),
            badge::proven(false),
            badge::started(true),
            badge::started(false),
        ]
        .map(|badge| badge.word.to_string())
        .to_vec(),
        rows: rows
            .into_iter()
            .map(|(storage, badge, room, machines)| PlaceRow {
                href: format!("/storages/{}", storage.id),
                badge,
                kind: storage.kind.as_str().into(),
                hosts: storage.members.len(),
                free: room.map_or("unknown".into(), |(free, all)| room_words(free, all)),
                machines,
                name: storage.name,
            })
            .collect(),
        found: found(visit, None, ticked).await?,
        form,
        any_host: observed.hosts.values().any(|host| host.at.is_some()),
    })
}

fn listed(query: &ListQuery) -> List {
    List::new("/storages", query, "name")
}

pub async fn list(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    show(&list_view(&visit, listed(&query), Form::default(), &[]).await?)
}

pub async fn list_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows) = selected(&visit, listed(&query).in_one()).await?;
    let head = [
        "id",
        "name",
        "kind",
        "state",
        "hosts",
        "free_bytes",
        "capacity_bytes",
        "machines",
    ];
    let mut file = Csv::new(head, rows.len());
    for (storage, state, room, machines) in rows {
        file.row([
            &storage.id,
            &storage.name,
            &storage.kind.as_str(),
            &state.word,
            &storage.members.len(),
            &Known(room.map(|room| room.0)),
            &Known(room.map(|room| room.1)),
            &machines,
        ]);
    }
    Ok(file.answer("storages"))
}

/// What an act on one storage brings back to its page.
#[derive(Default)]
struct Back {
    act: Form,
    /// What was typed into the form of the members, with the pools that were ticked.
    change: Option<(Form, Vec<String>)>,
}

async fn page(visit: &AdminVisit, id: StorageId, back: Back) -> Result<StoragePage> {
    let engine = visit.engine();
    let observed = engine.observed();
    let (storage, records) =
        tokio::try_join!(engine.store().storage(id), engine.store().records())?;
    let names = Directory::of(records.clone());
    let shared = storage.kind == StorageKind::Shared;
    let users = records.vms.iter().filter(|vm| vm.storage == id).count();
    let members = storage.members.iter().map(|member| {
        let seen = pool(&observed, member);
        Member {
            host: gather::or_removed(names.host(member.host), "host"),
            host_href: format!("/hosts/{}", member.host),
            what: member.pool.clone(),
            badge: match seen {
                _ if shared => badge::proven(member.proven_at.is_some()),
                None => badge::unseen(),
                Some(pool) => badge::started(pool.active),
            },
            more: seen.map_or("unknown".into(), |pool| {
                room_words(pool.available, pool.capacity)
            }),
        }
    });
    let (change, ticked) = back.change.unwrap_or_else(|| {
        let own = own(&storage);
        (Form::default().noted("member", &own), own)
    });
    Ok(StoragePage {
        frame: visit.page(storage.name.clone(), "/storages").await?,
        id: id.to_string(),
        words: format!(
            "{}, on {}; {}.",
            if shared { "Shared" } else { "Local" },
            words::count(storage.members.len(), "host", "hosts"),
            gather::used_by(users)
        ),
        badge: state(&observed, &storage),
        members: members.collect(),
        may_prove: shared,
        act: back.act,
        found: found(visit, Some(&storage), &ticked).await?,
        change,
        history: gather::history(engine, "storage", id, 20).await?,
        name: storage.name,
    })
}

pub async fn one(visit: AdminVisit, Path(id): Path<StorageId>) -> Result<Response> {
    show(&page(&visit, id, Back::default()).await?)
}

/// `host/pool` as ticked.
fn members(ticked: &[String]) -> Result<Vec<(HostId, String)>, Error> {
    let member = |text: &String| {
        let (host, pool) = text.split_once('/')?;
        Some((host.parse().ok()?, pool.to_string()))
    };
    let known = |text| {
        member(text).ok_or_else(|| {
            Error::field(
                "members",
                format!("'{}' is nothing that was found", shown(text)),
            )
        })
    };
    ticked.iter().map(known).collect()
}

pub async fn create(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let ticked = typed.every("member");
    let input = || -> Result<storages::NewStorage, Error> {
        Ok(storages::NewStorage {
            name: typed.get("name"),
            kind: if typed.get("kind") == "local" {
                StorageKind::Local
            } else {
                StorageKind::Shared
            },
            members: members(&ticked)?,
        })
    };
    let created = match input() {
        Ok(input) => storages::create(visit.engine(), &visit.admin, input).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(storage) => Ok(done(
            &format!("/storages/{}", storage.id),
            &confirmed(&storage, "confirmed"),
        )),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&list_view(&visit, listed(&ListQuery::default()), form, &ticked).await?)
        }
    }
}

fn confirmed(storage: &Storage, what: &str) -> String {
    let name = &storage.name;
    match storage.kind {
        StorageKind::Shared => format!("{name} is {what}: every host saw what another wrote."),
        StorageKind::Local => format!("{name} is {what}."),
    }
}

/// Its members, as they are ticked.
fn own(storage: &Storage) -> Vec<String> {
    let own = storage.members.iter();
    own.map(|member| format!("{}/{}", member.host, member.pool))
        .collect()
}

/// The members as ticked, or the page again with what is wrong.
async fn set_members(
    visit: &AdminVisit,
    id: StorageId,
    typed: &Typed,
    ticked: Vec<String>,
    kept_up: Result<(), Error>,
) -> Result<Response> {
    let wanted = kept_up.and_then(|()| members(&ticked));
    let changed = match wanted {
        Ok(members) => storages::change_members(visit.engine(), &visit.admin, id, &members).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(storage) => Ok(done(
            &format!("/storages/{id}"),
            &confirmed(&storage, "changed"),
        )),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            let back = Back {
                change: Some((form, ticked)),
                ..Back::default()
            };
            again(&page(visit, id, back).await?)
        }
    }
}

pub async fn change(
    visit: AdminVisit,
    Path(id): Path<StorageId>,
    mut typed: Typed,
) -> Result<Response> {
    let storage = visit.engine().store().storage(id).await?;
    let now = Held::of_form(&Form::default(), "member", &own(&storage));
    let kept_up = typed.keep_up(&now);
    let ticked = typed.every("member");
    set_members(&visit, id, &typed, ticked, kept_up).await
}

/// One more member, from the page of its host.
pub async fn join(
    visit: AdminVisit,
    Path(id): Path<StorageId>,
    mut typed: Typed,
) -> Result<Response> {
    let storage = visit.engine().store().storage(id).await?;
    let mut ticked = own(&storage);
    // Should it come back as the form of the storage, others are looked out for as there.
    let now = Held::of_form(&Form::default(), "member", &ticked);
    let member = typed.get("member");
    typed.note(&now);
    ticked.push(member);
    set_members(&visit, id, &typed, ticked, Ok(())).await
}

pub async fn prove(visit: AdminVisit, Path(id): Path<StorageId>) -> Result<Response> {
    match storages::prove(visit.engine(), &visit.admin, id).await {
        Ok(storage) => Ok(done(
            &format!("/storages/{id}"),
            &confirmed(&storage, "proven"),
        )),
        Err(error) => refused(&visit, id, error).await,
    }
}

pub async fn remove(visit: AdminVisit, Path(id): Path<StorageId>) -> Result<Response> {
    match storages::remove(visit.engine(), &visit.admin, id).await {
        Ok(()) => Ok(done("/storages", "Removed; the pools stay as they are.")),
        Err(error) => refused(&visit, id, error).await,
    }
}

async fn refused(visit: &AdminVisit, id: StorageId, error: Error) -> Result<Response> {
    let back = Back {
        act: Form::default().failed(&typed_wrong(error)?),
        ..Back::default()
    };
    again(&page(visit, id, back).await?)
}

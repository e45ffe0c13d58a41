//! The fleet's picture: a column for each host, and in it a piece for each VM that runs there, as tall as its memory.

use super::{
    fleet::{Seen, cpu},
    view::{
        badge,
        fleet::{Picture, Piece, Pieces, Tower},
        words,
    },
};
use crate::{error::Result, memo::Same};
use askama::Template;
use bellwether_engine::Engine;
use bellwether_model::{
    Error, HostId,
    host::{Host, HostHealth},
    observed::{HostSeen, VmSeen},
    vm::Vm,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

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
pub struct DrawnPieces(Mutex<BTreeMap<HostId, DrawnFrom>>);

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

/// The picture of a moment.
pub async fn draw(engine: &Engine, all: &Seen, drawn: &DrawnPieces) -> Result<String> {
    let hosts = &all.look.records.hosts;
    drawn.keep(hosts);
    let towers = hosts.iter().map(|host| tower(host, all, engine, drawn));
    let towers = towers.collect::<Result<_>>()?;
    let picture = Picture { towers }.render();
    Ok(picture.map_err(Error::internal)?)
}

fn tower(host: &Host, all: &Seen, engine: &Engine, drawn: &DrawnPieces) -> Result<Tower> {
    let nothing = HostSeen::nothing(host.id);
    let seen = all.look.observed.host(host.id).unwrap_or(&nothing);
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

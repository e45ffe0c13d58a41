//! Files that say what is to be ordered: Bellwether's own JSON, and that of BtrPlace as published with the plans of
//! Kherbache et al. (UCC 2015).
//!
//! Bellwether's own: `hosts` with `name`, `memory_mib`, `link_mbit` and if wanted `vcpus`, `disk_mib`, `may_lend`; `vms` with `name`,
//! `host`, `memory_mib` and if wanted `vcpus`, `disk_mib`, `used_mib` (what has to travel), `hot_mib` with `hot_within_s`, `cold_mib_per_s`
//! (what it writes meanwhile) and `apart` (names of groups of which no host may hold two); `moves` with `vm` and `to`.

mod btrplace;
mod own;

use super::{Budget, Host, Left, Move, Plan, Problem, Trip, Vm, order};
use bellwether_model::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A name as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Name {
    /// BtrPlace numbers everything.
    Number(u64),
    /// We name it.
    Text(String),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Number(number) => number.fmt(f),
            Name::Text(text) => f.write_str(text),
        }
    }
}

/// What a file holds.
pub struct Wanted {
    host_names: Vec<Name>,
    vm_names: Vec<Name>,
    hosts: Vec<Host>,
    vms: Vec<Vm>,
    moves: Vec<Move>,
    travels: Vec<Travel>,
}

/// What a VM has to carry.
enum Travel {
    Own(own::Writes),
    BtrPlace(btrplace::Writes),
}

impl Travel {
    fn ms(&self, mbit: u32) -> u64 {
        match self {
            Travel::Own(writes) => writes.ms(mbit),
            Travel::BtrPlace(writes) => writes.ms(mbit),
        }
    }
}

/// A plan in the file's own names; what `bellwether plan order --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ordered {
    /// When the last move ends, seconds from the beginning.
    pub makespan_s: f64,
    /// No plan for these moves ends earlier.
    pub bound_s: f64,
    /// The moves, by their start.
    pub steps: Vec<Placed>,
    /// What can't be done, and why.
    pub left: Vec<NotDone>,
}

/// A move of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    /// The VM.
    pub vm: Name,
    /// From this host.
    pub from: Name,
    /// To this one.
    pub to: Name,
    /// What it takes of both ends' links.
    pub mbit: u32,
    /// When it starts, seconds from the beginning.
    pub start_s: f64,
    /// When it ends.
    pub end_s: f64,
    /// Whether the VM goes on from there.
    pub detour: bool,
}

/// A move that is left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotDone {
    /// The VM.
    pub vm: Name,
    /// Where it was to go.
    pub to: Name,
    /// A sentence.
    pub why: String,
}

/// Reads a file of either kind.
///
/// # Errors
/// `Invalid` with the line, or with the thing and its field, and what would be accepted.
pub fn read(text: &str) -> Result<Wanted> {
    /// Only BtrPlace's has it.
    #[derive(Deserialize)]
    struct Kind {
        origin: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("The file is no JSON object: {error}.")))?;
    match kind.origin {
        Some(_) => btrplace::read(text),
        None => own::read(text),
    }
}

/// Adds a move; one that is to where the VM is already is none.
fn add_move(moves: &mut Vec<Move>, vms: &[Vm], vm: usize, to: usize) -> Result<()> {
    if moves.iter().any(|before| before.vm == vm) {
        return Err(Error::invalid(format!(
            "{} is to move twice.",
            vms[vm].name
        )));
    }
    if vms[vm].host != to {
        moves.push(Move { vm, to });
    }
    Ok(())
}

/// A fault of serde, which knows the line and what would be accepted.
fn unreadable(kind: &str, error: &serde_json::Error) -> Error {
    Error::invalid(format!("The file can't be read as {kind}: {error}."))
}

impl Wanted {
    /// Puts its moves in order.
    pub fn order(&self, budget: Budget) -> Ordered {
        let trip = |vm: usize, from: usize, to: usize| {
            let mbit = self.hosts[from].link_mbit.min(self.hosts[to].link_mbit);
            Trip {
                mbit,
                ms: self.travels[vm].ms(mbit),
            }
        };
        let plan = order(
            &Problem {
                hosts: &self.hosts,
                vms: &self.vms,
                moves: &self.moves,
                under_way: &[],
                trip: &trip,
            },
            budget,
        );
        self.named(&plan)
    }

    fn named(&self, plan: &Plan) -> Ordered {
        let seconds = |ms: u64| ms as f64 / 1e3;
        let steps = plan.steps.iter().map(|step| Placed {
            vm: self.vm_names[step.vm].clone(),
            from: self.host_names[step.from].clone(),
            to: self.host_names[step.to].clone(),
            mbit: step.mbit,
            start_s: seconds(step.start_ms),
            end_s: seconds(step.end_ms),
            detour: step.detour,
        });
        let not_done = |left: &Left| NotDone {
            vm: self.vm_names[left.wanted.vm].clone(),
            to: self.host_names[left.wanted.to].clone(),
            why: left.why.clone(),
        };
        Ordered {
            makespan_s: seconds(plan.makespan_ms),
            bound_s: seconds(plan.bound_ms),
            steps: steps.collect(),
            left: plan.left.iter().map(not_done).collect(),
        }
    }
}

/// Things of one kind, found by name.
struct Named<'a> {
    kind: &'a str,
    places: BTreeMap<Name, usize>,
}

impl<'a> Named<'a> {
    /// Refuses a name that is there twice.
    fn of(kind: &'a str, names: &[Name]) -> Result<Self> {
        let mut places = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            if places.insert(name.clone(), at).is_some() {
                return Err(Error::invalid(format!("There are two {kind}s {name}.")));
            }
        }
        Ok(Self { kind, places })
    }
    /// Where it is in the list; `by` says who names it.
    fn find(&self, name: &Name, by: &str) -> Result<usize> {
        let at = self.places.get(name).copied();
        at.ok_or_else(|| {
            Error::invalid(format!(
                "{by} names the {} {name}, which the file does not have.",
                self.kind
            ))
        })
    }
}

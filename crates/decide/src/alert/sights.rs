//! How everything stands under each rule.

use super::{Condition, Sight, full_at};
use crate::{
    expire::{Standing, standing},
    history::stopped_words,
    request::days_after,
    words::{bytes, counted, grouped},
};
use bellwether_model::{
    Day, HostId, MigrationId, StorageId, Timestamp, VmId,
    alert::{About, AlertKey, Rule},
    host::{Host, HostHealth, HostMode},
    migration::{Migration, MigrationOutcome},
    observed::{HostSeen, Observed, PoolSeen, VmSeen},
    policy::Policy,
    storage::{Storage, StorageKind, StorageMember},
    vm::{Vm, VmState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Well below a mark is below this share of it; of a storage, which empties slowly, this.
const CLEAR: f64 = 0.9;
const CLEAR_STORAGE: f64 = 0.95;
/// A sample in less than this share of the time it may take is in time again.
const CLEAR_LATENCY: f64 = 0.5;
/// A storage that has this many times longer than the days within which one is told has time enough.
const CLEAR_DAYS: f64 = 1.25;
const DAY: f64 = 86_400.0;

/// A migration under way or lately over.
#[derive(Clone, Copy, Debug)]
pub struct MoveSeen<'a> {
    /// What is recorded.
    pub migration: &'a Migration,
    /// Bytes left to copy, where it is told.
    pub remaining: Option<u64>,
}

/// Everything that is watched, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Hosts as recorded.
    pub hosts: &'a [Host],
    /// Hosts as last seen.
    pub observed: &'a Observed,
    /// VMs that are not gone.
    pub vms: &'a [Vm],
    /// Storages.
    pub storages: &'a [Storage],
    /// Migrations under way, and those that ended within the last day, in the order they were begun.
    pub migrations: &'a [MoveSeen<'a>],
    /// What was used of each storage, by its part (empty for a shared one, the host for a local one), lately.
    pub used: &'a BTreeMap<(StorageId, String), Vec<(Timestamp, u64)>>,
    /// Why measurements are not kept, if they are not.
    pub history: Option<&'a str>,
    /// The marks.
    pub policy: &'a Policy,
    /// Today, in the site's time zone.
    pub today: Day,
    /// The moment.
    pub now: Timestamp,
}

/// How far each migration had got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress(BTreeMap<MigrationId, u64>);

impl Progress {
    /// Whether it has less left than it ever had.
    fn further(&mut self, id: MigrationId, remaining: Option<u64>) -> bool {
        let Some(remaining) = remaining else {
            return false;
        };
        let least = self.0.entry(id).or_insert(u64::MAX);
        let further = remaining < *least;
        *least = remaining.min(*least);
        further
    }
}

/// How everything stands under each rule that is watched.
pub fn sights(scene: &Scene<'_>, progress: &mut Progress) -> Vec<Sight> {
    let mut out = Vec::new();
    for host in scene.hosts {
        // What somebody works on, or switched off, is expected to be odd.
        if host.mode == HostMode::Active {
            of_host(scene, host, &mut out);
        }
    }
    for vm in scene.vms {
        of_vm(scene, vm, &mut out);
    }
    let parts = parts(scene.storages, scene.observed);
    out.extend(parts.iter().map(|part| filling(scene, part)));
    of_migrations(scene, progress, &mut out);
    out.push(of_history(scene));
    out.retain(|sight| scene.policy.alerts.watches(sight.key.rule));
    out
}

/// Where a value stands to its mark. Unknown where there is none, or it is no number.
fn against(value: Option<f64>, mark: f64, clear: f64) -> Condition {
    match value.filter(|value| value.is_finite()) {
        None => Condition::Unknown,
        Some(value) if value >= mark => Condition::Bad,
        Some(value) if value < clear => Condition::Good,
        Some(_) => Condition::Between,
    }
}

fn share(part: Option<f64>, whole: f64) -> Option<f64> {
    part.filter(|_| whole > 0.0)
        .map(|part| part / whole * 100.0)
}

/// The text is made only where it is read.
fn text(condition: Condition, words: impl FnOnce() -> String) -> String {
    match condition {
        Condition::Bad => words(),
        _ => String::new(),
    }
}

fn of_history(scene: &Scene<'_>) -> Sight {
    Sight {
        key: AlertKey::of_server(Rule::HistoryStopped),
        name: "Bellwether".into(),
        owner: None,
        condition: match scene.history {
            None => Condition::Good,
            Some(_) => Condition::Bad,
        },
        text: scene.history.map(stopped_words).unwrap_or_default(),
    }
}

fn of_host(scene: &Scene<'_>, host: &Host, out: &mut Vec<Sight>) {
    let marks = &scene.policy.alerts;
    let mut put = |rule, condition, words: &dyn Fn() -> String| {
        out.push(Sight {
            key: AlertKey::new(rule, About::Host, host.id),
            name: host.name.clone(),
            owner: None,
            condition,
            text: text(condition, words),
        });
    };
    let seen = scene.observed.host(host.id);
    let silent = match seen.map(|seen| seen.health) {
        Some(HostHealth::Ready) => Condition::Good,
        Some(HostHealth::Stale | HostHealth::Unreachable) => Condition::Bad,
        Some(HostHealth::Connecting) | None => Condition::Unknown,
    };
    put(Rule::HostStale, silent, &|| silence(seen));
    let seen = seen.filter(|seen| seen.health == HostHealth::Ready);
    let latency = seen
        .and_then(|seen| seen.latency_ms)
        .map(|ms| ms as f64 / 1e3);
    let most = f64::from(marks.sample_seconds);
    let late = against(latency, most, most * CLEAR_LATENCY);
    put(Rule::SamplingLate, late, &|| {
        format!(
            "Its samples take {:.1} s; the mark is {most} s.",
            latency.unwrap_or_default()
        )
    });
    let facts = seen.and_then(|seen| seen.facts.as_ref());
    let cpu = facts.zip(seen);
    let cpu = cpu.and_then(|(facts, seen)| share(seen.cpu, f64::from(facts.cores)));
    let memory = facts.zip(seen).and_then(|(facts, seen)| {
        let used = seen.memory_used.map(|used| used.0 as f64);
        share(used, facts.memory.0 as f64)
    });
    for (rule, what, value, mark) in [
        (Rule::HostCpu, "CPU", cpu, marks.host_cpu_percent),
        (
            Rule::HostMemory,
            "memory",
            memory,
            marks.host_memory_percent,
        ),
    ] {
        let condition = against(value, f64::from(mark), f64::from(mark) * CLEAR);
        put(rule, condition, &|| {
            let value = value.unwrap_or_default();
            format!("{value:.0} % of its {what} is in use; the mark is {mark} %.")
        });
    }
}

fn silence(seen: Option<&HostSeen>) -> String {
    let trouble = seen.and_then(|seen| seen.trouble.as_deref());
    let since = match seen.and_then(|seen| seen.at) {
        Some(at) => format!("It was last seen at {}", at.rfc3339()),
        None => "It has never been seen".into(),
    };
    match trouble {
        Some(trouble) => format!("{since}: {trouble}"),
        None => format!("{since}."),
    }
}

fn of_vm(scene: &Scene<'_>, vm: &Vm, out: &mut Vec<Sight>) {
    let marks = &scene.policy.alerts;
    let mut put = |key, condition, words: &dyn Fn() -> String| {
        out.push(Sight {
            key,
            name: vm.name.clone(),
            owner: Some(vm.owner),
            condition,
            text: text(condition, words),
        });
    };
    let of = |rule| AlertKey::new(rule, About::Vm, vm.id);
    // While it moves, its figures are of two emulators.
    let seen = scene.observed.host(vm.host);
    let seen = seen.filter(|seen| seen.health == HostHealth::Ready);
    let seen = seen.and_then(|seen| seen.vm(vm.id.0));
    let seen = seen.filter(|seen| !seen.migrating && vm.state != VmState::Migrating);
    let off = seen.is_some_and(|seen| !seen.power.is_live());
    for (rule, what, value, mark) in [
        (
            Rule::VmContention,
            "of their time its vCPUs are ready to run and do not: its host is busy",
            seen.and_then(waiting),
            marks.vm_contention_percent,
        ),
        (
            Rule::VmMemory,
            "of its guest's memory is in use",
            seen.and_then(memory),
            marks.vm_memory_percent,
        ),
    ] {
        let condition = match off {
            true => Condition::Good,
            false => against(value, f64::from(mark), f64::from(mark) * CLEAR),
        };
        put(of(rule), condition, &|| {
            let value = value.unwrap_or_default();
            format!("{value:.0} % {what}; the mark is {mark} %.")
        });
    }
    if matches!(vm.state, VmState::Ended | VmState::Deleting | VmState::Gone) {
        return;
    }
    if let Standing::EndsSoon { days_left } = standing(vm, scene.today, scene.policy) {
        let key = of(Rule::LeaseEnding).part(vm.lease_until.to_string());
        put(key, Condition::Bad, &|| {
            let left = match days_left {
                0 => "today is its last day".to_owned(),
                // As pages count: the last day is one of them.
                days => format!("{} are left", counted(u64::from(days) + 1, "day", "days")),
            };
            format!("Its lease ends on {}; {left}.", vm.lease_until)
        });
    }
}

fn waiting(seen: &VmSeen) -> Option<f64> {
    share(seen.contention, f64::from(seen.vcpus))
}

fn memory(seen: &VmSeen) -> Option<f64> {
    let (used, available) = seen.memory_used.zip(seen.memory_available)?;
    share(Some(used.0 as f64), (used.0 + available.0) as f64)
}

/// A part of a storage that fills for itself, with the pool in which it is seen.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The storage.
    pub storage: &'a Storage,
    /// The host whose pool it is; none for a shared storage, which is one.
    pub host: Option<HostId>,
    /// The pool, where a host shows it now.
    pub pool: Option<&'a PoolSeen>,
}

impl Part<'_> {
    /// The word by which it is told from the storage's other parts.
    pub fn word(&self) -> String {
        self.host.map_or_else(String::new, |host| host.to_string())
    }
}

/// The parts of every storage.
pub fn parts<'a>(storages: &'a [Storage], observed: &'a Observed) -> Vec<Part<'a>> {
    let pool_of = |member: &StorageMember| {
        let seen = observed.host(member.host)?;
        let seen = (seen.health == HostHealth::Ready).then_some(seen)?;
        let mut pools = seen.pools.iter();
        pools.find(|pool| pool.name == member.pool && pool.active)
    };
    let mut parts = Vec::new();
    for storage in storages {
        match storage.kind {
            // Every member shows the same.
            StorageKind::Shared => parts.push(Part {
                storage,
                host: None,
                pool: storage.members.iter().find_map(pool_of),
            }),
            StorageKind::Local => parts.extend(storage.members.iter().map(|member| Part {
                storage,
                host: Some(member.host),
                pool: pool_of(member),
            })),
        }
    }
    parts
}

fn name_of<'a>(scene: &Scene<'a>, host: HostId) -> &'a str {
    let found = scene.hosts.iter().find(|one| one.id == host);
    found.map_or("a removed host", |host| host.name.as_str())
}

fn filling(scene: &Scene<'_>, of: &Part<'_>) -> Sight {
    let marks = &scene.policy.alerts;
    let (pool, part) = (of.pool, of.word());
    let name = &of.storage.name;
    let name = match of.host {
        Some(host) => format!("{name} on {}", name_of(scene, host)),
        None => name.clone(),
    };
    let used = pool.map(|pool| pool.capacity.saturating_sub(pool.available));
    let percent = pool
        .zip(used)
        .and_then(|(pool, used)| share(Some(used as f64), pool.capacity as f64));
    let lately = scene.used.get(&(of.storage.id, part.clone()));
    let full = pool.zip(lately);
    let full = full.and_then(|(pool, lately)| full_at(lately, pool.capacity, scene.now));
    let days = full.map(|full| full.since(scene.now).as_secs_f64() / DAY);
    let mark = f64::from(marks.pool_percent);
    let room = against(percent, mark, mark * CLEAR_STORAGE);
    let soon = f64::from(marks.pool_days);
    let time = match (pool, days) {
        (None, _) => Condition::Unknown,
        (_, Some(days)) if days < soon => Condition::Bad,
        (_, Some(days)) if days < soon * CLEAR_DAYS => Condition::Between,
        _ => Condition::Good,
    };
    let condition = room.max(time);
    Sight {
        key: AlertKey::new(Rule::PoolFilling, About::Storage, of.storage.id).part(part),
        name,
        owner: None,
        text: text(condition, || {
            let free = pool.map_or(0, |pool| pool.available);
            let capacity = pool.map_or(0, |pool| pool.capacity);
            let when = match days {
                Some(days) => format!(
                    "as it fills now, it will be full on {}",
                    days_after(scene.today, days as u32)
                ),
                None => "it is not known to fill any further".into(),
            };
            format!(
                "{:.0} % of {} is in use, {} is free; {when}.",
                percent.unwrap_or_default(),
                bytes(capacity),
                bytes(free),
            )
        }),
        condition,
    }
}

fn of_migrations(scene: &Scene<'_>, progress: &mut Progress, out: &mut Vec<Sight>) {
    let known: BTreeSet<MigrationId> = scene.migrations.iter().map(|m| m.migration.id).collect();
    progress.0.retain(|id, _| known.contains(id));
    // Of several of one VM the last counts.
    let last: BTreeMap<VmId, &MoveSeen<'_>> = scene
        .migrations
        .iter()
        .map(|seen| (seen.migration.vm, seen))
        .collect();
    for (id, seen) in last {
        let migration = seen.migration;
        let Some(vm) = scene.vms.iter().find(|vm| vm.id == id) else {
            continue;
        };
        let way = || {
            let (from, to) = (migration.source, migration.target);
            format!("from {} to {}", name_of(scene, from), name_of(scene, to))
        };
        let mut put = |rule, condition, words: &dyn Fn() -> String| {
            out.push(Sight {
                key: AlertKey::new(rule, About::Migration, migration.id),
                name: vm.name.clone(),
                owner: None,
                condition,
                text: text(condition, words),
            });
        };
        match migration.outcome {
            MigrationOutcome::Failed if lately(scene, migration) => {
                put(Rule::MigrationFailed, Condition::Bad, &|| {
                    let why = migration.reason.as_deref().unwrap_or("nobody knows why");
                    format!("It could not be moved {}: {why}", way())
                });
            }
            MigrationOutcome::Unknown => put(Rule::MigrationStuck, Condition::Bad, &|| {
                format!("Nobody can tell how its move {} ended.", way())
            }),
            MigrationOutcome::Running => {
                let condition = match progress.further(migration.id, seen.remaining) {
                    true => Condition::Good,
                    false => Condition::Bad,
                };
                put(Rule::MigrationStuck, condition, &|| {
                    let minutes = scene.now.since(migration.started_at).as_secs() / 60;
                    format!(
                        "Its move {} gets no further; it began {} min ago.",
                        way(),
                        grouped(minutes)
                    )
                });
            }
            _ => {}
        }
    }
}

/// A failure of yesterday is in the list of migrations.
fn lately(scene: &Scene<'_>, migration: &Migration) -> bool {
    let ended = migration.ended_at;
    ended.is_none_or(|ended| scene.now.since(ended) < Duration::from_secs(86_400))
}

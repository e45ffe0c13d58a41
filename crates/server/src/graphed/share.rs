//! Which VM takes how much of a host, over time: what the host's stacked graphs and REST tell.

use super::{Graphed, stretch::Stretch};
use crate::names::Directory;
use bellwether_api::Names;
use bellwether_engine::Engine;
use bellwether_model::{
    HostId, Result, Timestamp, VmId,
    migration::{Migration, MigrationOutcome},
    signal::{self, Signal},
};
use bellwether_store::{Point, Series, SeriesKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// VMs told by name where nothing else is asked for; the others are one part.
pub const USUAL_PARTS: usize = 7;

/// What is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Cores.
    Cpu,
    /// The host's memory: what emulators take, in MiB.
    Memory,
}

impl Shared {
    /// Its word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
    /// The one of this word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Cpu, Self::Memory]
            .into_iter()
            .find(|shared| shared.as_str() == word)
    }
    /// What a VM takes.
    pub fn of_vm(self) -> Signal {
        match self {
            Self::Cpu => signal::vm::CPU,
            Self::Memory => signal::vm::MEMORY_RESIDENT,
        }
    }
    /// How often it is looked at.
    pub fn pace(self, engine: &Engine) -> Duration {
        match self {
            Self::Cpu => engine.settings().period,
            Self::Memory => engine.settings().paces.memory,
        }
    }
    /// What the host has in use in all.
    pub fn of_host(self) -> Signal {
        match self {
            Self::Cpu => signal::host::CPU,
            Self::Memory => signal::host::MEMORY,
        }
    }
}

/// Points in order of time.
pub type Points = Vec<(Timestamp, f64)>;

/// A VM's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which.
    pub vm: VmId,
    /// Its name; libvirt's where we did not make it.
    pub name: String,
    /// What it took while it was on the host.
    pub points: Points,
}

/// The parts of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Those that took most, the largest first.
    pub largest: Vec<Part>,
    /// What the others took in all.
    pub others: Points,
    /// How many others there are.
    pub other_vms: usize,
    /// What the host had in use in all, VMs and all else.
    pub whole: Points,
}

/// The VMs that were on a host in a stretch, and when.
#[derive(Clone, Debug)]
pub struct Guests {
    host: HostId,
    stretch: Stretch,
    vms: Vec<Guest>,
}

#[derive(Clone, Debug)]
struct Guest {
    vm: VmId,
    name: String,
    stays: Vec<(Timestamp, Timestamp)>,
}

impl Guests {
    /// Who was there in the stretch. A VM that is gone is not among them, and of one that somebody else than us moved here
    /// it is not known since when it is.
    pub async fn load(engine: &Engine, host: HostId, stretch: &Stretch) -> Result<Self> {
        let moves = Graphed::Host(host).migrations(engine, stretch.from).await?;
        let observed = engine.observed();
        let seen = observed.host(host).into_iter().flat_map(|seen| &seen.vms);
        let here: BTreeMap<VmId, &str> = seen.map(|vm| (VmId(vm.uuid), &*vm.name)).collect();
        let moved = moves.iter().map(|migration| migration.vm);
        let all: BTreeSet<VmId> = here.keys().copied().chain(moved).collect();
        let names = Directory::load(engine).await?;
        let names = names
            .with_vms(engine, all.iter().copied().collect())
            .await?;
        let guest = |vm: VmId| {
            let seen = here.get(&vm).map(|name| (*name).to_owned());
            let name = names.vm(vm).or(seen);
            Guest {
                vm,
                name: name.unwrap_or_else(|| "a removed VM".into()),
                stays: stays(vm, host, here.contains_key(&vm), &moves),
            }
        };
        Ok(Self {
            host,
            stretch: stretch.clone(),
            vms: all.into_iter().map(guest).collect(),
        })
    }

    /// Who took how much; `most` VMs by name.
    pub async fn parts(&self, engine: &Engine, shared: Shared, most: usize) -> Result<Parts> {
        let stretch = &self.stretch;
        let keys: Vec<SeriesKey> = self
            .vms
            .iter()
            .map(|guest| SeriesKey::new(guest.vm.0, shared.of_vm()))
            .chain([SeriesKey::new(self.host.0, shared.of_host())])
            .collect();
        let history = engine.history();
        let mut series = history
            .range(&keys, stretch.from, stretch.to, stretch.step)
            .await?;
        let whole = series.pop().map(averages).unwrap_or_default();
        let parts = self.vms.iter().zip(series).map(|(guest, series)| {
            let mut points = averages(series);
            let stayed =
                |at: &Timestamp| guest.stays.iter().any(|(from, to)| from <= at && at < to);
            points.retain(|(at, _)| stayed(at));
            Part {
                vm: guest.vm,
                name: guest.name.clone(),
                points,
            }
        });
        let mut parts: Vec<Part> = parts.collect();
        // What is looked at seldomer than the step leaves no hole.
        let step = Duration::from_secs(stretch.step.into());
        carry(&mut parts, shared.pace(engine).max(step) * 5 / 2);
        Ok(largest(parts, whole, most))
    }
}

fn averages(series: Series) -> Points {
    let average = |(at, average, _, _): Point| (at, f64::from(average));
    series.points.into_iter().map(average).collect()
}

/// Where others have a point and a part has none, but had one no longer ago than `most`, it goes on as it was: one that was
/// passed over in a look, as those that move are, is no notch in what lies on it.
fn carry(parts: &mut [Part], most: Duration) {
    let times: BTreeSet<Timestamp> = parts
        .iter()
        .flat_map(|part| part.points.iter().map(|(at, _)| *at))
        .collect();
    for part in parts {
        let mut known = std::mem::take(&mut part.points).into_iter().peekable();
        let mut last: Option<(Timestamp, f64)> = None;
        for at in &times {
            let here = known.next_if(|(time, _)| time == at);
            last = here.or(last);
            let again = known.peek().is_some();
            match (here, last) {
                (Some(point), _) => part.points.push(point),
                (None, Some((since, value))) if again && at.since(since) <= most => {
                    part.points.push((*at, value));
                }
                _ => {}
            }
        }
    }
}

/// When the VM was on the host, from its moves to and from there (in any order) and whether it is there now.
fn stays(
    vm: VmId,
    host: HostId,
    here_now: bool,
    moves: &[Migration],
) -> Vec<(Timestamp, Timestamp)> {
    let mut turns: Vec<(Timestamp, bool)> = moves
        .iter()
        .filter(|migration| migration.vm == vm)
        .filter(|migration| migration.outcome == MigrationOutcome::Completed)
        .filter_map(|migration| Some((migration.ended_at?, migration.target == host)))
        .collect();
    turns.sort();
    // Before the first known turn it was wherever that turn took it from.
    let mut here = turns.first().map_or(here_now, |(_, came)| !came);
    let mut since = Timestamp(i64::MIN);
    let mut stays = Vec::new();
    for (at, came) in turns {
        if here && !came {
            stays.push((since, at));
        }
        if !here && came {
            since = at;
        }
        here = came;
    }
    if here {
        stays.push((since, Timestamp(i64::MAX)));
    }
    stays
}

/// The `most` that took most over the whole time by name, the rest summed up; who took nothing is left out.
fn largest(mut parts: Vec<Part>, whole: Points, most: usize) -> Parts {
    let taken = |part: &Part| part.points.iter().map(|point| point.1).sum::<f64>();
    parts.retain(|part| !part.points.is_empty());
    parts.sort_by(|a, b| taken(b).total_cmp(&taken(a)).then_with(|| a.vm.cmp(&b.vm)));
    let rest = parts.split_off(most.min(parts.len()));
    let mut others: BTreeMap<Timestamp, f64> = BTreeMap::new();
    for (at, value) in rest.iter().flat_map(|part| &part.points) {
        *others.entry(*at).or_default() += value;
    }
    Parts {
        largest: parts,
        others: others.into_iter().collect(),
        other_vms: rest.len(),
        whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::MigrationId;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn moved(vm: VmId, source: HostId, target: HostId, ended: i64) -> Migration {
        Migration {
            id: MigrationId::new(),
            job: None,
            vm,
            source,
            target,
            copy_disk: false,
            asked_by: None,
            outcome: MigrationOutcome::Completed,
            reason: None,
            started_at: at(ended - 5),
            ended_at: Some(at(ended)),
            total_ms: None,
            downtime_ms: None,
            bytes: None,
            rounds: None,
            zero_bytes: None,
            forecast: None,
            intent: None,
            mechanism: None,
            phases: Vec::new(),
        }
    }

    #[test]
    fn a_vm_takes_of_a_host_only_while_it_is_there() {
        let (vm, here, there) = (VmId::new(), HostId::new(), HostId::new());
        let (begin, end) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(stays(vm, here, true, &[]), [(begin, end)]);
        assert_eq!(stays(vm, here, false, &[]), []);
        let away = moved(vm, here, there, 100);
        let back = moved(vm, there, here, 200);
        // Newest first, as the store gives them.
        let moves = [back.clone(), away.clone()];
        assert_eq!(
            stays(vm, here, true, &moves),
            [(begin, at(100)), (at(200), end)]
        );
        assert_eq!(stays(vm, there, false, &moves), [(at(100), at(200))]);
        let failed = Migration {
            outcome: MigrationOutcome::Failed,
            ..away
        };
        assert_eq!(stays(vm, here, true, &[failed]), [(begin, end)]);
        assert_eq!(stays(VmId::new(), here, true, &[back]), [(begin, end)]);
    }

    #[test]
    fn one_that_was_passed_over_goes_on_as_it_was() {
        let part = |points: &[(i64, f64)]| Part {
            vm: VmId::new(),
            name: String::new(),
            points: points.iter().map(|(t, value)| (at(*t), *value)).collect(),
        };
        let mut parts = [
            part(&[(0, 1.0), (20, 3.0), (90, 5.0)]),
            part(&[
                (0, 1.0),
                (10, 1.0),
                (20, 1.0),
                (30, 1.0),
                (50, 1.0),
                (90, 1.0),
            ]),
            part(&[(0, 2.0)]),
        ];
        carry(&mut parts, Duration::from_secs(25));
        let carried: Vec<(Timestamp, f64)> = [(0, 1.0), (10, 1.0), (20, 3.0), (30, 3.0), (90, 5.0)]
            .map(|(t, value)| (at(t), value))
            .into();
        assert_eq!(parts[0].points, carried);
        assert_eq!(parts[1].points.len(), 6);
        assert_eq!(parts[2].points.len(), 1, "it is gone, not passed over");
    }

    #[test]
    fn the_largest_are_named_and_the_rest_is_one_part() {
        let part = |name: &str, points: &[(i64, f64)]| Part {
            vm: VmId::new(),
            name: name.into(),
            points: points.iter().map(|(t, value)| (at(*t), *value)).collect(),
        };
        let parts = vec![
            part("small", &[(0, 0.1), (10, 0.1)]),
            part("hog", &[(0, 2.0)]),
            part("gone", &[]),
            part("late", &[(10, 0.5)]),
        ];
        let parts = largest(parts, vec![(at(0), 3.0)], 1);
        let names: Vec<&str> = parts
            .largest
            .iter()
            .map(|part| part.name.as_str())
            .collect();
        assert_eq!((names, parts.other_vms), (vec!["hog"], 2));
        assert_eq!(parts.others, [(at(0), 0.1), (at(10), 0.6)]);
    }
}

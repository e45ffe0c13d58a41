//! What Graphite is told beside what each look measured: whether hosts answer and how large they are, their pools, what people
//! hold and use, requests, jobs and migrations. The values are those at `/metrics`; here they get paths, and the units of
//! signals.

use super::{
    Batch,
    exposition::{Exposed, Kind, Labels, Samples, Sink},
    lines::{part, tag_value},
};
use crate::Engine;
use bellwether_model::{Error, Result, signal::Unit};
use std::{
    fmt::{self, Write},
    sync::Arc,
};
use tokio::time::MissedTickBehavior;

/// A family of `/metrics` that is pushed.
#[derive(Debug)]
struct Family {
    /// Its name there, without `_total`.
    name: &'static str,
    /// Its path; `{label}` stands for a label's value.
    path: &'static str,
    /// Its name where labels are tags.
    tagged: &'static str,
    unit: Unit,
}

macro_rules! families {
    ($($name:literal $path:literal $tagged:literal $unit:ident;)*) => {
        const FAMILIES: &[Family] = &[$(Family { name: $name, path: $path, tagged: $tagged, unit: Unit::$unit }),*];
    };
}

families! {
    "libvirt_up" "hosts.{host}.up" "host.up" Count;
    "bellwether_host_sample_age_seconds" "hosts.{host}.sample_age" "host.sample_age" Seconds;
    "bellwether_host_cpus" "hosts.{host}.cores" "host.cores" Count;
    "bellwether_host_offered_cpus" "hosts.{host}.offered_cores" "host.offered_cores" Count;
    "bellwether_host_memory_bytes" "hosts.{host}.memory_size" "host.memory_size" MiB;
    "bellwether_host_offered_memory_bytes" "hosts.{host}.offered_memory" "host.offered_memory" MiB;
    "libvirt_pool_info_capacity_bytes" "hosts.{host}.pools.{pool}.capacity" "pool.capacity" Bytes;
    "libvirt_pool_info_allocation_bytes" "hosts.{host}.pools.{pool}.used" "pool.used" Bytes;
    "bellwether_person_vms" "people.{owner}.vms" "person.vms" Count;
    "bellwether_person_vcpus" "people.{owner}.vcpus" "person.vcpus" Count;
    "bellwether_person_memory_bytes" "people.{owner}.memory" "person.memory" MiB;
    "bellwether_person_disk_bytes" "people.{owner}.disk" "person.disk" Bytes;
    "bellwether_person_used_vcpus" "people.{owner}.used_cpu" "person.used_cpu" Cores;
    "bellwether_person_used_memory_bytes" "people.{owner}.used_memory" "person.used_memory" MiB;
    "bellwether_requests" "requests.{state}" "requests" Count;
    "bellwether_jobs" "jobs.{kind}.{state}" "jobs" Count;
    "bellwether_migrations_running" "migrations_running" "migrations_running" Count;
    "bellwether_migrations" "migrations.{outcome}" "migrations" Count;
    "bellwether_migration_seconds" "migration_seconds.{outcome}" "migration_seconds" Seconds;
    "bellwether_migration_downtime_seconds" "migration_downtime_seconds.{outcome}" "migration_downtime_seconds" Seconds;
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    family: &'static Family,
    labels: Box<[(Box<str>, Box<str>)]>,
    value: f64,
}

impl Total {
    /// Appends its line.
    pub(super) fn write(&self, out: &mut String, prefix: &str, tagged: bool, at: i64) {
        let name = match tagged {
            true => self.tagged(),
            false => self.path(),
        };
        // Writing to a text can't fail.
        let _ = writeln!(out, "{prefix}.{name} {} {at}", self.value);
    }

    fn path(&self) -> String {
        let mut path = self.family.path.to_owned();
        for (label, value) in &self.labels {
            let value = match &**label {
                // Words of ours: no two of them differ by a space alone.
                "state" | "kind" | "outcome" => part(&value.replace(' ', "_")),
                _ => part(value),
            };
            path = path.replace(&format!("{{{label}}}"), &value);
        }
        path
    }

    fn tagged(&self) -> String {
        let mut name = self.family.tagged.to_owned();
        for (label, value) in &self.labels {
            let _ = write!(name, ";{label}={}", tag_value(value));
        }
        name
    }
}

/// Gathers on the sampling period, for ever.
pub(super) async fn gather_all(engine: &Engine) {
    let mut every = tokio::time::interval(engine.settings().period);
    every.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        every.tick().await;
        if let Err(error) = gather(engine).await {
            tracing::warn!(%error, context = error.context(), "totals are not pushed: they can't be gathered");
        }
    }
}

async fn gather(engine: &Engine) -> Result<()> {
    let exposed = Exposed::gather(engine).await?;
    let gathered = tokio::task::spawn_blocking(move || {
        let mut all = Gathered(Vec::new());
        exposed
            .give_totals(&mut all)
            .map(|()| (exposed.at(), all.0))
    });
    let (at, totals) = gathered
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    let batch = Arc::new(Batch {
        at,
        points: Vec::new(),
        totals,
    });
    for outlet in &engine.exports().graphite {
        outlet.take(batch.clone());
    }
    Ok(())
}

struct Gathered(Vec<Total>);

impl Sink for Gathered {
    fn family(
        &mut self,
        _kind: Kind,
        name: &str,
        _help: &str,
        samples: &mut dyn FnMut(&mut dyn Samples) -> fmt::Result,
    ) -> fmt::Result {
        match FAMILIES.iter().find(|family| family.name == name) {
            Some(family) => samples(&mut Of(family, &mut self.0)),
            None => Ok(()),
        }
    }
}

struct Of<'a>(&'static Family, &'a mut Vec<Total>);

impl Samples for Of<'_> {
    fn sample(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        let value = match self.0.unit {
            Unit::MiB => value / f64::from(1 << 20),
            _ => value,
        };
        let owned = |(label, value): &(&str, &str)| ((*label).into(), (*value).into());
        self.1.push(Total {
            family: self.0,
            labels: labels.iter().map(owned).collect(),
            value,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, labels: &Labels<'_>, value: f64) -> [String; 2] {
        let mut all = Gathered(Vec::new());
        let mut give = |to: &mut dyn Samples| to.sample(labels, value);
        all.family(Kind::Gauge, name, "", &mut give).unwrap();
        [false, true].map(|tagged| {
            let mut out = String::new();
            for total in &all.0 {
                total.write(&mut out, "bellwether", tagged, 1_790_000_000);
            }
            out
        })
    }

    #[test]
    fn what_people_hold() {
        assert_eq!(
            lines(
                "bellwether_person_memory_bytes",
                &[("owner", "ada l.")],
                f64::from(3 << 20)
            ),
            [
                "bellwether.people.ada_l__88373b.memory 3 1790000000\n",
                "bellwether.person.memory;owner=ada_l. 3 1790000000\n"
            ]
        );
    }

    #[test]
    fn jobs_by_kind_and_state() {
        assert_eq!(
            lines(
                "bellwether_jobs",
                &[("kind", "migrate"), ("state", "done")],
                2.0
            ),
            [
                "bellwether.jobs.migrate.done 2 1790000000\n",
                "bellwether.jobs;kind=migrate;state=done 2 1790000000\n"
            ]
        );
    }

    #[test]
    fn states_of_several_words() {
        let told = lines("bellwether_requests", &[("state", "waiting for room")], 1.0);
        assert!(
            told[0].starts_with("bellwether.requests.waiting_for_room 1 "),
            "{told:?}"
        );
    }

    #[test]
    fn what_looks_bring_is_not_told_twice() {
        let told = lines("bellwether_host_memory_used_bytes", &[("host", "h")], 1.0);
        assert_eq!(told, ["", ""]);
    }

    #[test]
    fn no_two_families_share_a_path() {
        for family in FAMILIES {
            let same = |other: &&Family| other.path == family.path || other.tagged == family.tagged;
            assert_eq!(FAMILIES.iter().filter(same).count(), 1, "{family:?}");
        }
    }
}

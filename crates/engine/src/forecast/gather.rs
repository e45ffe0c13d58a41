//! What is known that a forecast can be made from.

use super::completed;
use crate::Engine;
use bellwether_decide::{
    forecast::{Inputs, Past, USUAL_PAUSE, Way, handing_over_ms, pace},
    migrate::{self, Chosen, Terms},
};
use bellwether_model::{
    Result,
    host::Host,
    migration::Migration,
    migration_policy::{Mechanism, MigrationPolicy},
    observed::VmSeen,
    vm::Vm,
};

/// What an emulator is taken to hold beside its guest's memory, bytes. It differs with version and devices; from the
/// first move on what was zero says it better.
const EMULATOR: u64 = 48 << 20;

/// How the last moves went.
pub(crate) struct Ledger {
    moves: Vec<Migration>,
}

impl Ledger {
    pub async fn read(engine: &Engine) -> Result<Self> {
        Ok(Self {
            moves: completed(engine).await?,
        })
    }

    /// How `vm` is moved to `target` by `policy`, and what that will take.
    pub fn choose(
        &self,
        engine: &Engine,
        vm: &Vm,
        (source, target): (&Host, &Host),
        copy_disk: bool,
        policy: &MigrationPolicy,
    ) -> Chosen {
        let observed = engine.observed();
        let seen = observed.host(vm.host).and_then(|host| host.vm(vm.id.0));
        let (memory, memory_from) = self.memory(vm, seen);
        let now = engine.now();
        let written = engine.inner.written.last(vm.id.0);
        let this_way = |past: &&Migration| past.source == vm.host && past.target == target.id;
        let speeds = |this: bool| {
            let moves = self.moves.iter().filter(|past| this_way(past) == this);
            moves.filter_map(speed).collect::<Vec<_>>()
        };
        // Moves with disks go another way through QEMU, and come out another way.
        let alike: Vec<&Migration> = self
            .moves
            .iter()
            .filter(|past| past.copy_disk == copy_disk)
            .collect();
        let on_this: Vec<&Migration> = alike
            .iter()
            .filter(|past| this_way(past))
            .copied()
            .collect();
        let moves = match on_this.len() >= ENOUGH_ON_THE_WAY {
            true => &on_this,
            false => &alike,
        };
        let past: Vec<Past> = moves.iter().filter_map(|past| past_of(past)).collect();
        let inputs = Inputs {
            at: now,
            memory: memory as f64,
            memory_from,
            writes: written.map(|(writes, at)| (writes, now.since(at))),
            pace: pace(&speeds(true), &speeds(false)),
            disk: if copy_disk { disk(vm, seen) } else { 0.0 },
            pause: USUAL_PAUSE,
            way: Way::PreCopy,
            past: &past,
        };
        let qemu = |host: &Host| {
            let facts = observed.host(host.id)?.facts.as_ref()?;
            version(&facts.hypervisor_version)
        };
        migrate::choose(
            &inputs,
            &Terms {
                policy,
                link_mbit: None,
                qemu: qemu(source)
                    .zip(qemu(target))
                    .map(|(one, other)| one.min(other)),
                copy_disk,
                other_site: migrate::crosses_sites(source, target),
                handing_over_ms: handing_over_ms(moves),
            },
        )
    }

    /// Bytes of memory that have to travel, and how that is known.
    fn memory(&self, vm: &Vm, seen: Option<&VmSeen>) -> (u64, &'static str) {
        let whole = vm.memory.bytes();
        let last = self.moves.iter().find(|past| past.vm == vm.id);
        let up_since = seen.and_then(|seen| seen.up_since);
        // A start since then has made all of it new.
        let same_boot = |past: &&Migration| {
            let began = past.started_at;
            up_since.is_none_or(|up| up < began)
        };
        if let Some(zero) = last.filter(same_boot).and_then(|past| past.zero_bytes) {
            return (whole.saturating_sub(zero), "as at its last move");
        }
        match seen.and_then(|seen| seen.memory_resident) {
            Some(held) => {
                let held = held.bytes().saturating_sub(EMULATOR);
                (held.min(whole), "as much as its emulator holds")
            }
            None => (whole, "all it has; what of it is in use is not known"),
        }
    }
}

/// `10.0.2` as (10, 0).
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// Moves on the same way from which they alone say how forecasts come out.
const ENOUGH_ON_THE_WAY: usize = 8;

/// Bytes of its disk that have to be copied.
fn disk(vm: &Vm, seen: Option<&VmSeen>) -> f64 {
    let written =
        seen.and_then(|seen| seen.over_disks(|disk| disk.allocation.map(|bytes| bytes as f64)));
    written.unwrap_or(vm.disk.bytes() as f64)
}

/// Bytes and seconds; none of one that was held to a part of the link, which says nothing of the whole.
fn speed(past: &Migration) -> Option<(f64, f64)> {
    let held = |how: &Mechanism| how.bandwidth.is_some();
    if past.mechanism.as_ref().is_some_and(held) {
        return None;
    }
    Some((past.bytes? as f64, past.total_ms? as f64 / 1e3))
}

/// How a forecast came out, by what the model alone had said.
fn past_of(past: &Migration) -> Option<Past> {
    let forecast = past.forecast.as_ref()?;
    let of = |actual: u64, model: f64| (model > 0.0).then(|| actual as f64 / model);
    Some(Past {
        total: of(past.total_ms?, forecast.model_ms)?,
        downtime: past
            .downtime_ms
            .and_then(|actual| of(actual, forecast.model_downtime_ms)),
    })
}

//! What is known that a forecast can be made from.

use super::completed;
use crate::Engine;
use bellwether_decide::forecast::{Inputs, Past, USUAL_PAUSE, expect, pace};
use bellwether_model::{
    HostId, Result,
    migration::{Forecast, Migration},
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

    /// What it will take to move `vm` to `target`, with its disk or without.
    pub fn forecast(&self, engine: &Engine, vm: &Vm, target: HostId, copy_disk: bool) -> Forecast {
        let observed = engine.observed();
        let seen = observed.host(vm.host).and_then(|host| host.vm(vm.id.0));
        let (memory, memory_from) = self.memory(vm, seen);
        let now = engine.now();
        let written = engine.inner.written.last(vm.id.0);
        let this_way = |past: &&Migration| past.source == vm.host && past.target == target;
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
        let on_this: Vec<Past> = alike
            .iter()
            .filter(|past| this_way(past))
            .filter_map(|past| past_of(past))
            .collect();
        let on_all: Vec<Past> = alike.iter().filter_map(|past| past_of(past)).collect();
        let enough = on_this.len() >= ENOUGH_ON_THE_WAY;
        expect(&Inputs {
            at: now,
            memory: memory as f64,
            memory_from,
            writes: written.map(|(writes, at)| (writes, now.since(at))),
            pace: pace(&speeds(true), &speeds(false)),
            disk: if copy_disk { disk(vm, seen) } else { 0.0 },
            pause: USUAL_PAUSE,
            past: if enough { &on_this } else { &on_all },
        })
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

/// Moves on the same way from which they alone say how forecasts come out.
const ENOUGH_ON_THE_WAY: usize = 8;

/// Bytes of its disk that have to be copied.
fn disk(vm: &Vm, seen: Option<&VmSeen>) -> f64 {
    let written =
        seen.and_then(|seen| seen.over_disks(|disk| disk.allocation.map(|bytes| bytes as f64)));
    written.unwrap_or(vm.disk.bytes() as f64)
}

/// Bytes and seconds.
fn speed(past: &Migration) -> Option<(f64, f64)> {
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

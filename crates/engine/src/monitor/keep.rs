//! What is kept of a sight: the history for graphs, and the sight itself for the next start.

use crate::Engine;
use bellwether_decide::history::{self, Load, Need};
use bellwether_model::{
    Timestamp,
    observed::{DiskUse, HostSeen, PacketRate, PowerState, TransferRate, VmSeen},
    policy::HistoryPolicy,
    signal::{Signal, host, vm},
};
use bellwether_store::SeriesKey;
use std::{sync::PoisonError, time::Duration};
use uuid::Uuid;

/// Why measurements are not kept, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTrouble {
    /// When the first was lost.
    pub since: Timestamp,
    /// In words.
    pub why: String,
    /// When the last was lost, and how many values the largest look had of which nothing was kept.
    lost: (Timestamp, usize),
}

/// A small look may fit where a large one does not: only one as large as what was lost, or nothing lost for so long, says
/// that measurements are kept again.
const QUIET: Duration = Duration::from_secs(120);

/// Appends what a look measured to the history, for as long as policy says. A database that can't write stops the history,
/// not the sampling; that is said when it begins and when it ends.
pub(super) async fn remember(engine: &Engine, at: Timestamp, values: &[(Uuid, Signal, f64)]) {
    let values: Vec<_> = values
        .iter()
        .map(|(id, signal, value)| (SeriesKey::new(*id, *signal), *value as f32))
        .collect();
    let history = engine.history();
    if let Ok(records) = engine.store().records().await {
        history.keep_for(&records.policy.history);
    }
    let kept = history.append(at, &values).await;
    let mut trouble = engine
        .inner
        .history_trouble
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match (kept, trouble.as_mut()) {
        (Ok(()), None) => {}
        (Ok(()), Some(before))
            if values.len() < before.lost.1 && at.since(before.lost.0) < QUIET => {}
        (Ok(()), Some(before)) => {
            tracing::info!(since = %before.since, "measurements are kept again");
            *trouble = None;
        }
        (Err(error), Some(before)) => {
            before.why = error.message;
            before.lost = (at, before.lost.1.max(values.len()));
        }
        (Err(error), None) => {
            tracing::error!(error = %error, context = error.context(), "measurements are not kept any more");
            *trouble = Some(HistoryTrouble {
                since: at,
                why: error.message,
                lost: (at, values.len()),
            });
        }
    }
}

/// Series of a host, of a VM whatever it does, and of one that runs: by the pace at which they are measured.
const OF_HOST: u64 = host::ALL.len() as u64;
const OF_ANY_VM: u64 = 1;
const OF_VM_EACH_TIME: u64 = 9;
const OF_VM_WITH_MEMORY: u64 = 5;
const OF_VM_WITH_DISKS: u64 = 7;

impl Engine {
    /// Why measurements are not kept, if they are not.
    pub fn history_trouble(&self) -> Option<HistoryTrouble> {
        let trouble = self.inner.history_trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeping measurements as long as `policy` says will take on disk, with the hosts and VMs there are now.
    pub fn history_need(&self, policy: &HistoryPolicy) -> Need {
        let observed = self.observed();
        let hosts = observed.each().count() as u64;
        let vms: u64 = observed.each().map(|host| host.vms.len() as u64).sum();
        let running: u64 = observed
            .each()
            .map(|host| u64::from(host.running().0))
            .sum();
        let settings = self.settings();
        let load = |series, every| Load { series, every };
        history::need(
            policy,
            &[
                load(
                    hosts * OF_HOST + vms * OF_ANY_VM + running * OF_VM_EACH_TIME,
                    settings.period,
                ),
                load(running * OF_VM_WITH_MEMORY, settings.paces.memory),
                load(running * OF_VM_WITH_DISKS, settings.paces.disks),
            ],
        )
    }
}

/// Keeps a sight for the next start.
pub(super) async fn save(engine: &Engine, seen: &HostSeen) {
    if let Err(error) = engine.store().save_seen(seen).await {
        tracing::warn!(error = %error, context = error.context(), "what was seen of a host was not kept");
    }
}

/// Everything that was measured by this look, things one after the other; what is left from an earlier look was told then.
/// Of a VM that is live `elsewhere` that says more than what this host holds of it.
pub(super) fn measured(
    seen: &HostSeen,
    elsewhere: impl Fn(Uuid) -> bool,
) -> Vec<(Uuid, Signal, f64)> {
    let mut values = Vec::with_capacity(host::ALL.len() + vm::ALL.len() * seen.vms.len());
    let mut put = |id, signal, value| values.push((id, signal, value));
    let (count, vcpus, memory) = seen.running();
    let kinds = seen.cpu_kinds;
    let of_host = [
        (host::CPU, seen.cpu),
        (host::CPU_USER, kinds.map(|kinds| kinds.user)),
        (host::CPU_SYSTEM, kinds.map(|kinds| kinds.system)),
        (host::CPU_IO_WAIT, kinds.map(|kinds| kinds.io_wait)),
        (host::CONTENTION, seen.contention()),
        (host::MEMORY, seen.memory_used.map(|memory| memory.0 as f64)),
        (host::RUNNING_VMS, Some(f64::from(count))),
        (host::COMMITTED_VCPUS, Some(f64::from(vcpus.0))),
        (host::COMMITTED_MEMORY, Some(memory.0 as f64)),
        (
            host::SAMPLE_LATENCY,
            seen.latency_ms.map(|ms| ms as f64 / 1e3),
        ),
    ];
    for (signal, value) in of_host {
        if let Some(value) = value {
            put(seen.host.0, signal, value);
        }
    }
    // While a VM moves it shows on two hosts; its figures are those of the one that runs it.
    for seen_vm in seen.vms.iter().filter(|vm| !vm.migrating) {
        let mut put = |signal: Signal, value: Option<f64>| {
            if let Some(value) = value {
                put(seen_vm.uuid, signal, value);
            }
        };
        if !seen_vm.power.is_live() {
            if !elsewhere(seen_vm.uuid) {
                put(vm::RUNNING, Some(0.0));
            }
            continue;
        }
        let running = seen_vm.power == PowerState::Running;
        put(vm::RUNNING, Some(f64::from(u8::from(running))));
        let up = seen_vm.up_since.zip(seen.at);
        put(
            vm::UPTIME,
            up.map(|(since, now)| now.since(since).as_secs_f64()),
        );
        each_time(seen_vm, &mut put);
        if seen_vm.memory_at == seen.at {
            of_memory(seen_vm, &mut put);
        }
        if seen_vm.disks_at == seen.at {
            of_disks(seen_vm, &mut put);
        }
    }
    values
}

fn each_time(seen: &VmSeen, put: &mut impl FnMut(Signal, Option<f64>)) {
    let nics = |figure: fn(&PacketRate) -> f64| {
        let received = seen.over_nics(|nic| nic.received.as_ref().map(figure));
        received.zip(seen.over_nics(|nic| nic.sent.as_ref().map(figure)))
    };
    put(vm::CPU, seen.cpu);
    put(vm::CONTENTION, seen.contention);
    put(vm::OVERHEAD, seen.overhead);
    let (bytes, packets) = (nics(|rate| rate.bytes), nics(|rate| rate.packets));
    put(vm::NET_RX, bytes.map(|both| both.0));
    put(vm::NET_TX, bytes.map(|both| both.1));
    put(vm::NET_RX_PACKETS, packets.map(|both| both.0));
    put(vm::NET_TX_PACKETS, packets.map(|both| both.1));
    let dropped = nics(|rate| rate.dropped);
    put(
        vm::NET_DROPS,
        dropped.map(|(received, sent)| received + sent),
    );
}

fn of_memory(seen: &VmSeen, put: &mut impl FnMut(Signal, Option<f64>)) {
    put(vm::MEMORY, seen.memory_used.map(|mib| mib.0 as f64));
    put(
        vm::MEMORY_AVAILABLE,
        seen.memory_available.map(|mib| mib.0 as f64),
    );
    put(
        vm::MEMORY_RESIDENT,
        seen.memory_resident.map(|mib| mib.0 as f64),
    );
    put(vm::MAJOR_FAULTS, seen.major_faults);
    put(vm::SWAP_IN, seen.swap_in);
}

fn of_disks(seen: &VmSeen, put: &mut impl FnMut(Signal, Option<f64>)) {
    let way = |of: fn(&DiskUse) -> Option<TransferRate>| {
        let sum = |figure: fn(TransferRate) -> f64| seen.over_disks(|disk| of(disk).map(figure));
        // Seconds of waiting a second, over all disks, for each request a second.
        let waited = |rate: TransferRate| rate.latency.map_or(0.0, |each| each * rate.requests);
        let (bytes, requests) = (sum(|rate| rate.bytes), sum(|rate| rate.requests));
        let latency = seen
            .over_disks(|disk| of(disk).map(waited))
            .zip(requests.filter(|requests| *requests > 0.0))
            .map(|(waited, requests)| waited / requests);
        (bytes, requests, latency)
    };
    let (read, written) = (way(|disk| disk.read), way(|disk| disk.written));
    put(vm::DISK_READ, read.0);
    put(vm::DISK_WRITE, written.0);
    put(vm::DISK_READ_REQUESTS, read.1);
    put(vm::DISK_WRITE_REQUESTS, written.1);
    put(vm::DISK_READ_LATENCY, read.2);
    put(vm::DISK_WRITE_LATENCY, written.2);
    let allocation = seen.over_disks(|disk| disk.allocation.map(|bytes| bytes as f64));
    put(vm::DISK_ALLOCATION, allocation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::HostId;

    #[test]
    fn whether_it_runs_is_told_of_each_vm_once() {
        let vm = |n: u128, power| VmSeen::nothing(Uuid::from_u128(n), format!("vm{n}"), power);
        let mut seen = HostSeen::nothing(HostId::new());
        seen.at = Some(Timestamp::from_seconds(1_000));
        seen.vms = vec![
            vm(1, PowerState::Running),
            vm(2, PowerState::Paused),
            vm(3, PowerState::ShutOff),
            // Left behind by a move that somebody made by hand.
            vm(4, PowerState::ShutOff),
            // On its way to here.
            vm(5, PowerState::Paused),
        ];
        seen.vms[0].up_since = Some(Timestamp::from_seconds(400));
        seen.vms[4].migrating = true;
        let values = measured(&seen, |uuid| uuid == Uuid::from_u128(4));
        let told = |signal: Signal| -> Vec<(u128, f64)> {
            let of = values.iter().filter(|(_, of, _)| *of == signal);
            of.map(|(uuid, _, value)| (uuid.as_u128(), *value))
                .collect()
        };
        assert_eq!(told(vm::RUNNING), [(1, 1.0), (2, 0.0), (3, 0.0)]);
        assert_eq!(told(vm::UPTIME), [(1, 600.0)]);
    }

    #[test]
    fn every_signal_of_a_vm_is_counted_at_some_pace() {
        let counted = OF_ANY_VM + OF_VM_EACH_TIME + OF_VM_WITH_MEMORY + OF_VM_WITH_DISKS;
        assert_eq!(counted, vm::ALL.len() as u64);
    }
}

//! What is kept of a sight: the history for graphs, and the sight itself for the next start.

use crate::Engine;
use bellwether_model::observed::{HostSeen, VmSeen};
use bellwether_store::SeriesKey;

/// Keeps a sight for graphs and for the next start. A database that can't write stops the history, not the sampling.
pub(super) async fn keep(engine: &Engine, seen: &HostSeen) {
    let mut values = Vec::new();
    let key = |entity: &'static str, id: uuid::Uuid, signal: &'static str| SeriesKey {
        entity,
        id,
        signal,
    };
    let mut put = |key: SeriesKey, value: Option<f64>| {
        if let Some(value) = value {
            values.push((key, value as f32));
        }
    };
    put(key("host", seen.host.0, "cpu"), seen.cpu);
    put(
        key("host", seen.host.0, "memory"),
        seen.memory_used.map(|memory| memory.0 as f64),
    );
    // While a VM moves it shows on two hosts; its figures are those of the one that runs it.
    let here = |vm: &&VmSeen| vm.power.is_live() && !vm.migrating;
    for vm in seen.vms.iter().filter(here) {
        put(key("vm", vm.uuid, "cpu"), vm.cpu);
        put(
            key("vm", vm.uuid, "memory"),
            vm.memory_used.map(|memory| memory.0 as f64),
        );
        put(
            key("vm", vm.uuid, "disk_read"),
            vm.disk_rate.map(|(read, _)| read),
        );
        put(
            key("vm", vm.uuid, "disk_write"),
            vm.disk_rate.map(|(_, write)| write),
        );
        put(
            key("vm", vm.uuid, "net_rx"),
            vm.net_rate.map(|(receive, _)| receive),
        );
        put(
            key("vm", vm.uuid, "net_tx"),
            vm.net_rate.map(|(_, send)| send),
        );
    }
    let at = seen.at.unwrap_or_else(|| engine.now());
    if let Err(error) = engine.history().append(at, &values).await {
        tracing::warn!(error = %error, context = error.context(), "a sample was not kept in the history");
    }
    if let Err(error) = engine.store().save_seen(seen).await {
        tracing::warn!(error = %error, context = error.context(), "what was seen of a host was not kept");
    }
}

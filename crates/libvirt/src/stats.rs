//! libvirt's statistics as samples: pure, so that every oddity can be a test.

use crate::ffi::{DomainStats, Params};
use bellwether_hypervisor::VmSample;
use bellwether_model::{MiB, observed::PowerState};

/// The groups a sample is made of. `block` and `balloon` ask QEMU's monitor and are the dear ones.
pub(crate) const GROUPS: u32 = virt_sys::VIR_DOMAIN_STATS_STATE
    | virt_sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | virt_sys::VIR_DOMAIN_STATS_BALLOON
    | virt_sys::VIR_DOMAIN_STATS_VCPU
    | virt_sys::VIR_DOMAIN_STATS_INTERFACE
    | virt_sys::VIR_DOMAIN_STATS_BLOCK;

/// libvirt's domain state as a power state. What waits for I/O runs; what sleeps (S3) keeps its memory like one paused.
pub(crate) fn power_state(state: u32) -> PowerState {
    match state {
        virt_sys::VIR_DOMAIN_PAUSED | virt_sys::VIR_DOMAIN_PMSUSPENDED => PowerState::Paused,
        virt_sys::VIR_DOMAIN_SHUTDOWN => PowerState::ShuttingDown,
        virt_sys::VIR_DOMAIN_SHUTOFF => PowerState::ShutOff,
        virt_sys::VIR_DOMAIN_CRASHED => PowerState::Crashed,
        // NOSTATE, RUNNING, BLOCKED, and what a newer libvirt may add: better taken for running than started twice.
        _ => PowerState::Running,
    }
}

/// The power state in a domain's statistics.
pub(crate) fn state_of(params: &Params) -> PowerState {
    power_state(
        params
            .number("state.state")
            .and_then(|state| u32::try_from(state).ok())
            .unwrap_or(virt_sys::VIR_DOMAIN_NOSTATE),
    )
}

/// Whether a domain is paused because it is moving: at the target from the first byte, at the source when it is handed
/// over.
fn migrating(params: &Params) -> bool {
    params.number("state.state") == Some(u64::from(virt_sys::VIR_DOMAIN_PAUSED))
        && params.number("state.reason") == Some(u64::from(virt_sys::VIR_DOMAIN_PAUSED_MIGRATION))
}

/// A VM's sample; what the host did not say is unknown, not zero.
pub(crate) fn vm_sample(stats: &DomainStats) -> VmSample {
    let params = &stats.params;
    let number = |name: &str| params.number(name);
    let pair = |prefix: &str, one: &str, other: &str| {
        Some((params.sum(prefix, one)?, params.sum(prefix, other)?))
    };
    let power = state_of(params);
    let live = |value: Option<u64>| value.filter(|_| power.is_live());
    VmSample {
        uuid: stats.uuid,
        name: stats.name.clone(),
        power,
        migrating: migrating(params),
        vcpus: number("vcpu.current")
            .or_else(|| number("vcpu.maximum"))
            .and_then(|vcpus| u32::try_from(vcpus).ok())
            .unwrap_or(0),
        memory: MiB::from_kib(
            number("balloon.maximum")
                .or_else(|| number("balloon.current"))
                .unwrap_or(0),
        ),
        cpu_ns: live(number("cpu.time")),
        delay_ns: live(params.sum("vcpu", "delay")),
        balloon_usable_kib: live(number("balloon.usable")),
        balloon_available_kib: live(number("balloon.available")),
        // 0 means that it never reported.
        balloon_updated_s: live(number("balloon.last-update"))
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| i64::try_from(seconds).ok()),
        resident_kib: live(number("balloon.rss")),
        disk_bytes: pair("block", "rd.bytes", "wr.bytes").filter(|_| power.is_live()),
        net_bytes: pair("net", "rx.bytes", "tx.bytes").filter(|_| power.is_live()),
    }
}

/// Nanoseconds in use, of CPU times by kind: all but idle and waiting for I/O. None where libvirt gives none.
pub(crate) fn busy(times: &[(String, u64)]) -> Option<u64> {
    let used = times
        .iter()
        .filter(|(kind, _)| !matches!(kind.as_str(), "idle" | "iowait" | "utilization"));
    let mut any = false;
    let total = used.fold(0u64, |sum, (_, time)| {
        any = true;
        sum.saturating_add(*time)
    });
    any.then_some(total)
}

/// Memory in use, of memory by kind (KiB): all but free, buffers and cache.
pub(crate) fn memory_used(kinds: &[(String, u64)]) -> Option<MiB> {
    let kind = |name: &str| {
        kinds
            .iter()
            .find(|(kind, _)| kind == name)
            .map(|(_, kib)| *kib)
    };
    let spare = kind("free")?
        .saturating_add(kind("buffers").unwrap_or(0))
        .saturating_add(kind("cached").unwrap_or(0));
    Some(MiB::from_kib(kind("total")?.saturating_sub(spare)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::Params;
    use uuid::Uuid;

    fn named(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect()
    }

    #[test]
    fn unknown_stays_unknown() {
        let sample = vm_sample(&DomainStats {
            uuid: Uuid::nil(),
            name: "a".into(),
            params: Params::default(),
        });
        assert_eq!(sample.power, PowerState::Running);
        assert_eq!(sample.cpu_ns, None);
        assert_eq!(sample.disk_bytes, None);
        assert_eq!(busy(&[]), None);
        assert_eq!(memory_used(&named(&[("total", 5)])), None);
    }

    #[test]
    fn host_sums() {
        let times = named(&[
            ("kernel", 10),
            ("user", 20),
            ("idle", 1000),
            ("iowait", 500),
        ]);
        assert_eq!(busy(&times), Some(30));
        let memory = named(&[
            ("total", 4096),
            ("free", 1024),
            ("buffers", 512),
            ("cached", 512),
        ]);
        assert_eq!(memory_used(&memory), Some(MiB(2)));
    }
}

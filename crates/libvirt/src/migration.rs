//! Live migration, always peer to peer: the two daemons finish it between themselves, whatever becomes of us. Never
//! tunnelled, never `UNSAFE`.

use crate::{
    ffi::{Connect, Domain, Failure, JobStats, ParamsBuilder},
    host::{LibvirtHost, QUICK, SLOW, find, read_uri},
    trouble::{BROKEN, Trouble, connect_error},
    worker, written,
    xml::{describe, rewrite},
};
use async_trait::async_trait;
use bellwether_hypervisor::{HypervisorError, MigrateSpec, Migration, MigrationFigures, Result};
use bellwether_model::{
    host_uri::HostUri, migration::MigrationProgress, migration_policy::Encrypt,
};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

const OPERATION: &str = "moving the VM";

/// How long a cancelled migration may take to say so.
const ABORT_GRACE: Duration = Duration::from_secs(30);

#[async_trait]
impl Migration for LibvirtHost {
    async fn migrate(&self, spec: &MigrateSpec) -> Result<()> {
        let peer = read_uri(&spec.peer_uri, self.commands)?;
        if !peer.works_from_elsewhere() {
            return Err(HypervisorError::BadUri {
                uri: spec.peer_uri.clone(),
                why: "another host can't use it; qemu+ssh://, qemu+tls:// or qemu+tcp:// with the target's name would do"
                    .into(),
            });
        }
        let migrate_uri = spec
            .migration_address
            .as_deref()
            .map(migrate_uri)
            .transpose()?;
        let busy = |_| HypervisorError::Busy("too many moves are under way on its host".into());
        let place = timeout(QUICK, Arc::clone(&self.moves).acquire_owned())
            .await
            .map_err(busy)?
            .map_err(|_| HypervisorError::Cancelled)?;
        let connect = self.own_connection().await?;
        let (vm, limit) = (spec.uuid, Duration::from_secs(spec.timeout_seconds));
        let spec = spec.clone();
        let plain = Arc::clone(&self.unencrypted);
        let mut over = worker::spawn("libvirt-migrate", place, move || {
            let moved = migrate(&connect, &spec, &peer, migrate_uri.as_deref(), &plain);
            let alive = moved.is_ok() || connect.is_alive();
            moved.map_err(|trouble| in_words(trouble, alive))
        })
        .map_err(|_| HypervisorError::Cancelled)?;
        match timeout(limit, &mut over).await {
            Ok(result) => settled(result),
            Err(_) => {
                let aborted = self.abort_migration(vm).await;
                match timeout(ABORT_GRACE, over).await {
                    Ok(result) => match settled(result) {
                        // It stays where it was: that is known, and so is why.
                        Err(HypervisorError::Cancelled) => Err(HypervisorError::Failed {
                            operation: OPERATION.into(),
                            message: format!(
                                "given up after {} s; the VM goes on where it was",
                                limit.as_secs()
                            ),
                        }),
                        other => other,
                    },
                    Err(_) => Err(HypervisorError::TimedOut(match aborted {
                        Ok(()) => format!("{OPERATION}, cancelled after {} s", limit.as_secs()),
                        Err(why) => format!("{OPERATION}; it could not be cancelled: {why}"),
                    })),
                }
            }
        }
    }

    async fn written(&self, vm: Uuid, seconds: u32) -> Result<Option<u64>> {
        written::measure(self, vm, seconds).await
    }

    async fn migration_progress(&self, vm: Uuid) -> Result<Option<MigrationProgress>> {
        self.read("asking how far the move is", QUICK, move |session| {
            // Once it is over the source has no such VM any more.
            let Some(domain) = find(&session.connect, vm)? else {
                return Ok(None);
            };
            Ok(running(&domain)?.as_ref().map(progress))
        })
        .await
    }

    async fn migration_figures(&self, vm: Uuid) -> Result<Option<MigrationFigures>> {
        self.read("asking what the move took", QUICK, move |session| {
            let Some(domain) = find(&session.connect, vm)? else {
                return Ok(None);
            };
            // Kept, so that asking again gives the same answer (libvirt ≥ 6.0).
            let flags = virt_sys::VIR_DOMAIN_JOB_STATS_COMPLETED
                | virt_sys::VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED;
            Ok(no_job_is_none(domain.job_stats(flags))?
                .filter(is_migration)
                .as_ref()
                .map(figures))
        })
        .await
    }

    async fn set_longest_pause(&self, vm: Uuid, milliseconds: u32) -> Result<()> {
        self.steer(
            "changing how long the move may pause it",
            vm,
            move |domain| domain.set_max_downtime(milliseconds),
        )
        .await
    }

    async fn set_bandwidth(&self, vm: Uuid, mib: u64) -> Result<()> {
        self.steer(
            "changing what the move takes of the link",
            vm,
            move |domain| domain.set_max_speed(mib.max(1)),
        )
        .await
    }

    async fn start_post_copy(&self, vm: Uuid) -> Result<()> {
        self.steer(
            "switching the move to post-copy",
            vm,
            Domain::start_post_copy,
        )
        .await
    }

    async fn abort_migration(&self, vm: Uuid) -> Result<()> {
        self.steer("cancelling the move", vm, Domain::abort_job)
            .await
    }
}

impl LibvirtHost {
    /// Gives a word to the running migration of a VM; only a migration: another job of it (a backup, say) is none of our
    /// business.
    async fn steer(
        &self,
        what: &'static str,
        vm: Uuid,
        word: impl Fn(&Domain) -> std::result::Result<(), Failure> + Send + 'static,
    ) -> Result<()> {
        self.change(what, SLOW, move |session| {
            let Some(domain) = find(&session.connect, vm)? else {
                return Ok(());
            };
            if running(&domain)?.is_none() {
                return Ok(());
            }
            match word(&domain) {
                // It was over before the word arrived.
                Err(failure)
                    if failure.code == virt_sys::VIR_ERR_OPERATION_INVALID
                        && running(&domain)?.is_none() =>
                {
                    Ok(())
                }
                other => Ok(other?),
            }
        })
        .await
    }
}

/// The thread's answer.
fn settled(
    result: std::result::Result<Result<()>, tokio::sync::oneshot::error::RecvError>,
) -> Result<()> {
    result.unwrap_or_else(|_| {
        Err(HypervisorError::TimedOut(format!(
            "{OPERATION}: the thread that watched it ended early"
        )))
    })
}

/// What stands in the way of a migration, in words an administrator can act on; `alive` is our own connection to the
/// source.
fn in_words(trouble: Trouble, alive: bool) -> HypervisorError {
    let failure = match &trouble {
        Trouble::Libvirt(failure) => failure,
        Trouble::Said(_) => return trouble.into_error(OPERATION),
    };
    if !alive {
        return HypervisorError::Unreachable(format!("the connection broke while {OPERATION}"));
    }
    let has = |words: &str| failure.message.contains(words);
    if failure.code == virt_sys::VIR_ERR_MIGRATE_UNSAFE {
        return HypervisorError::Unsupported(format!(
            "libvirt finds that the two hosts do not share its disks; copy them along, or list the path under \
             shared_filesystems in the hosts' qemu.conf ({})",
            failure.message
        ));
    }
    if failure.code == virt_sys::VIR_ERR_CPU_INCOMPATIBLE {
        return HypervisorError::Unsupported(failure.message.clone());
    }
    if ["certificate", "x509", "TLS"]
        .iter()
        .any(|words| has(words))
    {
        return HypervisorError::Failed {
            operation: OPERATION.into(),
            message: format!(
                "it must be encrypted, and QEMU's certificates for that are missing or do not fit ({})",
                failure.message
            ),
        };
    }
    if has("to the same host") {
        return HypervisorError::WrongState("it is on that host already".into());
    }
    // Our own connection stands, so this is about the one that the source opened to the target.
    if failure.is_of_transport() || has("ailed to connect to remote libvirt URI") {
        return HypervisorError::Failed {
            operation: OPERATION.into(),
            message: between_hosts(failure),
        };
    }
    trouble.into_error(OPERATION)
}

/// Why one host does not reach the other.
fn between_hosts(failure: &Failure) -> String {
    if failure.domain == virt_sys::VIR_FROM_RPC
        && BROKEN.iter().any(|words| failure.message.contains(words))
        && !failure.message.contains("Cannot recv data")
    {
        return format!(
            "the source's libvirt lost its connection to the target ({})",
            failure.message
        );
    }
    match connect_error(failure) {
        HypervisorError::NoConnection { why, said } if why.is_refusal() => {
            format!("the target does not let the source's libvirt in: {said}")
        }
        HypervisorError::NoConnection { said, .. } => {
            format!("the source's libvirt can't reach the target: {said}")
        }
        other => other.to_string(),
    }
}

/// Where migration traffic goes.
fn migrate_uri(address: &str) -> Result<String> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(match ip {
            IpAddr::V4(v4) => format!("tcp://{v4}"),
            IpAddr::V6(v6) => format!("tcp://[{v6}]"),
        });
    }
    let plain = !address.is_empty()
        && !address.starts_with('-')
        && address
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain {
        return Err(HypervisorError::BadUri {
            uri: address.to_owned(),
            why: "the address for migration traffic is an IP address or a host name".into(),
        });
    }
    Ok(format!("tcp://{address}"))
}

/// On the thread: the move itself, from first to last. Where it need not be encrypted it is tried so first, and what the
/// hosts lack for it is remembered for a while; they say so before anything is touched.
fn migrate(
    connect: &Connect,
    spec: &MigrateSpec,
    peer: &HostUri,
    migrate_uri: Option<&str>,
    unencrypted: &Unencrypted,
) -> Result<(), Trouble> {
    if spec.encrypt == Encrypt::Always {
        return attempt(connect, spec, peer, migrate_uri, true);
    }
    if !unencrypted.knows(&spec.peer_uri) {
        match attempt(connect, spec, peer, migrate_uri, true) {
            Err(Trouble::Libvirt(failure)) if lacks_certificates(&failure) => {
                tracing::info!(
                    target = spec.peer_uri,
                    message = failure.message,
                    "no certificates for encrypted moves there: what moves travels in plain"
                );
                unencrypted.note(&spec.peer_uri);
            }
            other => return other,
        }
    }
    attempt(connect, spec, peer, migrate_uri, false)
}

/// Whether libvirt refused because one of the hosts is not set up for encrypted migration, which it finds before anything
/// is begun.
fn lacks_certificates(failure: &Failure) -> bool {
    failure
        .message
        .contains("migration TLS directory not configured")
        || failure.message.contains("TLS migration is not supported")
}

/// Ways on which encrypting was refused a while ago.
#[derive(Debug, Default)]
pub(crate) struct Unencrypted(Mutex<BTreeMap<String, Instant>>);

/// For so long it is not tried again.
const UNENCRYPTED_FOR: Duration = Duration::from_secs(600);

impl Unencrypted {
    fn knows(&self, peer_uri: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(peer_uri)
            .is_some_and(|at| at.elapsed() < UNENCRYPTED_FOR)
    }
    fn note(&self, peer_uri: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(peer_uri.to_owned(), Instant::now());
    }
}

/// One attempt, encrypted or not.
fn attempt(
    connect: &Connect,
    spec: &MigrateSpec,
    peer: &HostUri,
    migrate_uri: Option<&str>,
    encrypt: bool,
) -> Result<(), Trouble> {
    let domain = connect.domain(spec.uuid)?;
    let mut flags = virt_sys::VIR_MIGRATE_LIVE
        | virt_sys::VIR_MIGRATE_PEER2PEER
        | virt_sys::VIR_MIGRATE_PERSIST_DEST
        | virt_sys::VIR_MIGRATE_UNDEFINE_SOURCE
        | virt_sys::VIR_MIGRATE_ABORT_ON_ERROR;
    let mut params = ParamsBuilder::new();
    if let Some(uri) = migrate_uri {
        params.text("migrate_uri", uri)?;
    }
    if encrypt {
        flags |= virt_sys::VIR_MIGRATE_TLS;
        if migrate_uri.is_some() {
            // A certificate names the host; the address for migration traffic need not be in it.
            params.text("tls.destination", peer.host())?;
        }
    }
    if let Some(bandwidth) = spec.bandwidth {
        params.number("bandwidth", bandwidth)?;
    }
    if spec.throttle {
        flags |= virt_sys::VIR_MIGRATE_AUTO_CONVERGE;
    }
    if spec.post_copy {
        flags |= virt_sys::VIR_MIGRATE_POSTCOPY;
    }
    if let Some(connections) = spec.connections {
        flags |= virt_sys::VIR_MIGRATE_PARALLEL;
        params.integer("parallel.connections", connections.into())?;
    }
    if spec.compress {
        // One stream knows XBZRLE, several know zstd (libvirt's virsh manual).
        flags |= virt_sys::VIR_MIGRATE_COMPRESSED;
        let method = if spec.connections.is_some() {
            "zstd"
        } else {
            "xbzrle"
        };
        params.text("compression", method)?;
    }
    if !spec.copy_disks.is_empty() {
        // An overlay's own blocks only, where there is one: its base is on the target already, and a full copy would
        // lose the sharing of it.
        flags |= if describe::any_overlay(&domain.xml(0)?, &spec.copy_disks)? {
            virt_sys::VIR_MIGRATE_NON_SHARED_INC
        } else {
            virt_sys::VIR_MIGRATE_NON_SHARED_DISK
        };
        for disk in &spec.copy_disks {
            params.text("migrate_disks", disk)?;
        }
    }
    if let Some(carrier) = &spec.carrier {
        // Both, or the VM would go back to the old carrier at its next start. With secrets, or the screen's password
        // would be lost; they stay in this process.
        let secure = virt_sys::VIR_DOMAIN_XML_SECURE | virt_sys::VIR_DOMAIN_XML_MIGRATABLE;
        let live = domain.xml(secure)?;
        params.text("destination_xml", &rewrite::with_carrier(&live, carrier)?)?;
        let kept = domain.xml(secure | virt_sys::VIR_DOMAIN_XML_INACTIVE)?;
        params.text("persistent_xml", &rewrite::with_carrier(&kept, carrier)?)?;
    }
    if Instant::now() > spec.begin_by {
        return Err(
            HypervisorError::TimedOut(format!("{OPERATION}: it was too late to begin")).into(),
        );
    }
    Ok(domain.migrate(&spec.peer_uri, &params, flags)?)
}

/// Statistics of the migration that runs now.
pub(crate) fn running(domain: &Domain) -> Result<Option<JobStats>, Trouble> {
    Ok(no_job_is_none(domain.job_stats(0))?.filter(is_migration))
}

fn no_job_is_none(stats: Result<JobStats, Failure>) -> Result<Option<JobStats>, Trouble> {
    match stats {
        Ok(stats) if stats.kind == virt_sys::VIR_DOMAIN_JOB_NONE => Ok(None),
        Ok(stats) => Ok(Some(stats)),
        Err(failure)
            if matches!(
                failure.code,
                // Not running (any more), or gone between two questions.
                virt_sys::VIR_ERR_OPERATION_INVALID | virt_sys::VIR_ERR_NO_DOMAIN
            ) =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure.into()),
    }
}

fn is_migration(stats: &JobStats) -> bool {
    stats.params.number("operation").is_some_and(|operation| {
        operation == u64::from(virt_sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
            || operation == u64::from(virt_sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN)
    })
}

/// A running migration's figures.
fn progress(stats: &JobStats) -> MigrationProgress {
    let number = |name: &str| stats.params.number(name);
    let rate = number("memory_bps")
        .unwrap_or(0)
        .saturating_add(number("disk_bps").unwrap_or(0));
    // libvirt gives pages a second.
    let dirty_rate = number("memory_dirty_rate")
        .map(|pages| pages.saturating_mul(number("memory_page_size").unwrap_or(4096)));
    let bytes_remaining = number("data_remaining").unwrap_or(0);
    MigrationProgress {
        bytes_done: number("data_processed").unwrap_or(0),
        bytes_remaining,
        bytes_total: number("data_total").unwrap_or(0),
        rate,
        dirty_rate,
        rounds: number("memory_iteration").unwrap_or(0),
        elapsed_ms: number("time_elapsed").unwrap_or(0),
        left_ms: left_ms(bytes_remaining, rate, dirty_rate.unwrap_or(0)),
        held_percent: number("auto_converge_throttle").unwrap_or(0),
    }
}

/// Milliseconds until what remains is sent, with what is dirtied meanwhile; none where that never ends.
fn left_ms(remaining: u64, rate: u64, dirty_rate: u64) -> Option<u64> {
    let gain = rate.checked_sub(dirty_rate).filter(|gain| *gain > 0)?;
    Some(remaining.saturating_mul(1000) / gain)
}

/// A finished migration's figures.
fn figures(stats: &JobStats) -> MigrationFigures {
    let number = |name: &str| stats.params.number(name);
    MigrationFigures {
        total_ms: number("time_elapsed"),
        downtime_ms: number("downtime"),
        bytes: number("data_processed"),
        rounds: number("memory_iteration"),
        zero_bytes: number("memory_constant")
            .map(|pages| pages.saturating_mul(number("memory_page_size").unwrap_or(4096))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_only_where_there_is_an_end() {
        assert_eq!(left_ms(1_000, 1_000, 500), Some(2_000));
        assert_eq!(left_ms(1_000, 500, 500), None);
        assert_eq!(left_ms(1_000, 0, 0), None);
        assert_eq!(left_ms(u64::MAX, 1, 0), Some(u64::MAX));
    }

    #[test]
    fn addresses_become_uris() {
        assert_eq!(migrate_uri("10.0.0.2").unwrap(), "tcp://10.0.0.2");
        assert_eq!(migrate_uri("fd00::2").unwrap(), "tcp://[fd00::2]");
        assert_eq!(migrate_uri("h2.lan").unwrap(), "tcp://h2.lan");
        assert!(migrate_uri("a b").is_err());
        assert!(migrate_uri("exec:/bin/evil").is_err());
    }

    #[test]
    fn an_unreachable_target_is_told_apart() {
        let refused = Failure {
            code: virt_sys::VIR_ERR_SYSTEM_ERROR,
            domain: virt_sys::VIR_FROM_RPC,
            errno: libc::ECONNREFUSED,
            message: "unable to connect to server at 'h2:16509': Connection refused".into(),
        };
        let said = |failure: Failure, alive| in_words(failure.into(), alive).to_string();
        assert_eq!(
            said(refused.clone(), true),
            "moving the VM failed: the source's libvirt can't reach the target: it refuses the connection; does libvirt run there and listen?"
        );
        assert_eq!(
            said(refused.clone(), false),
            "the host does not answer: the connection broke while moving the VM"
        );
        let lost = Failure {
            message: "End of file while reading data: Input/output error".into(),
            ..refused
        };
        assert_eq!(
            said(lost, true),
            "moving the VM failed: the source's libvirt lost its connection to the target (End of file while reading data: Input/output error)"
        );
    }
}

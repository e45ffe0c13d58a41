//! The roles of a host. Every call has its own deadline inside and returns an error rather than hang.
//! Reading, control and each running migration use connections of their own, so that one never waits for another.

use crate::{
    Groups, HostPlaces, HostSample, MigrateSpec, MigrationFigures, Result, VmDefinition,
    VmDescription, VolumeSeen, VolumeSpec,
};
use async_trait::async_trait;
use bellwether_model::{
    migration::MigrationProgress,
    observed::{HostFacts, PowerState},
};
use std::{net::IpAddr, pin::Pin, sync::Arc};
use tokio::{io::AsyncRead, sync::broadcast};
use uuid::Uuid;

/// A stream of bytes to upload.
pub type ByteSource = Pin<Box<dyn AsyncRead + Send>>;

/// Called with the bytes sent so far.
pub type OnBytes = Box<dyn Fn(u64) + Send + Sync>;

/// Makes hosts out of URIs.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Opens the host at `uri` and says hello; afterwards the host reconnects by itself, with backoff.
    async fn connect(&self, uri: &str) -> Result<Arc<dyn Host>>;
    /// Whether this connector serves URIs like this one.
    fn serves(&self, uri: &str) -> bool;
}

/// Something that happened on a host; a hint to look, never the truth itself (events may be lost or doubled).
#[derive(Clone, Debug, PartialEq)]
pub enum HostEvent {
    /// A VM was defined, started, suspended, resumed, stopped, crashed or undefined.
    Lifecycle(Uuid),
    /// A pass of pre-copy ended (iteration number).
    MigrationIteration(Uuid, u64),
    /// A job of the VM completed (a migration, mostly).
    JobCompleted(Uuid),
    /// The guest agent came or went.
    Agent(Uuid),
    /// The balloon changed.
    Balloon(Uuid),
    /// The connection was lost.
    Disconnected,
    /// The connection is back; events in between are lost.
    Reconnected,
}

/// What is there.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// What changes seldom: versions, CPU, size.
    async fn facts(&self) -> Result<HostFacts>;
    /// Every VM's counters and the host's own, by one bulk call that passes over VMs held by a long job. What costs a host
    /// more is brought only if asked for.
    async fn sample(&self, groups: Groups) -> Result<HostSample>;
    /// Pools, bridges, networks.
    async fn places(&self) -> Result<HostPlaces>;
    /// Every VM's power state, running or not, and whether a migration shows on it. Cheap; the truth for reconcile.
    async fn power_states(&self) -> Result<Vec<(Uuid, PowerState)>>;
    /// One VM in detail.
    async fn describe(&self, vm: Uuid) -> Result<VmDescription>;
    /// The CPU that every one of `cpus` ([`HostFacts::cpu`]) can run, for this host's emulator; none where hardware
    /// virtualisation is absent and the emulated CPU is to be used.
    async fn baseline(&self, cpus: &[String]) -> Result<Option<String>>;
    /// Whether this host can run a guest with the CPU `guest_cpu` ([`VmDescription::cpu`]); `Err` text says what is missing.
    async fn can_run_cpu(&self, guest_cpu: &str) -> Result<std::result::Result<(), String>>;
    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<HostEvent>;
}

/// Defining and switching VMs.
#[async_trait]
pub trait Power: Send + Sync {
    /// Defines the VM, checked against the schema. The same definition again is fine; the UUID or name of another VM is not.
    async fn define(&self, definition: &VmDefinition) -> Result<()>;
    /// The VM's power state on this host; none where it is not there.
    async fn power(&self, vm: Uuid) -> Result<Option<PowerState>>;
    /// Starts it; fine when it runs already.
    async fn start(&self, vm: Uuid) -> Result<()>;
    /// Continues a paused VM; fine when it runs already.
    async fn resume(&self, vm: Uuid) -> Result<()>;
    /// Asks the guest to shut down, by agent or power button; returns when asked, not when done.
    async fn ask_shutdown(&self, vm: Uuid) -> Result<()>;
    /// Takes its power away; fine when it is off already.
    async fn force_off(&self, vm: Uuid) -> Result<()>;
    /// Asks the guest to reboot.
    async fn reboot(&self, vm: Uuid) -> Result<()>;
    /// Removes the definition (never the disks); fine when it is not there. Refused while it runs.
    async fn undefine(&self, vm: Uuid) -> Result<()>;
    /// Rewrites the ownership metadata and the description, live and persistent.
    async fn set_ownership(
        &self,
        vm: Uuid,
        ownership: &crate::Ownership,
        description: &str,
    ) -> Result<()>;
}

/// Volumes.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// Has the host look at the pool's storage anew, so that what came to it another way shows; `Busy` while it can't.
    async fn refresh_pool(&self, pool: &str) -> Result<()>;
    /// Every volume of the pool, after a refresh wherever one is possible.
    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeSeen>>;
    /// One volume; none where it is not there. Sees files that came through another host.
    async fn volume(&self, pool: &str, name: &str) -> Result<Option<VolumeSeen>>;
    /// Makes a volume; an identical one already there is fine, a different one is not.
    async fn create_volume(&self, pool: &str, spec: &VolumeSpec) -> Result<VolumeSeen>;
    /// Streams `bytes` into a raw or ready-made volume of that name, made for the purpose with `length` bytes.
    async fn upload(
        &self,
        pool: &str,
        name: &str,
        format: &str,
        length: u64,
        bytes: ByteSource,
        on_bytes: OnBytes,
    ) -> Result<VolumeSeen>;
    /// Reads the first `most` bytes of a volume.
    async fn read_volume(&self, pool: &str, name: &str, most: usize) -> Result<Vec<u8>>;
    /// Removes a volume; fine when it is not there. The caller has proven that nothing refers to it.
    async fn delete_volume(&self, pool: &str, name: &str) -> Result<()>;
}

/// Live migration, always peer to peer: it survives the death of whoever started it.
#[async_trait]
pub trait Migration: Send + Sync {
    /// Moves the VM and returns when it is over; on a connection of its own. Begins by the moment the spec names or not at
    /// all (`TimedOut`). The caller settles every doubt by asking both hosts.
    async fn migrate(&self, spec: &MigrateSpec) -> Result<()>;
    /// Bytes of memory the VM writes at least once within so many seconds (1–60); takes as long. None where its host can't
    /// tell, or where it does not run or moves: what is measured then says nothing.
    async fn written(&self, vm: Uuid, seconds: u32) -> Result<Option<u64>>;
    /// How far the running migration of this VM is; none where none runs. On the source.
    async fn migration_progress(&self, vm: Uuid) -> Result<Option<MigrationProgress>>;
    /// What was measured of the last migration of this VM that succeeded; on the host to which it went. One that failed
    /// later changes nothing of it.
    async fn migration_figures(&self, vm: Uuid) -> Result<Option<MigrationFigures>>;
    /// From now on the guest may be stopped for so many milliseconds at most, so that the running migration ends. On the
    /// source; fine where none runs.
    async fn set_longest_pause(&self, vm: Uuid, milliseconds: u32) -> Result<()>;
    /// From now on the running migration takes so many MiB a second of the link at most. On the source; fine where none runs.
    async fn set_bandwidth(&self, vm: Uuid, mib: u64) -> Result<()>;
    /// Has the guest of the running migration go on at the target at once, with its memory following; only of one that was
    /// begun with [`MigrateSpec::post_copy`]. On the source; fine where none runs.
    async fn start_post_copy(&self, vm: Uuid) -> Result<()>;
    /// Cancels the running migration of this VM; fine where none runs. One in post-copy can't be cancelled.
    async fn abort_migration(&self, vm: Uuid) -> Result<()>;
}

/// Getting in.
#[async_trait]
pub trait Console: Send + Sync {
    /// Addresses the VM is known to have (agent, DHCP lease or ARP, whichever knows).
    async fn addresses(&self, vm: Uuid) -> Result<Vec<IpAddr>>;
    /// Where its screen listens: host-relative address and port; none when off.
    async fn screen(&self, vm: Uuid) -> Result<Option<(String, u16)>>;
    /// Gives its screen this password (at most 8 characters) until the moment (seconds since 1970).
    async fn set_screen_password(&self, vm: Uuid, password: &str, until_s: i64) -> Result<()>;
}

/// A host in all its roles.
pub trait Host: Inventory + Power + Volumes + Migration + Console {}
impl<T: Inventory + Power + Volumes + Migration + Console> Host for T {}

//! One look at everything: what the server last saw, as rows.

use crate::{context::Context, exit::Outcome};
use bellwether_api::{
    client::Failure,
    fleet::{Fleet, FleetHost, FleetVm},
    job::{Job, JobKind, JobQuery},
    vm::{PowerState, Sighting, Vm, VmQuery},
};
use serde::Serialize;
use uuid::Uuid;

/// Migrations shown at most.
const MOVES: usize = 100;

/// A VM on a host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VmRow {
    pub uuid: Uuid,
    /// The name people gave it; libvirt's of an unmanaged one.
    pub name: String,
    pub owner: Option<String>,
    pub host: String,
    pub power: PowerState,
    pub migrating: bool,
    pub vcpus: u32,
    pub memory_mib: u64,
    /// vCPUs in use.
    pub used_vcpus: Option<f64>,
    /// What that is of its vCPUs.
    pub cpu_share: Option<f64>,
    /// Of its vCPUs, what they were ready but did not run.
    pub wait_share: Option<f64>,
    pub used_memory_mib: Option<u64>,
    /// What that is of its memory.
    pub memory_share: Option<f64>,
    pub disk_read_bytes_per_second: Option<f64>,
    pub disk_written_bytes_per_second: Option<f64>,
    pub received_bytes_per_second: Option<f64>,
    pub sent_bytes_per_second: Option<f64>,
    pub cpu_seconds: Option<f64>,
    /// Last day of its lease.
    pub lease_until: Option<String>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostRow {
    pub name: String,
    /// Whether it answers, in a word.
    pub health: String,
    pub age_seconds: Option<u64>,
    pub running_vms: u32,
    /// Cores it offers.
    pub cores: u32,
    pub used_cores: Option<f64>,
    pub cpu_share: Option<f64>,
    pub io_wait_cores: Option<f64>,
    /// What its VMs wait for, of its cores.
    pub wait_share: Option<f64>,
    pub memory_mib: u64,
    pub used_memory_mib: Option<u64>,
    pub memory_share: Option<f64>,
    pub committed_vcpus: u32,
    pub committed_memory_mib: u64,
}

/// A VM on its way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MoveRow {
    pub vm: String,
    pub to: Option<String>,
    pub doing: String,
    pub share: Option<f64>,
    pub remaining_bytes: Option<u64>,
    pub bytes_per_second: Option<u64>,
    pub left_ms: Option<u64>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Frame {
    /// The server's clock.
    pub at: String,
    /// None for who is no administrator.
    pub hosts: Vec<HostRow>,
    pub vms: Vec<VmRow>,
    pub migrations: Vec<MoveRow>,
}

impl Frame {
    /// Asks the server: for the fleet, or, where that is not allowed, for what is one's own.
    pub async fn ask(cx: &Context) -> Outcome<Self> {
        let mut frame = match cx.client.fleet().await {
            Ok(answer) => Self::of_fleet(&answer.value),
            Err(Failure::Problem(problem, _)) if problem.status == 403 => {
                let vms = cx.client.vms(&VmQuery::default(), usize::MAX).await?;
                let info = cx.client.server().await?;
                Self::of_vms(&vms.value.items, info.value.now.to_string())
            }
            Err(failure) => return Err(failure.into()),
        };
        let running = JobQuery {
            state: Some("running,undoing".into()),
            ..JobQuery::default()
        };
        let jobs = cx.client.jobs(&running, MOVES).await?;
        let moves = jobs
            .value
            .items
            .iter()
            .filter(|job| job.kind == JobKind::Migrate);
        frame.migrations = moves.map(move_row).collect();
        Ok(frame)
    }

    pub(super) fn of_fleet(fleet: &Fleet) -> Self {
        let vms = fleet.hosts.iter().flat_map(|host| {
            // One that is moving shows on two hosts; it is where it runs.
            let there = host
                .vms
                .iter()
                .filter(|vm| !vm.migrating || vm.power == PowerState::Running);
            there.map(|vm| vm_row(&host.host.name, vm))
        });
        Self {
            at: fleet.at.to_string(),
            vms: vms.collect(),
            hosts: fleet.hosts.iter().map(host_row).collect(),
            migrations: Vec::new(),
        }
    }

    fn of_vms(vms: &[Vm], at: String) -> Self {
        let row = |vm: &Vm| Some(own_row(vm, vm.sightings.first()?));
        Self {
            at,
            vms: vms.iter().filter_map(row).collect(),
            ..Self::default()
        }
    }
}

fn share(used: Option<f64>, of: f64) -> Option<f64> {
    used.filter(|_| of > 0.0).map(|used| used / of)
}

fn vm_row(host: &str, vm: &FleetVm) -> VmRow {
    let managed = vm.managed.as_ref();
    let (vcpus, memory) = (f64::from(vm.vcpus), vm.memory_mib as f64);
    VmRow {
        uuid: vm.uuid,
        name: managed
            .map_or(&vm.libvirt_name, |managed| &managed.name)
            .clone(),
        owner: managed.map(|managed| managed.owner.name.clone()),
        host: host.into(),
        power: vm.power,
        migrating: vm.migrating,
        vcpus: vm.vcpus,
        memory_mib: vm.memory_mib,
        used_vcpus: vm.used_vcpus,
        cpu_share: share(vm.used_vcpus, vcpus),
        wait_share: share(vm.contention_vcpus, vcpus),
        used_memory_mib: vm.used_memory_mib,
        memory_share: share(vm.used_memory_mib.map(|mib| mib as f64), memory),
        disk_read_bytes_per_second: vm.disk_read_bytes_per_second,
        disk_written_bytes_per_second: vm.disk_written_bytes_per_second,
        received_bytes_per_second: vm.received_bytes_per_second,
        sent_bytes_per_second: vm.sent_bytes_per_second,
        cpu_seconds: vm.cpu_seconds,
        lease_until: managed.and_then(|managed| Some(managed.lease_until?.to_string())),
    }
}

fn own_row(vm: &Vm, seen: &Sighting) -> VmRow {
    let (vcpus, memory) = (f64::from(vm.vcpus), vm.memory_mib as f64);
    VmRow {
        uuid: vm.id,
        name: vm.name.clone(),
        owner: Some(vm.owner.name.clone()),
        host: seen.host.name.clone(),
        power: seen.power,
        migrating: seen.migrating,
        vcpus: vm.vcpus,
        memory_mib: vm.memory_mib,
        used_vcpus: seen.used_vcpus,
        cpu_share: share(seen.used_vcpus, vcpus),
        wait_share: share(seen.contention_vcpus, vcpus),
        used_memory_mib: seen.used_memory_mib,
        memory_share: share(seen.used_memory_mib.map(|mib| mib as f64), memory),
        disk_read_bytes_per_second: seen.disk_read_bytes_per_second,
        disk_written_bytes_per_second: seen.disk_written_bytes_per_second,
        received_bytes_per_second: seen.received_bytes_per_second,
        sent_bytes_per_second: seen.sent_bytes_per_second,
        cpu_seconds: seen.cpu_seconds,
        lease_until: Some(vm.lease_until.to_string()),
    }
}

fn host_row(fleet: &FleetHost) -> HostRow {
    let (host, seen) = (&fleet.host, &fleet.host.seen);
    let cores = f64::from(host.offered_cores);
    HostRow {
        name: host.name.clone(),
        health: seen.health.to_string(),
        age_seconds: seen.age_seconds,
        running_vms: seen.running_vms,
        cores: host.offered_cores,
        used_cores: seen.used_cores,
        cpu_share: share(seen.used_cores, cores),
        io_wait_cores: seen.io_wait_cores,
        wait_share: share(seen.contention_cores, cores),
        memory_mib: host.offered_memory_mib,
        used_memory_mib: seen.used_memory_mib,
        memory_share: share(
            seen.used_memory_mib.map(|mib| mib as f64),
            host.offered_memory_mib as f64,
        ),
        committed_vcpus: fleet.committed_vcpus,
        committed_memory_mib: fleet.committed_memory_mib,
    }
}

fn move_row(job: &Job) -> MoveRow {
    let progress = job.progress.migration.as_ref();
    MoveRow {
        vm: job
            .vm
            .as_ref()
            .map(|vm| vm.name.clone())
            .unwrap_or_default(),
        to: job.host.as_ref().map(|host| host.name.clone()),
        doing: job.progress.doing.clone(),
        share: job.progress.share,
        remaining_bytes: progress.map(|progress| progress.remaining_bytes),
        bytes_per_second: progress.map(|progress| progress.rate_bytes_per_second),
        left_ms: progress.and_then(|progress| progress.left_ms),
    }
}

//! What a VM is on its host: its disk and its definition.

use crate::{Engine, jobs::Halt};
use bellwether_hypervisor::{
    DiskDefinition, GuestCpu, Host, HypervisorError, Ownership, VmDefinition, VolumeSpec,
};
use bellwether_model::{Error, HostId, Result, host::HostMode, image::Image, vm::Vm};

/// The pool of the VM's storage on its host.
pub(crate) async fn pool_of(engine: &Engine, vm: &Vm, host: HostId) -> Result<String> {
    let storage = engine.store().storage(vm.storage).await?;
    storage
        .on(host)
        .map(|member| member.pool.clone())
        .ok_or_else(|| {
            Error::conflict(format!(
                "The storage \"{}\" has no pool on that host any more.",
                storage.name
            ))
        })
}

/// The VM's disk: an overlay on the image.
pub(crate) fn overlay(vm: &Vm, image: &Image) -> VolumeSpec {
    VolumeSpec {
        name: vm.disk_volume(),
        capacity: vm.disk.bytes().max(image.virtual_bytes.unwrap_or(0)),
        format: "qcow2".into(),
        backing: Some((
            image.volume(),
            image
                .format
                .map_or("qcow2", |format| format.as_str())
                .into(),
        )),
    }
}

/// What the VM is defined as on its host, by the job named.
pub(crate) async fn definition(engine: &Engine, vm: &Vm, job: &str) -> Result<VmDefinition, Halt> {
    let store = engine.store();
    let image = store.image(vm.image).await?;
    let network = store.network(vm.network).await?;
    let carrier = network
        .on(vm.host)
        .map(|member| member.carrier.clone())
        .ok_or_else(|| {
            Error::conflict(format!(
                "The network \"{}\" is not on that host any more.",
                network.name
            ))
        })?;
    let pool = pool_of(engine, vm, vm.host).await?;
    let owner = store.user(vm.owner).await?;
    let mut disks = vec![DiskDefinition {
        pool: pool.clone(),
        volume: vm.disk_volume(),
        format: "qcow2".into(),
        seed: false,
    }];
    if image.cloud_init {
        disks.push(DiskDefinition {
            pool,
            volume: vm.seed_volume(),
            format: "raw".into(),
            seed: true,
        });
    }
    Ok(VmDefinition {
        uuid: vm.id.0,
        name: vm.libvirt_name.clone(),
        title: vm.name.clone(),
        description: vm.purpose.clone(),
        ownership: ownership(
            vm,
            &owner.login,
            &vm.request.map(|id| id.to_string()).unwrap_or_default(),
            job,
        ),
        vcpus: vm.vcpus,
        memory: vm.memory,
        cpu: fleet_cpu(engine, vm.host).await?,
        devices: image.devices,
        disks,
        mac: vm.mac,
        carrier,
    })
}

/// What libvirt keeps about whose the VM is.
pub(crate) fn ownership(vm: &Vm, owner: &str, request: &str, job: &str) -> Ownership {
    Ownership {
        owner: owner.into(),
        request: request.into(),
        lease_from: vm.lease_from.to_string(),
        lease_until: vm.lease_until.to_string(),
        name: vm.name.clone(),
        image: vm.image.to_string(),
        address: vm.address.to_string(),
        job: job.into(),
    }
}

/// A CPU that every active host of the fleet can run: the baseline of what was last seen of them, so that the VM can
/// move to each. One host without hardware virtualisation makes it the emulated CPU. Where the hosts have no CPU in
/// common (of two vendors), it is one for its own host and those that have one in common with it.
async fn fleet_cpu(engine: &Engine, host: HostId) -> Result<GuestCpu, Halt> {
    let observed = engine.observed();
    let mut cpus = Vec::new();
    for record in engine.store().hosts().await? {
        if record.mode == HostMode::DeclaredOff {
            continue;
        }
        let Some(facts) = observed
            .hosts
            .get(&record.id)
            .and_then(|seen| seen.facts.as_ref())
        else {
            continue;
        };
        if !facts.kvm {
            return Ok(GuestCpu::Emulated);
        }
        if !cpus.contains(&facts.cpu) {
            cpus.push(facts.cpu.clone());
        }
    }
    let own = observed
        .hosts
        .get(&host)
        .and_then(|seen| seen.facts.as_ref());
    // Its own host's comes first: it must run there whatever else.
    cpus.sort_by_key(|cpu| own.is_none_or(|own| own.cpu != *cpu));
    let host = engine.host(host)?;
    let baseline = match host.baseline(&cpus).await {
        Err(error) if cpus.len() > 1 && !error.is_passing() => {
            tracing::info!(%error, "the hosts have no CPU in common");
            in_common(&*host, &cpus).await?
        }
        other => other?,
    };
    Ok(baseline.map_or(GuestCpu::Emulated, GuestCpu::Baseline))
}

/// The baseline of the first of `cpus` with as many of the others as have one in common with it, tried in order.
async fn in_common(host: &dyn Host, cpus: &[String]) -> Result<Option<String>, HypervisorError> {
    let mut with = Vec::new();
    let mut baseline = None;
    for cpu in cpus {
        with.push(cpu.clone());
        match host.baseline(&with).await {
            Ok(common) => baseline = common,
            Err(error) if with.len() == 1 || error.is_passing() => return Err(error),
            Err(_) => {
                with.pop();
            }
        }
    }
    Ok(baseline)
}

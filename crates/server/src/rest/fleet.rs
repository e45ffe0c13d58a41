//! The fleet as it was last seen: every host with everything on it, managed or not.

use super::Problems;
use crate::{alarms::alarms, auth::Admin, error::Result, names::Directory, state::AppState};
use axum::{Json, extract::State};
use bellwether_api::{
    fleet::{Fleet, FleetHost, FleetVm},
    host::Host,
};
use bellwether_engine::place;
use bellwether_model::{VmId, observed::HostSeen, vm::Vm};
use std::collections::BTreeMap;

/// Every host with all its VMs, as last seen; asks no host.
#[utoipa::path(get, path = "/api/v1/fleet", tag = "hosts", responses((status = 200, body = Fleet), Problems))]
pub async fn show(_: Admin, State(state): State<AppState>) -> Result<Json<Fleet>> {
    let engine = &state.engine;
    let (observed, now) = (engine.sights().await?, engine.now());
    let (fleet, policy) = place::fleet(engine).await?;
    let names = Directory::load(engine).await?;
    let records = engine.store().hosts().await?;
    let ours: BTreeMap<VmId, Vm> = engine
        .store()
        .vms(bellwether_store::VmQuery::default())
        .await?
        .into_iter()
        .map(|vm| (vm.id, vm))
        .collect();
    let hosts = records
        .iter()
        .map(|record| {
            let nothing = HostSeen::nothing(record.id);
            let seen = observed.hosts.get(&record.id).unwrap_or(&nothing);
            let room = fleet
                .host(record.id)
                .map(|host| host.room_on(fleet.today, &policy, None))
                .unwrap_or_default();
            let mut vms: Vec<FleetVm> = seen
                .vms
                .iter()
                .map(|vm| FleetVm::new(vm, ours.get(&VmId(vm.uuid)), &names))
                .collect();
            vms.sort_by(|a, b| a.libvirt_name.cmp(&b.libvirt_name));
            FleetHost {
                host: Host::new(record, Some(seen), now),
                capacity_vcpus: room.vcpus_limit.0,
                committed_vcpus: room.vcpus.0,
                capacity_memory_mib: room.memory_limit.0,
                committed_memory_mib: room.memory.0,
                vms,
                pools: seen.pools.iter().map(Into::into).collect(),
                carriers: seen.carriers.iter().map(Into::into).collect(),
            }
        })
        .collect();
    Ok(Json(Fleet {
        at: now.into(),
        hosts,
        alarms: alarms(&observed, &names).into_values().collect(),
    }))
}

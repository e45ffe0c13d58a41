//! The fleet as it was last seen: every host with everything on it, managed or not.

use super::{Problems, metrics};
use crate::{
    alarms, auth::Admin, error::Result, extract::Query, graphed::heat, memo::Same,
    names::Directory, state::AppState,
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bellwether_api::{
    fleet::{Fleet, FleetHost, FleetVm},
    host::Host,
    metrics::{FleetHeat, HeatQuery, HostHeat},
};
use bellwether_engine::{Engine, Look};
use bellwether_model::{Error, Timestamp, VmId, observed::HostSeen};
use bytes::Bytes;

/// Every host with all its VMs, as last seen; asks no host.
#[utoipa::path(get, path = "/api/v1/fleet", tag = "hosts", responses((status = 200, body = Fleet), Problems))]
pub async fn show(_: Admin, State(state): State<AppState>) -> Result<Response> {
    let (look, now) = (state.engine.look().await?, state.engine.now());
    // Megabytes for a large fleet, and the same for everybody who asks in this moment.
    let moment = (Same(look.clone()), now.seconds());
    let json = state.drawn.fleet.get(moment, async {
        let json =
            serde_json::to_vec(&fleet(&state.engine, &look, now)).map_err(Error::internal)?;
        Ok::<_, Error>(Bytes::from(json))
    });
    let json = Bytes::clone(&*json.await?);
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// How hot every host was over a stretch of time: CPU, memory and contention in cells of equal length; asks no host.
#[utoipa::path(get, path = "/api/v1/fleet/heat", tag = "hosts", params(HeatQuery), responses((status = 200, body = FleetHeat), Problems))]
pub async fn heat(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<HeatQuery>,
) -> Result<axum::Json<FleetHeat>> {
    let engine = &state.engine;
    let asked = metrics::span(&state, query.from, query.until, None)?;
    let stretch = asked.stretch();
    let hosts = heat::of(engine, &stretch).await?;
    Ok(axum::Json(FleetHeat {
        from: asked.from.into(),
        until: asked.until.into(),
        cell_seconds: heat::cell_seconds(&stretch),
        hosts: hosts
            .into_iter()
            .map(|host| HostHeat {
                heat: host.heat(),
                host: host.host.0,
                name: host.name,
                cpu: host.cpu,
                memory: host.memory,
                contention: host.contention,
            })
            .collect(),
    }))
}

fn fleet(engine: &Engine, look: &Look, now: Timestamp) -> Fleet {
    let names = Directory::of(look.records.clone());
    let records = look.records.hosts.iter();
    let hosts = records
        .map(|record| {
            let nothing = HostSeen::nothing(record.id);
            let seen = look.observed.host(record.id).unwrap_or(&nothing);
            let room = look.room(record.id);
            let mut vms: Vec<FleetVm> = seen
                .vms
                .iter()
                .map(|vm| FleetVm::new(vm, look.records.vm(VmId(vm.uuid)), &names))
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
    Fleet {
        at: now.into(),
        hosts,
        alarms: alarms::all(engine, look, &names),
    }
}

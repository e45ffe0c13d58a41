//! Networks, for admins.

use super::{Created, Problems};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path},
    names::Directory,
    state::AppState,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List, Names, Ref,
    fleet::CarrierSeen,
    network::{FoundCarrier, Network, NetworkChange, NetworkInput, NetworkMemberInput},
};
use bellwether_engine::networks::{self, NewNetwork};
use bellwether_model::{
    Error, HostId, NetworkId,
    network::{self as model, Carrier},
};

async fn shown(state: &AppState, network: &model::Network) -> Result<Network> {
    let look = state.engine.look().await?;
    let names = Directory::of(look.records.clone());
    Ok(Network::new(network, &names, Some(look.free(network.id))))
}

fn members(input: Vec<NetworkMemberInput>) -> Vec<(HostId, Carrier)> {
    input
        .into_iter()
        .map(|member| (member.host.into(), member.carrier.into()))
        .collect()
}

/// Every network.
#[utoipa::path(get, path = "/api/v1/networks", tag = "networks", responses((status = 200, body = List<Network>), Problems))]
pub async fn list(_: Admin, State(state): State<AppState>) -> Result<axum::Json<List<Network>>> {
    let names = Directory::load(&state.engine).await?;
    let networks = state.engine.store().networks().await?;
    Ok(axum::Json(List::whole(
        networks
            .iter()
            .map(|network| Network::new(network, &names, None))
            .collect(),
    )))
}

/// Confirms a network.
#[utoipa::path(post, path = "/api/v1/networks", tag = "networks", request_body = NetworkInput, responses((status = 201, body = Network), Problems))]
pub async fn create(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<NetworkInput>,
) -> Result<Created<Network>> {
    let vlan = input
        .vlan
        .map(|vlan| {
            u16::try_from(vlan)
                .ok()
                .filter(|vlan| (1..=4094).contains(vlan))
                .ok_or_else(|| {
                    Error::field("vlan", format!("{vlan} is not possible; give 1 to 4094"))
                })
        })
        .transpose()?;
    let new = NewNetwork {
        name: input.name,
        cidr: input.cidr,
        gateway: input.gateway.unwrap_or_default(),
        dns: input.dns,
        range_from: input.range_from,
        range_until: input.range_until,
        vlan,
        members: members(input.members),
    };
    let network = networks::create(&state.engine, &admin, new).await?;
    let body = shown(&state, &network).await?;
    Ok(Created::new("networks", network.id, body))
}

/// Every bridge and libvirt network last seen on any host.
#[utoipa::path(get, path = "/api/v1/networks/discovered", tag = "networks", responses((status = 200, body = List<FoundCarrier>), Problems))]
pub async fn discovered(
    admin: Admin,
    State(state): State<AppState>,
) -> Result<axum::Json<List<FoundCarrier>>> {
    let names = Directory::load(&state.engine).await?;
    let seen = state.engine.observed();
    let found = networks::discovered(&state.engine, &admin).await?;
    Ok(axum::Json(List::whole(
        found
            .into_iter()
            .map(|found| FoundCarrier {
                host: Ref::new(found.host, Some(found.host_name)),
                carrier: CarrierSeen {
                    active: seen
                        .hosts
                        .get(&found.host)
                        .and_then(|host| host.carriers.iter().find(|c| c.carrier == found.carrier))
                        .is_some_and(|carrier| carrier.active),
                    carrier: (&found.carrier).into(),
                },
                network: found.network.map(|id| Ref::new(id, names.network(id))),
            })
            .collect(),
    )))
}

/// One network with its free addresses.
#[utoipa::path(get, path = "/api/v1/networks/{id}", tag = "networks", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Network), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<NetworkId>,
) -> Result<axum::Json<Network>> {
    let network = state.engine.store().network(id).await?;
    Ok(axum::Json(shown(&state, &network).await?))
}

/// Changes it; what is absent stays.
#[utoipa::path(patch, path = "/api/v1/networks/{id}", tag = "networks", params(("id" = uuid::Uuid, Path)), request_body = NetworkChange,
    responses((status = 200, body = Network), Problems))]
pub async fn change(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<NetworkId>,
    Json(input): Json<NetworkChange>,
) -> Result<axum::Json<Network>> {
    let now = state.engine.store().network(id).await?;
    let text = |address: std::net::IpAddr| address.to_string();
    let new = NewNetwork {
        name: input.name.unwrap_or(now.name.clone()),
        cidr: now.cidr(),
        gateway: input
            .gateway
            .unwrap_or_else(|| now.gateway.map(text).unwrap_or_default()),
        dns: input
            .dns
            .unwrap_or_else(|| now.dns.iter().copied().map(text).collect()),
        range_from: input.range_from.unwrap_or_else(|| text(now.range_from)),
        range_until: input.range_until.unwrap_or_else(|| text(now.range_until)),
        vlan: now.vlan,
        members: match input.members {
            Some(wanted) => members(wanted),
            None => now
                .members
                .into_iter()
                .map(|member| (member.host, member.carrier))
                .collect(),
        },
    };
    let network = networks::change(&state.engine, &admin, id, new).await?;
    Ok(axum::Json(shown(&state, &network).await?))
}

/// Forgets it; bridges stay as they are.
#[utoipa::path(delete, path = "/api/v1/networks/{id}", tag = "networks", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Forgotten"), Problems))]
pub async fn remove(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<NetworkId>,
) -> Result<StatusCode> {
    networks::remove(&state.engine, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

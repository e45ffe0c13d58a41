//! Hosts, for admins.

use super::{
    Created, Problems,
    input::{maybe_number, renamed},
    metrics,
};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path, Query},
    graphed::Graphed,
    state::AppState,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List,
    host::{AddedHost, Advice, Host, HostChange, HostFacts, HostInput, HostModeInput, HostTry},
    metrics::{Metrics, MetricsQuery, Shares, SharesQuery},
};
use bellwether_engine::hosts;
use bellwether_model::{Error, HostId, host as model};

/// The engine's names of fields, and the wire's.
const FIELDS: &[(&str, &str)] = &[
    ("cores", "offered_cores"),
    ("memory_mib", "offered_memory_mib"),
];

fn wire(error: Error) -> Error {
    renamed(error, FIELDS)
}

fn shown(
    state: &AppState,
    host: &model::Host,
    missing: impl IntoIterator<Item = hosts::Advice>,
) -> Host {
    let observed = state.engine.observed();
    let missing = missing.into_iter().map(|advice| Advice {
        what: advice.what,
        commands: advice.commands,
    });
    Host {
        missing: missing.collect(),
        ..Host::new(host, observed.host(host.id), state.engine.now())
    }
}

/// With all that is still to be done by hand.
pub(super) async fn whole(state: &AppState, host: &model::Host) -> Result<Host> {
    let missing = hosts::missing(&state.engine, host).await?;
    Ok(shown(state, host, missing))
}

/// Every host, by name.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "hosts", responses((status = 200, body = List<Host>), Problems))]
pub async fn list(_: Admin, State(state): State<AppState>) -> Result<axum::Json<List<Host>>> {
    let all = state.engine.store().hosts().await?;
    Ok(axum::Json(List::whole(
        all.iter()
            .map(|host| shown(&state, host, hosts::unreached(&state.engine, host)))
            .collect(),
    )))
}

/// Adds a host; connects at once.
#[utoipa::path(post, path = "/api/v1/hosts", tag = "hosts", request_body = HostInput, responses((status = 201, body = AddedHost), Problems))]
pub async fn add(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<HostInput>,
) -> Result<Created<AddedHost>> {
    let new = hosts::NewHost {
        name: input.name,
        uri: input.uri,
        peer_uri: input.peer_uri,
        migration_address: input.migration_address,
        site: input.site,
        cores: maybe_number("offered_cores", input.offered_cores)?,
        memory_mib: maybe_number("offered_memory_mib", input.offered_memory_mib)?,
    };
    let added = hosts::add(&state.engine, &admin, new).await.map_err(wire)?;
    let body = AddedHost {
        host: shown(&state, &added.host, added.missing),
        facts: (&added.facts).into(),
    };
    Ok(Created::new("hosts", added.host.id, body))
}

/// Tries a URI without adding it.
#[utoipa::path(post, path = "/api/v1/hosts/try", tag = "hosts", request_body = HostTry, responses((status = 200, body = HostFacts), Problems))]
pub async fn try_connect(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<HostTry>,
) -> Result<axum::Json<HostFacts>> {
    let facts = hosts::try_connect(&state.engine, &admin, &input.uri).await?;
    Ok(axum::Json((&facts).into()))
}

/// One host, with what was last seen of it.
#[utoipa::path(get, path = "/api/v1/hosts/{id}", tag = "hosts", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Host), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
) -> Result<axum::Json<Host>> {
    let host = state.engine.store().host(id).await?;
    Ok(axum::Json(whole(&state, &host).await?))
}

/// Changes what is recorded of it. A new URI is tried first.
#[utoipa::path(patch, path = "/api/v1/hosts/{id}", tag = "hosts", params(("id" = uuid::Uuid, Path)), request_body = HostChange,
    responses((status = 200, body = Host), Problems))]
pub async fn change(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Json(input): Json<HostChange>,
) -> Result<axum::Json<Host>> {
    let change = hosts::HostChange {
        name: input.name,
        uri: input.uri,
        peer_uri: input.peer_uri,
        migration_address: input.migration_address,
        site: input.site,
        cores: maybe_number("offered_cores", input.offered_cores)?,
        memory_mib: maybe_number("offered_memory_mib", input.offered_memory_mib)?,
    };
    let host = hosts::update(&state.engine, &admin, id, change)
        .await
        .map_err(wire)?;
    Ok(axum::Json(whole(&state, &host).await?))
}

/// Puts it aside, back to work, or declares it off.
#[utoipa::path(put, path = "/api/v1/hosts/{id}/mode", tag = "hosts", params(("id" = uuid::Uuid, Path)), request_body = HostModeInput,
    responses((status = 200, body = Host), Problems))]
pub async fn set_mode(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Json(input): Json<HostModeInput>,
) -> Result<axum::Json<Host>> {
    let mode = input.mode.into();
    let host = hosts::set_mode(&state.engine, &admin, id, mode, input.confirm.as_deref())
        .await
        .map_err(|error| renamed(error, &[("name", "confirm")]))?;
    Ok(axum::Json(whole(&state, &host).await?))
}

/// Its history.
#[utoipa::path(get, path = "/api/v1/hosts/{id}/metrics", tag = "hosts", params(("id" = uuid::Uuid, Path), MetricsQuery),
    responses((status = 200, body = Metrics), Problems))]
pub async fn history(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Query(query): Query<MetricsQuery>,
) -> Result<axum::Json<Metrics>> {
    state.engine.store().host(id).await?;
    Ok(axum::Json(
        metrics::read(&state, Graphed::Host(id), &query).await?,
    ))
}

/// Which VM takes how much of it, over time.
#[utoipa::path(get, path = "/api/v1/hosts/{id}/shares", tag = "hosts", params(("id" = uuid::Uuid, Path), SharesQuery),
    responses((status = 200, body = Shares), Problems))]
pub async fn shares(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Query(query): Query<SharesQuery>,
) -> Result<axum::Json<Shares>> {
    state.engine.store().host(id).await?;
    Ok(axum::Json(metrics::shares(&state, id, &query).await?))
}

/// Forgets it; what runs there goes on.
#[utoipa::path(delete, path = "/api/v1/hosts/{id}", tag = "hosts", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Forgotten"), Problems))]
pub async fn remove(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
) -> Result<StatusCode> {
    hosts::remove(&state.engine, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

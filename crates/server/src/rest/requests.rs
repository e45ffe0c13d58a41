//! Requests: asking, looking, deciding.

use super::{
    Created, Problems, Started, audit,
    input::{limit, words},
    page::{Order, part},
};
use crate::{
    auth::{Actor, Admin},
    error::Result,
    extract::{Json, Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bellwether_api::{
    List, Names, Ref,
    audit::AuditLine,
    job::Job,
    request::{
        Approval, Approved, Consideration, HostRoom, Placement, Refusal, Request, RequestInput,
        RequestQuery, RequestState, RoomLeft,
    },
};
use bellwether_decide::{place, request::Draft};
use bellwether_engine::{
    approve::{self, Choice},
    request,
};
use bellwether_model::{RequestId, request as model};

async fn shown(state: &AppState, request: &model::Request) -> Result<Request> {
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, Vec::from_iter(request.vm))
        .await?;
    Ok(Request::new(request, &names))
}

/// One's requests, newest first; admins see everybody's.
#[utoipa::path(get, path = "/api/v1/requests", tag = "requests", params(RequestQuery), responses((status = 200, body = List<Request>), Problems))]
pub async fn list(
    actor: Actor,
    State(state): State<AppState>,
    Query(query): Query<RequestQuery>,
) -> Result<axum::Json<List<Request>>> {
    let most = limit(query.limit)?;
    let owner = if actor.is_admin() {
        query.owner.map(Into::into)
    } else {
        Some(actor.user)
    };
    let states: Vec<model::RequestState> =
        words::<RequestState, _>("state", query.state.as_deref())?;
    let all = state.engine.store().all_requests().await?;
    let wanted = |request: &&model::Request| {
        owner.is_none_or(|owner| request.owner == owner)
            && (states.is_empty() || states.contains(&request.state))
    };
    let list = part(
        all.iter().rev().filter(wanted).collect(),
        Order::Newest,
        |request| (request.created_at, request.id.into()),
        most,
        query.after.as_deref(),
    )?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(
            &state.engine,
            list.items.iter().filter_map(|request| request.vm).collect(),
        )
        .await?;
    Ok(axum::Json(List {
        items: list
            .items
            .iter()
            .map(|request| Request::new(request, &names))
            .collect(),
        total: list.total,
        next: list.next,
    }))
}

/// Asks for a VM.
#[utoipa::path(post, path = "/api/v1/requests", tag = "requests", request_body = RequestInput,
    responses((status = 201, body = Request), Problems))]
pub async fn submit(
    actor: Actor,
    State(state): State<AppState>,
    Json(input): Json<RequestInput>,
) -> Result<Created<Request>> {
    let draft = Draft {
        name: Some(input.name),
        vcpus: Some(input.vcpus.to_string()),
        memory_mib: Some(input.memory_mib.to_string()),
        disk_gib: Some(input.disk_gib.to_string()),
        from: Some(input.from),
        until: Some(input.until),
        purpose: Some(input.purpose),
        image: Some(input.image.to_string()),
        ssh_key: input.ssh_key,
    };
    let request = request::submit(&state.engine, &actor, &draft).await?;
    let body = shown(&state, &request).await?;
    Ok(Created::new("requests", request.id, body))
}

async fn of_actor(state: &AppState, actor: &Actor, id: RequestId) -> Result<model::Request> {
    let request = state.engine.store().request(id).await?;
    actor.may_see(request.owner, "request")?;
    Ok(request)
}

/// One request.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "requests", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Request), Problems))]
pub async fn show(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
) -> Result<axum::Json<Request>> {
    let request = of_actor(&state, &actor, id).await?;
    Ok(axum::Json(shown(&state, &request).await?))
}

/// What was decided about it, by whom and why.
#[utoipa::path(get, path = "/api/v1/requests/{id}/audit", tag = "requests", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = List<AuditLine>), Problems))]
pub async fn audit_lines(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
) -> Result<axum::Json<List<AuditLine>>> {
    of_actor(&state, &actor, id).await?;
    audit::about(&state, "request", id).await
}

/// Takes it back.
#[utoipa::path(post, path = "/api/v1/requests/{id}/withdraw", tag = "requests", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Request), Problems))]
pub async fn withdraw(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
) -> Result<axum::Json<Request>> {
    let request = request::withdraw(&state.engine, &actor, id).await?;
    Ok(axum::Json(shown(&state, &request).await?))
}

/// What an admin wants to know before deciding: every host's room, why not there, where it would go.
#[utoipa::path(get, path = "/api/v1/requests/{id}/consideration", tag = "requests", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Consideration), Problems))]
pub async fn consider(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
) -> Result<axum::Json<Consideration>> {
    let considered = approve::consider(&state.engine, &admin, id).await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, Vec::from_iter(considered.request.vm))
        .await?;
    Ok(axum::Json(Consideration {
        request: Request::new(&considered.request, &names),
        owner: (&considered.owner).into(),
        image: (&considered.image).into(),
        placement: considered
            .placement
            .best
            .map(|best| placement(best, &names)),
        hosts: considered
            .placement
            .candidates
            .iter()
            .map(|candidate| room(&state, &considered, candidate, &names))
            .collect(),
    }))
}

fn placement(best: place::Best, names: &Directory) -> Placement {
    Placement {
        host: Ref::new(best.host, names.host(best.host)),
        storage: Ref::new(best.storage, names.storage(best.storage)),
        network: Ref::new(best.network, names.network(best.network)),
    }
}

fn room(
    state: &AppState,
    considered: &approve::Consideration,
    candidate: &place::Candidate,
    names: &Directory,
) -> HostRoom {
    let observed = state.engine.observed();
    let seen = observed.hosts.get(&candidate.host);
    let host = considered.look.fleet.host(candidate.host);
    let promised = candidate.before.room;
    let disk = candidate.disk;
    let (fits, after, placement, reasons) = match &candidate.verdict {
        place::Verdict::Fits {
            storage,
            network,
            after,
            ..
        } => (
            true,
            Some(RoomLeft {
                vcpus: after.vcpus_free().0,
                memory_mib: after.memory_free().0,
                disk_gib: disk.map(|disk| disk.free.saturating_sub(disk.needed) >> 30),
            }),
            Some(placement(
                place::Best {
                    host: candidate.host,
                    storage: *storage,
                    network: *network,
                },
                names,
            )),
            Vec::new(),
        ),
        place::Verdict::Refused { reasons } => (false, None, None, reasons.clone()),
    };
    HostRoom {
        host: Ref::new(candidate.host, Some(candidate.host_name.clone())),
        mode: host
            .map_or(bellwether_model::host::HostMode::Active, |host| host.mode)
            .into(),
        health: host
            .map_or(bellwether_model::host::HostHealth::Connecting, |host| {
                host.health
            })
            .into(),
        age_seconds: seen
            .and_then(|seen| seen.at)
            .map(|at| state.engine.now().since(at).as_secs()),
        capacity_vcpus: promised.vcpus_limit.0,
        committed_vcpus: promised.vcpus.0,
        used_cores: host.and_then(|host| host.cpu_used),
        capacity_memory_mib: promised.memory_limit.0,
        committed_memory_mib: promised.memory.0,
        used_memory_mib: host
            .and_then(|host| host.memory_used)
            .map(|memory| memory.0),
        capacity_disk_gib: disk.map(|disk| disk.limit >> 30),
        committed_disk_gib: disk.map(|disk| disk.limit.saturating_sub(disk.free) >> 30),
        fits,
        after,
        placement,
        reasons,
    }
}

/// Approves: with a job where there is room, else it waits for room or for its first day.
#[utoipa::path(post, path = "/api/v1/requests/{id}/approve", tag = "requests", params(("id" = uuid::Uuid, Path)), request_body = Approval,
    responses((status = 202, body = Approved, description = "Being made"), (status = 200, body = Approved, description = "Waits"), Problems))]
pub async fn approve(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
    Json(input): Json<Approval>,
) -> Result<Response> {
    let choice = Choice {
        host: input.host.map(Into::into),
        storage: input.storage.map(Into::into),
        network: input.network.map(Into::into),
        once: input.once,
    };
    let approved = approve::approve(&state.engine, &admin, id, choice).await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, Vec::from_iter(approved.request.vm))
        .await?;
    let body = Approved {
        request: Request::new(&approved.request, &names),
        job: approved.job.as_ref().map(|job| Job::new(job, &names)),
    };
    Ok(match approved.job {
        Some(job) => Started::new(job.id, body).into_response(),
        None => axum::Json(body).into_response(),
    })
}

/// Says no, with a reason the user reads.
#[utoipa::path(post, path = "/api/v1/requests/{id}/refuse", tag = "requests", params(("id" = uuid::Uuid, Path)), request_body = Refusal,
    responses((status = 200, body = Request), Problems))]
pub async fn refuse(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
    Json(input): Json<Refusal>,
) -> Result<axum::Json<Request>> {
    let request = approve::refuse(&state.engine, &admin, id, &input.reason).await?;
    Ok(axum::Json(shown(&state, &request).await?))
}

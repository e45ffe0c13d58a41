//! Jobs.

use super::{
    Problems, Started,
    input::{limit, words},
};
use crate::{
    auth::{Actor, Admin},
    error::Result,
    extract::{Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{Json, extract::State};
use bellwether_api::{
    List,
    job::{Job, JobQuery, JobState},
};
use bellwether_model::{Error, JobId, job as model};

/// Jobs about one's VMs and requests, newest first; admins see all.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobQuery), responses((status = 200, body = List<Job>), Problems))]
pub async fn list(
    actor: Actor,
    State(state): State<AppState>,
    Query(query): Query<JobQuery>,
) -> Result<Json<List<Job>>> {
    let most = limit(query.limit)?;
    let jobs = state
        .engine
        .store()
        .jobs(bellwether_store::JobQuery {
            owner: (!actor.is_admin()).then_some(actor.user),
            vm: query.vm.map(Into::into),
            states: words::<JobState, _>("state", query.state.as_deref())?,
            limit: u32::try_from(most).unwrap_or(u32::MAX),
            ..Default::default()
        })
        .await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(
            &state.engine,
            jobs.iter().filter_map(|job| job.subject.vm).collect(),
        )
        .await?;
    Ok(Json(List {
        items: jobs.iter().map(|job| Job::new(job, &names)).collect(),
        total: None,
        next: None,
    }))
}

async fn of_actor(state: &AppState, actor: &Actor, id: JobId) -> Result<model::Job> {
    let job = state.engine.store().job(id).await?;
    match job.owner {
        Some(owner) => actor.may_see(owner, "job")?,
        None if actor.is_admin() => {}
        None => return Err(Error::not_found("job").into()),
    }
    Ok(job)
}

async fn names(state: &AppState, job: &model::Job) -> Result<Directory> {
    Ok(Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, Vec::from_iter(job.subject.vm))
        .await?)
}

/// One job with its journal.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Job), Problems))]
pub async fn show(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Json<Job>> {
    let job = of_actor(&state, &actor, id).await?;
    let journal = state.engine.store().journal(id).await?;
    let names = names(&state, &job).await?;
    Ok(Json(Job::new(&job, &names).with_journal(&journal)))
}

/// Asks to cancel it; possible until its point of no return.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = uuid::Uuid, Path)), responses((status = 202, body = Job), Problems))]
pub async fn cancel(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Started<Job>> {
    of_actor(&state, &actor, id).await?;
    let job = bellwether_engine::jobs::cancel(&state.engine, &actor, id).await?;
    let names = names(&state, &job).await?;
    Ok(Started::new(job.id, Job::new(&job, &names)))
}

/// Has one that needs a person try again, once what hindered it is mended.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(("id" = uuid::Uuid, Path)), responses((status = 202, body = Job), Problems))]
pub async fn retry(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Started<Job>> {
    let job = bellwether_engine::jobs::retry(&state.engine, &admin, id).await?;
    let names = names(&state, &job).await?;
    Ok(Started::new(job.id, Job::new(&job, &names)))
}

//! Moving a VM live: where it could go, and going.

use super::{Problems, Started};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path},
    names::Directory,
    state::AppState,
};
use axum::extract::State;
use bellwether_api::{
    Ref,
    job::Job,
    migration::{Migration, MigrationChoices, MigrationInput, MigrationStarted, TargetChoice},
};
use bellwether_engine::migrate::{self, Target};
use bellwether_model::VmId;

/// Where it could move to: pre-flight for every host, the best first.
#[utoipa::path(get, path = "/api/v1/vms/{id}/migration-targets", tag = "vms", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = MigrationChoices), Problems))]
pub async fn targets(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
) -> Result<axum::Json<MigrationChoices>> {
    let choices = migrate::consider(&state.engine, &admin, id).await?;
    Ok(axum::Json(MigrationChoices {
        vm: Ref::new(id, Some(choices.vm.name.clone())),
        source: Ref::new(choices.source.id, Some(choices.source.name.clone())),
        targets: choices
            .targets
            .into_iter()
            .map(|target| TargetChoice {
                host: Ref::new(target.host.id, Some(target.host.name)),
                possible: target.possible,
                copy_disk: target.copy_disk,
                // Exact below 2^53, far above any score.
                score: target.score as f64,
                checks: target.checks.iter().map(Into::into).collect(),
                forecast: target.forecast.as_ref().map(Into::into),
            })
            .collect(),
    }))
}

/// Moves it live to a host, or to the best.
#[utoipa::path(post, path = "/api/v1/vms/{id}/migrations", tag = "vms", params(("id" = uuid::Uuid, Path)), request_body = MigrationInput,
    responses((status = 202, body = MigrationStarted), Problems))]
pub async fn start(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Json(input): Json<MigrationInput>,
) -> Result<Started<MigrationStarted>> {
    let target = match input.target {
        Some(host) => Target::Host(host.into()),
        None => Target::Best,
    };
    let (job, migration) = migrate::ask(&state.engine, &admin, id, target).await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, vec![id])
        .await?;
    Ok(Started::new(
        job.id,
        MigrationStarted {
            job: Job::new(&job, &names),
            migration: Migration::new(&migration, &names),
        },
    ))
}

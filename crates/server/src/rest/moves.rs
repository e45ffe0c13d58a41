//! Moving a VM live: where it could go, and going.

use super::{Problems, Started};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path, Query},
    names::Directory,
    state::AppState,
};
use axum::extract::State;
use bellwether_api::{
    Ref,
    job::Job,
    migration::{
        Migration, MigrationChoices, MigrationInput, MigrationStarted, MigrationTargetsQuery,
        OtherWay, TargetChoice,
    },
    migration_policy::MovesByInput,
    vm::Vm,
};
use bellwether_engine::migrate::{self, MovesBy, Target, Wish};
use bellwether_model::VmId;

/// Where it could move to: pre-flight for every host, the best first.
#[utoipa::path(get, path = "/api/v1/vms/{id}/migration-targets", tag = "vms", params(("id" = uuid::Uuid, Path), MigrationTargetsQuery),
    responses((status = 200, body = MigrationChoices), Problems))]
pub async fn targets(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Query(query): Query<MigrationTargetsQuery>,
) -> Result<axum::Json<MigrationChoices>> {
    let policy = query.policy.as_deref();
    let choices = migrate::consider(&state.engine, &admin, id, policy).await?;
    Ok(axum::Json(MigrationChoices {
        vm: Ref::new(id, Some(choices.vm.name.clone())),
        source: Ref::new(choices.source.id, Some(choices.source.name.clone())),
        policy: (&choices.policy).into(),
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
                mechanism: target
                    .chosen
                    .as_ref()
                    .map(|chosen| (&chosen.mechanism).into()),
                forecast: target
                    .chosen
                    .as_ref()
                    .map(|chosen| (&chosen.forecast).into()),
                other_ways: target
                    .chosen
                    .iter()
                    .flat_map(|chosen| &chosen.others)
                    .map(|(name, forecast)| OtherWay {
                        name: (*name).into(),
                        forecast: forecast.into(),
                    })
                    .collect(),
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
    let wish = Wish {
        target,
        policy: input.policy,
    };
    let (job, migration) = migrate::ask(&state.engine, &admin, id, wish).await?;
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

/// Says by what its policy for moves is chosen.
#[utoipa::path(put, path = "/api/v1/vms/{id}/migration-policy", tag = "vms", params(("id" = uuid::Uuid, Path)), request_body = MovesByInput,
    responses((status = 200, body = Vm), Problems))]
pub async fn set_policy(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Json(input): Json<MovesByInput>,
) -> Result<axum::Json<Vm>> {
    let wanted = MovesBy {
        policy: input.policy,
        labels: input.labels,
    };
    let vm = migrate::set_moves_by(&state.engine, &admin, id, wanted).await?;
    Ok(axum::Json(super::vms::shown(&state, &vm).await?))
}

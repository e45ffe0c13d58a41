//! VMs.

use super::{
    Problems, Started, audit,
    input::{day, limit, words},
    metrics,
    page::{Order, part},
};
use crate::{
    auth::Actor,
    error::Result,
    extract::{Json, Path, Query},
    graphed::Graphed,
    names::Directory,
    state::AppState,
};
use axum::extract::State;
use bellwether_api::{
    List, Ref,
    audit::AuditLine,
    job::Job,
    metrics::{Metrics, MetricsQuery},
    vm::{
        ConfirmQuery, FirstPassword, LeaseInput, PowerAction, PowerInput, Screen, Vm, VmQuery,
        VmState,
    },
};
use bellwether_engine::{console, delete, expire, power, secrets};
use bellwether_model::{VmId, job, vm as model};
use secrecy::ExposeSecret;

/// One's VMs, oldest first; admins see everybody's. Those that are gone only where asked for.
#[utoipa::path(get, path = "/api/v1/vms", tag = "vms", params(VmQuery), responses((status = 200, body = List<Vm>), Problems))]
pub async fn list(
    actor: Actor,
    State(state): State<AppState>,
    Query(query): Query<VmQuery>,
) -> Result<axum::Json<List<Vm>>> {
    let engine = &state.engine;
    let most = limit(query.limit)?;
    let states: Vec<model::VmState> = words::<VmState, _>("state", query.state.as_deref())?;
    let owner = if actor.is_admin() {
        query.owner.map(Into::into)
    } else {
        Some(actor.user)
    };
    let host = query.host.map(Into::into);
    let look = engine.look().await?;
    // Those that are gone are not kept in memory; they are read where they are asked for.
    let read = match states.contains(&model::VmState::Gone) {
        true => {
            let query = bellwether_store::VmQuery {
                owner,
                host,
                with_gone: true,
            };
            Some(engine.store().vms(query).await?)
        }
        false => None,
    };
    let all = read.as_deref().unwrap_or(&look.records.vms);
    let wanted = |vm: &&model::Vm| {
        owner.is_none_or(|owner| vm.owner == owner)
            && host.is_none_or(|host| vm.host == host)
            && (states.is_empty() || states.contains(&vm.state))
            && query.ends_by.is_none_or(|day| vm.lease_until <= day)
    };
    let list = part(
        all.iter().filter(wanted).collect(),
        Order::Oldest,
        |vm: &&model::Vm| (vm.created_at, vm.id.into()),
        most,
        query.after.as_deref(),
    )?;
    let names = Directory::of(look.records.clone());
    let (seen, now) = (&look.observed, engine.now());
    // Only the owner can take a first password, so only they are told.
    let waiting = engine.store().first_passwords(actor.user).await?;
    let mut items = Vec::with_capacity(list.items.len());
    for vm in list.items.iter().copied() {
        let waiting = waiting.contains(&vm.id);
        let reachable = engine.reach(vm.id).known();
        items.push(Vm::new(vm, &names, seen, waiting, reachable, now));
    }
    Ok(axum::Json(List {
        items,
        total: list.total,
        next: list.next,
    }))
}

async fn of_actor(state: &AppState, actor: &Actor, id: VmId) -> Result<model::Vm> {
    let vm = state.engine.store().vm(id).await?;
    actor.may_see(vm.owner, "VM")?;
    Ok(vm)
}

pub(super) async fn shown(state: &AppState, vm: &model::Vm) -> Result<Vm> {
    let engine = &state.engine;
    let names = Directory::load(engine).await?;
    let waiting = engine.store().first_passwords(vm.owner).await?;
    let seen = engine.sights().await?;
    let reachable = engine.reach(vm.id).known();
    Ok(Vm::new(
        vm,
        &names,
        &seen,
        waiting.contains(&vm.id),
        reachable,
        engine.now(),
    ))
}

async fn started(state: &AppState, job: &job::Job) -> Result<Started<Job>> {
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, Vec::from_iter(job.subject.vm))
        .await?;
    Ok(Started::new(job.id, Job::new(job, &names)))
}

/// One VM, with what was last seen of it.
#[utoipa::path(get, path = "/api/v1/vms/{id}", tag = "vms", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Vm), Problems))]
pub async fn show(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
) -> Result<axum::Json<Vm>> {
    let vm = of_actor(&state, &actor, id).await?;
    Ok(axum::Json(shown(&state, &vm).await?))
}

/// What was done to it, by whom.
#[utoipa::path(get, path = "/api/v1/vms/{id}/audit", tag = "vms", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = List<AuditLine>), Problems))]
pub async fn audit_lines(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
) -> Result<axum::Json<List<AuditLine>>> {
    of_actor(&state, &actor, id).await?;
    audit::about(&state, "vm", id).await
}

/// Its history, with migrations marked.
#[utoipa::path(get, path = "/api/v1/vms/{id}/metrics", tag = "vms", params(("id" = uuid::Uuid, Path), MetricsQuery),
    responses((status = 200, body = Metrics), Problems))]
pub async fn history(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Query(query): Query<MetricsQuery>,
) -> Result<axum::Json<Metrics>> {
    let vm = of_actor(&state, &actor, id).await?;
    Ok(axum::Json(
        metrics::read(&state, Graphed::Vm(&vm), &query).await?,
    ))
}

/// Starts it, shuts it down, takes its power away or reboots it.
#[utoipa::path(post, path = "/api/v1/vms/{id}/power", tag = "vms", params(("id" = uuid::Uuid, Path)), request_body = PowerInput,
    responses((status = 202, body = Job), Problems))]
pub async fn power(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Json(input): Json<PowerInput>,
) -> Result<Started<Job>> {
    let action = match input.action {
        PowerAction::Start => power::PowerAction::Start,
        PowerAction::Shutdown => power::PowerAction::Shutdown,
        PowerAction::ForceOff => power::PowerAction::ForceOff,
        PowerAction::Reboot => power::PowerAction::Reboot,
    };
    let job = power::ask(&state.engine, &actor, id, action).await?;
    started(&state, &job).await
}

/// Extends the lease, or ends it sooner.
#[utoipa::path(put, path = "/api/v1/vms/{id}/lease", tag = "vms", params(("id" = uuid::Uuid, Path)), request_body = LeaseInput,
    responses((status = 200, body = Vm), Problems))]
pub async fn extend(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Json(input): Json<LeaseInput>,
) -> Result<axum::Json<Vm>> {
    of_actor(&state, &actor, id).await?;
    let vm = expire::extend(&state.engine, &actor, id, day("until", &input.until)?).await?;
    Ok(axum::Json(shown(&state, &vm).await?))
}

/// The first password, once; `null` where a key was given or it was taken.
#[utoipa::path(post, path = "/api/v1/vms/{id}/first-password", tag = "vms", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = FirstPassword), Problems))]
pub async fn first_password(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
) -> Result<axum::Json<FirstPassword>> {
    let password = secrets::take_first_password(&state.engine, &actor, id).await?;
    Ok(axum::Json(FirstPassword {
        password: password.map(|password| password.expose_secret().into()),
    }))
}

/// Where its screen listens, with a password for a short time.
#[utoipa::path(post, path = "/api/v1/vms/{id}/screen", tag = "vms", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Screen), Problems))]
pub async fn screen(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
) -> Result<axum::Json<Screen>> {
    let vm = of_actor(&state, &actor, id).await?;
    let access = console::screen_password(&state.engine, &actor, id).await?;
    Ok(axum::Json(Screen {
        host: Ref::new(vm.host, Some(access.host)),
        address: access.address,
        port: access.port,
        password: access.password.expose_secret().into(),
        until: access.until.into(),
    }))
}

/// Deletes it with its disk. `confirm` is its name.
#[utoipa::path(delete, path = "/api/v1/vms/{id}", tag = "vms", params(("id" = uuid::Uuid, Path), ConfirmQuery),
    responses((status = 202, body = Job), Problems))]
pub async fn remove(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<VmId>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Started<Job>> {
    let job = delete::ask(&state.engine, &actor, id, &query.confirm)
        .await
        .map_err(|error| super::input::renamed(error, &[("name", "confirm")]))?;
    started(&state, &job).await
}

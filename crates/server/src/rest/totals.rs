//! Totals per person.

use super::Problems;
use crate::{auth::Actor, error::Result, names::Directory, state::AppState};
use axum::{Json, extract::State};
use bellwether_api::{List, Names, Ref, totals::PersonTotals};
use bellwether_engine::usage;

/// What each person holds; users see their own.
#[utoipa::path(get, path = "/api/v1/totals", tag = "people", responses((status = 200, body = List<PersonTotals>), Problems))]
pub async fn list(actor: Actor, State(state): State<AppState>) -> Result<Json<List<PersonTotals>>> {
    let names = Directory::load(&state.engine).await?;
    let totals = state.engine.store().totals().await?;
    let records = state.engine.store().records().await?;
    let used = usage::by_person(&records, &state.engine.observed());
    let used = |user| used.get(&user).copied().unwrap_or_default();
    let mut items: Vec<PersonTotals> = totals
        .into_iter()
        .filter(|totals| actor.is_admin() || totals.user == actor.user)
        .map(|totals| PersonTotals {
            user: Ref::new(totals.user, names.user(totals.user)),
            vms: totals.vms.into(),
            vcpus: totals.vcpus.0.into(),
            memory_mib: totals.memory.0,
            disk_gib: totals.disk.0,
            used_vcpus: used(totals.user).vcpus,
            used_memory_mib: used(totals.user).memory.map(|memory| memory.0),
        })
        .collect();
    items.sort_by(|a, b| a.user.name.cmp(&b.user.name));
    Ok(Json(List::whole(items)))
}

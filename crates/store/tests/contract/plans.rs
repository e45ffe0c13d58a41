//! Plans: one running at a time about a host, and what is to stop stays so.

use crate::world::{World, at, host};
use bellwether_model::{
    ErrorKind, HostId, PlanId,
    plan::{Plan, PlanKind, PlanState},
};

crate::cases!(one_plan_about_a_host_runs_at_a_time);

fn plan(host: HostId, seconds: i64) -> Plan {
    Plan {
        id: PlanId::new(),
        kind: PlanKind::Drain,
        host,
        state: PlanState::Running,
        asked_by: None,
        created_at: at(seconds),
        ended_at: None,
        forecast_ms: 5,
        bound_ms: 4,
        steps: Vec::new(),
        blocked: Vec::new(),
        stopping: false,
    }
}

async fn one_plan_about_a_host_runs_at_a_time(world: World) {
    let store = world.store;
    let (here, there) = (host("here").id, host("there").id);
    let (mut first, other) = (plan(here, 1), plan(there, 2));
    let mut tx = store.begin().await.unwrap();
    tx.insert_plan(&first).await.unwrap();
    tx.insert_plan(&other).await.unwrap();
    let second = tx.insert_plan(&plan(here, 3)).await.unwrap_err();
    assert_eq!(second.kind, ErrorKind::Conflict);
    assert!(tx.stop_plan(first.id).await.unwrap());
    first.forecast_ms = 6;
    // Whoever read it before that does not undo it.
    tx.update_plan(&first).await.unwrap();
    assert!(tx.plan(first.id).await.unwrap().stopping);
    tx.commit().await.unwrap();
    let running = store.running_plans().await.unwrap();
    assert_eq!(running.len(), 2);
    assert_eq!((running[0].id, running[0].forecast_ms), (first.id, 6));
    first.state = PlanState::Cancelled;
    let mut tx = store.begin().await.unwrap();
    tx.update_plan(&first).await.unwrap();
    assert!(!tx.stop_plan(first.id).await.unwrap(), "it is over");
    tx.insert_plan(&plan(here, 4)).await.unwrap();
    let unknown = tx.update_plan(&plan(here, 5)).await.unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::NotFound);
    tx.commit().await.unwrap();
    let newest = store.plans(2).await.unwrap();
    assert_eq!(newest[0].created_at, at(4));
    assert_eq!(newest[1].id, other.id);
    assert_eq!(store.plan(other.id).await.unwrap(), other);
    let nowhere = store.plan(PlanId::new()).await.unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::NotFound);
}

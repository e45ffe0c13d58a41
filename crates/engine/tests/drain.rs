//! A host is emptied, on a simulated fleet: by a plan, whatever happens meanwhile.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{hosts, migrate, plan};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{
    ErrorKind, HostId, MiB, PlanId,
    host::HostMode,
    plan::{Plan, PlanKind, PlanState, StepState},
    storage::StorageKind,
    vm::{Vm, VmState},
};
use common::{Site, points::once};
use std::collections::BTreeMap;

/// So many hosts, and VMs all of which are on the first of them.
async fn site(name: &str, hosts: u32, vms: usize, link_mib_s: u64) -> (Site, HostId, Vec<Vm>) {
    let spec = SimSpec {
        link_mib_s,
        memory: MiB(16_384),
        cores: 16,
        ..SimSpec::new(name, hosts)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let home = site.hosts[0];
    // Whoever else could take them is put aside until they are made.
    for host in &site.hosts[1..] {
        let mode = HostMode::Maintenance;
        hosts::set_mode(&site.engine, &site.admin, *host, mode, None)
            .await
            .unwrap();
    }
    let mut made = Vec::new();
    for n in 0..vms {
        made.push(site.vm(&format!("vm{n}")).await);
    }
    for host in &site.hosts[1..] {
        hosts::set_mode(&site.engine, &site.admin, *host, HostMode::Active, None)
            .await
            .unwrap();
    }
    assert!(made.iter().all(|vm| vm.host == home));
    site.until("all are seen to run", async |site| {
        let seen = site.engine.observed();
        let there = seen.host(home).unwrap();
        made.iter().all(|vm| {
            there
                .vm(vm.id.0)
                .is_some_and(|vm| vm.power == bellwether_model::observed::PowerState::Running)
        })
    })
    .await;
    (site, home, made)
}

async fn ends(site: &Site, id: PlanId) -> Plan {
    site.until("the plan ends", async |site| {
        site.engine.store().plan(id).await.unwrap().state != PlanState::Running
    })
    .await;
    site.engine.store().plan(id).await.unwrap()
}

async fn on(site: &Site, vms: &[Vm]) -> BTreeMap<HostId, usize> {
    let mut on = BTreeMap::new();
    for vm in vms {
        let now = once(site, vm.id).await;
        assert_eq!(now.state, VmState::Running, "{now:?}");
        *on.entry(now.host).or_default() += 1;
    }
    on
}

#[tokio::test(flavor = "multi_thread")]
async fn all_leave_nothing_lands_there_and_they_come_home() {
    let (site, home, vms) = site("emptied", 3, 8, 2_000).await;
    let prospect = plan::prospect(&site.engine, &site.admin, home)
        .await
        .unwrap();
    assert_eq!(
        (prospect.steps.len(), prospect.blocked.len()),
        (8, 0),
        "{prospect:?}"
    );
    assert!(prospect.forecast_ms >= prospect.bound_ms && prospect.bound_ms > 0);
    assert!(
        site.engine.store().plans(10).await.unwrap().is_empty(),
        "nothing was begun"
    );

    let drain = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap();
    let again = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict);
    let drain = ends(&site, drain.id).await;
    assert_eq!(drain.state, PlanState::Done);
    assert!(
        drain.steps.iter().all(|step| step.state == StepState::Done),
        "{drain:?}"
    );
    let there = on(&site, &vms).await;
    assert_eq!(there.get(&home), None);
    assert_eq!(
        there.values().copied().collect::<Vec<_>>(),
        [4, 4],
        "spread"
    );
    let host = site.engine.store().host(home).await.unwrap();
    assert_eq!(host.mode, HostMode::Maintenance);
    let back = migrate::ask(
        &site.engine,
        &site.admin,
        vms[0].id,
        migrate::Target::Host(home),
    )
    .await;
    assert!(back.unwrap_err().message.contains("put aside"));

    let (host, returned) = plan::resume(&site.engine, &site.admin, home, true)
        .await
        .unwrap();
    assert_eq!(host.mode, HostMode::Active);
    let returned = ends(&site, returned.unwrap().id).await;
    assert_eq!((returned.kind, returned.steps.len()), (PlanKind::Return, 8));
    assert_eq!(on(&site, &vms).await.get(&home), Some(&8));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_tried_again_and_the_others_do_not_wait_for_it() {
    let (site, home, vms) = site("failing", 3, 4, 2_000).await;
    let name = site.name_of(home).await;
    site.fleet.fault(&name, Op::Migrate, Fault::before(), 1);
    let drain = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap();
    let drain = ends(&site, drain.id).await;
    assert!(
        drain.steps.iter().all(|step| step.state == StepState::Done),
        "{drain:?}"
    );
    assert_eq!(drain.steps.iter().map(|step| step.failures).sum::<u32>(), 1);
    assert_eq!(on(&site, &vms).await.get(&home), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_host_is_not_emptied_and_says_who_would_stay() {
    let (site, home, _) = site("last", 1, 2, 2_000).await;
    let refused = plan::drain(&site.engine, &site.admin, home, true)
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("vm0, vm1 can\'t leave"),
        "{refused:?}"
    );
    assert!(
        refused.refusals[0].reasons[0].contains("no other host"),
        "{refused:?}"
    );
    let host = site.engine.store().host(home).await.unwrap();
    assert_eq!(host.mode, HostMode::Active, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_half_way_what_is_under_way_ends_and_the_rest_stays() {
    let (site, home, vms) = site("halfway", 2, 3, 150).await;
    let drain = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap();
    site.until("the first moves", async |site| {
        site.engine
            .store()
            .plan(drain.id)
            .await
            .unwrap()
            .is_moving()
    })
    .await;
    plan::cancel(&site.engine, &site.admin, drain.id, false)
        .await
        .unwrap();
    let drain = ends(&site, drain.id).await;
    assert_eq!(drain.state, PlanState::Cancelled);
    let left = drain
        .steps
        .iter()
        .filter(|step| step.state == StepState::Left)
        .count();
    let done = drain
        .steps
        .iter()
        .filter(|step| step.state == StepState::Done)
        .count();
    assert!(left >= 1 && done >= 1 && left + done == 3, "{drain:?}");
    assert_eq!(on(&site, &vms).await.get(&home), Some(&left));
    let late = plan::cancel(&site.engine, &site.admin, drain.id, false).await;
    assert_eq!(late.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_middle_goes_on_where_it_was() {
    let (mut site, home, vms) = site("killed", 3, 4, 300).await;
    let drain = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap();
    site.until("the first moves", async |site| {
        site.engine
            .store()
            .plan(drain.id)
            .await
            .unwrap()
            .is_moving()
    })
    .await;
    site.kill_and_start().await;
    let drain = ends(&site, drain.id).await;
    assert!(
        drain.steps.iter().all(|step| step.state == StepState::Done),
        "{drain:?}"
    );
    assert_eq!(on(&site, &vms).await.get(&home), None);
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_are_emptied_are_no_targets_of_each_other() {
    let (site, home, vms) = site("both", 3, 4, 2_000).await;
    let other = site.hosts[1];
    let (job, _) = site.moves(vms[0].id, migrate::Target::Host(other)).await;
    site.ends(job.id).await;
    let first = plan::drain(&site.engine, &site.admin, home, false)
        .await
        .unwrap();
    let second = plan::drain(&site.engine, &site.admin, other, false)
        .await
        .unwrap();
    ends(&site, first.id).await;
    ends(&site, second.id).await;
    // What the first had sent to the second before that was to be emptied too is sent on.
    let there = on(&site, &vms).await;
    assert_eq!(there, BTreeMap::from([(site.hosts[2], 4)]));
}

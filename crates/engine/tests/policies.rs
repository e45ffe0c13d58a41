//! Moves by policy, on a simulated fleet: what is refused before, how one is steered, and what can be changed on the way.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    migrate::{self, LimitsChange, MovesBy, Target, Wish},
    policy,
};
use bellwether_hypervisor::sim::{Guest, SimSpec};
use bellwether_model::{
    ErrorKind, VmId,
    job::{Job, JobState},
    migration::{Migration, MigrationOutcome},
    migration_policy::{LastResort, MigrationPolicy},
    storage::StorageKind,
};
use common::{PATIENCE, Site, points::once};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Two hosts with a link of so many MiB/s, and a VM on one whose guest writes so much.
async fn site(name: &str, link_mib_s: u64, dirty_mib_s: f64) -> (Site, VmId) {
    let spec = SimSpec {
        link_mib_s,
        guest: Guest {
            dirty_mib_s,
            ..SimSpec::new("x", 1).guest
        },
        ..SimSpec::new(name, 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("mover").await;
    (site, vm.id)
}

/// Until it was measured what the VM writes.
async fn measured(site: &Site, vm: VmId) {
    let until = Instant::now() + PATIENCE;
    loop {
        let choices = migrate::consider(&site.engine, &site.admin, vm, None)
            .await
            .unwrap();
        let chosen = choices.targets[0].chosen.as_ref();
        if chosen.is_some_and(|chosen| chosen.forecast.basis.join(" ").contains("within ten")) {
            return;
        }
        assert!(Instant::now() < until, "it was never measured");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn add_policy(site: &Site, change: impl FnOnce(&mut MigrationPolicy)) -> String {
    let (mut all, version) = site.engine.store().policy().await.unwrap();
    let mut one = MigrationPolicy {
        name: "of this test".into(),
        ..MigrationPolicy::default()
    };
    change(&mut one);
    all.migration.named.push(one.clone());
    policy::set(&site.engine, &site.admin, &all, version)
        .await
        .unwrap();
    one.name
}

async fn by(site: &Site, vm: VmId, policy: &str) -> bellwether_model::Result<(Job, Migration)> {
    let wish = Wish {
        target: Target::Best,
        policy: Some(policy.into()),
    };
    migrate::ask(&site.engine, &site.admin, vm, wish).await
}

fn told(migration: &Migration) -> String {
    let lines = migration.phases.iter().map(|phase| phase.what.as_str());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_can_not_keep_is_refused_before_and_another_one_gets_it_through() {
    let (site, vm) = site("refused", 300, 450.0).await;
    site.ready().await;
    measured(&site, vm).await;
    let error = by(&site, vm, "never slow the guest").await.unwrap_err();
    let reasons = error.refusals[0].reasons.join(" ");
    assert!(
        reasons.contains("By \"never slow the guest\": it writes more than is copied"),
        "{error:?}"
    );
    assert!(reasons.contains("hold it back"), "{reasons}");
    assert!(site.fleet.moving().is_empty(), "nothing was begun");

    let (job, asked) = by(&site, vm, "CAREFUL").await.unwrap();
    let why = asked.mechanism.unwrap().why;
    assert!(why.contains("holds the guest back"), "{why}");
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let migration = site.last_migration(vm).await;
    assert_eq!(migration.outcome, MigrationOutcome::Completed);
    assert_eq!(migration.intent.as_ref().unwrap().name, "careful");
    assert_eq!(migration.kept_its_intent(), Some(true), "{migration:?}");
    assert!(
        told(&migration).contains("pass 2 begins with"),
        "{migration:?}"
    );
    once(&site, vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_gets_nowhere_is_given_up_and_says_so() {
    let (site, vm) = site("nowhere", 300, 0.0).await;
    let (job, _) = by(&site, vm, "never slow the guest").await.unwrap();
    site.copies(job.id).await;
    // What it writes jumps once it moves.
    site.fleet
        .set_guest(vm.0, |guest| guest.dirty_mib_s = 900.0);
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Failed);
    let migration = site.last_migration(vm).await;
    assert_eq!(migration.outcome, MigrationOutcome::Failed);
    let why = migration.reason.clone().unwrap();
    assert!(
        why.starts_with("It was given up by \"never slow the guest\": it gets nowhere."),
        "{why}"
    );
    once(&site, vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_time_it_is_finished_with_a_longer_pause_where_that_is_the_last_resort() {
    let (site, vm) = site("outoftime", 100, 0.0).await;
    let name = add_policy(&site, |one| {
        one.may_throttle = false;
        one.finish_within_seconds = Some(4);
        one.last_resort = LastResort::LongerPause;
    })
    .await;
    let (job, _) = by(&site, vm, &name).await.unwrap();
    site.copies(job.id).await;
    site.fleet.set_guest(vm.0, |guest| guest.dirty_mib_s = 95.0);
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let migration = site.last_migration(vm).await;
    assert!(
        told(&migration).contains("longer than 300 ms"),
        "{migration:?}"
    );
    assert_eq!(migration.kept_its_intent(), Some(false));
    once(&site, vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn post_copy_is_the_way_out_only_where_it_is_allowed() {
    let (site, vm) = site("postcopy", 200, 0.0).await;
    let name = add_policy(&site, |one| {
        one.may_throttle = false;
        one.may_post_copy = true;
    })
    .await;
    let (job, asked) = by(&site, vm, &name).await.unwrap();
    assert!(
        asked.mechanism.unwrap().post_copy,
        "nothing was measured yet"
    );
    site.copies(job.id).await;
    assert!(
        site.fleet
            .moving()
            .iter()
            .all(|spec| spec.post_copy && !spec.throttle)
    );
    site.fleet
        .set_guest(vm.0, |guest| guest.dirty_mib_s = 900.0);
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let migration = site.last_migration(vm).await;
    assert!(
        told(&migration).contains("the guest goes on at the target, and its memory follows"),
        "{migration:?}"
    );
    assert_eq!(migration.kept_its_intent(), Some(true), "{migration:?}");
    once(&site, vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_limits_can_be_changed_on_the_way() {
    let (site, vm) = site("onward", 100, 0.0).await;
    let name = add_policy(&site, |one| one.link_share_percent = 5).await;
    let (job, asked) = by(&site, vm, &name).await.unwrap();
    let first = asked.mechanism.unwrap().bandwidth.unwrap();
    assert!(first < 20 << 20, "{first}");
    site.copies(job.id).await;
    let change = LimitsChange {
        bandwidth: Some(None),
        longest_pause_ms: Some(900),
        ..LimitsChange::default()
    };
    let set = migrate::set_limits(&site.engine, &site.admin, asked.id, change)
        .await
        .unwrap();
    assert_eq!(set.intent.unwrap().longest_pause_ms, 900);
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let migration = site.last_migration(vm).await;
    assert_eq!(migration.intent.as_ref().unwrap().longest_pause_ms, 900);
    let told = told(&migration);
    assert!(
        told.contains("what it takes of the link was changed"),
        "{told}"
    );
    assert!(told.contains("its limits were changed"), "{told}");
    let late = migrate::set_limits(&site.engine, &site.admin, asked.id, change).await;
    assert_eq!(late.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_moves_by_its_own_policy_its_labels_or_the_usual_one() {
    let (site, vm) = site("chosen", 400, 0.0).await;
    let name = add_policy(&site, |one| one.labels = vec!["database".into()]).await;
    let moves_by = async || {
        let choices = migrate::consider(&site.engine, &site.admin, vm, None).await;
        choices.unwrap().policy.name
    };
    let set = async |policy: Option<&str>, labels: &[&str]| {
        let wanted = MovesBy {
            policy: policy.map(Into::into),
            labels: labels.iter().map(|label| (*label).into()).collect(),
        };
        migrate::set_moves_by(&site.engine, &site.admin, vm, wanted).await
    };
    assert_eq!(moves_by().await, "careful");
    let labelled = set(None, &[" Database", "web", "database"]).await.unwrap();
    assert_eq!(labelled.labels, ["database", "web"]);
    assert_eq!(moves_by().await, name);
    set(Some("HUGE vm"), &["database"]).await.unwrap();
    assert_eq!(moves_by().await, "huge VM");
    let error = set(Some("fast"), &[]).await.unwrap_err();
    assert!(
        error.fields[0]
            .message
            .contains("there is no policy \"fast\""),
        "{error:?}"
    );
    let error = set(None, &["a,b"]).await.unwrap_err();
    assert_eq!(error.fields[0].field, "labels");
    let error = by(&site, vm, "fast").await.unwrap_err();
    assert_eq!(error.fields[0].field, "policy");
}

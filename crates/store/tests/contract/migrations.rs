//! Migrations: the list, the ones that matter now, and what is known of the way between two hosts.

use crate::world::{Ground, World, at, host, job};
use bellwether_model::{
    ErrorKind, HostId, MigrationId, VmId,
    host::HostTies,
    job::{JobKind, JobState, JobSubject},
    migration::{Migration, MigrationOutcome},
    migration_policy::{Mechanism, MigrationPolicy, Phase},
};
use bellwether_store::{MigrationQuery, PastMoves};
use std::collections::BTreeSet;

crate::cases!(
    migrations_round_trip_newest_first,
    how_the_last_moves_between_two_hosts_went,
    what_hangs_on_a_host_and_which_ways_are_proven,
);

async fn what_hangs_on_a_host_and_which_ways_are_proven(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let (here, there) = (ground.host.id, host("there"));
    let vm = ground.vm("db");
    let migration = |source, target, outcome, ended_at| Migration {
        id: MigrationId::new(),
        job: None,
        vm: vm.id,
        source,
        target,
        copy_disk: false,
        asked_by: None,
        outcome,
        reason: None,
        started_at: at(1),
        ended_at,
        total_ms: None,
        downtime_ms: None,
        bytes: None,
        rounds: None,
        zero_bytes: None,
        forecast: None,
        intent: None,
        mechanism: None,
        phases: Vec::new(),
    };
    let mut work = job(JobKind::Power, None);
    work.subject = JobSubject {
        host: Some(there.id),
        ..JobSubject::default()
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&there).await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    assert_eq!(tx.host_ties(there.id).await.unwrap(), HostTies::default());
    tx.insert_job(&work).await.unwrap();
    tx.add_tombstone(VmId::random(), work.id, there.id, at(1))
        .await
        .unwrap();
    for (source, target, outcome, ended) in [
        (here, there.id, MigrationOutcome::Failed, Some(at(2))),
        (there.id, here, MigrationOutcome::Completed, Some(at(3))),
        (here, there.id, MigrationOutcome::Running, None),
    ] {
        let moved = migration(source, target, outcome, ended);
        tx.insert_migration(&moved).await.unwrap();
    }
    let ties = tx.host_ties(there.id).await.unwrap();
    assert_eq!(
        ties,
        HostTies {
            vms: Vec::new(),
            moves: vec!["db".into()],
            jobs: 1,
            tombstones: 1
        }
    );
    assert_eq!(tx.host_ties(here).await.unwrap().vms, ["db"]);
    work.state = JobState::Done;
    tx.update_job(&work).await.unwrap();
    assert_eq!(tx.host_ties(there.id).await.unwrap().jobs, 0);
    tx.commit().await.unwrap();
    for host in [here, there.id] {
        let proven = store.proven_ways(host).await.unwrap();
        assert_eq!(proven, BTreeSet::from([(there.id, here)]));
    }
}

async fn migrations_round_trip_newest_first(world: World) {
    let store = world.store;
    let (h1, h2) = (host("h1"), host("h2"));
    let vm = VmId::random();
    let migration = |seconds, outcome| Migration {
        id: MigrationId::new(),
        job: None,
        vm,
        source: h1.id,
        target: h2.id,
        copy_disk: false,
        asked_by: None,
        outcome,
        reason: None,
        started_at: at(seconds),
        ended_at: None,
        total_ms: None,
        downtime_ms: None,
        bytes: None,
        rounds: None,
        zero_bytes: None,
        forecast: None,
        intent: None,
        mechanism: None,
        phases: Vec::new(),
    };
    let mut done = migration(1, MigrationOutcome::Running);
    let unknown = migration(2, MigrationOutcome::Unknown);
    let mut other = migration(3, MigrationOutcome::Failed);
    other.vm = VmId::random();
    let mut tx = store.begin().await.unwrap();
    for m in [&done, &unknown, &other] {
        tx.insert_migration(m).await.unwrap();
    }
    done.outcome = MigrationOutcome::Completed;
    done.ended_at = Some(at(9));
    (done.total_ms, done.downtime_ms, done.bytes, done.rounds) =
        (Some(1234), Some(0), Some(5 << 40), Some(4));
    done.copy_disk = true;
    done.intent = Some(MigrationPolicy::default());
    done.mechanism = Some(Mechanism {
        bandwidth: Some(5 << 20),
        ..Mechanism::default()
    });
    assert!(tx.set_limits(&done).await.unwrap());
    done.phases = vec![Phase {
        at_ms: 5,
        what: "pass 2".into(),
    }];
    tx.update_migration(&done).await.unwrap();
    let mut late = done.clone();
    late.intent = None;
    assert!(!tx.set_limits(&late).await.unwrap(), "it is over");
    tx.update_migration(&late).await.unwrap();
    assert_eq!(
        tx.update_migration(&migration(9, MigrationOutcome::Failed))
            .await
            .unwrap_err()
            .kind,
        ErrorKind::NotFound
    );
    tx.commit().await.unwrap();
    assert_eq!(store.migration(done.id).await.unwrap(), done);
    let any = MigrationQuery {
        limit: 10,
        ..MigrationQuery::default()
    };
    assert_eq!(
        store.migrations(any).await.unwrap(),
        [other, unknown.clone(), done.clone()]
    );
    let passed_over = MigrationQuery {
        skip: 1,
        limit: 1,
        ..any
    };
    assert_eq!(
        store.migrations(passed_over).await.unwrap(),
        std::slice::from_ref(&unknown)
    );
    assert_eq!(store.count_migrations(&passed_over).await.unwrap(), 3);
    let lost = MigrationQuery {
        outcome: Some(MigrationOutcome::Unknown),
        ..any
    };
    assert_eq!(
        store.migrations(lost).await.unwrap(),
        std::slice::from_ref(&unknown)
    );
    assert_eq!(store.count_migrations(&lost).await.unwrap(), 1);
    assert_eq!(
        store
            .migrations(MigrationQuery {
                vm: Some(vm),
                ..any
            })
            .await
            .unwrap(),
        [unknown.clone(), done]
    );
    assert_eq!(
        store
            .migrations(MigrationQuery {
                running_only: true,
                ..any
            })
            .await
            .unwrap(),
        [unknown]
    );
}

async fn how_the_last_moves_between_two_hosts_went(world: World) {
    let store = world.store;
    let (h1, h2, h3) = (host("h1"), host("h2"), host("h3"));
    let moved = |target: HostId, ended: Option<i64>, outcome, reason: Option<&str>| Migration {
        id: MigrationId::new(),
        job: None,
        vm: VmId::random(),
        source: h1.id,
        target,
        copy_disk: false,
        asked_by: None,
        outcome,
        reason: reason.map(Into::into),
        started_at: at(1),
        ended_at: ended.map(at),
        total_ms: None,
        downtime_ms: None,
        bytes: None,
        rounds: None,
        zero_bytes: None,
        forecast: None,
        intent: None,
        mechanism: None,
        phases: Vec::new(),
    };
    use MigrationOutcome::{Cancelled, Completed, Failed, Running};
    let mut back = moved(h1.id, Some(9), Failed, None);
    back.source = h2.id;
    let all = [
        moved(h2.id, Some(5), Completed, None),
        moved(h2.id, Some(3), Completed, None),
        moved(h2.id, Some(4), Failed, Some("early")),
        moved(h2.id, Some(6), Failed, Some("late")),
        moved(h2.id, Some(7), Cancelled, Some("by root")),
        moved(h2.id, None, Running, None),
        moved(h3.id, Some(8), Cancelled, None),
        back,
    ];
    let mut tx = store.begin().await.unwrap();
    for migration in &all {
        tx.insert_migration(migration).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut past = store.past_moves(h1.id).await.unwrap();
    past.sort_by_key(|past| past.target != h2.id);
    let to = |target: HostId, succeeded: Option<i64>, failed: Option<(i64, &str)>| PastMoves {
        target,
        succeeded: succeeded.map(at),
        failed: failed.map(|(seconds, reason)| (at(seconds), reason.into())),
    };
    assert_eq!(
        past,
        [to(h2.id, Some(5), Some((6, "late"))), to(h3.id, None, None)]
    );
    assert_eq!(
        store.past_moves(h2.id).await.unwrap(),
        [to(h1.id, None, Some((9, "the reason is not known")))]
    );
    let recent = |since: i64| {
        let store = store.clone();
        async move {
            let recent = store.recent_migrations(at(since)).await.unwrap();
            recent
                .iter()
                .map(|migration| migration.ended_at)
                .collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(
        recent(8).await,
        BTreeSet::from([None, Some(at(8)), Some(at(9))])
    );
    assert_eq!(recent(100).await, BTreeSet::from([None]));
    // Asked about an earlier time than before, and after one more ended.
    assert_eq!(recent(7).await.len(), 4);
    let mut ended = all
        .iter()
        .find(|one| one.ended_at.is_none())
        .unwrap()
        .clone();
    (ended.ended_at, ended.outcome) = (Some(at(50)), Completed);
    let mut tx = store.begin().await.unwrap();
    tx.update_migration(&ended).await.unwrap();
    assert_eq!(recent(100).await, BTreeSet::from([None]));
    tx.commit().await.unwrap();
    assert_eq!(recent(100).await, BTreeSet::new());
    assert_eq!(recent(9).await, BTreeSet::from([Some(at(9)), Some(at(50))]));
    (ended.ended_at, ended.outcome) = (None, Running);
    let mut tx = store.begin().await.unwrap();
    tx.update_migration(&ended).await.unwrap();
    tx.commit().await.unwrap();
    // From it and to it, and of very many the newest.
    let of = |host: HostId, since: i64, most: u32| {
        let store = store.clone();
        async move {
            let found = store.migrations_of_host(host, at(since), most).await;
            let ended = found
                .unwrap()
                .into_iter()
                .map(|migration| migration.ended_at);
            ended.collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(of(h3.id, 0, 10).await, BTreeSet::from([Some(at(8))]));
    assert_eq!(
        of(h1.id, 7, 10).await,
        BTreeSet::from([None, Some(at(7)), Some(at(8)), Some(at(9))])
    );
    assert_eq!(of(h2.id, 9, 10).await, BTreeSet::from([None, Some(at(9))]));
    let newest = store.migrations_of_host(h2.id, at(0), 2).await.unwrap();
    let all_of_it = store.migrations_of_host(h2.id, at(0), 10).await.unwrap();
    assert_eq!(newest, all_of_it[..2]);
}

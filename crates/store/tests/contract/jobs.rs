//! Jobs, their journal, tombstones; and live events told by many at once.

use crate::world::{Ground, World, at, host, job};
use bellwether_model::{
    ErrorKind, JobId, Timestamp, VmId,
    job::{Job, JobKind, JobState, JournalEvent, Progress},
    migration::MigrationProgress,
};
use bellwether_store::{JobQuery, NewEvent, Store};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

crate::cases!(
    jobs_round_trip_and_are_listed_newest_first,
    one_open_job_a_vm,
    the_oldest_due_job_is_claimed_and_an_outlived_lease_passes_on,
    what_a_dead_holder_had_is_free_soon,
    who_lost_the_job_writes_nothing,
    each_job_goes_to_one_of_eight_runners,
    tombstones_stay_until_removed,
    no_event_is_missed_by_who_follows,
    who_waits_for_news_hears_of_a_commit_soon,
);

const LEASE: Duration = Duration::from_secs(60);

async fn insert(store: &Store, jobs: &[&Job]) {
    let mut tx = store.begin().await.unwrap();
    for job in jobs {
        tx.insert_job(job).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn jobs_round_trip_and_are_listed_newest_first(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut all: Vec<Job> = (0..4).map(|_| job(JobKind::FetchImage, None)).collect();
    for (index, job) in all.iter_mut().enumerate() {
        job.created_at = at(index as i64);
    }
    all[1].subject.vm = Some(VmId::random());
    all[1].subject.host = Some(ground.host.id);
    all[1].owner = Some(ground.owner.id);
    all[1].created_by = Some(ground.owner.id);
    all[2].state = JobState::NeedsPerson;
    all[2].error = Some("left: \"a volume\"".into());
    all[2].progress = Progress {
        doing: "copying".into(),
        share: Some(0.25),
        bytes_done: Some(u64::MAX),
        bytes_total: None,
        migration: Some(MigrationProgress {
            left_ms: Some(3),
            ..MigrationProgress::default()
        }),
    };
    insert(&store, &all.iter().collect::<Vec<_>>()).await;
    for job in &all {
        assert_eq!(store.job(job.id).await.unwrap(), *job);
    }
    let ids = |query: JobQuery| {
        let store = store.clone();
        async move {
            store
                .jobs(query)
                .await
                .unwrap()
                .into_iter()
                .map(|j| j.id)
                .collect::<Vec<_>>()
        }
    };
    let any = JobQuery {
        limit: 10,
        ..JobQuery::default()
    };
    assert_eq!(
        ids(any.clone()).await,
        [all[3].id, all[2].id, all[1].id, all[0].id]
    );
    assert_eq!(
        ids(JobQuery {
            limit: 1,
            ..any.clone()
        })
        .await,
        [all[3].id]
    );
    assert_eq!(
        ids(JobQuery {
            owner: all[1].owner,
            ..any.clone()
        })
        .await,
        [all[1].id]
    );
    assert_eq!(
        ids(JobQuery {
            vm: all[1].subject.vm,
            ..any.clone()
        })
        .await,
        [all[1].id]
    );
    assert_eq!(
        ids(JobQuery {
            states: vec![JobState::NeedsPerson],
            ..any.clone()
        })
        .await,
        [all[2].id]
    );
    let stuck = store.jobs_for_a_person().await.unwrap();
    assert_eq!(stuck, [all[2].clone()]);
    let passed_over = JobQuery {
        skip: 1,
        limit: 2,
        ..any.clone()
    };
    assert_eq!(ids(passed_over.clone()).await, [all[2].id, all[1].id]);
    assert_eq!(store.count_jobs(&passed_over).await.unwrap(), 4);
    let open = store.open_jobs().await.unwrap();
    let are_open = all.iter().rev().filter(|job| job.state.is_open());
    assert_eq!(*open, are_open.cloned().collect::<Vec<_>>());
    let of_one = JobQuery {
        owner: all[1].owner,
        ..any
    };
    assert_eq!(store.count_jobs(&of_one).await.unwrap(), 1);
    assert_eq!(
        store.job(JobId::new()).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

async fn one_open_job_a_vm(world: World) {
    let store = world.store;
    let vm = VmId::random();
    let mut first = job(JobKind::Migrate, Some(vm));
    insert(
        &store,
        &[&first, &job(JobKind::Power, Some(VmId::random()))],
    )
    .await;
    let second = job(JobKind::Delete, Some(vm));
    let mut tx = store.begin().await.unwrap();
    let said = tx.insert_job(&second).await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Conflict);
    assert!(said.message.contains("being moved"), "{said}");
    first.state = JobState::NeedsPerson;
    tx.update_job(&first).await.unwrap();
    tx.insert_job(&second).await.unwrap();
    // Nor does an old one open again beside it.
    first.state = JobState::Undoing;
    let said = tx.update_job(&first).await.unwrap_err();
    assert!(said.message.contains("being deleted"), "{said}");
    tx.commit().await.unwrap();

    let contested = VmId::random();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let done = tx
                .insert_job(&job(JobKind::Power, Some(contested)))
                .await
                .is_ok();
            tx.commit().await.unwrap();
            done
        });
    }
    assert_eq!(
        tasks.join_all().await.into_iter().filter(|ok| *ok).count(),
        1
    );
}

async fn who_waits_for_news_hears_of_a_commit_soon(world: World) {
    let store = world.store;
    let mut news = store.news();
    let (began, longest) = (Instant::now(), Duration::from_secs(60));
    let waiting = tokio::spawn(async move { news.come(longest).await });
    insert(&store, &[&job(JobKind::Power, None)]).await;
    waiting.await.unwrap();
    // By itself it is looked every ten seconds where nobody else writes.
    assert!(began.elapsed() < Duration::from_secs(8), "{began:?}");
}

async fn the_oldest_due_job_is_claimed_and_an_outlived_lease_passes_on(world: World) {
    let store = world.store;
    let mut old = job(JobKind::Power, None);
    let mut later = job(JobKind::Power, None);
    (old.created_at, later.created_at) = (at(1), at(2));
    old.not_before = at(100);
    assert_eq!(store.next_claim().await.unwrap(), None);
    insert(&store, &[&later, &old]).await;

    let claimed = store.claim_job("a", at(10), LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.id, later.id, "the older one is not due yet");
    assert_eq!(
        (claimed.state, claimed.fence, claimed.attempts),
        (JobState::Running, 1, 1)
    );
    assert_eq!(
        (claimed.holder.as_deref(), claimed.lease_until),
        (Some("a"), at(70))
    );
    assert_eq!(store.job(later.id).await.unwrap(), claimed);
    assert_eq!(store.claim_job("b", at(69), LEASE).await.unwrap(), None);
    assert_eq!(
        store.next_claim().await.unwrap(),
        Some(at(70)),
        "by its lease"
    );
    let claimed = store.claim_job("b", at(100), LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.id, old.id, "the oldest of two that are due");

    assert!(store.renew_lease(later.id, 1, at(500)).await.unwrap());
    assert_eq!(store.next_claim().await.unwrap(), Some(at(160)));
    assert_eq!(store.claim_job("c", at(120), LEASE).await.unwrap(), None);
    let taken = store.claim_job("c", at(160), LEASE).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.fence, taken.attempts), (old.id, 2, 2));
    assert!(!store.renew_lease(old.id, 1, at(900)).await.unwrap());

    // One that is being undone stays so when it passes on.
    let mut tx = store.begin().await.unwrap();
    tx.update_job(&Job {
        state: JobState::Undoing,
        ..taken.clone()
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let taken = store.claim_job("d", at(221), LEASE).await.unwrap().unwrap();
    assert_eq!((taken.state, taken.fence), (JobState::Undoing, 3));
    let ended = Job {
        state: JobState::Undone,
        ended_at: Some(at(230)),
        ..taken
    };
    let mut tx = store.begin().await.unwrap();
    tx.update_job(&ended).await.unwrap();
    tx.request_cancel(later.id, at(240)).await.unwrap();
    assert_eq!(
        tx.request_cancel(old.id, at(240)).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
    tx.commit().await.unwrap();
    assert_eq!(store.job(old.id).await.unwrap(), ended);
    assert!(store.job(later.id).await.unwrap().cancel);
    // One that waits for its time need not wait for it to be undone.
    let mut waits = job(JobKind::Power, None);
    (waits.created_at, waits.not_before) = (at(3), at(900));
    insert(&store, &[&waits]).await;
    assert_eq!(store.claim_job("e", at(241), LEASE).await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    tx.request_cancel(waits.id, at(242)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.claim_job("e", at(241), LEASE).await.unwrap(), None);
    let taken = store.claim_job("e", at(242), LEASE).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.cancel), (waits.id, true));
}

async fn what_a_dead_holder_had_is_free_soon(world: World) {
    let store = world.store;
    let (one, two) = (job(JobKind::Power, None), job(JobKind::Power, None));
    insert(&store, &[&one, &two]).await;
    let dead = store
        .claim_job("dead", at(0), LEASE)
        .await
        .unwrap()
        .unwrap();
    let other = store.claim_job("b", at(0), LEASE).await.unwrap().unwrap();
    assert_eq!(store.shorten_leases("dead", at(5)).await.unwrap(), 1);
    assert!(store.claim_job("b", at(4), LEASE).await.unwrap().is_none());
    let taken = store.claim_job("b", at(5), LEASE).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.fence), (dead.id, dead.fence + 1));
    // Never made longer, and nobody else's.
    assert_eq!(store.shorten_leases("b", at(70)).await.unwrap(), 0);
    assert_eq!(store.job(other.id).await.unwrap().lease_until, at(60));
}

async fn who_lost_the_job_writes_nothing(world: World) {
    let store = world.store;
    let queued = job(JobKind::Power, None);
    insert(&store, &[&queued]).await;
    let mut mine = store.claim_job("a", at(0), LEASE).await.unwrap().unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.journal(
        mine.id,
        mine.fence,
        at(1),
        JournalEvent::Doing,
        "define",
        "",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let theirs = store.claim_job("b", at(100), LEASE).await.unwrap().unwrap();
    assert_eq!(theirs.id, mine.id);

    mine.step = 7;
    mine.state = JobState::Done;
    let mut tx = store.begin().await.unwrap();
    let lost = [
        tx.update_job(&mine).await.unwrap_err(),
        tx.journal(
            mine.id,
            mine.fence,
            at(101),
            JournalEvent::Did,
            "define",
            "",
        )
        .await
        .unwrap_err(),
        tx.hold_job(mine.id, mine.fence).await.unwrap_err(),
    ];
    tx.hold_job(theirs.id, theirs.fence).await.unwrap();
    tx.commit().await.unwrap();
    for said in lost.into_iter().chain([store
        .set_progress(mine.id, mine.fence, &Progress::default())
        .await
        .unwrap_err()])
    {
        assert_eq!(said.kind, ErrorKind::Conflict);
        assert_eq!(said.message, "Another runner has taken over this job.");
    }
    assert!(
        !store
            .renew_lease(mine.id, mine.fence, at(1000))
            .await
            .unwrap()
    );
    assert_eq!(store.job(mine.id).await.unwrap(), theirs);

    let progress = Progress {
        doing: "starting".into(),
        ..Progress::default()
    };
    store
        .set_progress(theirs.id, theirs.fence, &progress)
        .await
        .unwrap();
    let mut tx = store.begin().await.unwrap();
    for (event, step) in [(JournalEvent::Claimed, ""), (JournalEvent::Did, "define")] {
        tx.journal(theirs.id, theirs.fence, at(102), event, step, "é <b>")
            .await
            .unwrap();
    }
    let stranger = tx
        .journal(JobId::new(), 0, at(1), JournalEvent::Note, "", "")
        .await
        .unwrap_err();
    assert_eq!(stranger.kind, ErrorKind::NotFound);
    tx.commit().await.unwrap();
    let journal = store.journal(mine.id).await.unwrap();
    let lines: Vec<_> = journal
        .iter()
        .map(|l| (l.seq, l.event, l.step.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (1, JournalEvent::Doing, "define"),
            (2, JournalEvent::Claimed, ""),
            (3, JournalEvent::Did, "define")
        ]
    );
    assert_eq!(store.job(mine.id).await.unwrap().progress, progress);
}

async fn each_job_goes_to_one_of_eight_runners(world: World) {
    let first = world.store.clone();
    let jobs: Vec<Job> = (0..40).map(|_| job(JobKind::Power, None)).collect();
    insert(&first, &jobs.iter().collect::<Vec<_>>()).await;
    // Two stores: two processes, as far as the database can tell.
    let second = Store::open(&world.url).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for runner in 0..8 {
        let store = if runner % 2 == 0 {
            first.clone()
        } else {
            second.clone()
        };
        tasks.spawn(async move {
            let mut got = Vec::new();
            while let Some(job) = store
                .claim_job(&format!("r{runner}"), at(50), LEASE)
                .await
                .unwrap()
            {
                assert_eq!(job.fence, 1);
                got.push(job.id);
            }
            got
        });
    }
    let got: Vec<JobId> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(got.len(), 40);
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>().len(), 40);
    second.close().await;
}

async fn tombstones_stay_until_removed(world: World) {
    let store = world.store;
    let (h1, h2) = (host("h1"), host("h2"));
    let (vm, first, second) = (VmId::random(), JobId::new(), JobId::new());
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h1).await.unwrap();
    tx.insert_host(&h2).await.unwrap();
    tx.add_tombstone(vm, first, h1.id, at(1)).await.unwrap();
    tx.add_tombstone(vm, second, h1.id, at(2)).await.unwrap();
    tx.add_tombstone(vm, second, h2.id, at(3)).await.unwrap();
    tx.commit().await.unwrap();
    let stones = store.tombstones().await.unwrap();
    assert_eq!(
        stones
            .iter()
            .map(|t| (t.job, t.host, t.at))
            .collect::<Vec<_>>(),
        [(second, h1.id, at(2)), (second, h2.id, at(3))]
    );
    let mut tx = store.begin().await.unwrap();
    tx.delete_tombstone(vm, h1.id).await.unwrap();
    tx.delete_tombstone(vm, h1.id).await.unwrap();
    tx.delete_host(h2.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.tombstones().await.unwrap(), []);
}

async fn no_event_is_missed_by_who_follows(world: World) {
    let first = world.store.clone();
    let second = Store::open(&world.url).await.unwrap();
    let follower = {
        let store = first.clone();
        tokio::spawn(async move {
            let (mut seq, mut got) = (0, Vec::new());
            while got.len() < 60 {
                for event in store.events_after(seq, 7).await.unwrap() {
                    assert!(event.seq > seq);
                    seq = event.seq;
                    got.push(event.id);
                }
                tokio::task::yield_now().await;
            }
            got
        })
    };
    let mut tasks = tokio::task::JoinSet::new();
    for teller in 0..6u64 {
        let store = if teller % 2 == 0 {
            first.clone()
        } else {
            second.clone()
        };
        tasks.spawn(async move {
            for n in 0..10 {
                let mut tx = store.begin().await.unwrap();
                let event = NewEvent {
                    at: Timestamp(0),
                    topic: "vm".into(),
                    id: format!("{teller}.{n}"),
                    owner: None,
                    public: true,
                };
                tx.emit(event).await.unwrap();
                // Whoever began first need not commit first.
                tokio::time::sleep(Duration::from_millis((teller * 7 + n * 3) % 5)).await;
                if n % 3 == 2 {
                    let lost = tx.emit(NewEvent {
                        at: Timestamp(0),
                        topic: "vm".into(),
                        id: "lost".into(),
                        owner: None,
                        public: true,
                    });
                    lost.await.unwrap();
                    tx.rollback().await.unwrap();
                    let mut tx = store.begin().await.unwrap();
                    tx.emit(NewEvent {
                        at: Timestamp(0),
                        topic: "vm".into(),
                        id: format!("{teller}.{n}"),
                        owner: None,
                        public: true,
                    })
                    .await
                    .unwrap();
                    tx.commit().await.unwrap();
                } else {
                    tx.commit().await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    let got = tokio::time::timeout(Duration::from_secs(20), follower)
        .await
        .unwrap()
        .unwrap();
    let distinct: BTreeSet<_> = got.iter().collect();
    assert_eq!((got.len(), distinct.len()), (60, 60));
    assert!(!got.contains(&"lost".to_string()));
    second.close().await;
}

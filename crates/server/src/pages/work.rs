//! Moving machines, and jobs.

use super::{
    gather,
    site::{
        AdminVisit, Typed, Visit, again, done, go, job_names, job_words, show, typed_wrong, vm_name,
    },
    view::{
        Badge, Form, List, ListQuery, Reading,
        migrate::{
            CheckLine, JobPage, JobRow, Jobs, JournalRow, Migrate, MigrationPage, MigrationRow,
            Migrations, Target,
        },
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    names::Directory,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::{jobs as engine_jobs, migrate as engine_migrate};
use bellwether_model::{
    Error, JobId, MigrationId, VmId,
    job::{Job, JobKind, JobState, JournalEvent},
    migration::{Check, Migration, MigrationOutcome, Verdict},
    states::State as _,
    text::shown,
};
use bellwether_store::{JobQuery, MigrationQuery};

fn line(check: &Check) -> CheckLine {
    CheckLine {
        badge: check.verdict.into(),
        text: check.text.clone(),
    }
}

/// `2 worth knowing`, `1 not possible`, `all fine`.
fn remarks(checks: &[Check]) -> String {
    let count = |verdict| {
        checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "all fine".into(),
        (0, warn) => format!("{warn} worth knowing"),
        (fail, _) => format!("{fail} not possible"),
    }
}

async fn choose_page(visit: &AdminVisit, id: VmId, form: Form) -> Result<Migrate> {
    let engine = visit.engine();
    let choices = engine_migrate::consider(engine, &visit.admin, id).await?;
    let names = Directory::load(engine).await?;
    let vm = &choices.vm;
    let mut best = true;
    let targets: Vec<Target> = choices
        .targets
        .iter()
        .map(|choice| {
            let first = best && choice.possible;
            best &= !choice.possible;
            let failing = choice
                .checks
                .iter()
                .find(|check| check.verdict == Verdict::Fail);
            let disk = if choice.copy_disk {
                "its disk is copied too"
            } else {
                "it shares the disk"
            };
            Target {
                id: choice.host.id.to_string(),
                name: choice.host.name.clone(),
                possible: choice.possible,
                best: first,
                reason: match failing {
                    Some(check) => check.text.clone(),
                    None => format!(
                        "{} % of its room left afterwards; {disk}",
                        choice.score / 10_000
                    ),
                },
                checks: choice.checks.iter().map(line).collect(),
                remarks: remarks(&choice.checks),
            }
        })
        .collect();
    let storage = gather::or_removed(names.storage(vm.storage), "storage");
    Ok(Migrate {
        frame: visit
            .page(format!("Migrate {}", vm.name), "/migrations")
            .await?,
        id: id.to_string(),
        name: vm.name.clone(),
        badge: vm.state.into(),
        source: choices.source.name.clone(),
        size: format!(
            "{} of memory, {} of disk on {storage}",
            words::memory_text(vm.memory),
            vm.disk
        ),
        any: targets.iter().any(|target| target.possible),
        targets,
        form,
    })
}

pub async fn choose(visit: AdminVisit, Path(id): Path<VmId>) -> Result<Response> {
    show(&choose_page(&visit, id, Form::default()).await?)
}

pub async fn ask(visit: AdminVisit, Path(id): Path<VmId>, typed: Typed) -> Result<Response> {
    let target = match typed.given("target").as_deref() {
        None | Some("best") => Ok(engine_migrate::Target::Best),
        Some(text) => text
            .parse()
            .map(engine_migrate::Target::Host)
            .map_err(|_| Error::field("target", format!("'{}' is no host", shown(text)))),
    };
    let asked = match target {
        Ok(target) => engine_migrate::ask(visit.engine(), &visit.admin, id, target).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok((_, migration)) => Ok(go(&format!("/migrations/{}", migration.id))),
        Err(error) => {
            again(&choose_page(&visit, id, typed.form().refused(&typed_wrong(error)?)).await?)
        }
    }
}

/// Figures of a move: what is copied while it runs, what came of it afterwards.
fn figures(migration: &Migration, job: Option<&Job>) -> Vec<(&'static str, Reading, String)> {
    let silent = "libvirt did not measure it.";
    if migration.outcome != MigrationOutcome::Running {
        return vec![
            (
                "Total",
                Reading::or_unknown(migration.total_ms.map(words::milliseconds), silent),
                "from start to finish".into(),
            ),
            (
                "Downtime",
                Reading::or_unknown(migration.downtime_ms.map(words::milliseconds), silent),
                "the guest stood still".into(),
            ),
            (
                "Sent",
                Reading::or_unknown(migration.bytes.map(words::bytes), silent),
                migration.rounds.map_or(String::new(), |rounds| {
                    format!("in {}", words::count(rounds as usize, "round", "rounds"))
                }),
            ),
        ];
    }
    let Some(now) = job.and_then(|job| job.progress.migration.as_ref()) else {
        return Vec::new();
    };
    vec![
        (
            "Sent",
            words::bytes(now.bytes_done),
            format!("of {}", words::bytes(now.bytes_total).text()),
        ),
        ("Rate", words::rate(now.rate as f64), "now".into()),
        (
            "Dirtied",
            Reading::or_unknown(
                now.dirty_rate.map(|rate| words::rate(rate as f64)),
                "QEMU says it after the first round.",
            ),
            "by the guest".into(),
        ),
        (
            "Rounds",
            Reading::new(now.rounds.to_string(), ""),
            "over memory".into(),
        ),
        (
            "Left",
            Reading::or_unknown(
                now.left_ms.map(words::milliseconds),
                "The guest dirties memory faster than it is copied, or nothing is known yet.",
            ),
            "at this pace".into(),
        ),
    ]
}

pub async fn migration(visit: AdminVisit, Path(id): Path<MigrationId>) -> Result<Response> {
    let engine = visit.engine();
    let migration = engine.store().migration(id).await?;
    let names = Directory::load(engine).await?;
    let vm = vm_name(engine, migration.vm).await?;
    let job = match migration.job {
        Some(job) => Some(engine.store().job(job).await?),
        None => None,
    };
    let running = migration.outcome == MigrationOutcome::Running;
    let progress = job.as_ref().map(|job| &job.progress);
    let copied = progress
        .and_then(|p| p.migration.as_ref())
        .filter(|p| p.bytes_total > 0);
    let share = progress
        .and_then(|p| p.share)
        .or(copied.map(|p| 1.0 - p.bytes_remaining as f64 / p.bytes_total as f64));
    let asked = migration.asked_by.map_or("the system".into(), |by| {
        gather::or_removed(names.user(by), "person")
    });
    let mut facts = vec![
        ("Asked by", asked),
        ("Began", words::moment(migration.started_at, engine.zone())),
        (
            "Disk",
            if migration.copy_disk {
                "copied with it".into()
            } else {
                "shared, not copied".into()
            },
        ),
    ];
    if let Some(ended) = migration.ended_at {
        facts.push(("Ended", words::moment(ended, engine.zone())));
    }
    show(&MigrationPage {
        frame: visit
            .page(format!("Migration of {vm}"), "/migrations")
            .await?,
        vm,
        vm_href: format!("/vms/{}", migration.vm),
        source: gather::or_removed(names.host(migration.source), "host"),
        target: gather::or_removed(names.host(migration.target), "host"),
        badge: migration.outcome.into(),
        reason: migration.reason.clone(),
        running,
        job: job.as_ref().map(|job| {
            (
                format!("/jobs/{}", job.id),
                engine_jobs::may_cancel(job).is_ok() && !job.cancel,
            )
        }),
        percent: share.map(|share| (share.clamp(0.0, 1.0) * 100.0) as u32),
        doing: progress
            .map(|p| p.doing.clone())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| "About to begin.".into()),
        figures: figures(&migration, job.as_ref()),
        facts,
    })
}

const OUTCOMES: [MigrationOutcome; 5] = [
    MigrationOutcome::Running,
    MigrationOutcome::Completed,
    MigrationOutcome::Failed,
    MigrationOutcome::Cancelled,
    MigrationOutcome::Unknown,
];

async fn selected(
    visit: &AdminVisit,
    mut list: List,
) -> Result<(List, Vec<(Migration, String)>, Directory)> {
    let engine = visit.engine();
    let all = engine
        .store()
        .migrations(MigrationQuery {
            limit: 10_000,
            ..MigrationQuery::default()
        })
        .await?;
    let vms = all.iter().map(|migration| migration.vm).collect();
    let names = Directory::load(engine).await?.with_vms(engine, vms).await?;
    let rows: Vec<(Migration, String)> = all
        .into_iter()
        .map(|migration| {
            let name = names.vm(migration.vm);
            (migration, name.unwrap_or_else(|| "a machine".into()))
        })
        .collect();
    let text = |(migration, vm): &(Migration, String)| {
        format!(
            "{vm} {} {}",
            names.host(migration.source).unwrap_or_default(),
            names.host(migration.target).unwrap_or_default()
        )
    };
    let state = |(migration, _): &(Migration, String)| Badge::from(migration.outcome).word;
    let key = |(migration, vm): &(Migration, String), key: &str| match key {
        "vm" => (vm.to_lowercase(), 0),
        "state" => (migration.outcome.as_str().to_string(), 0),
        "total" => (String::new(), migration.total_ms.unwrap_or(0) as i64),
        "downtime" => (String::new(), migration.downtime_ms.unwrap_or(0) as i64),
        "bytes" => (String::new(), migration.bytes.unwrap_or(0) as i64),
        _ => (String::new(), migration.started_at.0),
    };
    let rows = list.apply(rows, text, state, key);
    Ok((list, rows, names))
}

pub async fn migrations(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (list, rows, names) = selected(&visit, List::new("/migrations", &query, "-when")).await?;
    let zone = visit.engine().zone();
    show(&Migrations {
        frame: visit.page("Migrations", "/migrations").await?,
        list,
        states: OUTCOMES
            .iter()
            .map(|outcome| Badge::from(*outcome).word.to_string())
            .collect(),
        rows: rows
            .into_iter()
            .map(|(migration, vm)| MigrationRow {
                href: format!("/migrations/{}", migration.id),
                vm,
                vm_href: format!("/vms/{}", migration.vm),
                source: gather::or_removed(names.host(migration.source), "host"),
                target: gather::or_removed(names.host(migration.target), "host"),
                badge: migration.outcome.into(),
                when: words::moment(migration.started_at, zone),
                total: migration
                    .total_ms
                    .map_or("–".into(), |ms| words::milliseconds(ms).text()),
                downtime: migration
                    .downtime_ms
                    .map_or("–".into(), |ms| words::milliseconds(ms).text()),
                bytes: migration
                    .bytes
                    .map_or("–".into(), |bytes| words::bytes(bytes).text()),
                reason: migration.reason,
            })
            .collect(),
    })
}

pub async fn migrations_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows, names) =
        selected(&visit, List::new("/migrations", &query, "-when").in_one()).await?;
    let rows = rows.into_iter().map(|(migration, vm)| {
        let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            migration.id.to_string(),
            vm,
            names.host(migration.source).unwrap_or_default(),
            names.host(migration.target).unwrap_or_default(),
            migration.outcome.as_str().to_string(),
            migration.started_at.rfc3339(),
            number(migration.total_ms),
            number(migration.downtime_ms),
            number(migration.bytes),
            number(migration.rounds),
            migration.reason.unwrap_or_default(),
        ]
    });
    let head = [
        "id",
        "vm",
        "source",
        "target",
        "outcome",
        "started_at",
        "total_ms",
        "downtime_ms",
        "bytes",
        "rounds",
        "reason",
    ];
    Ok(super::site::csv("migrations", &head, rows.collect()))
}

/// At most so many jobs are listed.
const JOBS: u32 = 500;

pub async fn jobs(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    let engine = visit.engine();
    let admin = visit.actor.is_admin();
    let wanted = JobQuery {
        owner: (!admin).then_some(visit.actor.user),
        limit: JOBS,
        ..JobQuery::default()
    };
    let (records, all) = tokio::try_join!(engine.store().records(), engine.store().jobs(wanted))?;
    let names = job_names(engine, records, &all).await?;
    let mut rows = Vec::with_capacity(all.len());
    for job in all {
        rows.push((job_words(engine, &names, &job).await?, job));
    }
    let mut list = List::new("/jobs", &query, "-when");
    let by = |job: &Job| {
        job.created_by.map_or("the system".into(), |by| {
            gather::or_removed(names.user(by), "person")
        })
    };
    let rows = list.apply(
        rows,
        |(what, job)| format!("{what} {} {}", by(job), job.id),
        |(_, job)| job.state.as_str(),
        |(_, job), key| match key {
            "state" => (job.state.to_string(), 0),
            _ => (String::new(), job.created_at.0),
        },
    );
    let now = engine.now();
    let tasks = engine.task_status();
    show(&Jobs {
        frame: visit.page("Jobs", "/jobs").await?,
        list,
        states: JobState::ALL
            .iter()
            .map(|state| state.as_str().to_string())
            .collect(),
        rows: rows
            .into_iter()
            .map(|(what, job)| JobRow {
                href: format!("/jobs/{}", job.id),
                what,
                badge: job.state.into(),
                doing: job.error.clone().unwrap_or_else(|| {
                    if job.state.is_open() {
                        job.progress.doing.clone()
                    } else {
                        String::new()
                    }
                }),
                by: by(&job),
                when: words::ago(job.created_at, now),
                took: words::duration(job.ended_at.unwrap_or(now).since(job.created_at)),
            })
            .collect(),
        tasks: if admin {
            tasks
                .into_iter()
                .map(|task| {
                    let last = task.last_run.map_or("not yet run".into(), |at| {
                        format!("last {}, took {} ms", words::ago(at, now), task.last_ms)
                    });
                    (task.name.to_string(), last, task.trouble)
                })
                .collect()
        } else {
            Vec::new()
        },
    })
}

async fn of_visit(visit: &Visit, id: JobId) -> Result<Job> {
    let job = visit.engine().store().job(id).await?;
    match job.owner {
        Some(owner) => visit.actor.may_see(owner, "job")?,
        None if visit.actor.is_admin() => {}
        None => return Err(Error::not_found("job").into()),
    }
    Ok(job)
}

fn event(event: JournalEvent) -> (&'static str, &'static str) {
    match event {
        JournalEvent::Claimed => ("taken up", ""),
        JournalEvent::Doing => ("begun", "busy"),
        JournalEvent::Did => ("done", "good"),
        JournalEvent::Failed => ("failed", "bad"),
        JournalEvent::Undoing => ("being undone", "busy"),
        JournalEvent::Undid => ("undone", ""),
        JournalEvent::Note => ("note", ""),
    }
}

pub async fn job(visit: Visit, Path(id): Path<JobId>) -> Result<Response> {
    let engine = visit.engine();
    let job = of_visit(&visit, id).await?;
    let admin = visit.actor.is_admin();
    let records = engine.store().records().await?;
    let names = job_names(engine, records, std::slice::from_ref(&job)).await?;
    let journal = engine.store().journal(id).await?;
    let what = job_words(engine, &names, &job).await?;
    let mut about = Vec::new();
    if let Some(vm) = job.subject.vm
        && engine.store().vm(vm).await.is_ok()
    {
        about.push(("the machine".to_string(), format!("/vms/{vm}")));
    }
    if let Some(request) = job.subject.request {
        about.push(("its request".into(), format!("/requests/{request}")));
    }
    if let Some(image) = job.subject.image {
        about.push(("the image".into(), format!("/images/{image}")));
    }
    if let (Some(host), true) = (job.subject.host, admin) {
        about.push((
            gather::or_removed(names.host(host), "host"),
            format!("/hosts/{host}"),
        ));
    }
    if job.kind == JobKind::Migrate && admin {
        let of = MigrationQuery {
            vm: job.subject.vm,
            limit: 200,
            ..MigrationQuery::default()
        };
        if let Some(migration) = engine
            .store()
            .migrations(of)
            .await?
            .iter()
            .find(|migration| migration.job == Some(id))
        {
            about.push(("the move".into(), format!("/migrations/{}", migration.id)));
        }
    }
    let mut facts = vec![
        (
            "Asked by",
            job.created_by.map_or("the system".into(), |by| {
                gather::or_removed(names.user(by), "person")
            }),
        ),
        ("Asked", words::moment(job.created_at, engine.zone())),
        (
            "Took",
            words::duration(job.ended_at.unwrap_or(engine.now()).since(job.created_at)),
        ),
    ];
    if admin {
        facts.push((
            "Run by",
            job.holder.clone().unwrap_or_else(|| "nobody yet".into()),
        ));
        facts.push((
            "Taken up",
            words::count(job.attempts as usize, "time", "times"),
        ));
        facts.push(("Identifier", job.id.to_string()));
    }
    let open = job.state.is_open();
    show(&JobPage {
        frame: visit
            .page(what.clone(), if admin { "/jobs" } else { "/machines" })
            .await?,
        id: id.to_string(),
        what,
        badge: job.state.into(),
        doing: if job.cancel {
            "Being cancelled.".into()
        } else if job.progress.doing.is_empty() {
            "About to begin.".into()
        } else {
            job.progress.doing.clone()
        },
        percent: job
            .progress
            .share
            .map(|share| (share.clamp(0.0, 1.0) * 100.0) as u32),
        error: job.error.clone(),
        open,
        may_retry: admin && job.state == JobState::NeedsPerson,
        may_cancel: engine_jobs::may_cancel(&job).is_ok()
            && !job.cancel
            && (admin || job.kind != JobKind::Migrate),
        about,
        facts,
        journal: journal
            .into_iter()
            .rev()
            .map(|line| {
                let (word, tone) = event(line.event);
                JournalRow {
                    when: words::seconds(line.at, engine.zone()),
                    event: word,
                    tone,
                    step: line.step,
                    text: line.text,
                }
            })
            .collect(),
    })
}

pub async fn cancel(visit: Visit, Path(id): Path<JobId>) -> Result<Response> {
    engine_jobs::cancel(visit.engine(), &visit.actor, id).await?;
    Ok(done(&format!("/jobs/{id}"), "It is being cancelled."))
}

pub async fn retry(visit: AdminVisit, Path(id): Path<JobId>) -> Result<Response> {
    engine_jobs::retry(visit.engine(), &visit.admin, id).await?;
    Ok(done(&format!("/jobs/{id}"), "It tries again."))
}

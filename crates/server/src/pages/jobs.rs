//! Jobs: what is being done, how far it is, and what its journal says.

use super::{
    gather,
    site::{AdminVisit, Visit, done, job_names, job_words, show},
    view::{
        List, ListQuery,
        migrate::{JobPage, JobRow, Jobs, JournalRow},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::jobs as engine_jobs;
use bellwether_model::{
    Error, JobId,
    job::{Job, JobKind, JobState, JournalEvent},
    states::State as _,
};
use bellwether_store::{JobQuery, MigrationQuery};

/// A text is looked for in so many of the newest jobs.
const SEARCHED: u32 = 500;

/// The jobs on this page of the list, with what each does and who asked for it.
async fn selected(visit: &Visit, list: &mut List) -> Result<Vec<(String, String, Job)>> {
    let engine = visit.engine();
    let store = engine.store();
    let mine = JobQuery {
        owner: (!visit.actor.is_admin()).then_some(visit.actor.user),
        limit: SEARCHED,
        ..JobQuery::default()
    };
    let states: Vec<JobState> = list.state.parse().into_iter().collect();
    let stretch = list.is_stretch("when") && states.is_empty() == list.state.is_empty();
    let jobs = if stretch {
        let wanted = JobQuery {
            states,
            ..mine.clone()
        };
        let all = store.count_jobs(&mine).await?;
        let total = match list.state.is_empty() {
            true => all,
            false => store.count_jobs(&wanted).await?,
        };
        let (skip, limit) = list.stretch(all, total);
        list.turned(
            store
                .jobs(JobQuery {
                    skip,
                    limit,
                    ..wanted
                })
                .await?,
        )
    } else {
        store.jobs(mine).await?
    };
    let names = job_names(engine, store.records().await?, &jobs).await?;
    let mut rows = Vec::with_capacity(jobs.len());
    for job in jobs {
        let by = job.created_by.map_or("the system".into(), |by| {
            gather::or_removed(names.user(by), "person")
        });
        rows.push((job_words(engine, &names, &job).await?, by, job));
    }
    if stretch {
        return Ok(rows);
    }
    Ok(list.apply(
        rows,
        |(what, by, job)| format!("{what} {by} {}", job.id),
        |(.., job)| job.state.as_str(),
        |(.., job), key| match key {
            "state" => (job.state.to_string(), 0),
            _ => (String::new(), job.created_at.0),
        },
    ))
}

pub async fn jobs(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    let engine = visit.engine();
    let admin = visit.actor.is_admin();
    let mut list = List::new("/jobs", &query, "-when");
    let rows = selected(&visit, &mut list).await?;
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
            .map(|(what, by, job)| JobRow {
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
                by,
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

//! Moving machines: where one could go, the moves under way and past.

use super::{
    csv::{Csv, Known},
    forecast::{foretold, ms, range},
    gather,
    site::{AdminVisit, again, done, go, show, typed_wrong, vm_name},
    typed::Typed,
    view::{
        Badge, Form, List, ListQuery, Reading,
        forecast::Foretold,
        form::Choice,
        migrate::{CheckLine, Migrate, MigrationPage, MigrationRow, Migrations, Target},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    names::Directory,
    rest::input::renamed,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_decide::forecast::left_ms;
use bellwether_engine::{
    jobs as engine_jobs,
    migrate::{self as engine_migrate, LimitsChange, MovesBy, Wish},
};
use bellwether_model::{
    Error, MigrationId, VmId,
    job::Job,
    migration::{Check, Migration, MigrationOutcome, Verdict},
    text::shown,
};
use bellwether_store::MigrationQuery;
use serde::Deserialize;

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

/// Which policy is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct By {
    policy: String,
}

async fn choose_page(visit: &AdminVisit, id: VmId, by: &str, form: Form) -> Result<Migrate> {
    let engine = visit.engine();
    let wanted = Some(by).filter(|name| !name.is_empty());
    let choices = engine_migrate::consider(engine, &visit.admin, id, wanted).await?;
    let (policy, _) = engine.store().policy().await?;
    let policies: Vec<Choice> = policy
        .migration
        .named
        .iter()
        .map(|policy| Choice::new(&policy.name, &policy.name))
        .collect();
    let mut own = vec![Choice::new("", "by its labels, or the usual one")];
    own.extend(policies.iter().cloned());
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
                forecast: choice
                    .chosen
                    .as_ref()
                    .map(|chosen| foretold(&chosen.forecast)),
                others: choice
                    .chosen
                    .iter()
                    .flat_map(|chosen| &chosen.others)
                    .map(|(name, forecast)| {
                        let Foretold {
                            total, downtime, ..
                        } = foretold(forecast);
                        (*name, total, downtime)
                    })
                    .collect(),
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
        policy: choices.policy.name.clone(),
        policies,
        moves_by: Form::default()
            .with("own", vm.migration_policy.clone().unwrap_or_default())
            .with("labels", vm.labels.join(", ")),
        own,
        targets,
        form,
    })
}

pub async fn choose(
    visit: AdminVisit,
    Path(id): Path<VmId>,
    Query(by): Query<By>,
) -> Result<Response> {
    let (policy, _) = visit.engine().store().policy().await?;
    let known = by.policy.is_empty() || policy.migration.named(&by.policy).is_some();
    if known {
        return show(&choose_page(&visit, id, &by.policy, Form::default()).await?);
    }
    // One that was removed since is no reason to show nothing.
    let gone = format!("There is no policy \"{}\" for moves.", shown(&by.policy));
    let form = Form::default().refused(&Error::conflict(gone));
    again(&choose_page(&visit, id, "", form).await?)
}

/// Says by what its policy for moves is chosen.
pub async fn moves_by(visit: AdminVisit, Path(id): Path<VmId>, typed: Typed) -> Result<Response> {
    let wanted = MovesBy {
        policy: typed.given("own"),
        labels: typed.get("labels").split(',').map(Into::into).collect(),
    };
    match engine_migrate::set_moves_by(visit.engine(), &visit.admin, id, wanted).await {
        Ok(vm) => Ok(done(
            &format!("/vms/{id}/migrate"),
            &format!("What \"{}\" moves by is saved.", vm.name),
        )),
        Err(error) => {
            let error = renamed(typed_wrong(error)?, &[("policy", "own")]);
            let mut page = choose_page(&visit, id, "", Form::default()).await?;
            page.moves_by = typed.form().refused(&error);
            again(&page)
        }
    }
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
        Ok(target) => {
            let wish = Wish {
                target,
                policy: typed.given("policy"),
            };
            engine_migrate::ask(visit.engine(), &visit.admin, id, wish).await
        }
        Err(error) => Err(error),
    };
    match asked {
        Ok((_, migration)) => Ok(go(&format!("/migrations/{}", migration.id))),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&choose_page(&visit, id, &typed.get("policy"), form).await?)
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
            match &migration.forecast {
                Some(forecast) => {
                    format!("{} expected", range(left_ms(forecast, now), ms))
                }
                None => "at this pace".into(),
            },
        ),
    ]
}

/// What may be changed of a move that is under way.
fn limits_form(migration: &Migration) -> Option<Form> {
    let intent = migration.intent.as_ref()?;
    let mechanism = migration.mechanism.as_ref()?;
    let text = |figure: Option<u64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    (migration.outcome == MigrationOutcome::Running).then(|| {
        Form::default()
            .with("longest_pause_ms", intent.longest_pause_ms)
            .with(
                "finish_within_seconds",
                text(intent.finish_within_seconds.map(u64::from)),
            )
            .with(
                "bandwidth_mib_per_second",
                text(mechanism.bandwidth.map(|bytes| bytes >> 20)),
            )
    })
}

/// The change as typed.
fn typed_limits(typed: &Typed) -> std::result::Result<LimitsChange, Error> {
    let mib: Option<u64> = typed.number("bandwidth_mib_per_second", "a whole number")?;
    Ok(LimitsChange {
        longest_pause_ms: typed.number("longest_pause_ms", "a whole number")?,
        finish_within_seconds: Some(typed.number("finish_within_seconds", "a whole number")?),
        bandwidth: Some(mib.map(|mib| mib.saturating_mul(1 << 20))),
    })
}

/// Changes what a move under way may cost.
pub async fn limits(
    visit: AdminVisit,
    Path(id): Path<MigrationId>,
    typed: Typed,
) -> Result<Response> {
    let set = match typed_limits(&typed) {
        Ok(change) => engine_migrate::set_limits(visit.engine(), &visit.admin, id, change).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(_) => Ok(done(
            &format!("/migrations/{id}"),
            "Its limits are changed.",
        )),
        Err(error) => {
            let mut page = migration_page(&visit, id).await?;
            let form = typed.form().refused(&typed_wrong(error)?);
            page.limits = page.running.then_some(form);
            again(&page)
        }
    }
}

pub async fn migration(visit: AdminVisit, Path(id): Path<MigrationId>) -> Result<Response> {
    show(&migration_page(&visit, id).await?)
}

async fn migration_page(visit: &AdminVisit, id: MigrationId) -> Result<MigrationPage> {
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
    let asked = match (migration.asked_by, migration.job) {
        (Some(by), _) => gather::or_removed(names.user(by), "person"),
        (None, Some(_)) => "the system".into(),
        (None, None) => "somebody outside Bellwether (virsh, virt-manager, …)".into(),
    };
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
    if let Some(intent) = &migration.intent {
        let kept = match migration.kept_its_intent() {
            Some(true) => "; kept",
            Some(false) => "; not kept",
            None => "",
        };
        let pause = words::milliseconds(intent.longest_pause_ms.into()).text();
        let mut text = format!("{}: a pause of {pause} at most", intent.name);
        if let Some(most) = intent.finish_within_seconds {
            text = format!("{text}, over within {most} s");
        }
        facts.push(("Policy", text + kept));
    }
    if let Some(how) = &migration.mechanism {
        facts.push(("How", how.why.clone()));
    }
    if let Some(ended) = migration.ended_at {
        facts.push(("Ended", words::moment(ended, engine.zone())));
    }
    let phases = migration.phases.iter().map(|phase| {
        let after = words::milliseconds(phase.at_ms).text();
        (after, phase.what.clone())
    });
    Ok(MigrationPage {
        phases: phases.collect(),
        limits: limits_form(&migration),
        href: format!("/migrations/{id}"),
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
        forecast: migration.forecast.as_ref().map(foretold),
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
    let store = engine.store();
    let mut query = MigrationQuery {
        limit: 10_000,
        ..MigrationQuery::default()
    };
    let mut outcomes = OUTCOMES.into_iter();
    let outcome = outcomes.find(|outcome| Badge::from(*outcome).word == list.state);
    let stretch = list.is_stretch("when") && outcome.is_none() == list.state.is_empty();
    if stretch {
        let all = store.count_migrations(&query).await?;
        query.outcome = outcome;
        let total = match outcome {
            None => all,
            Some(_) => store.count_migrations(&query).await?,
        };
        (query.skip, query.limit) = list.stretch(all, total);
    }
    let found = store.migrations(query).await?;
    let vms = found.iter().map(|migration| migration.vm).collect();
    let names = Directory::load(engine).await?.with_vms(engine, vms).await?;
    let rows: Vec<(Migration, String)> = found
        .into_iter()
        .map(|migration| {
            let name = names.vm(migration.vm);
            (migration, name.unwrap_or_else(|| "a machine".into()))
        })
        .collect();
    if stretch {
        let rows = list.turned(rows);
        return Ok((list, rows, names));
    }
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
    let mut file = Csv::new(head, rows.len());
    for (migration, vm) in rows {
        file.row([
            &migration.id,
            &vm,
            &Known(names.host(migration.source)),
            &Known(names.host(migration.target)),
            &migration.outcome.as_str(),
            &migration.started_at.rfc3339(),
            &Known(migration.total_ms),
            &Known(migration.downtime_ms),
            &Known(migration.bytes),
            &Known(migration.rounds),
            &Known(migration.reason),
        ]);
    }
    Ok(file.answer("migrations"))
}

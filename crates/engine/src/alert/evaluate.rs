//! The task: looks at everything as it was last seen, and writes what is new and what is over.

use super::Board;
use crate::{Engine, monitor};
use bellwether_decide::alert::{
    Change, MoveSeen, Scene, ending_words, parts, sights, step, timing,
};
use bellwether_model::{
    ErrorKind, IncidentId, Result, Timestamp,
    alert::{AlertKey, Incident, News},
    observed::Observed,
};
use bellwether_store::{NewNotice, Records, Tx};
use std::time::Duration;

/// How storages fill is noted this often, and kept for so long.
const NOTED_EVERY: Duration = Duration::from_secs(3_600);
const NOTED_FOR: Duration = Duration::from_secs(14 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// Looks at everything once. Safe to run at any time.
pub async fn run(engine: &Engine) -> Result<()> {
    let mut board = engine.inner.alerts.board.lock().await;
    let began = *board.began.get_or_insert_with(tokio::time::Instant::now);
    // What an earlier process saw is old by now; that is no host's fault.
    if began.elapsed() < monitor::silent_after(engine) {
        return Ok(());
    }
    let now = engine.now();
    let store = engine.store();
    let (records, moves, jobs, open) = tokio::try_join!(
        store.records(),
        store.recent_migrations(now.minus(DAY)),
        store.open_jobs(),
        store.open_incidents(),
    )?;
    let observed = engine.observed();
    note_uses(engine, &mut board, &records, &observed, now).await?;
    let remaining = |job| {
        let job = jobs.iter().find(|one| Some(one.id) == job)?;
        let progress = job.progress.migration.as_ref()?;
        Some(progress.bytes_remaining)
    };
    let moves: Vec<MoveSeen<'_>> = moves
        .iter()
        .map(|migration| MoveSeen {
            migration,
            remaining: remaining(migration.job),
        })
        .collect();
    let Board {
        standing,
        progress,
        used,
        ..
    } = &mut *board;
    let nothing = Default::default();
    let trouble = engine.history_trouble();
    let scene = Scene {
        hosts: &records.hosts,
        observed: &observed,
        vms: &records.vms,
        storages: &records.storages,
        migrations: &moves,
        used: used.as_ref().map_or(&nothing, |(_, used)| used),
        history: trouble.as_ref().map(|trouble| trouble.why.as_str()),
        policy: &records.policy,
        today: engine.today(),
        now,
    };
    let sights = sights(&scene, progress);
    let before = standing
        .clone()
        .with_open(open.iter().map(|incident| incident.key.clone()));
    let marks = &records.policy.alerts;
    let (after, changes) = step(&before, sights, |rule| timing(rule, marks), now);
    let untold = |incident: &&Incident| !incident.told && !incident.is_silent(now);
    if !changes.is_empty() || open.iter().any(|incident| untold(&incident)) {
        match write(engine, changes, now).await {
            // Another process wrote it in the same moment: the next run sees what it left.
            Err(error) if error.kind == ErrorKind::Conflict => return Ok(()),
            written => written?,
        }
        engine.tell().await;
        engine.inner.alerts.wake();
    }
    // Only now: what could not be written is found again by the next run.
    *standing = after;
    Ok(())
}

async fn note_uses(
    engine: &Engine,
    board: &mut Board,
    records: &Records,
    observed: &Observed,
    now: Timestamp,
) -> Result<()> {
    let last = board.used.as_ref().map(|(at, _)| *at);
    // A clock that was set back must not stop it either.
    if last.is_some_and(|last| last <= now && now.since(last) < NOTED_EVERY) {
        return Ok(());
    }
    let parts = parts(&records.storages, observed);
    let seen = || parts.iter().filter_map(|part| Some((part, part.pool?)));
    // Nothing is seen right after a start: then it is noted by the next run.
    if seen().next().is_none() {
        return Ok(());
    }
    let mut tx = engine.store().begin().await?;
    for (part, pool) in seen() {
        let used = pool.capacity.saturating_sub(pool.available);
        tx.add_pool_use(part.storage.id, &part.word(), now, used)
            .await?;
    }
    tx.prune_pool_uses(now.minus(NOTED_FOR)).await?;
    tx.commit().await?;
    let uses = engine.store().pool_uses(now.minus(NOTED_FOR)).await?;
    board.used = Some((now, uses));
    Ok(())
}

async fn write(engine: &Engine, changes: Vec<Change>, now: Timestamp) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    let open = tx.open_incidents().await?;
    for change in changes {
        match change {
            Change::Opened(sight) => {
                let incident = Incident {
                    id: IncidentId::new(),
                    key: sight.key,
                    name: sight.name,
                    owner: sight.owner,
                    text: sight.text,
                    opened_at: now,
                    resolved_at: None,
                    ending: None,
                    silenced_until: None,
                    told: false,
                };
                tx.open_incident(&incident).await?;
                changed(engine, &mut tx, &incident).await?;
            }
            Change::Resolved(key, why) => {
                let Some(incident) = find(&open, &key) else {
                    continue;
                };
                let mut incident = incident.clone();
                incident.resolved_at = Some(now);
                incident.ending = Some(ending_words(key.rule, why).into());
                tx.update_incident(&incident).await?;
                if incident.told && key.rule.tells_its_end() && !incident.is_silent(now) {
                    notify(engine, &mut tx, &incident, News::Resolved, now).await?;
                }
                changed(engine, &mut tx, &incident).await?;
            }
        }
    }
    for mut incident in tx.open_incidents().await? {
        if !incident.told && !incident.is_silent(now) {
            notify(engine, &mut tx, &incident, News::Opened, now).await?;
            incident.told = true;
            tx.update_incident(&incident).await?;
        }
    }
    tx.commit().await
}

fn find<'a>(open: &'a [Incident], key: &AlertKey) -> Option<&'a Incident> {
    open.iter().find(|incident| incident.key == *key)
}

async fn notify(
    engine: &Engine,
    tx: &mut Tx,
    incident: &Incident,
    news: News,
    now: Timestamp,
) -> Result<()> {
    for target in engine.inner.alerts.of(incident) {
        tx.add_notice(&NewNotice {
            incident: incident.id,
            news,
            target: target.into(),
            made_at: now,
        })
        .await?;
    }
    Ok(())
}

/// Tells the log and whoever has a page open.
async fn changed(engine: &Engine, tx: &mut Tx, incident: &Incident) -> Result<()> {
    let (rule, name) = (incident.key.rule.as_str(), &incident.name);
    match &incident.ending {
        None => tracing::warn!(rule, about = name, "alert: {}", incident.text),
        Some(ending) => tracing::info!(rule, about = name, "alert is over: {ending}"),
    }
    engine.emit(tx, "alert", incident.id, None).await
}

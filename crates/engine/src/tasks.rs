//! Tasks: what runs for ever on a period. A task takes no input, may be run at any time and any number of times, and
//! says how its last run went.

use crate::{Engine, alert, expire, forecast, images, jobs, monitor, plan, reach, reconcile};
use bellwether_model::{Result, Timestamp};
use std::{collections::BTreeMap, future::Future, sync::Mutex, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How a task's last run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The task.
    pub name: &'static str,
    /// When it last ended.
    pub last_run: Option<Timestamp>,
    /// How long that took, milliseconds.
    pub last_ms: u64,
    /// What went wrong then.
    pub trouble: Option<String>,
}

/// Where tasks write how they are doing.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<&'static str, TaskStatus>>);

impl Board {
    pub fn status(&self) -> Vec<TaskStatus> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
    fn set(&self, status: TaskStatus) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(status.name, status);
    }
}

/// Starts every task of the engine.
pub(crate) fn spawn_all(engine: &Engine, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    let hour = Duration::from_secs(3600);
    vec![
        spawn(stop, monitor::run(engine.clone(), stop.clone())),
        spawn(stop, jobs::run(engine.clone(), stop.clone())),
        spawn(stop, plan::run(engine.clone())),
        periodic(
            engine,
            stop,
            "expire",
            Duration::from_secs(60),
            |engine| async move { expire::run(&engine).await },
        ),
        periodic(
            engine,
            stop,
            "reconcile",
            engine.settings().period,
            |engine| async move { reconcile::run(&engine).await },
        ),
        periodic(
            engine,
            stop,
            "reach",
            engine.settings().period,
            |engine| async move { reach::run(&engine).await },
        ),
        periodic(
            engine,
            stop,
            "compatibility",
            engine.settings().period * 3,
            |engine| async move { crate::migrate::compatibility::learn(&engine).await },
        ),
        periodic(
            engine,
            stop,
            "forecast",
            Duration::from_secs(5),
            |engine| async move { forecast::run(&engine).await },
        ),
        periodic(
            engine,
            stop,
            "alerts",
            engine.settings().period,
            |engine| async move { alert::run(&engine).await },
        ),
        spawn(stop, tell_what_others_wrote(engine.clone())),
        periodic(engine, stop, "cleanup", hour, |engine| async move {
            cleanup(&engine).await
        }),
    ]
}

fn spawn(
    stop: &CancellationToken,
    future: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = future => {}
            () = stop.cancelled() => {}
        }
    })
}

fn periodic<F, W>(
    engine: &Engine,
    stop: &CancellationToken,
    name: &'static str,
    period: Duration,
    work: W,
) -> JoinHandle<()>
where
    W: Fn(Engine) -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let engine = engine.clone();
    spawn(stop, async move {
        loop {
            let began = tokio::time::Instant::now();
            let trouble = work(engine.clone()).await.err().map(|error| {
                tracing::warn!(task = name, error = %error, context = error.context(), "a task's run failed; it runs again");
                error.message
            });
            let last_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            engine.inner.tasks.set(TaskStatus {
                name,
                last_run: Some(engine.now()),
                last_ms,
                trouble,
            });
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = engine.inner.fleet_changed.notified(), if name == "reconcile" => {}
                () = engine.inner.written.called(), if name == "forecast" => {}
            }
        }
    })
}

/// Passes on what another process wrote, or this one without passing it on.
async fn tell_what_others_wrote(engine: Engine) {
    let mut news = engine.store().news();
    loop {
        news.come(Duration::MAX).await;
        engine.tell().await;
    }
}

/// Drops what is kept only for a while, and what nobody finished.
async fn cleanup(engine: &Engine) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    tx.prune_tokens(engine.now()).await?;
    tx.prune_events(engine.now().minus(Duration::from_secs(7 * 86_400)))
        .await?;
    alert::prune(engine, &mut tx).await?;
    tx.commit().await?;
    images::remove_strays(engine).await
}

//! A connection that is kept: calls with deadlines while it is up, an immediate answer with the reason while it is down,
//! and reopening in the background.

use crate::{
    ffi::{Connect, EventSink},
    kernel,
    open::Opener,
    trouble::Trouble,
    worker::{self, NoResult},
    xml::capabilities::{self, Platform},
};
use bellwether_hypervisor::{HostEvent, HypervisorError, Result};
use bellwether_model::host_uri::HostUri;
use std::{
    sync::{Arc, Mutex, OnceLock, Weak},
    time::Duration,
};
use tokio::sync::{Notify, OnceCell, Semaphore, broadcast};

/// Calls that may be under way at once. libvirtd takes 5 requests of one client at a time, of which keepalive needs one.
const CALLS_AT_ONCE: usize = 4;

/// First and longest pause between two attempts to reopen.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// An open connection with what was learnt through it.
pub(crate) struct Session {
    pub connect: Connect,
    platform: OnceLock<Platform>,
    kernel: OnceCell<Option<String>>,
}

impl Session {
    pub fn new(connect: Connect) -> Self {
        Self {
            connect,
            platform: OnceLock::new(),
            kernel: OnceCell::new(),
        }
    }
    /// How guests are made there; asked once a connection.
    pub fn platform(&self) -> Result<&Platform, Trouble> {
        if let Some(platform) = self.platform.get() {
            return Ok(platform);
        }
        let platform = capabilities::read_capabilities(&self.connect.capabilities()?)?;
        Ok(self.platform.get_or_init(|| platform))
    }
}

enum State {
    Up(Arc<Session>),
    Down(HypervisorError),
}

/// The connection now, and how often it was opened.
struct Current {
    state: State,
    generation: u64,
}

/// A kept connection.
pub(crate) struct Link {
    uri: HostUri,
    opener: Arc<Opener>,
    /// Where events go; none for a connection that carries none.
    events: Option<broadcast::Sender<HostEvent>>,
    current: Mutex<Current>,
    calls: Arc<Semaphore>,
    lost: Arc<Notify>,
}

impl Link {
    /// Opens the connection; afterwards it is kept.
    pub async fn open(
        uri: &HostUri,
        opener: &Arc<Opener>,
        events: Option<broadcast::Sender<HostEvent>>,
    ) -> Result<Arc<Self>> {
        let link = Arc::new(Self {
            uri: uri.clone(),
            opener: Arc::clone(opener),
            events,
            current: Mutex::new(Current {
                state: State::Down(HypervisorError::Unreachable("not yet connected".into())),
                generation: 0,
            }),
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            lost: Arc::new(Notify::new()),
        });
        link.reopen().await?;
        tokio::spawn(keep(Arc::downgrade(&link), Arc::clone(&link.lost)));
        Ok(link)
    }

    /// Runs `work` with the connection on a thread, for `deadline` at most. `operation` completes "while …".
    pub async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &str,
        deadline: Duration,
        work: impl FnOnce(&Session) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T> {
        let (session, generation) = self.session()?;
        let result = worker::run("libvirt-call", &self.calls, deadline, move || {
            let result = work(&session);
            let alive = result.is_ok() || session.connect.is_alive();
            (result, alive)
        })
        .await;
        match result {
            Ok((Ok(value), _)) => Ok(value),
            Ok((Err(trouble), alive)) => {
                let error = trouble.into_error(operation);
                if !alive {
                    self.lose(generation, "the connection broke");
                    return Err(HypervisorError::Unreachable(format!(
                        "the connection broke while {operation}"
                    )));
                }
                Err(error)
            }
            Err(NoResult::Late) => Err(HypervisorError::TimedOut(format!(
                "{operation}, {} s",
                deadline.as_secs()
            ))),
            // Keepalive finds out whether it is gone; until then nothing more is asked of it.
            Err(NoResult::NoPlace) => Err(HypervisorError::Unreachable(format!(
                "{CALLS_AT_ONCE} earlier questions are still without an answer"
            ))),
            Err(NoResult::Broken(message)) => Err(HypervisorError::Failed {
                operation: operation.into(),
                message,
            }),
        }
    }

    /// The kernel of the host, where it can be known. Asked once a connection, whatever comes of it: a host that starts
    /// another kernel breaks the connection, and one that does not tell is not logged into again and again.
    pub async fn kernel(&self) -> Option<String> {
        let (session, _) = self.session().ok()?;
        let asked = session.kernel.get_or_init(|| kernel::ask(&self.uri));
        asked.await.clone()
    }

    /// The connection, or why there is none.
    fn session(&self) -> Result<(Arc<Session>, u64)> {
        let current = self.lock();
        match &current.state {
            State::Up(session) => Ok((Arc::clone(session), current.generation)),
            State::Down(why) => Err(why.clone()),
        }
    }

    /// Notes that the connection of that generation is gone; later news of an older one is of no interest.
    fn lose(&self, generation: u64, why: &str) {
        let gone = {
            let mut current = self.lock();
            if current.generation != generation || matches!(current.state, State::Down(_)) {
                return;
            }
            let down = State::Down(HypervisorError::Unreachable(format!("{why}; trying again")));
            std::mem::replace(&mut current.state, down)
        };
        tracing::info!(uri = self.uri.as_str(), why, "connection lost");
        drop(gone);
        self.tell(HostEvent::Disconnected);
        self.lost.notify_one();
    }

    async fn reopen(self: &Arc<Self>) -> Result<()> {
        let generation = {
            let mut current = self.lock();
            current.generation += 1;
            current.generation
        };
        let weak = Arc::downgrade(self);
        let sink = self.events.clone().map(|events| -> EventSink {
            Arc::new(move |event| {
                // Nobody listening is fine.
                let _ = events.send(event);
            })
        });
        let session = self
            .opener
            .open(&self.uri, move |connect| {
                if let Some(sink) = sink
                    && let Err(failure) = connect.send_events(&sink)
                {
                    tracing::warn!(message = failure.message, "no events from this host");
                }
                connect.on_close(move |why| {
                    if let Some(link) = weak.upgrade() {
                        link.lose(generation, why);
                    }
                });
                Arc::new(Session::new(connect))
            })
            .await;
        match session {
            Ok(session) => {
                {
                    let mut current = self.lock();
                    current.state = State::Up(Arc::clone(&session));
                }
                // It may have been lost before it was put down as up.
                if !session.connect.is_alive() {
                    self.lose(generation, "the connection broke at once");
                }
                Ok(())
            }
            Err(why) => {
                self.lock().state = State::Down(why.clone());
                Err(why)
            }
        }
    }

    fn tell(&self, event: HostEvent) {
        if let Some(events) = &self.events {
            let _ = events.send(event);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Wakes the keeper, which then finds the link gone and ends.
        self.lost.notify_one();
    }
}

/// Reopens the connection whenever it is lost, until the link is dropped.
async fn keep(link: Weak<Link>, lost: Arc<Notify>) {
    loop {
        lost.notified().await;
        let mut pause = BACKOFF.0;
        loop {
            let Some(link) = link.upgrade() else { return };
            if matches!(link.lock().state, State::Up(_)) {
                break;
            }
            match link.reopen().await {
                Ok(()) => {
                    tracing::info!(uri = link.uri.as_str(), "connected again");
                    link.tell(HostEvent::Reconnected);
                    break;
                }
                Err(why) => tracing::debug!(uri = link.uri.as_str(), %why, "still not connected"),
            }
            drop(link);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }
}

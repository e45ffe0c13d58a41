//! Live events as server-sent events.
//!
//! A stream begins with what was stored after `Last-Event-ID` (nothing where there is none), then follows the engine.
//! Each client has its place in the engine's bounded buffer and no queue of its own; who falls out of it is served from
//! the table again, and who missed more than the table can tell cheaply gets `reset`: read everything anew. Every few
//! seconds a comment keeps the connection alive, and the session is looked at again: who logged out or was disabled
//! hears nothing more. The stream ends when the server is about to.

use super::Problems;
use crate::{auth::Actor, error::Result, room::Place, state::AppState};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Sent, KeepAlive},
    },
};
use bellwether_api::event::Event;
use bellwether_engine::Live;
use bellwether_model::{Error, people::AccountState, text::shown};
use futures::Stream;
use std::{collections::VecDeque, convert::Infallible, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Interval, MissedTickBehavior, interval},
};

/// Stored events read at once.
const PART: u32 = 500;
/// Who missed more is told to read everything anew.
const CATCH_UP_MOST: usize = 5_000;
/// How often a comment is sent, and the session looked at.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What changes, as it changes.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<i64>, Header, description = "Resume after this event")),
    responses((status = 200, content_type = "text/event-stream", body = Event), Problems))]
pub async fn follow(
    actor: Actor,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response> {
    let place = state.limits.stream(actor.user)?;
    // Listening begins before the table is read, so that nothing falls in between.
    let live = state.engine.live();
    let newest = state.engine.store().last_event().await?;
    let after = match headers.get("last-event-id") {
        None => newest,
        Some(id) => {
            let text = String::from_utf8_lossy(id.as_bytes());
            text.trim().parse().map_err(|_| {
                Error::field(
                    "Last-Event-ID",
                    format!("'{}' is not the number of an event", shown(&text)),
                )
            })?
        }
    };
    let mut waiting = VecDeque::new();
    // A number from the future is another database's: nothing can be resumed.
    let after = if after > newest || after < 0 {
        waiting.push_back(reset(newest));
        newest
    } else {
        after
    };
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    let follower = Follower {
        behind: after < newest,
        actor,
        live,
        after,
        waiting,
        heartbeat,
        state,
        _place: place,
    };
    let stream = futures::stream::unfold(follower, |mut follower| async move {
        follower.next().await.map(|sent| (Ok(sent), follower))
    });
    Ok(answer(stream))
}

fn answer(stream: impl Stream<Item = Result<Sent, Infallible>> + Send + 'static) -> Response {
    // The comment at once makes browsers and proxies see that the stream is open.
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    response.headers_mut().insert(
        "x-accel-buffering",
        axum::http::HeaderValue::from_static("no"),
    );
    response
}

/// One client that listens.
struct Follower {
    state: AppState,
    actor: Actor,
    live: Receiver<Live>,
    /// The last stored event that was sent or passed over.
    after: i64,
    /// Whether the table may hold more after it.
    behind: bool,
    waiting: VecDeque<Sent>,
    heartbeat: Interval,
    _place: Place<bellwether_model::UserId>,
}

impl Follower {
    /// The next event; none ends the stream.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.waiting.pop_front() {
                return Some(sent);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            let heard = tokio::select! {
                () = self.state.stopping.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    if !self.still_welcome().await {
                        return None;
                    }
                    continue;
                }
                heard = self.live.recv() => heard,
            };
            match heard {
                Ok(Live::Event(event)) if event.seq > self.after => {
                    self.after = event.seq;
                    self.offer(&event);
                }
                // Sent already, while catching up.
                Ok(Live::Event(_)) => {}
                // Hosts are admins' business; a sample of one tells the others only that time has passed.
                Ok(Live::Sampled(host)) => {
                    let id = if self.actor.is_admin() {
                        host.to_string()
                    } else {
                        String::new()
                    };
                    let event = Event {
                        seq: None,
                        at: self.state.engine.now().into(),
                        topic: "sampled".into(),
                        id,
                    };
                    self.waiting.extend(sent(&event));
                }
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads the next part of the table. None where the database does not answer: the browser tries again later.
    async fn catch_up(&mut self) -> Option<()> {
        let store = self.state.engine.store();
        let newest = store.last_event().await.ok()?;
        if newest.saturating_sub(self.after) > i64::try_from(CATCH_UP_MOST).unwrap_or(i64::MAX) {
            self.waiting.push_back(reset(newest));
            self.after = newest;
            self.behind = false;
            return Some(());
        }
        let events = store.events_after(self.after, PART).await.ok()?;
        self.behind = !events.is_empty();
        for event in events {
            self.after = event.seq;
            self.offer(&event);
        }
        Some(())
    }

    /// Queues the event where the listener may hear of it.
    fn offer(&mut self, event: &bellwether_store::Event) {
        let may = event.public || self.actor.is_admin() || event.owner == Some(self.actor.user);
        if may {
            self.waiting.extend(sent(&Event {
                seq: Some(event.seq),
                at: event.at.into(),
                topic: event.topic.clone(),
                id: event.id.clone(),
            }));
        }
    }

    /// Whether the session still is, and is still a session of the same rights. Looking does not prolong it.
    async fn still_welcome(&self) -> bool {
        let store = self.state.engine.store();
        let now = self.state.engine.now();
        match (
            store.tokens(self.actor.user).await,
            store.user(self.actor.user).await,
        ) {
            (Ok(tokens), Ok(user)) => {
                user.state == AccountState::Active
                    && user.role == self.actor.role
                    && tokens
                        .iter()
                        .any(|token| token.id == self.actor.token.id && token.expires_at > now)
            }
            // A database that does not answer says nothing about the session.
            _ => true,
        }
    }
}

fn sent(event: &Event) -> Option<Sent> {
    let sent = Sent::default()
        .event(&event.topic)
        .json_data(event)
        .map_err(|error| tracing::error!(%error, "an event can't be written"))
        .ok()?;
    Some(match event.seq {
        Some(seq) => sent.id(seq.to_string()),
        None => sent,
    })
}

/// Tells the listener to read everything anew, and to resume from here.
fn reset(newest: i64) -> Sent {
    Sent::default()
        .event("reset")
        .id(newest.to_string())
        .data("{}")
}

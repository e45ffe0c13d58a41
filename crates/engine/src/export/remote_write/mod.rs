//! By Prometheus's [remote-write](https://prometheus.io/docs/specs/prw/remote_write_spec/) 1.0: on a period everything that
//! `/metrics` holds, in order, each request until the server has it or refuses it for good.

mod message;

use super::{
    Backlog, Health, MOST_BYTES, OutletStatus, ToRemoteWrite,
    backlog::Outcome,
    exposition::Exposed,
    http::{Attempt, Poster},
    pause::Pause,
};
use crate::Engine;
use bellwether_model::{Error, Result};
use bytes::Bytes;
use message::Request;
use reqwest::{
    StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// A server that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// One server, with what waits for it.
#[derive(Debug)]
pub(super) struct Outlet {
    to: ToRemoteWrite,
    /// Its address as it may be shown: what follows a `?` may be a secret.
    shown: String,
    backlog: Backlog<Bytes>,
    health: Health,
}

impl Outlet {
    pub fn new(to: ToRemoteWrite) -> Self {
        Self {
            shown: to.url.split('?').next().unwrap_or_default().to_owned(),
            backlog: Backlog::new(to.keep, MOST_BYTES),
            health: Health::default(),
            to,
        }
    }

    pub fn status(&self) -> OutletStatus {
        let counts = self.backlog.counts();
        OutletStatus {
            kind: "remote_write",
            to: self.shown.clone(),
            trouble: self.health.lock().clone(),
            sent: counts.sent,
            refused: counts.refused,
            dropped: counts.dropped,
            waiting: counts.waiting,
        }
    }

    /// Gathers on the period, for ever.
    pub async fn gather_all(&self, engine: &Engine) {
        let mut every = tokio::time::interval(self.to.every);
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            every.tick().await;
            if let Err(error) = self.gather(engine).await {
                tracing::warn!(%error, context = error.context(), "measurements are not pushed: they can't be gathered");
            }
        }
    }

    async fn gather(&self, engine: &Engine) -> Result<()> {
        let exposed = Exposed::gather(engine).await?;
        let requests = tokio::task::spawn_blocking(move || message::requests(&exposed));
        for Request { body, samples } in requests.await.map_err(Error::internal)? {
            let bytes = body.len();
            self.backlog.push(body, samples, bytes);
        }
        Ok(())
    }

    /// Sends for ever.
    pub async fn send_all(&self) {
        let poster = match Poster::new(PATIENCE) {
            Ok(poster) => poster,
            Err(error) => {
                let trouble = format!("no HTTP client: {error}");
                return self.health.trouble("remote_write", &self.shown, trouble);
            }
        };
        let mut pause = Pause::default();
        loop {
            let (number, body) = self.backlog.oldest().await;
            match self.send(&poster, body).await {
                Attempt::Taken => {
                    self.backlog.done(number, Outcome::Sent);
                    self.health.well("remote_write", &self.shown);
                    pause.reset();
                }
                Attempt::Refused(why) => {
                    self.backlog.done(number, Outcome::Refused);
                    self.health.trouble("remote_write", &self.shown, why);
                    pause.reset();
                }
                Attempt::Later(why, asked) => {
                    self.health.trouble("remote_write", &self.shown, why);
                    pause.rest_at_least(asked).await;
                }
            }
        }
    }

    async fn send(&self, poster: &Poster, body: Bytes) -> Attempt {
        let request = poster
            .post(&self.to.url)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body);
        let is_refusal = |status: StatusCode| {
            status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error()
        };
        poster
            .attempt(request, &self.to.credentials, is_refusal)
            .await
    }
}

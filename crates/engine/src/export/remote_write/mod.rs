//! By Prometheus's [remote-write](https://prometheus.io/docs/specs/prw/remote_write_spec/) 1.0: on a period everything that
//! `/metrics` holds, in order, each request until the server has it or refuses it for good.

mod message;

use super::{
    Backlog, Credentials, Health, MOST_BYTES, OutletStatus, ToRemoteWrite, backlog::Outcome,
    exposition::Exposed, pause::Pause,
};
use crate::Engine;
use bellwether_model::{Error, Result};
use bytes::Bytes;
use message::Request;
use reqwest::{
    StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// A server that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// A server may ask for a longer pause than ours, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Of what a server says is wrong, so much is told.
const SAID: usize = 200;

/// One server, with what waits for it.
#[derive(Debug)]
pub(super) struct Outlet {
    to: ToRemoteWrite,
    /// Its address as it may be shown: what follows a `?` may be a secret.
    shown: String,
    backlog: Backlog<Bytes>,
    health: Health,
}

/// How an attempt went.
enum Attempt {
    Taken,
    /// It will never take it.
    Refused(String),
    /// It may take it later, not before so long.
    Later(String, Duration),
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
        let client = match client() {
            Ok(client) => client,
            Err(error) => {
                let trouble = format!("no HTTP client: {error}");
                return self.health.trouble("remote_write", &self.shown, trouble);
            }
        };
        let mut pause = Pause::default();
        loop {
            let (number, body) = self.backlog.oldest().await;
            match self.send(&client, body).await {
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

    async fn send(&self, client: &reqwest::Client, body: Bytes) -> Attempt {
        let request = client
            .post(&self.to.url)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body);
        let request = match &self.to.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credentials::Basic(name, password) => {
                request.basic_auth(name, Some(password.expose_secret()))
            }
        };
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Later(told(&error), Duration::ZERO),
        };
        let status = answer.status();
        if status.is_success() {
            return Attempt::Taken;
        }
        let asked = answer.headers().get(RETRY_AFTER);
        let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let asked = asked
            .map_or(Duration::ZERO, Duration::from_secs)
            .min(LONGEST_ASKED);
        // Its first words say what is wrong; a page of them would only fill the log.
        let said = answer.chunk().await.ok().flatten().unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().take(SAID).collect();
        let why = format!("it answers {status}: {}", said.trim().escape_debug());
        match status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            true => Attempt::Later(why, asked),
            false => Attempt::Refused(why),
        }
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    // Answers an error where somebody installed one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// What went wrong, down to its cause, without the address.
fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error.is_timeout() {
        true => format!("it did not answer within {} s", PATIENCE.as_secs()),
        false => cause.to_string(),
    }
}

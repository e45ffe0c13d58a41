//! What is the same for every server that is posted to: the client, who we are, and what an answer means.

use super::Credentials;
use reqwest::{RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use secrecy::ExposeSecret;
use std::time::Duration;

/// A server may ask for a longer pause than ours, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Of what a server says is wrong, so much is told.
const SAID: usize = 200;

/// How an attempt to tell somebody something went.
#[derive(Debug)]
pub(crate) enum Attempt {
    Taken,
    /// It will never be taken.
    Refused(String),
    /// It may be taken later, not before so long.
    Later(String, Duration),
}

/// Who posts to servers.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    client: reqwest::Client,
    patience: Duration,
}

impl Poster {
    /// To servers that count as away after `patience`.
    pub fn new(patience: Duration) -> reqwest::Result<Self> {
        // Answers an error where somebody installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience)
            .timeout(patience)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, patience })
    }

    /// A request to be filled.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Posts once. An answer that is no success is for good where `is_refusal` says so of its status.
    pub async fn attempt(
        &self,
        request: RequestBuilder,
        credentials: &Credentials,
        is_refusal: fn(StatusCode) -> bool,
    ) -> Attempt {
        let request = match credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credentials::Basic(name, password) => {
                request.basic_auth(name, Some(password.expose_secret()))
            }
        };
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Later(self.told(&error), Duration::ZERO),
        };
        let status = answer.status();
        if status.is_success() {
            return Attempt::Taken;
        }
        let asked = retry_after(&answer);
        let why = said(answer).await;
        match is_refusal(status) {
            true => Attempt::Refused(why),
            false => Attempt::Later(why, asked),
        }
    }

    /// What went wrong, down to its cause, without the address.
    fn told(&self, error: &reqwest::Error) -> String {
        if error.is_builder() {
            return "its address is none".into();
        }
        if error.is_timeout() {
            return format!("it did not answer within {} s", self.patience.as_secs());
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        cause.to_string()
    }
}

/// The pause a server asks for.
fn retry_after(answer: &Response) -> Duration {
    let asked = answer.headers().get(RETRY_AFTER);
    let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    asked
        .map_or(Duration::ZERO, Duration::from_secs)
        .min(LONGEST_ASKED)
}

/// Its first words say what is wrong; a page of them would only fill the log.
async fn said(mut answer: Response) -> String {
    let status = answer.status();
    let said = answer.chunk().await.ok().flatten().unwrap_or_default();
    let said: String = String::from_utf8_lossy(&said).chars().take(SAID).collect();
    format!("it answers {status}: {}", said.trim().escape_debug())
}

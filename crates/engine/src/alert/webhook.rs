//! To servers: a request with JSON, signed where a key is given.

use super::{ToWebhook, send::Sent};
use crate::export::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use secrecy::ExposeSecret;
use sha2::Sha256;
use std::{sync::OnceLock, time::Duration};

/// A server that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(15);
/// A server may ask for a longer pause than ours, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Of what a server says is wrong, so much is told.
const SAID: usize = 200;
/// The header with the signature: `sha256=` and, in hexadecimal, the HMAC-SHA256 of the body.
const SIGNATURE: &str = "X-Bellwether-Signature-256";

/// A server with the client to ask it.
#[derive(Debug)]
pub(super) struct Hook {
    to: ToWebhook,
    client: OnceLock<reqwest::Client>,
}

impl Hook {
    pub fn new(to: ToWebhook) -> Self {
        Self {
            to,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> reqwest::Result<reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // Answers an error where somebody installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Sends it once.
    pub async fn send(&self, body: Vec<u8>) -> Sent {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return Sent::Later(format!("no HTTP client: {error}"), Duration::ZERO),
        };
        let request = client
            .post(self.to.url.expose_secret())
            .header(CONTENT_TYPE, "application/json");
        let request = match &self.to.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credentials::Basic(name, password) => {
                request.basic_auth(name, Some(password.expose_secret()))
            }
        };
        let request = match &self.to.signing_key {
            None => request,
            Some(key) => {
                let signature = signature(key.expose_secret().as_bytes(), &body);
                request.header(SIGNATURE, format!("sha256={signature}"))
            }
        };
        match request.body(body).send().await {
            Ok(answer) => judge(answer).await,
            Err(error) => Sent::Later(told(&error), Duration::ZERO),
        }
    }
}

async fn judge(mut answer: reqwest::Response) -> Sent {
    let status = answer.status();
    if status.is_success() {
        return Sent::Taken;
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
    match status {
        // It understood, and does not want it. What hangs on an address or a token somebody may mend within the day.
        StatusCode::BAD_REQUEST
        | StatusCode::GONE
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Sent::Refused(why),
        _ => Sent::Later(why, asked),
    }
}

fn signature(key: &[u8], body: &[u8]) -> String {
    // Any length will do as a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// What went wrong, down to its cause, without the address.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", PATIENCE.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error.is_builder() {
        true => "its address is none".into(),
        false => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn signatures_are_those_of_the_rfc() {
        // RFC 4231, test case 2.
        assert_eq!(
            super::signature(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}

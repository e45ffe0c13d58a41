//! To servers: a request with JSON, signed where a key is given.

use super::ToWebhook;
use crate::export::http::{Attempt, Poster};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use secrecy::ExposeSecret;
use sha2::Sha256;
use std::{sync::OnceLock, time::Duration};

/// A server that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(15);
/// The header with the signature: `sha256=` and, in hexadecimal, the HMAC-SHA256 of the body.
const SIGNATURE: &str = "X-Bellwether-Signature-256";

/// A server with the client to ask it.
#[derive(Debug)]
pub(super) struct Hook {
    to: ToWebhook,
    poster: OnceLock<Poster>,
}

impl Hook {
    pub fn new(to: ToWebhook) -> Self {
        Self {
            to,
            poster: OnceLock::new(),
        }
    }

    fn poster(&self) -> reqwest::Result<&Poster> {
        if let Some(poster) = self.poster.get() {
            return Ok(poster);
        }
        let poster = Poster::new(PATIENCE)?;
        Ok(self.poster.get_or_init(|| poster))
    }

    /// Sends it once.
    pub async fn send(&self, body: Vec<u8>) -> Attempt {
        let poster = match self.poster() {
            Ok(poster) => poster,
            Err(error) => {
                return Attempt::Later(format!("no HTTP client: {error}"), Duration::ZERO);
            }
        };
        let request = poster
            .post(self.to.url.expose_secret())
            .header(CONTENT_TYPE, "application/json");
        let request = match &self.to.signing_key {
            None => request,
            Some(key) => {
                let signature = signature(key.expose_secret().as_bytes(), &body);
                request.header(SIGNATURE, format!("sha256={signature}"))
            }
        };
        poster
            .attempt(request.body(body), &self.to.credentials, is_refusal)
            .await
    }
}

/// It understood, and does not want it. What hangs on an address or a token somebody may mend within the day.
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::GONE
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

fn signature(key: &[u8], body: &[u8]) -> String {
    // Any length will do as a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
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

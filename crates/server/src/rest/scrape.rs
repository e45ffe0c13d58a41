//! What monitoring systems read.

use super::Problems;
use crate::{
    auth::Admin,
    cookie,
    error::{Failure, Result},
    state::AppState,
};
use axum::{
    body::Body,
    extract::{FromRequestParts, State},
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use bellwether_engine::export::exposition::{self, Exposed, Format};
use bellwether_model::Error;
use bytes::Bytes;
use futures::StreamExt;
use std::{convert::Infallible, fmt, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes after which a piece is sent.
const PIECE: usize = 64 * 1024;
/// Pieces that are ready before the client takes one.
const PIECES_READY: usize = 4;
/// A scrape waits this long for the others to be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who may read what monitoring systems read: who shows the token of `[metrics] token_file`, or an admin.
#[derive(Clone, Copy, Debug)]
pub struct Scraper;

impl FromRequestParts<AppState> for Scraper {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let bearer = cookie::bearer_of(&parts.headers);
        if bearer.is_some_and(|shown| state.scrape_token.as_ref().is_some_and(|t| t.is(shown))) {
            return Ok(Self);
        }
        Admin::from_request_parts(parts, state).await.map(|_| Self)
    }
}

/// Everything that was last seen, as OpenMetrics or in Prometheus's text format, whichever is accepted.
#[utoipa::path(get, path = "/metrics", tag = "server", responses(
    (status = 200, content_type = "application/openmetrics-text", body = String), Problems))]
pub async fn metrics(
    _: Scraper,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response> {
    scrape(&state, &headers).await
}

/// The same on a listener of its own, where the token counts, if there is one.
pub async fn metrics_alone(State(state): State<AppState>, headers: HeaderMap) -> Result<Response> {
    if let Some(token) = &state.scrape_token
        && !cookie::bearer_of(&headers).is_some_and(|shown| token.is(shown))
    {
        return Err(Error::unauthenticated("Show the token of [metrics] token_file.").into());
    }
    scrape(&state, &headers).await
}

async fn scrape(state: &AppState, headers: &HeaderMap) -> Result<Response> {
    let busy = || Error::unavailable("Several scrapes are under way; try again in a moment.");
    let place = tokio::time::timeout(PATIENCE, state.scrapes.clone().acquire_owned())
        .await
        .map_err(|_| busy())?
        .map_err(|_| busy())?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let exposed = Exposed::gather(&state.engine).await?;
    let (pieces, ready) = mpsc::channel(PIECES_READY);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut to = Pieces {
            text: String::with_capacity(PIECE * 2),
            pieces,
        };
        // A client that went away ends it.
        let _ = exposition::write(exposed, format, &mut to).and_then(|()| to.send());
    });
    let body = Body::from_stream(ReceiverStream::new(ready).map(Ok::<Bytes, Infallible>));
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

/// Text that is sent in pieces as it is written.
struct Pieces {
    text: String,
    pieces: mpsc::Sender<Bytes>,
}

impl Pieces {
    fn send(&mut self) -> fmt::Result {
        let piece = std::mem::replace(&mut self.text, String::with_capacity(PIECE * 2));
        self.pieces
            .blocking_send(piece.into())
            .map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        match self.text.len() >= PIECE {
            true => self.send(),
            false => Ok(()),
        }
    }
}

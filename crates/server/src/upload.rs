//! An image on its way in. Its body may be large and take its time: what ends it is standing still, or being larger
//! than this server takes.

use crate::{
    error::{Failure, Result},
    state::AppState,
};
use axum::{
    body::{Body, BodyDataStream},
    extract::{FromRequest, Multipart, Request, multipart::Field},
    http::{StatusCode, header},
};
use bellwether_model::{Error, MiB};
use futures::{Stream, StreamExt, stream};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Without a byte for this long an upload is given up.
const IDLE: Duration = Duration::from_secs(30);
/// Longest value of a field that stands beside the file, bytes.
const LONGEST_FIELD: usize = 4096;

/// A request whose body is an image, or a form with one.
pub struct Upload {
    request: Request,
    most: u64,
    stopped: Stopped,
}

/// Why an upload was stopped from here, once it was.
#[derive(Clone, Debug, Default)]
pub struct Stopped(Arc<OnceLock<Failure>>);

impl Stopped {
    /// What stopped the upload, or else the error that came of it.
    pub fn or(&self, error: Error) -> Failure {
        self.0.get().cloned().unwrap_or_else(|| error.into())
    }

    /// Ends the body with this; what reads it need not know the words.
    fn with(&self, failure: Failure) -> std::io::Error {
        let error = std::io::Error::other(failure.error.message.clone());
        let _ = self.0.set(failure);
        error
    }
}

impl FromRequest<AppState> for Upload {
    type Rejection = std::convert::Infallible;
    async fn from_request(
        request: Request,
        state: &AppState,
    ) -> std::result::Result<Self, Self::Rejection> {
        let (most, stopped) = (state.largest_upload, Stopped::default());
        let request = request
            .map(|body| Body::from_stream(watched(body.into_data_stream(), most, stopped.clone())));
        Ok(Self {
            request,
            most,
            stopped,
        })
    }
}

impl Upload {
    /// The bytes of a body that is the image, with their number where it is known beforehand.
    pub fn bytes(self) -> Result<(BodyDataStream, Option<u64>, Stopped)> {
        let length = self.length()?;
        let bytes = self.request.into_body().into_data_stream();
        Ok((bytes, length, self.stopped))
    }

    /// The parts of a form with the image.
    pub async fn form(self, state: &AppState) -> Result<(Multipart, Stopped)> {
        self.length()?;
        let parts = Multipart::from_request(self.request, state).await;
        let parts = parts.map_err(|rejection| {
            let error =
                Error::invalid("The body must be a form with a file (multipart/form-data).");
            Failure::with_status(rejection.status(), error)
        })?;
        Ok((parts, self.stopped))
    }

    /// The body's length as it was announced, if it was and is not too much.
    fn length(&self) -> Result<Option<u64>> {
        let header = self.request.headers().get(header::CONTENT_LENGTH);
        let length = header.and_then(|value| value.to_str().ok()?.parse().ok());
        match length {
            Some(length) if length > self.most => Err(too_large(self.most)),
            length => Ok(length),
        }
    }
}

/// The value of a field beside the file.
pub async fn text(mut field: Field<'_>) -> Result<String, Error> {
    let name = field.name().unwrap_or_default().to_string();
    let mut value = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
        value.extend_from_slice(&chunk);
        if value.len() > LONGEST_FIELD {
            let message = format!("is longer than {LONGEST_FIELD} bytes");
            return Err(Error::field(name, message));
        }
    }
    String::from_utf8(value).map_err(|_| Error::field(name, "is not text in UTF-8"))
}

/// A form that breaks off or is none.
pub fn unreadable(error: axum::extract::multipart::MultipartError) -> Error {
    Error::invalid("The upload broke off before its end or is no proper form; nothing was kept.")
        .with_context(error.body_text())
}

fn too_large(most: u64) -> Failure {
    let most = match most >> 30 {
        0 => MiB::from_bytes(most).to_string(),
        gib => format!("{gib} GiB"),
    };
    Failure::with_status(
        StatusCode::PAYLOAD_TOO_LARGE,
        Error::invalid(format!(
            "The file is larger than {most}, the most this server takes; nothing was kept."
        )),
    )
}

fn standing_still() -> Failure {
    let seconds = IDLE.as_secs();
    Failure::with_status(
        StatusCode::REQUEST_TIMEOUT,
        Error::invalid(format!(
            "Nothing of the file came for {seconds} seconds, so it was given up; nothing was kept."
        )),
    )
}

fn watched(
    body: BodyDataStream,
    most: u64,
    stopped: Stopped,
) -> impl Stream<Item = std::io::Result<bytes::Bytes>> {
    stream::unfold(Some((body, 0_u64)), move |state| {
        let stopped = stopped.clone();
        async move {
            let (mut body, taken) = state?;
            let chunk = match tokio::time::timeout(IDLE, body.next()).await {
                Err(_) => return Some((Err(stopped.with(standing_still())), None)),
                Ok(chunk) => chunk?,
            };
            match chunk {
                Err(error) => Some((Err(std::io::Error::other(error)), None)),
                Ok(bytes) => match taken + bytes.len() as u64 {
                    taken if taken > most => Some((Err(stopped.with(too_large(most))), None)),
                    taken => Some((Ok(bytes), Some((body, taken)))),
                },
            }
        }
    })
}

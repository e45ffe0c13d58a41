//! The one place that maps errors to HTTP: statuses, problem documents (RFC 9457), error pages.
//!
//! A handler fails with a [`Failure`]; its response carries the failure along, and [`render`] at the edge writes it
//! out, as a problem document for programs and as a page for people, with the request's id. What fails without a
//! `Failure` (axum's rejections, 404, 405, limits, timeouts, cross-site posts) gets one made from its status there.

use crate::pages;
use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bellwether_api::problem::{PROBLEM_MEDIA_TYPE, Problem};
use bellwether_model::{Error, ErrorKind};
use std::{sync::Arc, time::Duration};

/// What every handler that can fail returns.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error on its way to HTTP.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Box<Error>,
    /// The status it is answered with.
    pub status: StatusCode,
    /// When it makes sense to ask again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// `error` with a status of its own instead of its kind's.
    pub fn with_status(status: StatusCode, error: Error) -> Self {
        Self {
            error: Box::new(error),
            status,
            retry_after: None,
        }
    }
    /// Too many attempts; the next is welcome after `wait`.
    pub fn too_many(message: &str, wait: Duration) -> Self {
        Self {
            error: Box::new(Error::new(ErrorKind::TooMany, message)),
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(wait),
        }
    }
    /// Says in the answer's headers when it makes sense to ask again.
    pub fn say_when(&self, response: &mut Response) {
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.max(1).into());
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        let retry_after = match error.kind {
            ErrorKind::TooMany => Some(Duration::from_secs(10)),
            ErrorKind::Unavailable => Some(Duration::from_secs(5)),
            _ => None,
        };
        Self {
            error: Box::new(error),
            status,
            retry_after,
        }
    }
}

/// Each kind's status.
fn status_of(error: &Error) -> StatusCode {
    match error.kind {
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::NoCapacity | ErrorKind::OverQuota => StatusCode::CONFLICT,
        ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The failure this response carries, or one made for a bare error status that nobody gave a body fit for people.
pub fn failure_of(response: &Response) -> Option<Arc<Failure>> {
    if let Some(failure) = response.extensions().get::<Arc<Failure>>() {
        return Some(failure.clone());
    }
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let written = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html") || kind.contains("json"));
    if written {
        return None;
    }
    let error = match status {
        StatusCode::NOT_FOUND => Error::not_found("address here"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Error::invalid("This address does not take that method; Allow says which it takes.")
        }
        StatusCode::FORBIDDEN => Error::forbidden(
            "This came from another site. Open the page here and try again from it.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Error::invalid("That is more than this address takes."),
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            Error::unavailable("That took too long and was given up.")
        }
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Error::invalid("The address or a header is too long.")
        }
        status if status.is_client_error() => Error::invalid(
            status
                .canonical_reason()
                .unwrap_or("The request can't be understood"),
        ),
        status => Error::internal(format!("a bare {status}")),
    };
    Some(Arc::new(Failure::with_status(status, error)))
}

/// Writes the failure out. Headers the inner response had (`Allow`, cookies) stay.
pub fn render(failure: &Failure, inner: Response, asked: &Asked, request_id: &str) -> Response {
    let problem = Problem::of(
        &failure.error,
        failure.status.as_u16(),
        Some(request_id.into()),
    );
    let mut response = if asked.wants_page() {
        let mut page = pages::failure(&problem, &inner, asked);
        if !page.status().is_redirection() {
            *page.status_mut() = failure.status;
        }
        page
    } else {
        let mut response = Json(problem).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(PROBLEM_MEDIA_TYPE),
        );
        *response.status_mut() = failure.status;
        response
    };
    for (name, value) in inner.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    if failure.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 asks for it; "Bearer" makes no browser show a dialogue.
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    failure.say_when(&mut response);
    if asked.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// What of a request decides how its failure is shown.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// `Accept` names `text/html`.
    pub html: bool,
}

impl Asked {
    /// Of this request.
    pub fn of<B>(request: &axum::http::Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            html: request
                .headers()
                .get(header::ACCEPT)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|accept| accept.contains("text/html")),
        }
    }
    /// Whether a person looks at the answer.
    pub fn wants_page(&self) -> bool {
        self.html && !self.uri.path().starts_with("/api/")
    }
}

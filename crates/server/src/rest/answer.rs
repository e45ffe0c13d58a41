//! Answers that several nouns give.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bellwether_api::problem::PROBLEM_MEDIA_TYPE;
use bellwether_model::JobId;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Display};
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response as ApiResponse},
};

/// 201: something was made, and where it is.
pub struct Created<T> {
    at: String,
    body: T,
}

impl<T> Created<T> {
    /// `body`, at `/api/v1/{noun}/{id}`.
    pub fn new(noun: &str, id: impl Display, body: T) -> Self {
        Self {
            at: format!("/api/v1/{noun}/{id}"),
            body,
        }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, located(&self.at), Json(self.body)).into_response()
    }
}

/// 202: a job was started, and where to follow it.
pub struct Started<T> {
    job: JobId,
    body: T,
}

impl<T> Started<T> {
    /// `body`, with the job that works on it.
    pub fn new(job: JobId, body: T) -> Self {
        Self { job, body }
    }
}

impl<T: Serialize> IntoResponse for Started<T> {
    fn into_response(self) -> Response {
        let at = format!("/api/v1/jobs/{}", self.job);
        (StatusCode::ACCEPTED, located(&at), Json(self.body)).into_response()
    }
}

fn located(at: &str) -> [(header::HeaderName, HeaderValue); 1] {
    // Nouns and identifiers are plain ASCII, so there always is a value.
    let value = HeaderValue::from_str(at).unwrap_or_else(|_| HeaderValue::from_static("/"));
    [(header::LOCATION, value)]
}

/// Every problem an endpoint may answer, for the OpenAPI document.
pub struct Problems;

const PROBLEMS: &[(&str, &str, &str)] = &[
    ("400", "Malformed", "The request is malformed"),
    ("401", "NotSignedIn", "Not signed in"),
    ("403", "NotAllowed", "Not allowed"),
    ("404", "NotFound", "Not there, or none of your business"),
    (
        "409",
        "Conflict",
        "Collides with what is there, or came too late",
    ),
    ("413", "TooLarge", "Larger than this address takes"),
    (
        "415",
        "WrongType",
        "The body is of another type than this address takes",
    ),
    (
        "422",
        "Invalid",
        "The input is not acceptable; `errors` names the fields",
    ),
    (
        "429",
        "TooMany",
        "Too many attempts; `Retry-After` says when to try again",
    ),
    ("500", "Fault", "A fault of ours"),
    ("503", "Unavailable", "A part this needs does not answer"),
];

impl Problems {
    /// The answers that [`Problems`] refers to, by name.
    pub fn components() -> impl Iterator<Item = (&'static str, ApiResponse)> {
        PROBLEMS.iter().map(|(_, name, text)| {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            let response = ResponseBuilder::new()
                .description(*text)
                .content(PROBLEM_MEDIA_TYPE, content)
                .build();
            (*name, response)
        })
    }
}

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<ApiResponse>> {
        PROBLEMS
            .iter()
            .map(|(status, name, _)| {
                (
                    (*status).to_string(),
                    RefOr::Ref(Ref::from_response_name(*name)),
                )
            })
            .collect()
    }
}

//! axum's extractors with failures that are problems and name the field.

use crate::error::{Failure, Result};
use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, PathRejection},
    },
    http::{StatusCode, header, request::Parts},
};
use bellwether_model::{Error, FieldError, text::shown};
use serde::de::DeserializeOwned;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A form's body.
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

/// The parts of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The query.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let kind = content_type(&request);
        if kind != "application/json"
            && !(kind.starts_with("application/") && kind.ends_with("+json"))
        {
            return Err(wrong_type(&kind, "application/json"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(body)?;
        let mut read = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut read).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            if error.is_data() {
                Failure::from(field(&path, &error.to_string()))
            } else {
                Failure::with_status(
                    StatusCode::BAD_REQUEST,
                    Error::invalid(format!("The body is not valid JSON: {error}.")),
                )
            }
        })?;
        read.end().map_err(|error| {
            Failure::with_status(
                StatusCode::BAD_REQUEST,
                Error::invalid(format!("The body is not one JSON value: {error}.")),
            )
        })?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let kind = content_type(&request);
        if kind != "application/x-www-form-urlencoded" {
            return Err(wrong_type(&kind, "application/x-www-form-urlencoded"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(body)?;
        let read = serde_urlencoded::Deserializer::new(form_pairs(&bytes));
        serde_path_to_error::deserialize(read)
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                field(&path, &error.into_inner().to_string()).into()
            })
    }
}

/// The pairs of an urlencoded form.
fn form_pairs(bytes: &[u8]) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(bytes)
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Failure::with_status(
                StatusCode::BAD_REQUEST,
                Error::invalid(format!(
                    "The address '{}' leads nowhere: where it names one thing of many, an identifier such as \
                     01890a5d-ac96-774b-bcce-b302099a8057 is expected.",
                    shown(parts.uri.path()),
                )),
            )),
            Err(error) => Err(Error::internal(error).into()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let read = serde_urlencoded::Deserializer::new(form_pairs(
            parts.uri.query().unwrap_or_default().as_bytes(),
        ));
        serde_path_to_error::deserialize(read)
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                field(&path, &error.into_inner().to_string()).into()
            })
    }
}

fn content_type<B>(request: &axum::http::Request<B>) -> String {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn wrong_type(given: &str, wanted: &str) -> Failure {
    let given = if given.is_empty() {
        "nothing".into()
    } else {
        format!("'{}'", shown(given))
    };
    Failure::with_status(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::invalid(format!(
            "The body must be {wanted} and say so in Content-Type, which says {given}."
        )),
    )
}

fn body(rejection: BytesRejection) -> Failure {
    let status = rejection.status();
    let error = if status == StatusCode::PAYLOAD_TOO_LARGE {
        Error::invalid("The body is larger than this address takes.")
    } else {
        Error::invalid("The body did not arrive whole.").with_context(rejection.body_text())
    };
    Failure::with_status(status, error)
}

/// What serde says about a field, in words for people.
fn field(path: &str, said: &str) -> Error {
    let said = said
        .split_once(" at line ")
        .map_or(said, |(said, _)| said)
        .to_string();
    let quoted = said.split('`').nth(1).unwrap_or_default();
    let inner = |name: &str| match path {
        "." | "?" | "" => name.to_string(),
        parent => format!("{parent}.{name}"),
    };
    let (field, message) = if said.starts_with("missing field") {
        (inner(quoted), "is missing".to_string())
    } else if said.starts_with("unknown field") {
        let known = said.split_once("expected ").map_or("", |(_, known)| known);
        // serde's path names the unknown field already.
        let field = if path.ends_with(quoted) {
            path.to_string()
        } else {
            inner(quoted)
        };
        (
            field,
            match known {
                "" => "is not known here".to_string(),
                known => format!("is not known here; expected {}", known.replace('`', "'")),
            },
        )
    } else {
        let field = match path {
            "." | "?" | "" => "body",
            path => path,
        };
        (field.to_string(), in_words(&said))
    };
    Error::invalid_fields(vec![FieldError { field, message }])
}

/// Replaces Rust's type names by what they mean.
fn in_words(said: &str) -> String {
    let number = |name: &str, words: &str, said: String| {
        said.replace(&format!("expected {name}"), &format!("expected {words}"))
    };
    let mut said = said.to_string();
    for (name, words) in [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number from 0 to 18446744073709551615"),
        ("i64", "a whole number"),
        ("f64", "a number"),
        ("invalid digit found in string", "a whole number"),
    ] {
        said = number(name, words, said);
    }
    match said.as_str() {
        "invalid digit found in string" => "must be a whole number, not negative".into(),
        "cannot parse integer from empty string" => "must be a whole number".into(),
        "number too large to fit in target type" => "is too large".into(),
        "provided string was not `true` or `false`" => "must be true or false".into(),
        _ => said
            .replace('`', "'")
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .take(400)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        #[allow(dead_code)]
        vcpus: u32,
        #[allow(dead_code)]
        members: Option<Vec<Member>>,
    }
    #[derive(Debug, Deserialize)]
    struct Member {
        #[allow(dead_code)]
        pool: String,
    }

    async fn json(kind: &str, body: &str) -> Failure {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, kind)
            .body(body.to_string().into())
            .unwrap();
        Json::<Spec>::from_request(request, &()).await.unwrap_err()
    }

    #[tokio::test]
    async fn wrong_bodies_are_explained() {
        for (kind, body, status, expect) in [
            (
                "application/json",
                r#"{"vcpus": -1}"#,
                422,
                "vcpus: invalid value: integer '-1', expected a whole number from 0",
            ),
            (
                "application/json",
                r#"{"vcpus": 99999999999}"#,
                422,
                "vcpus: ",
            ),
            (
                "application/json",
                r#"{"vcpus": "four"}"#,
                422,
                "vcpus: invalid type: string \"four\"",
            ),
            ("application/json", r#"{"vcpus": 1.5}"#, 422, "vcpus: "),
            ("application/json", r#"{}"#, 422, "vcpus: is missing"),
            (
                "application/json",
                r#"{"vcpus": 1, "ram": 2}"#,
                422,
                "ram: is not known here; expected 'vcpus' or 'members'",
            ),
            (
                "application/json",
                r#"{"vcpus": 1, "members": [{"pool": "a"}, {}]}"#,
                422,
                "members[1].pool: is missing",
            ),
            ("application/json", r#"[]"#, 422, "body: "),
            ("application/json", r#"{"vcpus": 1"#, 400, "not valid JSON"),
            (
                "application/json",
                r#"{"vcpus": 1} x"#,
                400,
                "not one JSON value",
            ),
            ("application/json", "", 400, "not valid JSON"),
            ("text/plain", "{}", 415, "'text/plain'"),
        ] {
            let failure = json(kind, body).await;
            assert_eq!(failure.status.as_u16(), status, "{body}: {failure:?}");
            assert!(
                failure.error.message.contains(expect),
                "{body}: {}",
                failure.error.message
            );
        }
    }
}

//! What every request passes, from the outside in: compression, security headers, [`observe`] (request id, log, failures
//! written out), panics caught, [`client::identify`], limits, cross-site posts refused. All but the uploads have a
//! [`deadline`] as well.

use crate::{
    client::{self, Peer},
    cookie,
    error::{self, Asked, Failure},
    limit, pages,
    state::AppState,
};
use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bellwether_model::{Error, text::shown};
use std::{any::Any, time::Duration};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _},
    },
    csrf::CsrfLayer,
    timeout::TimeoutLayer,
};
use tracing::{Instrument, field::Empty};

/// Largest body of a request but an upload's.
pub const LARGEST_BODY: usize = 256 * 1024;
/// How long an answer may take to begin. Longer than the engine's own deadlines towards hosts.
const DEADLINE: Duration = Duration::from_secs(60);

/// No inline scripts or styles, nothing from elsewhere, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'";
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts all layers around the routes.
pub fn around(routes: Router<AppState>, state: &AppState) -> Router {
    // What is scraped is large and read once, mostly from near: packing it would take longer than sending it.
    let worth = DefaultPredicate::new()
        .and(NotForContentType::const_new("application/openmetrics-text"))
        .and(NotForContentType::const_new("text/plain; version="));
    let inside = ServiceBuilder::new()
        .layer(CompressionLayer::new().gzip(true).compress_when(worth))
        .layer(middleware::from_fn(security_headers))
        .layer(middleware::from_fn_with_state(state.clone(), observe))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            client::identify,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            limit::requests,
        ))
        .layer(middleware::from_fn(tokens_need_no_origin))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(
            state.clone(),
            pages::keep_frame,
        ))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    routes.layer(inside).with_state(state.clone())
}

/// Gives up on answers that do not begin in time; not for uploads, whose bodies may take as long as they need.
pub fn deadline() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE)
}

/// Gives the request an id, runs it, writes a failure out in the form asked for, and logs the outcome once.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|info| info.0);
    let believed = peer.is_some_and(|peer| state.config.trusts(peer.address.ip()));
    let id = request_id(request.headers(), believed);
    let asked = Asked::of(&request);
    let span = tracing::info_span!(
        "request",
        id = %id,
        method = %asked.method,
        path = %shown(asked.uri.path()),
        client = Empty,
        login = Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let failure = error::failure_of(&response);
    if let Some(failure) = &failure {
        response = error::render(failure, response, &asked, &id);
    }
    let _inside = span.enter();
    let took = started.elapsed();
    log(&asked.method, response.status(), took, failure.as_deref());
    // Browsers' tools show it beside the network's share.
    let timing = format!("total;dur={:.3}", took.as_secs_f64() * 1000.0);
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// One line a request: faults of ours with their context, what changes something, and (for those who look closely) the rest.
fn log(method: &Method, status: StatusCode, took: Duration, failure: Option<&Failure>) {
    let status_number = status.as_u16();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let error = failure.map(|failure| failure.error.message.as_str());
    let context = failure.and_then(|failure| failure.error.context());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(
            status = status_number,
            ms,
            error,
            context,
            "something needed does not answer"
        );
    } else if status.is_server_error() {
        tracing::error!(status = status_number, ms, error, context, "failed");
    } else if method.is_safe() {
        tracing::debug!(status = status_number, ms, error, context, "answered");
    } else {
        tracing::info!(status = status_number, ms, error, context, "answered");
    }
}

/// The id a trusted proxy gave, or a new one.
fn request_id(headers: &HeaderMap, believed: bool) -> String {
    headers
        .get(X_REQUEST_ID)
        .filter(|_| believed)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_string)
}

/// A panic in a handler is a fault of ours; the person gets a problem, the log what was said.
fn panicked(what: Box<dyn Any + Send + 'static>) -> Response {
    let said = what
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| what.downcast_ref::<&str>().copied())
        .unwrap_or("without words");
    Failure::from(Error::internal(format!("panicked: {said}"))).into_response()
}

/// Headers that every answer has. An answer may set its own `Cache-Control`; without one nothing keeps it.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not "no-referrer": with that, browsers send our own forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The check against cross-site posts is about cookies, which browsers add by themselves. A bearer token they never
/// add, and with one the cookie is not looked at: such a request may come from anywhere.
async fn tokens_need_no_origin(mut request: Request, next: Next) -> Response {
    if cookie::bearer_of(request.headers()).is_some() {
        request.headers_mut().remove(header::ORIGIN);
        request.headers_mut().remove("sec-fetch-site");
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_come_from_trusted_proxies_only() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, "abc-1".parse().unwrap());
        assert_eq!(request_id(&headers, true), "abc-1");
        assert_ne!(request_id(&headers, false), "abc-1");
        headers.insert(X_REQUEST_ID, "a b".parse().unwrap());
        assert_ne!(request_id(&headers, true), "a b");
    }
}

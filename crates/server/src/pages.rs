//! Web pages: the same acts as REST's, through the same functions of the engine, for people.
//!
//! A page's module gathers (from the store and from what was last seen, never from a host), fills in a [`view`], and
//! renders it. Every act is a plain form post that answers with a redirection, or with the form and what is wrong with
//! it. [`routes`] lists them all; [`site`] holds what all pages share.

pub mod view;

mod alert_policy;
mod alerts;
mod approve;
mod csv;
mod doors;
mod fleet;
mod forecast;
mod gather;
mod heat;
mod host;
mod hosts;
mod image_new;
mod images;
mod inbox;
mod jobs;
mod machine;
mod machines;
mod migrations;
mod move_policies;
mod networks;
mod people;
pub mod picture;
mod plans;
mod requests;
mod routes;
mod search;
mod site;
mod storages;
mod typed;

use crate::{
    error::{self, Asked},
    state::AppState,
};
use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use bellwether_api::{Method, Problem};
use std::sync::Arc;
use view::{Frame, doors::Trouble};

pub use routes::{PAGES, Page, router};

/// Keeps the visitor's frame with an answer that failed, for [`failure`] to show the error in.
pub async fn keep_frame(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !Asked::of(&request).wants_page() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let visitor = parts.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if error::failure_of(&response).is_some() {
        let frame = site::frame_of_trouble(visitor, &state).await;
        response.extensions_mut().insert(Arc::new(frame));
    }
    response
}

/// The answer for people to what went wrong: the page where one signs in, the page the act was asked for from with the
/// reason on it, or a page of its own, in the frame that [`keep_frame`] kept.
pub fn failure(problem: &Problem, failed: &Response, asked: &Asked) -> Response {
    let (looked, path) = (asked.method.is_safe(), asked.uri.path());
    let from = page_of(path);
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        let next = match looked {
            true => asked.uri.path_and_query().map_or("/", |path| path.as_str()),
            false => from.as_str(),
        };
        let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        return site::go(&format!("/sign-in?next={next}"));
    }
    // A form that came back stands under the address it was sent to: reloaded, it is the page it belongs to.
    if problem.status == StatusCode::METHOD_NOT_ALLOWED.as_u16() && looked {
        return site::go(&from);
    }
    let back = (!looked && from != "/").then_some(from);
    if let Some(back) = &back
        && matches!(problem.status, 409 | 422)
    {
        return site::refused(back, &problem.detail);
    }
    let kept = failed.extensions().get::<Arc<Frame>>();
    let page = Trouble {
        frame: Frame {
            title: "Trouble".into(),
            ..kept.map_or_else(Frame::default, |frame| (**frame).clone())
        },
        status: problem.status,
        title: match problem.status {
            403 => "That is not for you to do",
            404 => "There is no such page",
            409 => "That can't be done now",
            429 => "Too many at once",
            503 => "Something needed does not answer",
            500.. => "Something went wrong on our side",
            _ => "That can't be done",
        },
        message: problem.detail.clone(),
        back,
        refusals: Vec::new(),
    };
    match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(_) => problem.detail.clone().into_response(),
    }
}

/// The page that the forms sent to `path` stand on: the one where such a thing is made, or the nearest above.
fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = |page: &&Page| {
        let wanted: Vec<&str> = page.path.split('/').skip(1).collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| *wanted == "{id}" || wanted == part)
    };
    // Of two that fit the one that names more is meant, as in the router.
    let sent_to = PAGES
        .iter()
        .filter(fits)
        .min_by_key(|page| page.path.matches("{id}").count());
    let Some(sent_to) = sent_to.filter(|_| parts.iter().all(plain)) else {
        return "/".into();
    };
    let shows = |path: &str| {
        let mut shown = PAGES.iter().filter(|page| page.method == Method::Get);
        shown.any(|page| page.path == path)
    };
    if shows(&format!("{}/new", sent_to.path)) {
        return format!("{}/new", sent_to.path);
    }
    let mut above = sent_to.path;
    while !shows(above) {
        above = above.rsplit_once('/').map_or("/", |(above, _)| above);
    }
    let depth = above.split('/').filter(|part| !part.is_empty()).count();
    format!("/{}", parts[..depth].join("/"))
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn a_form_that_came_back_can_be_reloaded() {
        for (sent_to, page) in [
            ("/vms/1-2/delete", "/vms/1-2"),
            ("/vms/1-2/migrate", "/vms/1-2/migrate"),
            ("/requests", "/requests/new"),
            ("/policy", "/policy"),
            ("/inbox/7/approve", "/inbox/7"),
            ("/storages/3/prove", "/storages/3"),
            ("/storages", "/storages"),
            ("/people/9/role", "/people"),
            ("/images/upload", "/images/upload"),
            ("/images/catalogue", "/images"),
            ("/account/tokens", "/account"),
            ("/sign-out", "/"),
            ("/vms/%0d%0a/delete", "/"),
            ("//evil.example/x", "/"),
        ] {
            assert_eq!(page_of(sent_to), page);
        }
    }
}

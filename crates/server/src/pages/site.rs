//! What every page begins and ends with: who asks, the frame, the answer.

use super::view::{Frame, Theme, Who, frame::StripJob};
use crate::{
    auth::{Actor, MaybeActor},
    error::{Failure, Result},
    names::Directory,
    state::AppState,
};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use axum_extra::extract::cookie::{Cookie, SameSite};
use bellwether_api::Names;
use bellwether_engine::{Admin, Engine};
use bellwether_model::{
    Error, ErrorKind, VmId,
    alert::{Incident, Rule},
    job::{Job, JobKind},
    people::{AccountState, User},
    request::Request,
};
use bellwether_store::Records;
use std::{ops::Deref, sync::Arc};

/// The cookie that says once, on the next page, what the last act did.
const SAID: &str = "bw_said";
/// The cookie that says once, on the next page, why the last act was refused.
const REFUSED: &str = "bw_refused";
/// At most so many open jobs are shown at the top of every page.
const IN_STRIP: usize = 20;
/// The cookie with the colours a person chose.
pub const THEME: &str = "bw_theme";

/// Anybody's visit: the frame before it is known who asks.
pub struct Guest {
    /// Shared state.
    pub state: AppState,
    /// Who is signed in, if anybody is.
    pub actor: Option<Actor>,
    frame: Frame,
}

impl FromRequestParts<AppState> for Guest {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let MaybeActor(actor) = MaybeActor::from_request_parts(parts, state).await?;
        Ok(Self {
            state: state.clone(),
            actor,
            frame: bare_frame(parts),
        })
    }
}

impl Guest {
    /// The frame of a page nobody need be signed in for.
    pub fn frame(&self, title: &str) -> Frame {
        Frame {
            title: title.into(),
            ..self.frame.clone()
        }
    }
}

/// What is known of a frame without asking the database.
fn bare_frame(parts: &Parts) -> Frame {
    Frame {
        theme: Theme::from_cookie(cookie(&parts.headers, THEME).as_deref()),
        path: match parts.method.is_safe() {
            true => parts
                .uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .into(),
            false => super::page_of(parts.uri.path()),
        },
        said: cookie(&parts.headers, SAID),
        refused: cookie(&parts.headers, REFUSED),
        ..Frame::default()
    }
}

/// The frame of an error page: the visitor's own, or as much of it as can be had now.
pub async fn frame_of_trouble(mut parts: Parts, state: &AppState) -> Frame {
    let Ok(visit) = Visit::from_request_parts(&mut parts, state).await else {
        return Frame {
            wide: true,
            ..bare_frame(&parts)
        };
    };
    let known = Who {
        login: visit.actor.login.clone(),
        full_name: visit.actor.login.clone(),
        admin: visit.actor.is_admin(),
    };
    visit.page("", "").await.unwrap_or(Frame {
        who: Some(known),
        ..visit.frame("")
    })
}

/// A visit of somebody who is signed in.
pub struct Visit {
    guest: Guest,
    /// Who.
    pub actor: Actor,
}

impl Deref for Visit {
    type Target = Guest;
    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let guest = Guest::from_request_parts(parts, state).await?;
        let actor = guest
            .actor
            .clone()
            .ok_or_else(|| Error::unauthenticated("Sign in first."))?;
        Ok(Self { guest, actor })
    }
}

impl Visit {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.state.engine
    }
    /// The frame of this person's page; `section` is the address of its navigation entry.
    pub async fn page(&self, title: impl Into<String>, section: &'static str) -> Result<Frame> {
        let store = self.engine().store();
        let admin = self.actor.is_admin();
        let (records, open) = tokio::try_join!(store.records(), store.open_jobs())?;
        let mine = |job: &&Job| admin || job.owner == Some(self.actor.user);
        let jobs: Vec<Job> = open.iter().filter(mine).take(IN_STRIP).cloned().collect();
        let (inbox, accounts, alerts) = if admin {
            let (requests, alerts) =
                tokio::try_join!(store.all_requests(), store.open_incidents())?;
            let now = self.engine().now();
            // Leases end all the time, and their owners know.
            let wants_somebody = |incident: &Incident| {
                !incident.is_silent(now) && incident.key.rule != Rule::LeaseEnding
            };
            let undecided = |request: &&Request| super::inbox::UNDECIDED.contains(&request.state);
            let waits = |user: &&User| user.state == AccountState::Waiting;
            (
                requests.iter().filter(undecided).count(),
                records.users.iter().filter(waits).count(),
                alerts.iter().filter(|one| wants_somebody(one)).count(),
            )
        } else {
            (0, 0, 0)
        };
        let user = records.user(self.actor.user);
        let user = user
            .ok_or_else(|| Error::unauthenticated("Sign in first."))?
            .clone();
        let names = job_names(self.engine(), records, &jobs).await?;
        let mut strip = Vec::with_capacity(jobs.len());
        for job in &jobs {
            strip.push(StripJob {
                href: format!("/jobs/{}", job.id),
                text: job_words(self.engine(), &names, job).await?,
                doing: job.progress.doing.clone(),
            });
        }
        Ok(Frame {
            section,
            who: Some(Who {
                login: user.login,
                full_name: user.full_name,
                admin,
            }),
            inbox: u32::try_from(inbox).unwrap_or(u32::MAX),
            accounts: u32::try_from(accounts).unwrap_or(u32::MAX),
            alerts: u32::try_from(alerts).unwrap_or(u32::MAX),
            jobs: strip,
            ..self.frame(&title.into())
        })
    }
}

/// A visit of an administrator.
pub struct AdminVisit {
    visit: Visit,
    /// The handle for what only administrators may do.
    pub admin: Admin,
}

impl Deref for AdminVisit {
    type Target = Visit;
    fn deref(&self) -> &Visit {
        &self.visit
    }
}

impl FromRequestParts<AppState> for AdminVisit {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let admin = visit.actor.admin()?;
        Ok(Self { visit, admin })
    }
}

/// The value of a cookie, percent-decoded.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter();
    let value = pairs
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(n, value)| (n == name).then_some(value))?;
    let text = percent_encoding::percent_decode_str(value)
        .decode_utf8()
        .ok()?;
    (!text.is_empty()).then(|| text.chars().take(400).collect())
}

/// A `Set-Cookie` header; without a value the browser forgets it.
pub fn set_cookie(name: &'static str, value: &str, secure: bool, days: i64) -> Option<HeaderValue> {
    let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
        .to_string();
    let mut cookie = Cookie::build((name, value.clone()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .build();
    if value.is_empty() {
        cookie.make_removal();
    }
    let mut text = cookie.to_string();
    if !value.is_empty() && days > 0 {
        text.push_str(&format!("; Max-Age={}", days * 86_400));
    }
    HeaderValue::from_str(&text).ok()
}

/// The page; a word of the last act is said once.
pub fn show(page: &impl Template) -> Result<Response> {
    show_with(StatusCode::OK, page)
}

/// What most pages take; larger ones grow.
const PAGE_BYTES: usize = 64 << 10;

/// The page with a status of its own: a form that comes back with what is wrong.
pub fn show_with(status: StatusCode, page: &impl Template) -> Result<Response> {
    let mut html = String::with_capacity(PAGE_BYTES);
    page.render_into(&mut html).map_err(Error::internal)?;
    let mut response = (status, Html(html)).into_response();
    for once in [SAID, REFUSED] {
        if let Some(forget) = set_cookie(once, "", false, 0) {
            response.headers_mut().append(header::SET_COOKIE, forget);
        }
    }
    Ok(response)
}

/// A form that comes back.
pub fn again(page: &impl Template) -> Result<Response> {
    show_with(StatusCode::UNPROCESSABLE_ENTITY, page)
}

/// A form that comes back from a failure that has a status of its own.
pub fn again_with(failure: &Failure, page: &impl Template) -> Result<Response> {
    let mut response = show_with(failure.status, page)?;
    failure.say_when(&mut response);
    Ok(response)
}

/// To another page.
pub fn go(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// To another page, which says what was done.
pub fn done(to: &str, said: &str) -> Response {
    let mut response = go(to);
    if let Some(cookie) = set_cookie(SAID, said, false, 0) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// To another page, which says why what was asked for was not done.
pub fn refused(to: &str, why: &str) -> Response {
    let mut response = go(to);
    if let Some(cookie) = set_cookie(REFUSED, why, false, 0) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The error, where the form it came from can show it; what is nobody's typing goes to the error page.
pub fn typed_wrong(error: Error) -> Result<Error> {
    match error.kind {
        ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::OverQuota
        | ErrorKind::NoCapacity
        | ErrorKind::Unavailable
        | ErrorKind::TooMany => Ok(error),
        _ => Err(error.into()),
    }
}

/// The names jobs are told with.
pub async fn job_names(engine: &Engine, records: Arc<Records>, jobs: &[Job]) -> Result<Directory> {
    let vms = jobs.iter().filter_map(|job| job.subject.vm).collect();
    Ok(Directory::of(records).with_vms(engine, vms).await?)
}

/// What a job does, to what; `names` are [`job_names`].
pub async fn job_words(engine: &Engine, names: &Directory, job: &Job) -> Result<String> {
    let name = match (job.subject.vm, job.subject.image, job.subject.request) {
        (Some(vm), ..) => names.vm(vm).unwrap_or_else(|| "a machine".into()),
        (_, Some(image), _) => names.image(image).unwrap_or_else(|| "an image".into()),
        (.., Some(request)) => engine
            .store()
            .request(request)
            .await
            .map_or_else(|_| "a request".into(), |r| r.spec.name),
        _ => String::new(),
    };
    let verb = match job.kind {
        JobKind::Provision => "Make",
        JobKind::Power => match job.data.get("action").and_then(|action| action.as_str()) {
            Some("start") => "Start",
            Some("shutdown") => "Shut down",
            Some("force_off") => "Force off",
            Some("reboot") => "Reboot",
            _ => "Power of",
        },
        JobKind::Delete => "Delete",
        JobKind::Migrate => "Migrate",
        JobKind::FetchImage => "Fetch",
    };
    Ok(format!("{verb} {name}"))
}

/// A VM's name; of one that is no more too.
pub async fn vm_name(engine: &Engine, id: VmId) -> Result<String> {
    let found = engine.store().vm_names(&[id]).await?.pop();
    Ok(found.map_or_else(|| "a machine".into(), |(_, name)| name))
}

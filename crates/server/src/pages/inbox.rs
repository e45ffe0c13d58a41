//! Requests that wait: for a decision, or for room.

use super::{
    gather, requests,
    site::{AdminVisit, job_names, job_words, show},
    view::{
        Badge, List, ListQuery,
        requests::{Inbox, Waiting},
        words,
    },
};
use crate::{error::Result, extract::Query, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_model::request::{Request, RequestState};

/// What waits for a decision.
pub const UNDECIDED: [RequestState; 2] = [RequestState::Pending, RequestState::Failed];
/// What is approved and waits for room.
const STUCK: [RequestState; 2] = [RequestState::Approved, RequestState::WaitingForRoom];

/// Requests in these states, oldest first.
pub async fn waiting(visit: &AdminVisit, states: Vec<RequestState>) -> Result<Vec<Request>> {
    let requests = visit.engine().store().all_requests().await?;
    let wanted = |request: &&Request| states.contains(&request.state);
    Ok(requests.iter().filter(wanted).cloned().collect())
}

async fn selected(visit: &AdminVisit, mut list: List) -> Result<(List, Vec<(Request, String)>)> {
    let names = Directory::load(visit.engine()).await?;
    let all = waiting(visit, [UNDECIDED, STUCK].concat()).await?;
    let rows = all
        .into_iter()
        .map(|request| {
            let owner = gather::or_removed(names.user(request.owner), "person");
            (request, owner)
        })
        .collect();
    let rows = list.apply(
        rows,
        |(request, owner): &(Request, String)| {
            let spec = &request.spec;
            format!("{} {owner} {} {}", spec.name, spec.purpose, request.id)
        },
        |(request, _)| Badge::from(request.state).word,
        |(request, owner), key| match key {
            "name" => (request.spec.name.to_lowercase(), 0),
            "state" => (Badge::from(request.state).word.into(), 0),
            "owner" => (owner.to_lowercase(), 0),
            "memory" => (String::new(), request.spec.memory.0 as i64),
            "from" => (request.spec.from.to_string(), 0),
            _ => (String::new(), request.created_at.0),
        },
    );
    Ok((list, rows))
}

fn listed(query: &ListQuery) -> List {
    List::new("/inbox", query, "made")
}

pub async fn inbox(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let now = visit.engine().now();
    let (list, rows) = selected(&visit, listed(&query)).await?;
    let (engine, store) = (visit.engine(), visit.engine().store());
    let (records, jobs) = tokio::try_join!(store.records(), store.jobs_for_a_person())?;
    let names = job_names(engine, records, &jobs).await?;
    let mut stuck = Vec::with_capacity(jobs.len());
    for job in jobs {
        stuck.push((
            job_words(engine, &names, &job).await?,
            format!("/jobs/{}", job.id),
            job.error.unwrap_or_default(),
        ));
    }
    let frame = visit.page("Inbox", "/inbox").await?;
    show(&Inbox {
        undecided: frame.inbox,
        frame,
        stuck,
        states: [UNDECIDED, STUCK]
            .concat()
            .into_iter()
            .map(|state| Badge::from(state).word.to_string())
            .collect(),
        rows: rows
            .into_iter()
            .map(|(request, owner)| Waiting {
                href: format!("/inbox/{}", request.id),
                owner,
                badge: request.state.into(),
                size: requests::size(&request),
                period: gather::period_words(request.spec.from, request.spec.until),
                purpose: first_words(&request.spec.purpose),
                waits: words::duration(now.since(request.created_at)),
                reason: request.reason,
                name: request.spec.name,
            })
            .collect(),
        list,
    })
}

pub async fn inbox_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows) = selected(&visit, listed(&query).in_one()).await?;
    Ok(requests::file("inbox", rows))
}

/// At most about a line.
fn first_words(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(110)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(110).is_some() {
        out.push('…');
    }
    out
}

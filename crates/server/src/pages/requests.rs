//! Asking for a machine, and what became of it.

use super::{
    csv::{Csv, Known},
    gather,
    site::{Visit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, List, ListQuery,
        requests::{
            ImageChoice, NewRequest, PeriodChoice, RequestPage, RequestRow, Requests, SIZES,
            SizeChoice,
        },
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
};
use axum::response::Response;
use bellwether_decide::request::{self as decide, Draft, days_after};
use bellwether_engine::{Look, request as engine_request};
use bellwether_model::{
    Day, MiB, RequestId, Vcpus,
    image::ImageState,
    request::{Request, RequestState},
    states::State as _,
};

/// The size of a request in words.
pub fn size(request: &Request) -> String {
    gather::size_words(request.spec.vcpus, request.spec.memory, request.spec.disk)
}

/// A request with the name of whose it is.
type Line<'a> = (&'a Request, &'a str);

async fn selected(visit: &Visit, mut list: List) -> Result<(List, Vec<(Request, String)>)> {
    let engine = visit.engine();
    let owner = (!visit.actor.is_admin()).then_some(visit.actor.user);
    let store = engine.store();
    let (records, requests) = tokio::try_join!(store.records(), store.all_requests())?;
    let rows: Vec<Line<'_>> = requests
        .iter()
        .filter(|request| owner.is_none_or(|owner| request.owner == owner))
        .map(|request| {
            let owner = records.name(request.owner.0).unwrap_or("a removed person");
            (request, owner)
        })
        .collect();
    let text = |(request, owner): &Line<'_>| {
        format!(
            "{} {owner} {} {}",
            request.spec.name, request.spec.purpose, request.id
        )
    };
    let state = |(request, _): &Line<'_>| Badge::from(request.state).word;
    let key = |(request, owner): &Line<'_>, key: &str| match key {
        "name" => (request.spec.name.to_lowercase(), 0),
        "state" => (Badge::from(request.state).word.into(), 0),
        "owner" => (owner.to_lowercase(), 0),
        "from" => (request.spec.from.to_string(), 0),
        _ => (String::new(), request.created_at.0),
    };
    let rows = list.apply(rows, text, state, key).into_iter();
    let rows = rows.map(|(request, owner)| (request.clone(), owner.into()));
    Ok((list, rows.collect()))
}

pub async fn list(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (list, rows) = selected(&visit, List::new("/requests", &query, "-made")).await?;
    let now = visit.engine().now();
    show(&Requests {
        frame: visit.page("Requests", "/requests").await?,
        list,
        states: RequestState::ALL
            .iter()
            .map(|state| Badge::from(*state).word.to_string())
            .collect(),
        all: visit.actor.is_admin(),
        rows: rows
            .into_iter()
            .map(|(request, owner)| RequestRow {
                href: format!("/requests/{}", request.id),
                owner,
                badge: request.state.into(),
                size: size(&request),
                period: gather::period_words(request.spec.from, request.spec.until),
                made: words::ago(request.created_at, now),
                reason: request.reason,
                name: request.spec.name,
            })
            .collect(),
    })
}

pub async fn list_csv(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    let list = List::new("/requests", &query, "-made").in_one();
    let (_, rows) = selected(&visit, list).await?;
    Ok(file("requests", rows))
}

/// Requests with the logins of their owners as a file.
pub fn file(name: &str, rows: Vec<(Request, String)>) -> Response {
    let head = [
        "id",
        "name",
        "owner",
        "state",
        "vcpus",
        "memory_mib",
        "disk_gib",
        "from",
        "until",
        "purpose",
        "reason",
    ];
    let mut file = Csv::new(head, rows.len());
    for (request, owner) in rows {
        let spec = request.spec;
        file.row([
            &request.id,
            &spec.name,
            &owner,
            &request.state,
            &spec.vcpus.0,
            &spec.memory.0,
            &spec.disk.0,
            &spec.from,
            &spec.until,
            &spec.purpose,
            &Known(request.reason),
        ]);
    }
    file.answer(name)
}

/// The quick choices: word, name, last day when it begins on `from`. None is longer than the policy allows.
fn periods(from: Day, most_days: u32) -> Vec<(&'static str, &'static str, Day)> {
    [
        ("week", "A week", 7_u32),
        ("month", "A month", 30),
        ("term", "A term", 182),
    ]
    .into_iter()
    .filter(|(.., days)| *days <= most_days)
    .map(|(value, name, days)| (value, name, days_after(from, days - 1)))
    .collect()
}

/// The size that is chosen beforehand: the second, or the first where no host could ever carry that.
fn usual_size(look: &Look) -> &'static SizeChoice {
    let [small, usual, ..] = &SIZES;
    let memory = MiB(u64::from(usual.memory_gib) * 1024);
    match look.could_carry(Vcpus(usual.vcpus), memory) {
        true => usual,
        false => small,
    }
}

async fn form_page(visit: &Visit, mut form: Form) -> Result<NewRequest> {
    let engine = visit.engine();
    let (images, (policy, _)) = tokio::try_join!(engine.store().images(), engine.store().policy())?;
    let today = engine.today();
    let ready: Vec<_> = images
        .iter()
        .filter(|image| image.state == ImageState::Ready)
        .collect();
    let periods = periods(today, policy.max_lease_days);
    let usual = periods.get(1).or(periods.first()).copied();
    let size = usual_size(&*engine.look().await?);
    form.default_to("size", size.value);
    form.default_to("period", usual.map_or("dates", |p| p.0));
    if let Some(first) = ready.first() {
        form.default_to("image", first.id);
    }
    for (name, value) in [
        ("vcpus", size.vcpus),
        ("memory_gib", size.memory_gib),
        ("disk_gib", size.disk_gib),
    ] {
        form.default_to(name, value);
    }
    form.default_to("from", today);
    form.default_to("until", usual.map_or(today, |p| p.2));
    let extend = if policy.users_may_extend {
        "You can extend it yourself"
    } else {
        "An administrator can extend it"
    };
    Ok(NewRequest {
        frame: visit.page("Request a machine", "/requests").await?,
        form,
        images: ready
            .iter()
            .map(|image| ImageChoice {
                value: image.id.to_string(),
                os: image.os.clone(),
                needs: format!(
                    "from {} disk, {}",
                    image.min_disk,
                    words::memory_text(image.min_memory)
                ),
            })
            .collect(),
        periods: periods
            .into_iter()
            .map(|(value, name, until)| PeriodChoice {
                value,
                name,
                until: words::day(until),
                until_day: until.to_string(),
            })
            .collect(),
        today: today.to_string(),
        latest: days_after(today, policy.max_days_ahead).to_string(),
        largest: format!(
            "At most {}, {} memory, {} disk, {} days.",
            policy.max_vcpus,
            words::memory_text(policy.max_memory),
            policy.max_disk,
            policy.max_lease_days
        ),
        end_words: format!(
            "After the last day the machine is shut down and kept. From {} days before, this site shows that it ends soon. {extend}.",
            policy.warn_days
        ),
        have: gather::has(engine, visit.actor.user).await?,
        admin: visit.actor.is_admin(),
    })
}

pub async fn new(visit: Visit) -> Result<Response> {
    show(&form_page(&visit, Form::default()).await?)
}

/// What was typed as a draft: a named size and a quick period stand for their values.
fn draft(typed: &Typed, today: Day, most_days: u32) -> Draft {
    let named = SIZES.iter().find(|size| size.value == typed.get("size"));
    let gib = |text: String| match text.parse::<f64>() {
        Ok(gib) if gib.abs() < 1e12 => ((gib * 1024.0).round() as i64).to_string(),
        _ => text,
    };
    let from = typed.get("from");
    let first = decide::day(Some(&from)).unwrap_or(today);
    let quick = periods(first, most_days)
        .into_iter()
        .find(|period| period.0 == typed.get("period"));
    Draft {
        name: Some(typed.exact("name")),
        vcpus: Some(named.map_or_else(|| typed.get("vcpus"), |size| size.vcpus.to_string())),
        memory_mib: Some(named.map_or_else(
            || gib(typed.get("memory_gib")),
            |size| (size.memory_gib * 1024).to_string(),
        )),
        disk_gib: Some(
            named.map_or_else(|| typed.get("disk_gib"), |size| size.disk_gib.to_string()),
        ),
        from: Some(from),
        until: Some(quick.map_or_else(|| typed.get("until"), |period| period.2.to_string())),
        purpose: Some(typed.exact("purpose")),
        image: Some(typed.get("image")),
        ssh_key: typed.given("ssh_key"),
    }
}

pub async fn submit(visit: Visit, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let (policy, _) = engine.store().policy().await?;
    let draft = draft(&typed, engine.today(), policy.max_lease_days);
    match engine_request::submit(engine, &visit.actor, &draft).await {
        Ok(request) => Ok(done(
            &format!("/requests/{}", request.id),
            "Your request is sent.",
        )),
        Err(error) => {
            let error =
                crate::rest::input::renamed(typed_wrong(error)?, &[("memory_mib", "memory_gib")]);
            again(&form_page(&visit, typed.form().refused(&error)).await?)
        }
    }
}

/// What a request asks for, as facts.
pub async fn facts(visit: &Visit, request: &Request) -> Result<Vec<(&'static str, String)>> {
    let engine = visit.engine();
    let records = engine.store().records().await?;
    let image = records.image(request.spec.image);
    let days = decide::days_inclusive(request.spec.from, request.spec.until);
    Ok(vec![
        ("Size", size(request)),
        (
            "System",
            image.map_or_else(|| "a removed image".into(), |image| image.os.clone()),
        ),
        (
            "Period",
            format!(
                "{} ({days} days)",
                gather::period_words(request.spec.from, request.spec.until)
            ),
        ),
        (
            "SSH key",
            if request.spec.ssh_key.is_some() {
                "given".into()
            } else {
                "none; a first password is made".into()
            },
        ),
        (
            "Asked",
            format!(
                "{}, {}",
                words::ago(request.created_at, engine.now()),
                words::moment(request.created_at, engine.zone())
            ),
        ),
    ])
}

pub async fn one(visit: Visit, Path(id): Path<RequestId>) -> Result<Response> {
    let (engine, store) = (visit.engine(), visit.engine().store());
    let request = store.request(id).await?;
    visit.actor.may_see(request.owner, "request")?;
    let admin = visit.actor.is_admin();
    let jobs = store.open_jobs().await?;
    let job = jobs.iter().find(|job| job.subject.request == Some(id));
    let today = engine.today();
    let open = engine_request::is_open(&request, today);
    let own = request.owner == visit.actor.user;
    show(&RequestPage {
        frame: visit.page(request.spec.name.clone(), "/requests").await?,
        id: id.to_string(),
        badge: request.state.into(),
        reason: request.reason.clone(),
        next: match request.state {
            RequestState::Pending => {
                "An administrator looks at it; the decision and its reason appear here.".into()
            }
            RequestState::Approved | RequestState::WaitingForRoom if request.spec.from > today => {
                format!(
                    "Approved; the machine is made on {}.",
                    words::day(request.spec.from)
                )
            }
            RequestState::Approved | RequestState::WaitingForRoom => {
                "Approved; the machine is made as soon as a host has room.".into()
            }
            RequestState::Placed if request.spec.from > today => format!(
                "Approved, and its room is reserved; the machine is made on {}.",
                words::day(request.spec.from)
            ),
            RequestState::Placed => "The machine is being made; this takes a minute or so.".into(),
            RequestState::Fulfilled => "The machine is made.".into(),
            RequestState::Withdrawn => "It was taken back.".into(),
            RequestState::Refused => "An administrator said no.".into(),
            RequestState::Failed => {
                "The machine could not be made. An administrator can try again.".into()
            }
        },
        vm: request
            .vm
            .filter(|_| request.state == RequestState::Fulfilled)
            .map(|vm| format!("/vms/{vm}")),
        job: job.map(|job| {
            let doing = if job.progress.doing.is_empty() {
                "about to begin".into()
            } else {
                job.progress.doing.clone()
            };
            (
                format!("/jobs/{}", job.id),
                doing,
                job.progress.share.map(|share| (share * 100.0) as u32),
            )
        }),
        facts: facts(&visit, &request).await?,
        purpose: request.spec.purpose.clone(),
        may_withdraw: own && open,
        decide: (admin && open).then(|| format!("/inbox/{id}")),
        history: gather::history(engine, "request", id, 50).await?,
        name: request.spec.name,
    })
}

pub async fn withdraw(visit: Visit, Path(id): Path<RequestId>) -> Result<Response> {
    engine_request::withdraw(visit.engine(), &visit.actor, id).await?;
    Ok(done(&format!("/requests/{id}"), "Withdrawn."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        Typed(
            pairs
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
        )
    }

    #[test]
    fn choices_stand_for_values() {
        let today: Day = "2026-11-24".parse().unwrap();
        let chosen = typed(&[
            ("size", "large"),
            ("memory_gib", "1"),
            ("period", "week"),
            ("from", "2026-12-01"),
            ("until", "2030-01-01"),
        ]);
        let made = draft(&chosen, today, 366);
        assert_eq!(made.memory_mib.as_deref(), Some("8192"));
        assert_eq!(made.until.as_deref(), Some("2026-12-07"));
        let own = typed(&[
            ("size", "own"),
            ("memory_gib", "0.5"),
            ("vcpus", "3"),
            ("period", "dates"),
            ("from", "x"),
            ("until", "2026-12-02"),
        ]);
        let made = draft(&own, today, 366);
        assert_eq!(made.memory_mib.as_deref(), Some("512"));
        assert_eq!(made.vcpus.as_deref(), Some("3"));
        assert_eq!(made.until.as_deref(), Some("2026-12-02"));
        assert_eq!(
            draft(&typed(&[("memory_gib", "lots")]), today, 366)
                .memory_mib
                .as_deref(),
            Some("lots")
        );
    }
}

//! The page a request is decided on, and the decisions.

use super::{
    gather, inbox, requests,
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Form, badge,
        form::Choice as Offer,
        requests::{Approve, HostBar, Line, Place},
        words,
    },
};
use crate::{error::Result, extract::Path, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_decide::{
    fleet::Room,
    place::{Candidate, DiskRoom, Verdict},
};
use bellwether_engine::{
    approve::{self, Choice, Consideration},
    place::Placed,
    request as engine_request,
};
use bellwether_model::{
    Day, Error, RequestId, Timestamp,
    host::HostHealth,
    request::{Request, RequestState},
    text::shown,
};
use std::str::FromStr;

/// A part of a whole in thousandths, at most all of it.
fn thousandths(part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return 0;
    }
    u32::try_from((u128::from(part) * 1000 / u128::from(whole)).min(1000)).unwrap_or(1000)
}

/// A bar: what is committed of what may be, what is really used, what is asked where it fits, and the words.
fn line(
    label: String,
    (committed, limit): (u64, u64),
    used: Option<u32>,
    asked: Option<u64>,
    words: String,
) -> Line {
    let committed = thousandths(committed, limit);
    Line {
        label,
        committed,
        used,
        asked: asked.map_or(0, |asked| thousandths(asked, limit).min(1000 - committed)),
        words,
    }
}

/// ` on 3 Dec 2026`, where the fullest day is not today.
fn on(day: Day, today: Day) -> String {
    if day > today {
        format!(" on {}", day.strftime("%-d %b %Y"))
    } else {
        String::new()
    }
}

/// The same figures the verdict is made on: what is promised at the fullest moment of the period.
fn lines(
    considered: &Consideration,
    candidate: &Candidate,
    after: Option<&Room>,
    names: &Directory,
) -> Vec<Line> {
    let Some(host) = considered.look.fleet.host(candidate.host) else {
        return Vec::new();
    };
    let (spec, today) = (&considered.request.spec, considered.look.fleet.today);
    let (before, peak) = (&candidate.before.room, &candidate.before);
    let used = host.memory_used.map_or("unknown used".into(), |used| {
        format!("{} used now", words::gib(used))
    });
    let left = after.map_or(String::new(), |room| {
        format!("; {} left after", words::memory_text(room.memory_free()))
    });
    let memory = line(
        "Memory".into(),
        (before.memory.0, before.memory_limit.0),
        host.memory_used
            .map(|used| thousandths(used.0, before.memory_limit.0)),
        after.map(|_| spec.memory.0),
        format!(
            "{} of {} GiB committed{}, {used}{left}",
            words::gib(before.memory),
            words::gib(before.memory_limit),
            on(peak.memory_day, today),
        ),
    );
    let cores = f64::from(host.cores.max(1));
    let used = host.cpu_used.map_or("unknown used".into(), |cpu| {
        format!("{} of {} cores used now", words::number(cpu), host.cores)
    });
    let left = after.map_or(String::new(), |room| {
        format!("; {} left after", room.vcpus_free())
    });
    let cpu = line(
        "CPU".into(),
        (before.vcpus.0.into(), before.vcpus_limit.0.into()),
        host.cpu_used
            .map(|cpu| ((cpu / cores * 1000.0) as u32).min(1000)),
        after.map(|_| spec.vcpus.0.into()),
        format!(
            "{} of {} committed{}, {used}{left}",
            before.vcpus.0,
            before.vcpus_limit,
            on(peak.vcpus_day, today),
        ),
    );
    let disk = candidate
        .disk
        .map(|disk| disk_line(&disk, after.is_some(), names));
    [memory, cpu].into_iter().chain(disk).collect()
}

fn disk_line(disk: &DiskRoom, fits: bool, names: &Directory) -> Line {
    let taken = disk.limit.saturating_sub(disk.free);
    let gib = |bytes: u64| words::number(bytes as f64 / f64::from(1 << 30));
    let left = if fits {
        let left = disk.free.saturating_sub(disk.needed);
        format!("; {} left after", words::bytes(left).text())
    } else {
        String::new()
    };
    line(
        "Disk".into(),
        (taken, disk.limit),
        Some(thousandths(disk.used, disk.limit)),
        fits.then_some(disk.needed),
        format!(
            "{} of {} GiB of {} committed, {} used now{left}",
            gib(taken),
            gib(disk.limit),
            gather::or_removed(names.storage(disk.storage), "storage"),
            gib(disk.used),
        ),
    )
}

async fn page(visit: &AdminVisit, id: RequestId, form: Form) -> Result<Approve> {
    let engine = visit.engine();
    let considered = approve::consider(engine, &visit.admin, id).await?;
    let names = Directory::of(considered.look.records.clone());
    let (observed, now) = (engine.observed(), engine.now());
    let request = &considered.request;
    let open = matches!(
        request.state,
        RequestState::Pending | RequestState::Failed | RequestState::WaitingForRoom
    );
    let best = considered.placement.best.as_ref().filter(|_| open);
    let mut hosts = Vec::new();
    let mut fitting = Vec::new();
    let mut verdict = String::new();
    for candidate in &considered.placement.candidates {
        let (after, refusals) = match &candidate.verdict {
            Verdict::Fits { after, .. } => (Some(after), Vec::new()),
            Verdict::Refused { reasons } => (None, reasons.clone()),
        };
        let chosen = best.is_some_and(|best| best.host == candidate.host);
        if let Some(after) = after {
            let left = format!(
                "{} of memory and {} left",
                words::memory_text(after.memory_free()),
                after.vcpus_free()
            );
            if chosen {
                verdict = format!(
                    "It lands on {}, which then has {left}{}.",
                    candidate.host_name,
                    if request.spec.from > considered.look.fleet.today {
                        " at its fullest"
                    } else {
                        ""
                    }
                );
            }
            fitting.push(Offer::new(
                candidate.host,
                format!("{}: then {left}", candidate.host_name),
            ));
        }
        let seen = observed.host(candidate.host);
        let record = considered.look.fleet.host(candidate.host);
        hosts.push(HostBar {
            id: candidate.host.to_string(),
            name: candidate.host_name.clone(),
            href: format!("/hosts/{}", candidate.host),
            badge: record.map_or(HostHealth::Connecting.into(), |host| {
                badge::host(host.mode, host.health)
            }),
            chosen,
            refusals,
            lines: lines(&considered, candidate, after.filter(|_| open), &names),
            age: words::stale_age(seen.and_then(|seen| seen.at), now, engine.settings().period),
        });
    }
    if !open {
        verdict = decided(request, &names, now);
    } else if best.is_none() {
        let spec = &request.spec;
        let large_enough = considered.look.could_carry(spec.vcpus, spec.memory);
        verdict = if large_enough {
            "No host has room for it now. Approved, it waits and is placed when one has.".into()
        } else {
            "No host is large enough for it, however empty. Approved, it waits until there is one."
                .into()
        };
    }
    let next = inbox::waiting(visit, inbox::UNDECIDED.to_vec()).await?;
    let records = &considered.look.records;
    let options = |all: Vec<Offer>| {
        let mut options = vec![Offer::new("", "the best")];
        options.extend(all);
        options
    };
    let storages = records.storages.iter();
    let storages = storages.map(|s| Offer::new(s.id, s.name.clone()));
    let networks = records.networks.iter();
    let networks = networks.map(|n| Offer::new(n.id, n.name.clone()));
    Ok(Approve {
        frame: visit.page(request.spec.name.clone(), "/inbox").await?,
        id: id.to_string(),
        name: request.spec.name.clone(),
        badge: request.state.into(),
        owner: format!(
            "{} ({})",
            considered.owner.full_name, considered.owner.login
        ),
        mail: considered.owner.mail.clone(),
        owner_has: gather::has(engine, considered.owner.id).await?,
        reason: request.reason.clone(),
        purpose: request.spec.purpose.clone(),
        facts: requests::facts(visit, request).await?,
        open,
        may_refuse: engine_request::is_open(request, engine.today()),
        verdict,
        place: best.map(|best| Place {
            host: best.host.to_string(),
            host_name: gather::or_removed(names.host(best.host), "host"),
            storage: best.storage.to_string(),
            network: best.network.to_string(),
        }),
        hosts,
        fitting,
        storages: options(storages.collect()),
        networks: options(networks.collect()),
        form,
        next: next
            .iter()
            .find(|other| other.id != id)
            .map(|other| format!("/inbox/{}", other.id)),
    })
}

fn decided(request: &Request, names: &Directory, now: Timestamp) -> String {
    let by = request.decided_by.map_or("nobody".into(), |by| {
        gather::or_removed(names.user(by), "person")
    });
    match request.decided_at {
        Some(at) => format!(
            "It is {}; {by} decided {}.",
            badge::Badge::from(request.state).word,
            words::ago(at, now)
        ),
        None => format!("It is {}.", badge::Badge::from(request.state).word),
    }
}

pub async fn one(visit: AdminVisit, Path(id): Path<RequestId>) -> Result<Response> {
    show(&page(&visit, id, Form::default()).await?)
}

/// An identifier chosen in a form; none where it was left open.
fn chosen<T: FromStr>(typed: &Typed, name: &str) -> Result<Option<T>, Error> {
    typed
        .given(name)
        .map(|text| {
            text.parse().map_err(|_| {
                Error::field(
                    name,
                    format!("'{}' is nothing that can be chosen", shown(&text)),
                )
            })
        })
        .transpose()
}

/// Where it goes, and when it is made.
async fn told(visit: &AdminVisit, placed: &Placed) -> Result<String> {
    let engine = visit.engine();
    let request = &placed.request;
    let name = &request.spec.name;
    let (Some(_), Some(vm)) = (&placed.job, request.vm) else {
        return Ok(format!("{name} is approved and waits for room."));
    };
    let vm = engine.store().vm(vm).await?;
    let host = engine.store().host(vm.host).await?.name;
    Ok(if request.spec.from > engine.today() {
        format!(
            "{name} is approved: room is reserved on {host}, and it is made on {}.",
            words::day(request.spec.from)
        )
    } else {
        format!("{name} is approved and being made on {host}.")
    })
}

pub async fn approve(
    visit: AdminVisit,
    Path(id): Path<RequestId>,
    typed: Typed,
) -> Result<Response> {
    let choice = || -> Result<Choice, Error> {
        Ok(Choice {
            host: chosen(&typed, "host")?,
            storage: chosen(&typed, "storage")?,
            network: chosen(&typed, "network")?,
            once: typed.ticked("once"),
        })
    };
    let approved = match choice() {
        Ok(choice) => approve::approve(visit.engine(), &visit.admin, id, choice).await,
        Err(error) => Err(error),
    };
    match approved {
        Ok(placed) => Ok(done("/inbox", &told(&visit, &placed).await?)),
        Err(error) => again(&page(&visit, id, typed.form().refused(&typed_wrong(error)?)).await?),
    }
}

pub async fn refuse(
    visit: AdminVisit,
    Path(id): Path<RequestId>,
    typed: Typed,
) -> Result<Response> {
    match approve::refuse(visit.engine(), &visit.admin, id, &typed.get("reason")).await {
        Ok(request) => Ok(done(
            "/inbox",
            &format!("{} is refused; the person reads why.", request.spec.name),
        )),
        Err(error) => again(&page(&visit, id, typed.form().refused(&typed_wrong(error)?)).await?),
    }
}

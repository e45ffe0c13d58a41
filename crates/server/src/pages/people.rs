//! People, policy, audit, and the style guide of a debug build.

use super::{
    alert_policy,
    csv::{Csv, Known, Thousandths},
    gather,
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, List, ListQuery,
        people::{Audit, AuditRow, People, PersonRow, PolicyPage},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    rest::input::renamed,
};
use axum::response::Response;
use bellwether_engine::{Engine, people as engine_people, policy as engine_policy, usage};
use bellwether_model::{
    Error, GiB, MiB, UserId, Vcpus,
    people::{AccountState, Role, User},
    policy::{HistoryPolicy, Policy},
    states::State as _,
};
use bellwether_store::{AuditQuery, PersonTotals};
use serde::Deserialize;

async fn selected(visit: &AdminVisit, mut list: List) -> Result<(List, Vec<(User, PersonTotals)>)> {
    let store = visit.engine().store();
    let (users, totals) = tokio::try_join!(store.users(), store.totals())?;
    let rows: Vec<(User, PersonTotals)> = users
        .into_iter()
        .map(|user| {
            let nothing = PersonTotals {
                user: user.id,
                vms: 0,
                vcpus: Vcpus(0),
                memory: MiB(0),
                disk: GiB(0),
            };
            let total = totals
                .iter()
                .find(|total| total.user == user.id)
                .cloned()
                .unwrap_or(nothing);
            (user, total)
        })
        .collect();
    let text = |(user, _): &(User, PersonTotals)| {
        format!("{} {} {}", user.login, user.full_name, user.mail)
    };
    let state = |(user, _): &(User, PersonTotals)| Badge::from(user.state).word;
    let key = |(user, total): &(User, PersonTotals), key: &str| match key {
        "state" => (user.state.to_string(), 0),
        "vms" => (String::new(), u64::from(total.vms)),
        "vcpus" => (String::new(), u64::from(total.vcpus.0)),
        "memory" => (String::new(), total.memory.0),
        "disk" => (String::new(), total.disk.0),
        _ => (user.login.clone(), 0),
    };
    let rows = list.apply(rows, text, state, key);
    Ok((list, rows))
}

pub async fn people(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (list, rows) = selected(&visit, List::new("/people", &query, "login")).await?;
    let engine = visit.engine();
    let zone = engine.zone();
    let used = usage::by_person(&*engine.store().records().await?, &engine.observed());
    let used = |user| used.get(&user).copied().unwrap_or_default();
    show(&People {
        frame: visit.page("People", "/people").await?,
        list,
        states: AccountState::ALL
            .iter()
            .map(|state| Badge::from(*state).word.to_string())
            .collect(),
        rows: rows
            .into_iter()
            .map(|(user, total)| PersonRow {
                id: user.id.to_string(),
                badge: user.state.into(),
                admin: user.role == Role::Admin,
                vms: total.vms,
                vcpus: total.vcpus.0,
                used_vcpus: used(user.id).vcpus.map(words::number),
                memory: words::memory_text(total.memory),
                used_memory: used(user.id).memory.map(words::memory_text),
                disk: total.disk.to_string(),
                since: words::moment(user.created_at, zone),
                may_activate: user.state != AccountState::Active,
                may_disable: user.state != AccountState::Disabled,
                me: user.id == visit.actor.user,
                login: user.login,
                full_name: user.full_name,
                mail: user.mail,
            })
            .collect(),
    })
}

pub async fn people_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows) = selected(&visit, List::new("/people", &query, "login").in_one()).await?;
    let head = [
        "id",
        "login",
        "full_name",
        "mail",
        "role",
        "state",
        "vms",
        "vcpus",
        "memory_mib",
        "disk_gib",
        "used_vcpus",
        "used_memory_mib",
    ];
    let engine = visit.engine();
    let used = usage::by_person(&*engine.store().records().await?, &engine.observed());
    let mut file = Csv::new(head, rows.len());
    for (user, total) in rows {
        let used = used.get(&user.id).copied().unwrap_or_default();
        file.row([
            &user.id,
            &user.login,
            &user.full_name,
            &user.mail,
            &user.role.as_str(),
            &user.state,
            &total.vms,
            &total.vcpus.0,
            &total.memory.0,
            &total.disk.0,
            &Known(used.vcpus.map(Thousandths)),
            &Known(used.memory.map(|memory| memory.0)),
        ]);
    }
    Ok(file.answer("people"))
}

pub async fn state(visit: AdminVisit, Path(id): Path<UserId>, typed: Typed) -> Result<Response> {
    let state: AccountState = typed
        .get("state")
        .parse()
        .map_err(|error: Error| Error::field("state", error.message))?;
    let change = engine_people::Change {
        state: Some(state),
        ..Default::default()
    };
    let user = engine_people::change(visit.engine(), &visit.admin, id, change).await?;
    let said = match state {
        AccountState::Active => format!("{} may sign in.", user.login),
        _ => format!("{} may no longer sign in; their machines stay.", user.login),
    };
    Ok(done("/people", &said))
}

pub async fn role(visit: AdminVisit, Path(id): Path<UserId>, typed: Typed) -> Result<Response> {
    let role: Role = typed.get("role").parse()?;
    let change = engine_people::Change {
        role: Some(role),
        ..Default::default()
    };
    let user = engine_people::change(visit.engine(), &visit.admin, id, change).await?;
    let said = match role {
        Role::Admin => format!("{} is an administrator now.", user.login),
        Role::User => format!("{} is a user now.", user.login),
    };
    Ok(done("/people", &said))
}

fn policy_form(policy: &Policy) -> Form {
    let on = |yes: bool| if yes { "on" } else { "" };
    let form = Form::default()
        .with(
            "accounts_active_at_once",
            on(policy.accounts_active_at_once),
        )
        .with("users_may_extend", on(policy.users_may_extend))
        .with("cpu_overcommit", policy.cpu_overcommit)
        .with("memory_overcommit", policy.memory_overcommit)
        .with("disk_overcommit", policy.disk_overcommit)
        .with("max_vcpus", policy.max_vcpus.0)
        .with("max_memory_gib", words::gib_exact(policy.max_memory))
        .with("max_disk_gib", policy.max_disk.0)
        .with("max_lease_days", policy.max_lease_days)
        .with("max_days_ahead", policy.max_days_ahead)
        .with("warn_days", policy.warn_days)
        .with("shutdown_grace_seconds", policy.shutdown_grace_seconds)
        .with("address_rest_seconds", policy.address_rest_seconds)
        .with("samples_hours", policy.history.samples_hours)
        .with("minutes_days", policy.history.minutes_days)
        .with("ten_minutes_days", policy.history.ten_minutes_days)
        .with("hours_days", policy.history.hours_days);
    alert_policy::fill(form, &policy.alerts)
}

/// What measurements take on disk now, and will if they are kept so long.
async fn history_words(engine: &Engine, kept: &HistoryPolicy) -> Result<String, Error> {
    let (now, need) = (engine.history().size().await?, engine.history_need(kept));
    let say = |bytes| words::bytes(bytes).text();
    Ok(format!(
        "They take {} now. Kept so long they will take about {}, with the hosts and machines there are now: {} for samples, {} by the minute, {} by ten minutes, {} by the hour.",
        say(now),
        say(need.total()),
        say(need.samples),
        say(need.minutes),
        say(need.ten_minutes),
        say(need.hours)
    ))
}

/// The page with what was typed, nothing saved, and what it would take on disk.
async fn reckoned(
    visit: &AdminVisit,
    typed: &Typed,
    policy: &Policy,
    version: i64,
) -> Result<Response> {
    let engine = visit.engine();
    let (form, history) = match engine_policy::check_history(&policy.history) {
        Ok(()) => (typed.form(), history_words(engine, &policy.history).await?),
        Err(error) => (typed.form().refused(&typed_wrong(error)?), String::new()),
    };
    let page = PolicyPage {
        frame: visit.page("Policy", "/policy").await?,
        form,
        history,
        version,
    };
    show(&page)
}

pub async fn policy(visit: AdminVisit) -> Result<Response> {
    let engine = visit.engine();
    let (policy, version) = engine.store().policy().await?;
    show(&PolicyPage {
        frame: visit.page("Policy", "/policy").await?,
        form: policy_form(&policy),
        history: history_words(engine, &policy.history).await?,
        version,
    })
}

/// The policy as typed, on top of the one in force.
fn typed_policy(typed: &Typed, in_force: &Policy) -> Result<Policy, Error> {
    fn need<T: std::str::FromStr>(typed: &Typed, name: &str) -> Result<T, Error> {
        typed
            .number(name, "a number")?
            .ok_or_else(|| Error::field(name, "give a number"))
    }
    Ok(Policy {
        accounts_active_at_once: typed.ticked("accounts_active_at_once"),
        users_may_extend: typed.ticked("users_may_extend"),
        cpu_overcommit: need(typed, "cpu_overcommit")?,
        memory_overcommit: need(typed, "memory_overcommit")?,
        disk_overcommit: need(typed, "disk_overcommit")?,
        max_vcpus: Vcpus(need(typed, "max_vcpus")?),
        max_memory: MiB(typed
            .gib_as_mib("max_memory_gib")?
            .ok_or_else(|| Error::field("max_memory_gib", "give a size in GiB"))?),
        max_disk: GiB(need(typed, "max_disk_gib")?),
        max_lease_days: need(typed, "max_lease_days")?,
        max_days_ahead: need(typed, "max_days_ahead")?,
        warn_days: need(typed, "warn_days")?,
        shutdown_grace_seconds: need(typed, "shutdown_grace_seconds")?,
        address_rest_seconds: need(typed, "address_rest_seconds")?,
        history: HistoryPolicy {
            samples_hours: need(typed, "samples_hours")?,
            minutes_days: need(typed, "minutes_days")?,
            ten_minutes_days: need(typed, "ten_minutes_days")?,
            hours_days: need(typed, "hours_days")?,
        },
        alerts: alert_policy::typed(typed)?,
        // They have a page of their own.
        migration: in_force.migration.clone(),
    })
}

pub async fn set_policy(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let (in_force, version) = engine.store().policy().await?;
    let expected = typed.number("version", "a version")?.unwrap_or(version);
    let set = match typed_policy(&typed, &in_force) {
        Ok(policy) if typed.ticked("reckon") => {
            return reckoned(&visit, &typed, &policy, expected).await;
        }
        Ok(policy) => engine_policy::set(engine, &visit.admin, &policy, expected).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(version) => Ok(done("/policy", &format!("Saved as version {version}."))),
        Err(error) => {
            let error = renamed(
                typed_wrong(error)?,
                &[
                    ("max_memory", "max_memory_gib"),
                    ("max_disk", "max_disk_gib"),
                ],
            );
            let form = typed.form().refused(&error);
            again(&PolicyPage {
                frame: visit.page("Policy", "/policy").await?,
                form,
                history: history_words(engine, &in_force.history).await?,
                version: expected,
            })
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Lines {
    who: String,
    about: String,
    before: Option<i64>,
}

/// Lines of the audit log on a page.
const LINES: u32 = 100;

pub async fn audit(visit: AdminVisit, Query(wanted): Query<Lines>) -> Result<Response> {
    let engine = visit.engine();
    let login = wanted.who.trim();
    let actor = if login.is_empty() {
        None
    } else {
        engine.store().user_by_login(login).await?
    };
    let unknown = !login.is_empty() && actor.is_none();
    let mut rows = Vec::new();
    let mut before = wanted.before;
    let mut more = false;
    // The kind is looked for here: the store looks for one thing or one person.
    while !unknown && rows.len() < LINES as usize {
        let query = AuditQuery {
            actor: actor.as_ref().map(|user| user.id),
            before,
            limit: LINES,
            ..AuditQuery::default()
        };
        let lines = engine.store().audit(query).await?;
        more = lines.len() == LINES as usize;
        before = lines.last().map(|line| line.seq);
        rows.extend(
            lines
                .into_iter()
                .filter(|line| wanted.about.is_empty() || line.about == wanted.about),
        );
        if !more {
            break;
        }
    }
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let older = before.filter(|_| more).map(|before| {
        format!(
            "/audit?who={}&about={}&before={before}",
            encode(login),
            encode(&wanted.about)
        )
    });
    show(&Audit {
        frame: visit.page("Audit", "/audit").await?,
        login: login.to_string(),
        about: wanted.about.clone(),
        rows: rows
            .into_iter()
            .map(|line| AuditRow {
                seq: line.seq,
                when: words::seconds_day(line.at, engine.zone()),
                who: line.actor_login,
                href: gather::href_of(&line.about, &line.about_id),
                text: crate::told::told(&line.action, &line.text),
                action: line.action,
            })
            .collect(),
        older,
        newest: wanted.before.is_none(),
        problem: unknown.then(|| {
            format!(
                "There is nobody called '{}'.",
                bellwether_model::text::shown(login)
            )
        }),
    })
}

#[cfg(debug_assertions)]
pub async fn styleguide(visit: AdminVisit) -> Result<Response> {
    use super::view::{form::Choice, people::StyleGuide, styleguide};
    let form = Form::default().with("name", "web").refused(&Error::field(
        "name",
        "You already have a machine called web.",
    ));
    show(&StyleGuide {
        frame: visit.page("Style guide", "").await?,
        badges: styleguide::badges(),
        form,
        readings: styleguide::readings(),
        graphs: styleguide::all_graphs(visit.engine().now()),
        roles: styleguide::ROLES.to_vec(),
        options: vec![Choice::new("a", "One"), Choice::new("b", "Another")],
    })
}

//! What moves may cost: the policies, and the form of one of them.

use super::{
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Form,
        form::Choice,
        move_policies::{MovePolicies, PolicyRow},
    },
};
use crate::{error::Result, extract::Query};
use axum::response::Response;
use bellwether_engine::policy as engine_policy;
use bellwether_model::{
    Error,
    migration_policy::{LastResort, MigrationPolicies, MigrationPolicy},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

const PAGE: &str = "/policy/moves";

/// Which one the form shows.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Which {
    name: String,
}

/// In words, as people choose it.
pub(super) fn resort(last: LastResort) -> &'static str {
    match last {
        LastResort::GiveUp => "give the move up",
        LastResort::LongerPause => "finish with a longer pause",
        LastResort::PostCopy => "finish by post-copy",
    }
}

fn row(policy: &MigrationPolicy, usual: bool) -> PolicyRow {
    let mut may = Vec::new();
    if policy.may_throttle {
        may.push("hold the guest back");
    }
    if policy.may_post_copy {
        may.push("use post-copy");
    }
    if policy.may_compress {
        may.push("compress");
    }
    let encoded = utf8_percent_encode(&policy.name, NON_ALPHANUMERIC);
    PolicyRow {
        href: format!("{PAGE}?name={encoded}"),
        name: policy.name.clone(),
        usual,
        pause: format!("{} ms", policy.longest_pause_ms),
        within: policy
            .finish_within_seconds
            .map_or("no end".into(), |most| format!("{most} s")),
        may: match may.is_empty() {
            true => "only copy".into(),
            false => may.join(", "),
        },
        share: format!("{} %", policy.link_share_percent),
        resort: resort(policy.last_resort),
        labels: policy.labels.join(", "),
    }
}

fn form_of(policy: &MigrationPolicy, usual: bool) -> Form {
    let on = |yes: bool| if yes { "on" } else { "" };
    Form::default()
        .with("was", &policy.name)
        .with("name", &policy.name)
        .with("longest_pause_ms", policy.longest_pause_ms)
        .with(
            "finish_within_seconds",
            policy
                .finish_within_seconds
                .map(|most| most.to_string())
                .unwrap_or_default(),
        )
        .with("may_throttle", on(policy.may_throttle))
        .with("may_post_copy", on(policy.may_post_copy))
        .with("may_compress", on(policy.may_compress))
        .with("link_share_percent", policy.link_share_percent)
        .with("last_resort", policy.last_resort.as_str())
        .with("labels", policy.labels.join(", "))
        .with("usual", on(usual))
}

async fn page(visit: &AdminVisit, form: Form, version: i64) -> Result<MovePolicies> {
    let (policy, _) = visit.engine().store().policy().await?;
    let policies = policy.migration;
    Ok(MovePolicies {
        frame: visit.page("What moves may cost", "/policy").await?,
        rows: policies
            .named
            .iter()
            .map(|policy| row(policy, policy.name == policies.usual))
            .collect(),
        was: form.value("was").to_string(),
        may_remove: policies.named.len() > 1 && form.value("was") != policies.usual,
        resorts: LastResort::ALL
            .map(|last| Choice::new(last.as_str(), resort(last)))
            .to_vec(),
        form,
        version,
    })
}

/// The policies, and the form of one.
pub async fn list(visit: AdminVisit, Query(which): Query<Which>) -> Result<Response> {
    let (policy, version) = visit.engine().store().policy().await?;
    let policies = &policy.migration;
    let wanted = match which.name.is_empty() {
        true => &policies.usual,
        false => &which.name,
    };
    let one = policies.named(wanted).or(policies.named.first());
    let form = one.map_or_else(Form::default, |one| {
        form_of(one, one.name == policies.usual)
    });
    show(&page(&visit, form, version).await?)
}

/// The one that was typed.
fn typed_one(typed: &Typed) -> Result<MigrationPolicy, Error> {
    fn need<T: std::str::FromStr>(typed: &Typed, name: &str) -> Result<T, Error> {
        typed
            .number(name, "a whole number")?
            .ok_or_else(|| Error::field(name, "give a number"))
    }
    let word = typed.get("last_resort");
    let mut resorts = LastResort::ALL.into_iter();
    let last_resort = resorts
        .find(|last| last.as_str() == word)
        .ok_or_else(|| Error::field("last_resort", "choose one of the list"))?;
    let labels = typed.get("labels");
    let labels = labels.split(',').map(str::trim);
    Ok(MigrationPolicy {
        name: typed.get("name"),
        labels: labels
            .filter(|label| !label.is_empty())
            .map(str::to_lowercase)
            .collect(),
        longest_pause_ms: need(typed, "longest_pause_ms")?,
        finish_within_seconds: typed.number("finish_within_seconds", "a whole number")?,
        may_throttle: typed.ticked("may_throttle"),
        may_post_copy: typed.ticked("may_post_copy"),
        may_compress: typed.ticked("may_compress"),
        link_share_percent: need(typed, "link_share_percent")?,
        last_resort,
    })
}

/// Puts the one that was typed in the place of the one it was, or beside it.
fn put(policies: &mut MigrationPolicies, typed: &Typed) -> Result<usize, Error> {
    let one = typed_one(typed)?;
    let was = typed.get("was");
    let place = policies.named.iter().position(|policy| policy.name == was);
    let at = match place.filter(|_| !typed.ticked("anew")) {
        Some(at) => {
            if policies.usual == was {
                policies.usual = one.name.clone();
            }
            policies.named[at] = one;
            at
        }
        None => {
            policies.named.push(one);
            policies.named.len() - 1
        }
    };
    if typed.ticked("usual") {
        policies.usual = policies.named[at].name.clone();
    }
    Ok(at)
}

/// Saves one.
pub async fn save(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let (mut policy, version) = engine.store().policy().await?;
    let expected = typed.number("version", "a version")?.unwrap_or(version);
    let (at, set) = match put(&mut policy.migration, &typed) {
        Ok(at) => (
            at,
            engine_policy::set(engine, &visit.admin, &policy, expected).await,
        ),
        Err(error) => (0, Err(error)),
    };
    match set {
        Ok(_) => Ok(done(
            PAGE,
            &format!("\"{}\" is saved.", policy.migration.named[at].name),
        )),
        Err(error) => {
            let mut error = typed_wrong(error)?;
            let prefix = format!("migration.named.{at}.");
            for field in &mut error.fields {
                if let Some(name) = field.field.strip_prefix(&prefix) {
                    field.field = name.into();
                }
            }
            let form = typed.form().refused(&error);
            again(&page(&visit, form, expected).await?)
        }
    }
}

/// Removes one.
pub async fn remove(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let engine = visit.engine();
    let (mut policy, version) = engine.store().policy().await?;
    let expected = typed.number("version", "a version")?.unwrap_or(version);
    let was = typed.get("was");
    policy.migration.named.retain(|policy| policy.name != was);
    match engine_policy::set(engine, &visit.admin, &policy, expected).await {
        Ok(_) => Ok(done(PAGE, &format!("\"{was}\" is removed."))),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&page(&visit, form, expected).await?)
        }
    }
}

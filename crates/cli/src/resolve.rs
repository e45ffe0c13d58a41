//! Names or identifiers: what a person typed, as the identifier of one thing. An identifier may be cut short (four
//! characters at least); people, VMs and requests of others may be written `LOGIN/NAME`.

use crate::{
    context::Context,
    exit::{Exit, Fault, Outcome},
    text::words,
};
use bellwether_api::{
    job::JobQuery,
    migration::MigrationQuery,
    request::{RequestQuery, RequestState},
    user::UserQuery,
    vm::VmQuery,
};
use uuid::Uuid;

/// More things than this are not looked through.
pub const MOST: usize = 100_000;
/// Jobs and migrations are looked through this far back.
const RECENT: usize = 1_000;

/// Something that could be meant.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Identifier.
    pub id: Uuid,
    /// Name; empty where it has none.
    pub name: String,
    /// Login of the owner; empty where it has none.
    pub owner: String,
    /// What tells it from others of the same name.
    pub note: String,
    /// Preferred over others of the same name: a request that is still open.
    pub current: bool,
}

impl Candidate {
    fn new(id: Uuid, name: &str) -> Self {
        Self {
            id,
            name: name.into(),
            owner: String::new(),
            note: String::new(),
            current: true,
        }
    }
}

/// Which of `candidates` is meant by `text`.
pub fn pick(what: &str, text: &str, candidates: &[Candidate]) -> Outcome<Uuid> {
    let named: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| !c.name.is_empty())
        .filter(|c| {
            c.name == text
                || text
                    .split_once('/')
                    .is_some_and(|(owner, name)| c.owner == owner && c.name == name)
        })
        .collect();
    let current: Vec<&Candidate> = named.iter().copied().filter(|c| c.current).collect();
    let found = match (current.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => return Ok(one.id),
        ([], []) => by_prefix(text, candidates),
        ([], _) => named,
        _ => current,
    };
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Fault::new(
            Exit::NotFound,
            format!(
                "There is no {what} '{}'.",
                bellwether_model::text::shown(text)
            ),
        )),
        several => {
            let lines = several.iter().map(|c| {
                let owner = if c.owner.is_empty() {
                    String::new()
                } else {
                    format!("{}/", c.owner)
                };
                format!("{}  {owner}{}  {}", c.id, c.name, c.note)
                    .trim_end()
                    .to_owned()
            });
            Err(Fault::usage(format!(
                "'{}' could be any of {} {what}s; say which by its identifier:",
                bellwether_model::text::shown(text),
                several.len()
            ))
            .with_details(lines.collect()))
        }
    }
}

fn by_prefix<'a>(text: &str, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    let text = text.to_ascii_lowercase();
    let hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if text.len() < 4 || !hexadecimal {
        return Vec::new();
    }
    candidates
        .iter()
        .filter(|c| c.id.to_string().starts_with(&text))
        .collect()
}

/// What a full identifier is, nobody has to look up.
fn full(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

macro_rules! resolvers {
    ($($(#[$doc:meta])* $function:ident $candidates:ident $what:literal;)+) => {$(
        $(#[$doc])*
        pub async fn $function(cx: &Context, text: &str) -> Outcome<Uuid> {
            match full(text) {
                Some(id) => Ok(id),
                None => pick($what, text, &$candidates(cx).await?),
            }
        }
    )+};
}

resolvers! {
    /// A VM.
    vm vms "VM";
    /// A request; among several of one name the open one.
    request requests "request";
    /// A host.
    host hosts "host";
    /// A storage.
    storage storages "storage";
    /// A network.
    network networks "network";
    /// An image.
    image images "image";
    /// A person, by login.
    user users "user";
    /// A job.
    job jobs "job";
    /// A migration.
    migration migrations "migration";
    /// A token, by its name.
    token tokens "token";
}

/// Every VM one may see.
pub async fn vms(cx: &Context) -> Outcome<Vec<Candidate>> {
    let list = cx.client.vms(&VmQuery::default(), MOST).await?.value;
    let candidate = |vm: &bellwether_api::vm::Vm| Candidate {
        owner: vm.owner.name.clone(),
        note: format!("{} on {}", words(vm.state), vm.host.name),
        ..Candidate::new(vm.id, &vm.name)
    };
    Ok(list.items.iter().map(candidate).collect())
}

/// Every request one may see.
pub async fn requests(cx: &Context) -> Outcome<Vec<Candidate>> {
    let list = cx
        .client
        .requests(&RequestQuery::default(), MOST)
        .await?
        .value;
    let candidate = |request: &bellwether_api::request::Request| Candidate {
        owner: request.owner.name.clone(),
        note: format!("{} since {}", words(request.state), request.created_at),
        current: !matches!(
            request.state,
            RequestState::Withdrawn | RequestState::Refused | RequestState::Fulfilled
        ),
        ..Candidate::new(request.id, &request.name)
    };
    Ok(list.items.iter().map(candidate).collect())
}

macro_rules! simple {
    ($($(#[$doc:meta])* $function:ident($call:ident $(, $query:expr)?) $name:ident;)+) => {$(
        $(#[$doc])*
        pub async fn $function(cx: &Context) -> Outcome<Vec<Candidate>> {
            let list = cx.client.$call($(&$query,)? MOST).await?.value;
            Ok(list.items.iter().map(|item| Candidate::new(item.id, &item.$name)).collect())
        }
    )+};
}

simple! {
    /// Every host.
    hosts(hosts) name;
    /// Every storage.
    storages(storages) name;
    /// Every network.
    networks(networks) name;
    /// Every image.
    images(images) name;
    /// Every person.
    users(users, UserQuery::default()) login;
}

/// One's tokens.
async fn tokens(cx: &Context) -> Outcome<Vec<Candidate>> {
    let list = cx.client.tokens().await?.value;
    Ok(list
        .items
        .iter()
        .map(|token| Candidate::new(token.id, &token.name))
        .collect())
}

/// Recent jobs.
pub async fn jobs(cx: &Context) -> Outcome<Vec<Candidate>> {
    let list = cx.client.jobs(&JobQuery::default(), RECENT).await?.value;
    let candidate = |job: &bellwether_api::job::Job| Candidate {
        note: format!("{} {}", words(job.kind), words(job.state)),
        ..Candidate::new(job.id, "")
    };
    Ok(list.items.iter().map(candidate).collect())
}

/// Recent migrations.
pub async fn migrations(cx: &Context) -> Outcome<Vec<Candidate>> {
    let list = cx
        .client
        .migrations(&MigrationQuery::default(), RECENT)
        .await?
        .value;
    let candidate = |migration: &bellwether_api::migration::Migration| Candidate {
        note: format!("{} to {}", migration.vm.name, migration.target.name),
        ..Candidate::new(migration.id, "")
    };
    Ok(list.items.iter().map(candidate).collect())
}

/// Policies for moves; they go by their name.
pub async fn migration_policies(cx: &Context) -> Outcome<Vec<Candidate>> {
    let policies = cx.client.policy().await?.value.migration;
    let candidate = |policy: &bellwether_api::migration_policy::MigrationPolicy| Candidate {
        note: format!("a pause of {} ms at most", policy.longest_pause_ms),
        ..Candidate::new(Uuid::nil(), &policy.name)
    };
    Ok(policies.named.iter().map(candidate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Candidate> {
        let one = |n: u128, owner: &str, name: &str, current| Candidate {
            owner: owner.into(),
            current,
            ..Candidate::new(Uuid::from_u128(n << 96), name)
        };
        vec![
            one(0xaaaa_0001, "ada", "web", true),
            one(0xaaaa_0002, "bob", "web", true),
            one(0xbbbb_0001, "ada", "db", false),
            one(0xbbbb_0002, "ada", "db", true),
            one(0xcccc_0001, "ada", "old", false),
        ]
    }

    #[test]
    fn one_is_meant_or_candidates_are_named() {
        let known = known();
        let id = |text: &str| pick("VM", text, &known).map(|id| id.to_string()[..8].to_owned());
        assert_eq!(id("ada/web").unwrap(), "aaaa0001");
        assert_eq!(id("db").unwrap(), "bbbb0002");
        assert_eq!(id("old").unwrap(), "cccc0001");
        assert_eq!(id("CCCC").unwrap(), "cccc0001");
        let several = id("web").unwrap_err();
        assert_eq!((several.exit, several.details.len()), (Exit::Usage, 2));
        assert!(several.details[1].contains("bob/web"));
        assert_eq!(id("aaaa").unwrap_err().details.len(), 2);
        assert_eq!(id("ccc").unwrap_err().exit, Exit::NotFound);
        assert_eq!(id("").unwrap_err().exit, Exit::NotFound);
    }
}

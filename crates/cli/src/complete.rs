//! Completion of names while typing: asks the server, and stays silent where it can't.

use crate::{
    context::{Context, Global},
    exit::Outcome,
    resolve::{self, Candidate},
};
use clap_complete::CompletionCandidate;
use std::{ffi::OsStr, future::Future, time::Duration};

/// A shell waits this long for the server.
const PATIENCE: Duration = Duration::from_millis(1500);

fn names<F>(current: &OsStr, list: impl FnOnce(Context) -> F) -> Vec<CompletionCandidate>
where
    F: Future<Output = Outcome<Vec<Candidate>>>,
{
    let global = Global {
        server: std::env::var("BELLWETHER_SERVER").ok(),
        token_file: std::env::var_os("BELLWETHER_TOKEN_FILE").map(Into::into),
        ca_file: std::env::var_os("BELLWETHER_CA_FILE").map(Into::into),
        json: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (Ok(cx), Ok(runtime)) = (Context::new(&global), runtime) else {
        return Vec::new();
    };
    let known = runtime.block_on(async { tokio::time::timeout(PATIENCE, list(cx)).await });
    let Ok(Ok(known)) = known else {
        return Vec::new();
    };
    let current = current.to_string_lossy();
    known
        .into_iter()
        .map(|c| {
            if c.name.is_empty() {
                (c.id.to_string(), c.note)
            } else {
                (c.name, c.note)
            }
        })
        .filter(|(name, _)| name.starts_with(&*current) && !name.contains(char::is_control))
        .map(|(name, note)| {
            let note = crate::text::clean(&note);
            CompletionCandidate::new(name).help((!note.is_empty()).then(|| note.into()))
        })
        .collect()
}

macro_rules! completers {
    ($($(#[$doc:meta])* $function:ident;)+) => {$(
        $(#[$doc])*
        pub fn $function(current: &OsStr) -> Vec<CompletionCandidate> {
            names(current, async |cx| resolve::$function(&cx).await)
        }
    )+};
}

completers! {
    /// Names of VMs.
    vms;
    /// Names of requests.
    requests;
    /// Names of hosts.
    hosts;
    /// Names of storages.
    storages;
    /// Names of networks.
    networks;
    /// Names of images.
    images;
    /// Logins.
    users;
    /// Identifiers of jobs.
    jobs;
    /// Identifiers of migrations.
    migrations;
    /// Names of policies for moves.
    migration_policies;
}

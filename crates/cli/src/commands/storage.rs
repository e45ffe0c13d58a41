//! Storages.

use super::members;
use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
    resolve,
    resolve::MOST,
    text::{bytes, or_dash, or_unknown, words},
};
use bellwether_api::{
    client::Answer,
    storage::{Storage, StorageChange, StorageInput, StorageKind, StorageMemberInput},
};
use clap::Subcommand;
use clap_complete::ArgValueCompleter;

/// What to do with storages.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether storage found
  bellwether storage create main --kind shared h1:nfs h2:nfs
  bellwether storage change main --add h3:nfs
  bellwether storage prove main")]
pub enum Command {
    /// Storages
    List,
    /// One storage with its members
    Show {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::storages))]
        storage: String,
    },
    /// Pools found on the hosts
    Found,
    /// Confirm a storage; a shared one is proven at once by a marker
    Create {
        /// What to call it
        name: String,
        /// shared: every pool is the same storage; local: each host has its own
        #[arg(long)]
        kind: StorageKind,
        /// Pools that belong to it, one a host
        #[arg(required = true, value_name = "HOST:POOL")]
        members: Vec<String>,
    },
    /// Change its members
    Change {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::storages))]
        storage: String,
        /// A pool more
        #[arg(long, value_name = "HOST:POOL")]
        add: Vec<String>,
        /// A host's pool less
        #[arg(long, value_name = "HOST", add = ArgValueCompleter::new(complete::hosts))]
        remove: Vec<String>,
    },
    /// Prove again that a shared storage is shared
    Prove {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::storages))]
        storage: String,
    },
    /// Forget it; the pools and what is in them stay
    Remove {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::storages))]
        storage: String,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List => {
            let answer = cx.client.storages(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["NAME", "KIND", "MEMBERS", "FREE", "ID"]);
                for storage in &list.items {
                    let members: Vec<String> = storage
                        .members
                        .iter()
                        .map(|m| format!("{}:{}", m.host.name, m.pool))
                        .collect();
                    table.row([
                        storage.name.clone(),
                        words(storage.kind),
                        members.join(", "),
                        or_unknown(free(storage), bytes),
                        storage.id.to_string(),
                    ]);
                }
                table
                    .show("No storages yet. See what the hosts have with: bellwether storage found")
            })
        }
        Command::Show { storage } => {
            let id = resolve::storage(cx, &storage).await?;
            print(cx, &cx.client.storage(id).await?)
        }
        Command::Found => {
            let answer = cx.client.found_pools(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table([
                    "MEMBER", "KIND", "PATH", "ACTIVE", "SIZE", "FREE", "STORAGE",
                ]);
                for found in &list.items {
                    table.row([
                        format!("{}:{}", found.host.name, found.pool.name),
                        found.pool.kind.clone(),
                        or_dash(found.pool.path.as_ref(), Clone::clone),
                        crate::text::yes(found.pool.active),
                        bytes(found.pool.capacity_bytes as f64),
                        bytes(found.pool.available_bytes as f64),
                        or_dash(found.storage.as_ref(), |s| s.name.clone()),
                    ]);
                }
                table.show("The hosts show no pools.")
            })
        }
        Command::Create {
            name,
            kind,
            members,
        } => {
            let members = members::pools(cx, &members).await?;
            print(
                cx,
                &cx.client
                    .create_storage(&StorageInput {
                        name,
                        kind,
                        members,
                    })
                    .await?,
            )
        }
        Command::Change {
            storage,
            add,
            remove,
        } => change(cx, &storage, &add, &remove).await,
        Command::Prove { storage } => {
            let id = resolve::storage(cx, &storage).await?;
            print(cx, &cx.client.prove_storage(id).await?)
        }
        Command::Remove { storage } => {
            let id = resolve::storage(cx, &storage).await?;
            let answer = cx.client.remove_storage(id).await?;
            cx.answer(&answer, |()| {
                format!("{storage} is forgotten; its pools stay as they are.")
            })
        }
    }
}

async fn change(cx: &Context, storage: &str, add: &[String], remove: &[String]) -> Outcome {
    if add.is_empty() && remove.is_empty() {
        return Err(Fault::usage(
            "Nothing to change; say --add HOST:POOL or --remove HOST.",
        ));
    }
    let id = resolve::storage(cx, storage).await?;
    let now = cx.client.storage(id).await?;
    let mut members: Vec<StorageMemberInput> = now
        .members
        .iter()
        .map(|m| StorageMemberInput {
            host: m.host.id,
            pool: m.pool.clone(),
        })
        .collect();
    for host in remove {
        let host = resolve::host(cx, host).await?;
        members.retain(|m| m.host != host);
    }
    for new in members::pools(cx, add).await? {
        members.retain(|m| m.host != new.host);
        members.push(new);
    }
    print(
        cx,
        &cx.client
            .change_storage(
                id,
                &StorageChange {
                    members: Some(members),
                },
            )
            .await?,
    )
}

/// Free bytes: of a shared storage once, of local pools together.
fn free(storage: &Storage) -> Option<f64> {
    let mut seen = storage
        .members
        .iter()
        .filter_map(|m| m.seen.as_ref())
        .map(|p| p.available_bytes as f64);
    match storage.kind {
        StorageKind::Shared => seen.next(),
        StorageKind::Local => Some(seen.sum::<f64>()).filter(|sum| *sum > 0.0),
    }
}

fn print(cx: &Context, answer: &Answer<Storage>) -> Outcome {
    cx.answer(answer, |storage| {
        let mut sheet = cx.sheet();
        sheet
            .line("Storage", &storage.name)
            .line("Kind", words(storage.kind))
            .line("Confirmed", storage.created_at.to_string())
            .line("Identifier", storage.id.to_string());
        let mut table = cx.table(["MEMBER", "PROVEN SHARED", "SIZE", "FREE"]);
        for member in &storage.members {
            let proven = match storage.kind {
                StorageKind::Local => "–".into(),
                StorageKind::Shared => member
                    .proven_at
                    .map_or_else(|| "not yet".into(), |at| at.to_string()),
            };
            let pool = member.seen.as_ref();
            table.row([
                format!("{}:{}", member.host.name, member.pool),
                proven,
                or_unknown(pool, |p| bytes(p.capacity_bytes as f64)),
                or_unknown(pool, |p| bytes(p.available_bytes as f64)),
            ]);
        }
        format!("{}\n\n{}", sheet.show(), table.show("It has no members."))
    })
}

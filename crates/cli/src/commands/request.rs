//! Requests for VMs.

use super::record;
use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
    resolve,
    text::{TypedDay, age, mib, or_dash, or_unknown, parse_day, parse_disk, parse_memory, words},
    wait::{self, Wait},
};
use bellwether_api::request::{
    Approval, Consideration, HostRoom, Refusal, Request, RequestInput, RequestQuery,
};
use bellwether_model::Day;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use std::{fs, path::PathBuf};

/// What to do with requests.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether request create web --image 'Debian 12' --memory 2GiB --disk 20GiB --vcpus 2 \\
      --until +30d --purpose 'Course web server' --ssh-key ~/.ssh/id_ed25519.pub
  bellwether request list --state pending
  bellwether request consider ada/web
  bellwether request approve ada/web --host h2
  bellwether request refuse ada/web --reason 'Please ask for less memory.'")]
pub enum Command {
    /// Ask for a VM
    Create(Create),
    /// Your requests; everybody's for admins
    List {
        /// Only in these states, with commas between: pending, approved, waiting_for_room, placed, fulfilled, withdrawn, refused, failed
        #[arg(long)]
        state: Option<String>,
        /// Only of this person (admins)
        #[arg(long, value_name = "LOGIN", add = ArgValueCompleter::new(complete::users))]
        owner: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 200)]
        limit: usize,
    },
    /// One request, with what was decided about it
    Show {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::requests))]
        request: String,
    },
    /// Take back a request that was not granted yet
    Withdraw {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::requests))]
        request: String,
    },
    /// The fleet's room beside a request: where it would go, what other hosts are short of (admins)
    Consider {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::requests))]
        request: String,
    },
    /// Say yes: the VM is made (admins); also tries a failed one again
    Approve(Approve),
    /// Say no, and why (admins)
    Refuse {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::requests))]
        request: String,
        /// Why; the person reads it
        #[arg(long)]
        reason: String,
    },
}

/// What to ask for.
#[derive(Args, Debug)]
pub struct Create {
    /// What to call the VM
    name: String,
    /// Operating system: the image's name or identifier (see `bellwether image list`)
    #[arg(long, add = ArgValueCompleter::new(complete::images))]
    image: String,
    /// Virtual CPUs
    #[arg(long, default_value_t = 1)]
    vcpus: i64,
    /// Memory with its unit: 512MiB, 2GiB
    #[arg(long, value_parser = parse_memory)]
    memory: i64,
    /// Disk with its unit: 20GiB, 1TiB
    #[arg(long, value_parser = parse_disk)]
    disk: i64,
    /// First day: 2026-11-24, today, tomorrow, +7d
    #[arg(long, default_value = "today", value_parser = parse_day)]
    from: TypedDay,
    /// Last day, included: 2026-12-24, or +30d counted from the first day
    #[arg(long, value_parser = parse_day)]
    until: TypedDay,
    /// What it is for
    #[arg(long)]
    purpose: String,
    /// File with your OpenSSH public key; without one a first password is made, to be shown once
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
}

/// A yes.
#[derive(Args, Debug)]
pub struct Approve {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::requests))]
    request: String,
    /// On this host, instead of the one placement would choose
    #[arg(long, add = ArgValueCompleter::new(complete::hosts))]
    host: Option<String>,
    /// On this storage
    #[arg(long, add = ArgValueCompleter::new(complete::storages))]
    storage: Option<String>,
    /// On this network
    #[arg(long, add = ArgValueCompleter::new(complete::networks))]
    network: Option<String>,
    /// The choice is for now only: should the VM have to be placed anew later, any place will do
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::Create(args) => create(args, cx).await,
        Command::List {
            state,
            owner,
            limit,
        } => {
            let owner = match owner {
                Some(owner) => Some(resolve::user(cx, &owner).await?),
                None => None,
            };
            let query = RequestQuery {
                owner,
                state,
                ..RequestQuery::default()
            };
            let answer = cx.client.requests(&query, limit).await?;
            cx.answer(&answer, |list| table(cx, &list.items))
        }
        Command::Show { request } => {
            let id = resolve::request(cx, &request).await?;
            let answer = cx.client.request_by_id(id).await?;
            if cx.json {
                return cx.raw(&answer.text);
            }
            let audit = cx.client.request_audit(id, 100).await?;
            cx.answer(&answer, |request| {
                format!(
                    "{}\n\n{}",
                    sheet(cx, request),
                    record::lines(cx, &audit.items)
                )
            })
        }
        Command::Withdraw { request } => {
            let id = resolve::request(cx, &request).await?;
            let answer = cx.client.withdraw(id).await?;
            cx.answer(&answer, |request| {
                format!("{} is {}.", request.name, words(request.state))
            })
        }
        Command::Consider { request } => {
            let id = resolve::request(cx, &request).await?;
            let answer = cx.client.consider(id).await?;
            cx.answer(&answer, |consideration| consider(cx, consideration))
        }
        Command::Approve(args) => approve(args, cx).await,
        Command::Refuse { request, reason } => {
            let id = resolve::request(cx, &request).await?;
            let answer = cx.client.refuse(id, &Refusal { reason }).await?;
            cx.answer(&answer, |request| {
                format!("{} is {}.", request.name, words(request.state))
            })
        }
    }
}

async fn create(args: Create, cx: &Context) -> Outcome {
    let image = resolve::image(cx, &args.image).await?;
    let relative = args.from.is_relative() || args.until.is_relative();
    // Today is the server's: it knows the site's time zone.
    let today = if relative {
        cx.client.server().await?.today
    } else {
        Day::default()
    };
    let from = args.from.from(today);
    let until = args.until.from(from.parse().unwrap_or(today));
    let ssh_key = args.ssh_key.map(public_key).transpose()?;
    let input = RequestInput {
        name: args.name,
        vcpus: args.vcpus,
        memory_mib: args.memory,
        disk_gib: args.disk,
        from,
        until,
        purpose: args.purpose,
        image,
        ssh_key,
    };
    let answer = cx.client.create_request(&input).await?;
    cx.answer(&answer, |request| {
        format!(
            "{} is asked for; it is {}.",
            request.name,
            words(request.state)
        )
    })
}

/// The key in a file; a private one never leaves this machine.
fn public_key(path: PathBuf) -> Outcome<String> {
    let text = fs::read_to_string(&path)
        .map_err(|e| Fault::usage(format!("Can't read {}: {e}.", path.display())))?;
    if text.contains("PRIVATE KEY") {
        return Err(Fault::usage(format!(
            "{} holds a private key; give the public one, which ends in .pub.",
            path.display()
        )));
    }
    Ok(text.trim().to_owned())
}

async fn approve(args: Approve, cx: &Context) -> Outcome {
    let id = resolve::request(cx, &args.request).await?;
    let mut choice = Approval {
        once: args.once,
        ..Approval::default()
    };
    if let Some(host) = &args.host {
        choice.host = Some(resolve::host(cx, host).await?);
    }
    if let Some(storage) = &args.storage {
        choice.storage = Some(resolve::storage(cx, storage).await?);
    }
    if let Some(network) = &args.network {
        choice.network = Some(resolve::network(cx, network).await?);
    }
    let answer = cx.client.approve(id, &choice).await?;
    let request = &answer.request;
    let Some(job) = &answer.job else {
        return cx.answer(&answer, |_| {
            let why = request
                .reason
                .as_deref()
                .map(|r| format!(": {r}"))
                .unwrap_or_default();
            format!("{} is {}{why}", request.name, words(request.state))
        });
    };
    let on = job
        .host
        .as_ref()
        .map(|host| format!(" on {}", host.name))
        .unwrap_or_default();
    let done = format!("{} runs{on}.", request.name);
    wait::finish(cx, args.wait, job.id, &answer.text, &done).await
}

fn table(cx: &Context, requests: &[Request]) -> String {
    let mut table = cx.table([
        "NAME", "OWNER", "STATE", "VCPUS", "MEMORY", "DISK", "FROM", "UNTIL", "IMAGE", "ID",
    ]);
    for request in requests {
        table.row([
            request.name.clone(),
            request.owner.name.clone(),
            words(request.state),
            request.vcpus.to_string(),
            mib(request.memory_mib),
            format!("{} GiB", request.disk_gib),
            request.from.to_string(),
            request.until.to_string(),
            request.image.name.clone(),
            request.id.to_string(),
        ]);
    }
    table.show("No requests.")
}

fn sheet(cx: &Context, request: &Request) -> String {
    let name = |r: &Option<bellwether_api::Ref>| r.as_ref().map(|r| r.name.clone());
    let mut sheet = cx.sheet();
    sheet
        .line("Request", &request.name)
        .line("Owner", &request.owner.name)
        .line("State", words(request.state))
        .maybe("Why", request.reason.as_deref())
        .line(
            "Size",
            format!(
                "{} vCPU, {} memory, {} GiB disk",
                request.vcpus,
                mib(request.memory_mib),
                request.disk_gib
            ),
        )
        .line("Image", &request.image.name)
        .line("Period", format!("{} to {}", request.from, request.until))
        .line("Purpose", &request.purpose)
        .line("SSH key", or_dash(request.ssh_key.as_ref(), Clone::clone))
        .maybe("Decided by", name(&request.decided_by))
        .maybe("Decided", request.decided_at.map(|at| at.to_string()))
        .maybe("On host", name(&request.wanted_host))
        .maybe("On storage", name(&request.wanted_storage))
        .maybe("On network", name(&request.wanted_network))
        .maybe("VM", name(&request.vm))
        .line("Made", request.created_at.to_string())
        .line("Identifier", request.id.to_string());
    sheet.show()
}

fn consider(cx: &Context, consideration: &Consideration) -> String {
    let request = &consideration.request;
    let mut sheet = cx.sheet();
    sheet
        .line(
            "Request",
            format!(
                "{} of {} ({})",
                request.name, request.owner.name, consideration.owner.full_name
            ),
        )
        .line("State", words(request.state))
        .line(
            "Size",
            format!(
                "{} vCPU, {} memory, {} GiB disk",
                request.vcpus,
                mib(request.memory_mib),
                request.disk_gib
            ),
        )
        .line("Image", &request.image.name)
        .line("Period", format!("{} to {}", request.from, request.until))
        .line("Purpose", &request.purpose)
        .line(
            "Would go to",
            match &consideration.placement {
                Some(p) => format!(
                    "{}, storage {}, network {}",
                    p.host.name, p.storage.name, p.network.name
                ),
                None => "no host can take it".into(),
            },
        );
    let mut table = cx.table([
        "HOST",
        "STATE",
        "SEEN",
        "VCPUS",
        "CPU USED",
        "MEMORY",
        "MEMORY USED",
        "ROOM AFTER",
        "WHY",
    ]);
    for room in &consideration.hosts {
        table.row([
            room.host.name.clone(),
            words(room.health),
            or_dash(room.age_seconds, |s| format!("{} ago", age(s))),
            format!("{} of {}", room.committed_vcpus, room.capacity_vcpus),
            or_unknown(room.used_cores, |cores| format!("{cores:.1} cores")),
            format!(
                "{} of {}",
                mib(room.committed_memory_mib),
                mib(room.capacity_memory_mib)
            ),
            or_unknown(room.used_memory_mib, mib),
            after(room),
            room.reasons.join("; "),
        ]);
    }
    format!("{}\n\n{}", sheet.show(), table.show("There are no hosts."))
}

fn after(room: &HostRoom) -> String {
    match &room.after {
        Some(left) => format!("{} vCPU, {}", left.vcpus, mib(left.memory_mib)),
        None => "can't".into(),
    }
}

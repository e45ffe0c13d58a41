//! Hosts.

pub mod drain;

use super::metrics;
use crate::{
    ask, complete,
    context::Context,
    exit::{Fault, Outcome},
    resolve,
    resolve::MOST,
    text::{age, clean, mib, or_dash, or_unknown, parse_memory, words, yes},
};
use bellwether_api::{
    client::Answer,
    host::{
        AddedHost, Advice, Host, HostChange, HostFacts, HostInput, HostMode, HostModeInput, HostTry,
    },
};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

/// What to do with hosts.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether host try qemu+ssh://root@h3.example.org/system
  bellwether host add h3 qemu+ssh://root@h3.example.org/system --memory 48GiB --cores 12
  bellwether host maintenance h3
  bellwether host drain h3 --dry-run
  bellwether host resume h3 --bring-home
  bellwether host declare-off h3 --confirm h3")]
pub enum Command {
    /// Hosts
    List,
    /// One host: what an admin set, what is seen of it
    Show(Named),
    /// Its history: CPU, memory
    Metrics {
        #[command(flatten)]
        host: Named,
        #[command(flatten)]
        range: metrics::Range,
    },
    /// Connect to a libvirt URI without adding it, and say what is there or why not
    Try {
        /// libvirt URI
        uri: String,
    },
    /// Add a host; says what is still missing for VMs to move to and from it
    Add(Add),
    /// Change what is set; what is not named stays
    Change(Change),
    /// Put it aside: what runs there goes on, nothing new lands
    Maintenance(Named),
    /// Take it back
    Activate(Named),
    /// Put it aside and have its VMs leave, in the order in which that is over first
    Drain(drain::Drain),
    /// Take it back, and its VMs with it if wanted
    Resume(drain::Resume),
    /// Declare that it is off and runs nothing: what was bound to it may be made elsewhere
    DeclareOff {
        #[command(flatten)]
        host: Named,
        /// The host's exact name, to go on without being asked
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// Forget it; refused while VMs of ours are bound to it
    Remove(Named),
}

/// One host.
#[derive(Args, Debug)]
pub struct Named {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::hosts))]
    host: String,
}

/// A host to add.
#[derive(Args, Debug)]
pub struct Add {
    /// What to call it: a–z, 0–9, '-', '.'
    name: String,
    /// libvirt URI by which the server reaches it
    uri: String,
    #[command(flatten)]
    options: Options,
}

/// What to change.
#[derive(Args, Debug)]
pub struct Change {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::hosts))]
    host: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// libvirt URI by which the server reaches it
    #[arg(long)]
    uri: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// What can be set of a host.
#[derive(Args, Debug)]
pub struct Options {
    /// libvirt URI by which other hosts reach it; the same as ours if never given
    #[arg(long, value_name = "URI")]
    peer_uri: Option<String>,
    /// Address for migration traffic; the one of the peer URI if not given
    #[arg(long, value_name = "ADDRESS")]
    migration_address: Option<String>,
    /// Site; moves between sites are WAN moves
    #[arg(long)]
    site: Option<String>,
    /// Physical cores offered to VMs
    #[arg(long)]
    cores: Option<i64>,
    /// Memory offered to VMs, with its unit: 48GiB
    #[arg(long, value_parser = parse_memory)]
    memory: Option<i64>,
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List => list(cx).await,
        Command::Show(named) => {
            let id = resolve::host(cx, &named.host).await?;
            print(cx, &cx.client.host(id).await?)
        }
        Command::Metrics { host, range } => {
            let id = resolve::host(cx, &host.host).await?;
            let answer = cx.client.host_metrics(id, &range.query(cx).await?).await?;
            metrics::print(cx, &answer)
        }
        Command::Try { uri } => {
            let answer = cx.client.try_host(&HostTry { uri }).await?;
            cx.answer(&answer, |found| {
                let mut sheet = cx.sheet();
                facts(&mut sheet, found);
                sheet.show()
            })
        }
        Command::Add(args) => {
            let Options {
                peer_uri,
                migration_address,
                site,
                cores,
                memory,
            } = args.options;
            let input = HostInput {
                name: args.name,
                uri: args.uri,
                peer_uri,
                migration_address,
                site,
                offered_cores: cores,
                offered_memory_mib: memory,
            };
            let answer = cx.client.add_host(&input).await?;
            cx.answer(&answer, |added| show_added(cx, added))
        }
        Command::Change(args) => change(args, cx).await,
        Command::Maintenance(named) => mode(cx, &named.host, HostMode::Maintenance, None).await,
        Command::Drain(args) => drain::drain(args, cx).await,
        Command::Resume(args) => drain::resume(args, cx).await,
        Command::Activate(named) => mode(cx, &named.host, HostMode::Active, None).await,
        Command::DeclareOff { host, confirm } => {
            let id = resolve::host(cx, &host.host).await?;
            let name = cx.client.host(id).await?.name.clone();
            let what = format!(
                "If {} still runs VMs, they may come to run twice and ruin their disks.",
                clean(&name)
            );
            let confirm = ask::confirmation(confirm, &what, &name)?;
            mode(cx, &id.to_string(), HostMode::DeclaredOff, Some(confirm)).await
        }
        Command::Remove(named) => {
            let id = resolve::host(cx, &named.host).await?;
            let answer = cx.client.remove_host(id).await?;
            cx.answer(&answer, |()| {
                format!("{} is forgotten; nothing on it was changed.", named.host)
            })
        }
    }
}

async fn list(cx: &Context) -> Outcome {
    let answer = cx.client.hosts(MOST).await?;
    cx.answer(&answer, |list| {
        let mut table = cx.table([
            "NAME", "STATE", "MODE", "SEEN", "SITE", "CORES", "MEMORY", "VMS", "URI", "TROUBLE",
        ]);
        for host in &list.items {
            table.row([
                host.name.clone(),
                words(host.seen.health),
                words(host.mode),
                or_dash(host.seen.age_seconds, |s| format!("{} ago", age(s))),
                host.site.clone(),
                host.offered_cores.to_string(),
                mib(host.offered_memory_mib),
                format!("{} of {} run", host.seen.running_vms, host.seen.vms),
                host.uri.clone(),
                or_dash(host.seen.trouble.as_ref(), Clone::clone),
            ]);
        }
        table.show("No hosts yet. Add one with: bellwether host add")
    })
}

async fn change(args: Change, cx: &Context) -> Outcome {
    let id = resolve::host(cx, &args.host).await?;
    let Options {
        peer_uri,
        migration_address,
        site,
        cores,
        memory,
    } = args.options;
    let texts = [&args.name, &args.uri, &peer_uri, &migration_address, &site];
    if texts.iter().all(|text| text.is_none()) && cores.is_none() && memory.is_none() {
        return Err(Fault::usage(
            "Nothing to change; see: bellwether host change --help",
        ));
    }
    let change = HostChange {
        name: args.name,
        uri: args.uri,
        peer_uri,
        migration_address,
        site,
        offered_cores: cores,
        offered_memory_mib: memory,
    };
    print(cx, &cx.client.change_host(id, &change).await?)
}

async fn mode(cx: &Context, host: &str, mode: HostMode, confirm: Option<String>) -> Outcome {
    let id = resolve::host(cx, host).await?;
    let answer = cx
        .client
        .set_host_mode(id, &HostModeInput { mode, confirm })
        .await?;
    cx.answer(&answer, |host| {
        format!("{} is {}.", host.name, words(host.mode))
    })
}

fn print(cx: &Context, answer: &Answer<Host>) -> Outcome {
    cx.answer(answer, |host| {
        sheet(cx, host).show() + &missing(&host.missing)
    })
}

fn sheet(cx: &Context, host: &Host) -> crate::table::Sheet {
    let seen = &host.seen;
    let mut sheet = cx.sheet();
    sheet
        .line("Host", &host.name)
        .line("State", words(seen.health))
        .maybe("Trouble", seen.trouble.as_deref())
        .line(
            "Seen",
            or_unknown(seen.age_seconds, |s| format!("{} ago", age(s))),
        )
        .line("Mode", words(host.mode))
        .line("URI", &host.uri)
        .line("Peer URI", &host.peer_uri)
        .line(
            "Migration",
            or_dash(host.migration_address.as_ref(), Clone::clone),
        )
        .line("Site", &host.site)
        .line(
            "Offered",
            format!(
                "{} cores, {} memory",
                host.offered_cores,
                mib(host.offered_memory_mib)
            ),
        )
        .line(
            "CPU used",
            or_unknown(seen.used_cores, |cores| format!("{cores:.1} cores")),
        )
        .line("Memory used", or_unknown(seen.used_memory_mib, mib))
        .line("VMs", format!("{} of {} run", seen.running_vms, seen.vms));
    if let Some(found) = &seen.facts {
        facts(&mut sheet, found);
    }
    sheet
        .line("Added", host.created_at.to_string())
        .line("Identifier", host.id.to_string());
    sheet
}

fn facts(sheet: &mut crate::table::Sheet, facts: &HostFacts) {
    sheet
        .line("Calls itself", &facts.hostname)
        .line("CPU", format!("{} ({})", facts.cpu_model, facts.arch))
        .line(
            "Has",
            format!("{} cores, {} memory", facts.cores, mib(facts.memory_mib)),
        )
        .line("KVM", yes(facts.kvm))
        .line("libvirt", &facts.libvirt_version)
        .line("QEMU", &facts.hypervisor_version)
        .line("Kernel", or_unknown(facts.kernel.as_ref(), Clone::clone));
}

fn show_added(cx: &Context, added: &AddedHost) -> String {
    sheet(cx, &added.host).show() + &missing(&added.host.missing)
}

/// What is still to be done by hand, below the rest.
fn missing(missing: &[Advice]) -> String {
    let mut text = String::new();
    for advice in missing {
        text.push_str(&format!("\n\nStill missing: {}", clean(&advice.what)));
        for command in &advice.commands {
            text.push_str(&format!("\n  {}", clean(command)));
        }
    }
    text
}

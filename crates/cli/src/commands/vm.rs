//! VMs: which there are, what one is, what to do with it.

use super::{metrics, record, vm_act};
use crate::{
    complete,
    context::Context,
    exit::Outcome,
    resolve,
    text::{TypedDay, age, bytes, mib, or_unknown, parse_day, used, words},
    wait::Wait,
};
use bellwether_api::vm::{PowerAction, Sighting, Vm, VmQuery};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

/// What to do with VMs.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether vm list --ends-in +7d
  bellwether vm shutdown web
  bellwether vm extend web +30d
  bellwether vm delete web --confirm web
  bellwether vm migrate ada/web --dry-run
  bellwether vm migrate ada/web --to h2 --watch")]
pub enum Command {
    /// Your VMs; everybody's for admins
    List(List),
    /// One VM: state, how to get in, lease, what is seen of it, what was done to it
    Show(Named),
    /// Start it
    Start(Acted),
    /// Ask its guest to shut down
    Shutdown(Acted),
    /// Take its power away; what the guest has not written is lost
    ForceOff(Acted),
    /// Ask its guest to reboot
    Reboot(Acted),
    /// Remove it with its disk and everything on it
    Delete(vm_act::Delete),
    /// Move the end of its lease
    Extend {
        #[command(flatten)]
        vm: Named,
        /// Last day, included: 2026-12-24, or +30d counted from the last day until now
        #[arg(value_parser = parse_day)]
        until: TypedDay,
    },
    /// Take its first password; it is shown this once
    Password(Named),
    /// Open its screen (VNC) for a short time and print how to get there
    Screen(Named),
    /// Move it live to another host (admins)
    Migrate(vm_act::Migrate),
    /// Say by what its policy for moves is chosen (admins)
    MigrationPolicy(vm_act::MovesBy),
    /// Its history: CPU, memory, disk, network
    Metrics {
        #[command(flatten)]
        vm: Named,
        #[command(flatten)]
        range: metrics::Range,
    },
}

/// One VM.
#[derive(Args, Debug)]
pub struct Named {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::vms))]
    pub vm: String,
}

/// One VM and whether to wait.
#[derive(Args, Debug)]
pub struct Acted {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::vms))]
    pub vm: String,
    #[command(flatten)]
    pub wait: Wait,
}

/// Which VMs.
#[derive(Args, Debug)]
pub struct List {
    /// Only in these states, with commas between: provisioning, running, paused, shut_off, migrating, host_unreachable, ended, deleting, gone
    #[arg(long)]
    state: Option<String>,
    /// Only of this person (admins)
    #[arg(long, value_name = "LOGIN", add = ArgValueCompleter::new(complete::users))]
    owner: Option<String>,
    /// Only bound to this host (admins)
    #[arg(long, add = ArgValueCompleter::new(complete::hosts))]
    host: Option<String>,
    /// Only whose lease ends by this day: 2026-12-24, or +7d counted from today
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    ends_in: Option<TypedDay>,
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List(args) => list(args, cx).await,
        Command::Show(named) => show(named, cx).await,
        Command::Start(acted) => vm_act::power(acted, PowerAction::Start, cx).await,
        Command::Shutdown(acted) => vm_act::power(acted, PowerAction::Shutdown, cx).await,
        Command::ForceOff(acted) => vm_act::power(acted, PowerAction::ForceOff, cx).await,
        Command::Reboot(acted) => vm_act::power(acted, PowerAction::Reboot, cx).await,
        Command::Delete(args) => vm_act::delete(args, cx).await,
        Command::Extend { vm, until } => vm_act::extend(vm, until, cx).await,
        Command::Password(named) => vm_act::password(named, cx).await,
        Command::Screen(named) => vm_act::screen(named, cx).await,
        Command::Migrate(args) => vm_act::migrate(args, cx).await,
        Command::MigrationPolicy(args) => vm_act::moves_by(args, cx).await,
        Command::Metrics { vm, range } => {
            let id = resolve::vm(cx, &vm.vm).await?;
            let answer = cx.client.vm_metrics(id, &range.query(cx).await?).await?;
            metrics::print(cx, &answer)
        }
    }
}

async fn list(args: List, cx: &Context) -> Outcome {
    let mut query = VmQuery {
        state: args.state,
        ..VmQuery::default()
    };
    if let Some(owner) = &args.owner {
        query.owner = Some(resolve::user(cx, owner).await?);
    }
    if let Some(host) = &args.host {
        query.host = Some(resolve::host(cx, host).await?);
    }
    if let Some(day) = &args.ends_in {
        let today = cx.client.server().await?.today;
        query.ends_by = day.from(today).parse().ok();
    }
    let answer = cx.client.vms(&query, resolve::MOST).await?;
    cx.answer(&answer, |list| {
        let mut table = cx.table([
            "NAME", "OWNER", "STATE", "ADDRESS", "HOST", "VCPUS", "MEMORY", "CPU", "MEM USED",
            "UNTIL", "ID",
        ]);
        for vm in &list.items {
            let seen = vm.sightings.first();
            let runs = seen.is_some_and(|s| s.power.is_live());
            table.row([
                vm.name.clone(),
                vm.owner.name.clone(),
                words(vm.state),
                vm.address.to_string(),
                vm.host.name.clone(),
                vm.vcpus.to_string(),
                mib(vm.memory_mib),
                used(runs, seen.and_then(|s| s.used_vcpus), |cpu| {
                    format!("{:.0} %", percent(cpu, vm.vcpus))
                }),
                used(runs, seen.and_then(|s| s.used_memory_mib), mib),
                vm.lease_until.to_string(),
                vm.id.to_string(),
            ]);
        }
        table.show("No VMs.")
    })
}

fn percent(used: f64, vcpus: u32) -> f64 {
    used / f64::from(vcpus.max(1)) * 100.0
}

async fn show(named: Named, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &named.vm).await?;
    let answer = cx.client.vm(id).await?;
    if cx.json {
        return cx.raw(&answer.text);
    }
    let audit = cx.client.vm_audit(id, 20).await?;
    cx.answer(&answer, |vm| {
        format!("{}\n\n{}", sheet(cx, vm), record::lines(cx, &audit.items))
    })
}

fn sheet(cx: &Context, vm: &Vm) -> String {
    let mut sheet = cx.sheet();
    sheet
        .line("VM", &vm.name)
        .line("Owner", &vm.owner.name)
        .line(
            "State",
            format!("{} (wanted {})", words(vm.state), vm.wanted),
        )
        .maybe("Note", vm.note.as_deref())
        .line(
            "Address",
            match vm.reachable {
                Some(true) => format!("{} (its guest was seen there)", vm.address),
                Some(false) => format!("{} (its guest has another)", vm.address),
                None => vm.address.to_string(),
            },
        )
        .line("Host name", &vm.hostname)
        .line("Lease", format!("{} to {}", vm.lease_from, vm.lease_until))
        .line(
            "Size",
            format!(
                "{} vCPU, {} memory, {} GiB disk",
                vm.vcpus,
                mib(vm.memory_mib),
                vm.disk_gib
            ),
        )
        .line("Image", &vm.image.name)
        .line("Purpose", &vm.purpose)
        .line("Host", &vm.host.name)
        .line("Storage", &vm.storage.name)
        .line("Network", format!("{}, {}", vm.network.name, vm.mac))
        .line("libvirt name", &vm.libvirt_name)
        .line("Identifier", vm.id.to_string());
    if vm.first_password_waiting {
        sheet.line(
            "Password",
            format!("waits for its owner: bellwether vm password {}", vm.name),
        );
    }
    if vm.sightings.len() > 1 {
        sheet.line("ALARM", "several hosts show it; see below");
    }
    for seen in &vm.sightings {
        sheet.line("Seen", sighting(vm, seen));
    }
    if vm.sightings.is_empty() {
        sheet.line("Seen", "on no host");
    }
    sheet.show()
}

fn sighting(vm: &Vm, seen: &Sighting) -> String {
    let rate = |value: Option<f64>| or_unknown(value, |v| format!("{}/s", bytes(v)));
    format!(
        "on {}, {}: {}{}\nCPU {}, memory {}\ndisk read {}, written {}; network in {}, out {}",
        seen.host.name,
        or_unknown(seen.age_seconds, |s| format!("{} ago", age(s))),
        words(seen.power),
        if seen.migrating { ", migrating" } else { "" },
        or_unknown(seen.used_vcpus, |cpu| format!(
            "{:.0} %",
            percent(cpu, vm.vcpus)
        )),
        or_unknown(seen.used_memory_mib, |used| format!(
            "{} of {}",
            mib(used),
            mib(vm.memory_mib)
        )),
        rate(seen.disk_read_bytes_per_second),
        rate(seen.disk_written_bytes_per_second),
        rate(seen.received_bytes_per_second),
        rate(seen.sent_bytes_per_second),
    )
}

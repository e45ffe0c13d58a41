//! Networks.

use super::members;
use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
    resolve,
    resolve::MOST,
    text::{or_dash, yes},
};
use bellwether_api::{
    client::Answer,
    network::{Network, NetworkChange, NetworkInput, NetworkMemberInput},
};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

/// What to do with networks.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether network found
  bellwether network create guests --cidr 10.0.0.0/24 --gateway 10.0.0.1 --dns 10.0.0.1 \\
      --from 10.0.0.100 --until 10.0.0.199 --on h1=bridge:br0 --on h2=bridge:br0
  bellwether network change guests --until 10.0.0.220 --on h3=bridge:br0")]
pub enum Command {
    /// Networks
    List,
    /// One network with its members and free addresses
    Show {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::networks))]
        network: String,
    },
    /// Bridges and libvirt networks found on the hosts
    Found,
    /// Confirm a network
    Create(Create),
    /// Change a network; what is not named stays
    Change(Change),
    /// Forget it; bridges and libvirt networks stay
    Remove {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::networks))]
        network: String,
    },
}

/// A network to confirm.
#[derive(Args, Debug)]
pub struct Create {
    /// What to call it
    name: String,
    /// Network address with prefix length: 10.0.0.0/24
    #[arg(long)]
    cidr: String,
    /// Gateway, if there is a way out
    #[arg(long)]
    gateway: Option<String>,
    /// Name server; may be given several times
    #[arg(long)]
    dns: Vec<String>,
    /// First address to give
    #[arg(long)]
    from: String,
    /// Last address to give
    #[arg(long)]
    until: String,
    /// VLAN tag, for the record
    #[arg(long)]
    vlan: Option<i64>,
    /// What carries it on a host: HOST=bridge:NAME or HOST=libvirt:NAME; once for each host
    #[arg(long = "on", value_name = "HOST=CARRIER", required = true)]
    members: Vec<String>,
}

/// What to change.
#[derive(Args, Debug)]
pub struct Change {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::networks))]
    network: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Gateway; empty for none
    #[arg(long)]
    gateway: Option<String>,
    /// Every name server from now on
    #[arg(long)]
    dns: Vec<String>,
    /// First address to give
    #[arg(long)]
    from: Option<String>,
    /// Last address to give
    #[arg(long)]
    until: Option<String>,
    /// A member more, or another carrier for a member
    #[arg(long = "on", value_name = "HOST=CARRIER")]
    add: Vec<String>,
    /// A member less
    #[arg(long = "off", value_name = "HOST", add = ArgValueCompleter::new(complete::hosts))]
    remove: Vec<String>,
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List => {
            let answer = cx.client.networks(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table =
                    cx.table(["NAME", "ADDRESSES", "GIVEN FROM", "UNTIL", "HOSTS", "ID"]);
                for network in &list.items {
                    let hosts: Vec<&str> = network
                        .members
                        .iter()
                        .map(|m| m.host.name.as_str())
                        .collect();
                    table.row([
                        network.name.clone(),
                        network.cidr.clone(),
                        network.range_from.clone(),
                        network.range_until.clone(),
                        hosts.join(", "),
                        network.id.to_string(),
                    ]);
                }
                table
                    .show("No networks yet. See what the hosts have with: bellwether network found")
            })
        }
        Command::Show { network } => {
            let id = resolve::network(cx, &network).await?;
            print(cx, &cx.client.network(id).await?)
        }
        Command::Found => {
            let answer = cx.client.found_carriers(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["MEMBER", "UP", "NETWORK"]);
                for found in &list.items {
                    table.row([
                        format!(
                            "{}={}",
                            found.host.name,
                            members::typed(&found.carrier.carrier)
                        ),
                        yes(found.carrier.active),
                        or_dash(found.network.as_ref(), |network| network.name.clone()),
                    ]);
                }
                table.show("The hosts show no bridges or networks.")
            })
        }
        Command::Create(args) => {
            let members = members::carriers(cx, &args.members).await?;
            let input = NetworkInput {
                name: args.name,
                cidr: args.cidr,
                gateway: args.gateway,
                dns: args.dns,
                range_from: args.from,
                range_until: args.until,
                vlan: args.vlan,
                members,
            };
            print(cx, &cx.client.create_network(&input).await?)
        }
        Command::Change(args) => change(args, cx).await,
        Command::Remove { network } => {
            let id = resolve::network(cx, &network).await?;
            let answer = cx.client.remove_network(id).await?;
            cx.answer(&answer, |()| {
                format!("{network} is forgotten; what carried it stays as it is.")
            })
        }
    }
}

async fn change(args: Change, cx: &Context) -> Outcome {
    let id = resolve::network(cx, &args.network).await?;
    let mut change = NetworkChange {
        name: args.name,
        gateway: args.gateway,
        dns: Some(args.dns).filter(|dns| !dns.is_empty()),
        range_from: args.from,
        range_until: args.until,
        members: None,
    };
    if !args.add.is_empty() || !args.remove.is_empty() {
        let now = cx.client.network(id).await?;
        let mut members: Vec<NetworkMemberInput> = now
            .members
            .iter()
            .map(|m| NetworkMemberInput {
                host: m.host.id,
                carrier: m.carrier.clone(),
            })
            .collect();
        for host in &args.remove {
            let host = resolve::host(cx, host).await?;
            members.retain(|m| m.host != host);
        }
        for new in members::carriers(cx, &args.add).await? {
            members.retain(|m| m.host != new.host);
            members.push(new);
        }
        change.members = Some(members);
    }
    let NetworkChange {
        name,
        gateway,
        dns,
        range_from,
        range_until,
        members,
    } = &change;
    if [name, gateway, range_from, range_until]
        .iter()
        .all(|field| field.is_none())
        && dns.is_none()
        && members.is_none()
    {
        return Err(Fault::usage(
            "Nothing to change; see: bellwether network change --help",
        ));
    }
    print(cx, &cx.client.change_network(id, &change).await?)
}

fn print(cx: &Context, answer: &Answer<Network>) -> Outcome {
    cx.answer(answer, |network| {
        let mut sheet = cx.sheet();
        sheet
            .line("Network", &network.name)
            .line("Addresses", &network.cidr)
            .line(
                "Given",
                format!("{} to {}", network.range_from, network.range_until),
            )
            .maybe("Free", network.free_addresses.map(|free| free.to_string()))
            .line("Gateway", or_dash(network.gateway.as_ref(), Clone::clone))
            .line(
                "DNS",
                or_dash(
                    Some(network.dns.join(", ")).filter(|dns| !dns.is_empty()),
                    |dns| dns,
                ),
            )
            .maybe("VLAN", network.vlan.map(|vlan| vlan.to_string()))
            .line("Confirmed", network.created_at.to_string())
            .line("Identifier", network.id.to_string());
        for member in &network.members {
            sheet.line(
                "On",
                format!("{}={}", member.host.name, members::typed(&member.carrier)),
            );
        }
        sheet.show()
    })
}

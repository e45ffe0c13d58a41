//! Networks: what carries them found on the hosts, named and confirmed here with the addresses to give.

use super::{
    csv::Csv,
    gather,
    hosts::carrier_words,
    site::{AdminVisit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, Held, List, ListQuery, badge,
        form::Choice,
        places::{Found, Member, NetworkPage, Networks, PlaceRow},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    names::Directory,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::networks::{self, NewNetwork};
use bellwether_model::{
    Error, HostId, NetworkId,
    network::{Carrier, Network},
    observed::Observed,
    text::shown,
};

/// Whether it is up; none where it is not seen.
fn active(observed: &Observed, host: HostId, carrier: &Carrier) -> Option<bool> {
    let seen = observed.hosts.get(&host)?;
    let mut seen = seen.carriers.iter();
    Some(seen.find(|seen| seen.carrier == *carrier)?.active)
}

fn state(observed: &Observed, host: HostId, carrier: &Carrier) -> Badge {
    active(observed, host, carrier).map_or(badge::unseen(), badge::started)
}

/// As a tick sends it.
pub fn value(host: HostId, carrier: &Carrier) -> String {
    match carrier {
        Carrier::Bridge(name) => format!("{host}/bridge/{name}"),
        Carrier::Libvirt(name) => format!("{host}/libvirt/{name}"),
    }
}

/// libvirt shows a bridge only while a VM uses it: one that is not seen is not said to be down.
fn whole_state(observed: &Observed, network: &Network) -> Badge {
    let down = network
        .members
        .iter()
        .any(|member| active(observed, member.host, &member.carrier) == Some(false));
    badge::started(!down)
}

type Line = (Network, Badge, u64, usize);

async fn selected(visit: &AdminVisit, mut list: List) -> Result<(List, Vec<Line>)> {
    let look = visit.engine().look().await?;
    let (all, vms) = (&look.records.networks, &look.records.vms);
    let rows = all.iter().map(|network| {
        let machines = vms.iter().filter(|vm| vm.network == network.id).count();
        let state = whole_state(&look.observed, network);
        (network.clone(), state, look.free(network.id), machines)
    });
    let rows = rows.collect();
    let rows = list.apply(
        rows,
        |(network, ..)| format!("{} {}", network.name, network.cidr()),
        |(_, state, ..)| state.word,
        |(network, state, free, machines), key| {
            let number = |n: u64| (n, String::new());
            match key {
                "state" => (0, state.word.into()),
                "kind" => (0, network.cidr()),
                "hosts" => number(network.members.len() as u64),
                "free" => number(*free),
                "machines" => number(*machines as u64),
                _ => (0, network.name.to_lowercase()),
            }
        },
    );
    Ok((list, rows))
}

/// Carriers that belong to `of` or to nothing, and members of `of` that libvirt does not show, as ticks.
async fn found(visit: &AdminVisit, of: Option<&Network>, ticked: &[String]) -> Result<Vec<Found>> {
    let engine = visit.engine();
    let observed = engine.observed();
    let names = Directory::load(engine).await?;
    let discovered = networks::discovered(engine, &visit.admin).await?;
    let mut all: Vec<(HostId, Carrier)> = discovered
        .into_iter()
        .filter(|found| found.network.is_none() || found.network == of.map(|network| network.id))
        .map(|found| (found.host, found.carrier))
        .collect();
    for member in of.map(|of| of.members.as_slice()).unwrap_or_default() {
        let own = (member.host, member.carrier.clone());
        if !all.contains(&own) {
            all.push(own);
        }
    }
    Ok(all
        .into_iter()
        .map(|(host, carrier)| {
            let (name, kind) = carrier_words(&carrier);
            let value = value(host, &carrier);
            Found {
                ticked: ticked.contains(&value),
                host: gather::or_removed(names.host(host), "host"),
                words: kind.into(),
                badge: state(&observed, host, &carrier),
                name,
                value,
            }
        })
        .collect())
}

async fn host_choices(visit: &AdminVisit) -> Result<Vec<Choice>> {
    let records = visit.engine().store().records().await?;
    let hosts = records.hosts.iter();
    let choices = hosts.map(|host| Choice::new(host.id, host.name.clone()));
    Ok(choices.collect())
}

async fn list_view(
    visit: &AdminVisit,
    list: List,
    form: Form,
    ticked: &[String],
) -> Result<Networks> {
    let (list, rows) = selected(visit, list).await?;
    let hosts = host_choices(visit).await?;
    Ok(Networks {
        frame: visit.page("Networks", "/networks").await?,
        list,
        states: [true, false]
            .map(|up| badge::started(up).word.to_string())
            .to_vec(),
        rows: rows
            .into_iter()
            .map(|(network, badge, free, machines)| PlaceRow {
                href: format!("/networks/{}", network.id),
                badge,
                kind: network.cidr(),
                hosts: network.members.len(),
                free: free.to_string(),
                machines,
                name: network.name,
            })
            .collect(),
        found: found(visit, None, ticked).await?,
        form,
        any_host: !hosts.is_empty(),
        hosts,
    })
}

fn listed(query: &ListQuery) -> List {
    List::new("/networks", query, "name")
}

pub async fn list(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    show(&list_view(&visit, listed(&query), Form::default(), &[]).await?)
}

pub async fn list_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows) = selected(&visit, listed(&query).in_one()).await?;
    let head = [
        "id",
        "cidr",
        "range_from",
        "range_until",
        "free_addresses",
        "hosts",
        "machines",
        "name",
    ];
    let mut file = Csv::new(head, rows.len());
    for (network, _, free, machines) in rows {
        file.row([
            &network.id,
            &network.cidr(),
            &network.range_from,
            &network.range_until,
            &free,
            &network.members.len(),
            &machines,
            &network.name,
        ]);
    }
    Ok(file.answer("networks"))
}

fn dns_text(network: &Network) -> String {
    let dns: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
    dns.join(", ")
}

/// What an act on one network brings back to its page.
#[derive(Default)]
struct Back {
    act: Form,
    /// What was typed into the form of the network, with the carriers that were ticked.
    change: Option<(Form, Vec<String>)>,
}

async fn page(visit: &AdminVisit, id: NetworkId, back: Back) -> Result<NetworkPage> {
    let engine = visit.engine();
    let look = engine.look().await?;
    let (records, observed) = (&look.records, &look.observed);
    let network = records
        .network(id)
        .ok_or_else(|| Error::not_found("network"))?;
    let names = Directory::of(records.clone());
    let users = records.vms.iter().filter(|vm| vm.network == id).count();
    let free = look.free(id);
    let none_or = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    let members = network.members.iter().map(|member| {
        let (what, kind) = carrier_words(&member.carrier);
        Member {
            host: gather::or_removed(names.host(member.host), "host"),
            host_href: format!("/hosts/{}", member.host),
            what,
            badge: state(observed, member.host, &member.carrier),
            more: kind.into(),
        }
    });
    let (change, ticked) = back.change.unwrap_or_else(|| {
        let (form, own) = as_it_is(network);
        (form.noted("member", &own), own)
    });
    Ok(NetworkPage {
        frame: visit.page(network.name.clone(), "/networks").await?,
        id: id.to_string(),
        words: format!(
            "Carried by {}; {}.",
            words::count(network.members.len(), "host", "hosts"),
            gather::used_by(users)
        ),
        facts: vec![
            ("Network", network.cidr()),
            (
                "Gateway",
                none_or(network.gateway.map(|gateway| gateway.to_string())),
            ),
            (
                "Name servers",
                none_or(Some(dns_text(network)).filter(|dns| !dns.is_empty())),
            ),
            (
                "Addresses",
                format!(
                    "{} – {}, {free} free",
                    network.range_from, network.range_until
                ),
            ),
            ("VLAN", none_or(network.vlan.map(|vlan| vlan.to_string()))),
        ],
        members: members.collect(),
        act: back.act,
        found: found(visit, Some(network), &ticked).await?,
        hosts: host_choices(visit).await?,
        change,
        history: gather::history(engine, "network", id, 20).await?,
        name: network.name.clone(),
    })
}

/// The form of the network's own values, and its members as they are ticked.
fn as_it_is(network: &Network) -> (Form, Vec<String>) {
    let form = Form::default()
        .with("name", &network.name)
        .with("cidr", network.cidr())
        .with(
            "gateway",
            network.gateway.map_or(String::new(), |g| g.to_string()),
        )
        .with("dns", dns_text(network))
        .with("range_from", network.range_from)
        .with("range_until", network.range_until)
        .with(
            "vlan",
            network.vlan.map_or(String::new(), |vlan| vlan.to_string()),
        );
    let own = network.members.iter();
    (form, own.map(|m| value(m.host, &m.carrier)).collect())
}

pub async fn one(visit: AdminVisit, Path(id): Path<NetworkId>) -> Result<Response> {
    show(&page(&visit, id, Back::default()).await?)
}

fn carrier(text: &str) -> Result<(HostId, Carrier), Error> {
    let read = || {
        let (host, rest) = text.split_once('/')?;
        let carrier = match rest.split_once('/')? {
            ("bridge", name) => Carrier::Bridge(name.into()),
            ("libvirt", name) => Carrier::Libvirt(name.into()),
            _ => return None,
        };
        Some((host.parse().ok()?, carrier))
    };
    read().ok_or_else(|| {
        Error::field(
            "members",
            format!("'{}' is nothing that was found", shown(text)),
        )
    })
}

/// What was ticked, and bridges that were named by hand.
fn carriers(typed: &Typed) -> Result<Vec<(HostId, Carrier)>, Error> {
    let ticked = typed.every("member");
    let mut members: Vec<_> = ticked
        .iter()
        .map(|text| carrier(text))
        .collect::<Result<_, _>>()?;
    for (name, value) in &typed.0 {
        let (Some(host), false) = (name.strip_prefix("bridge-"), value.trim().is_empty()) else {
            continue;
        };
        let host = host
            .parse()
            .map_err(|_| Error::field("members", format!("'{}' is no host", shown(host))))?;
        members.push((host, Carrier::Bridge(value.trim().into())));
    }
    Ok(members)
}

fn input(typed: &Typed) -> Result<NewNetwork, Error> {
    let dns = typed.get("dns");
    Ok(NewNetwork {
        name: typed.get("name"),
        cidr: typed.get("cidr"),
        gateway: typed.get("gateway"),
        dns: dns
            .split([',', ' '])
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(Into::into)
            .collect(),
        range_from: typed.get("range_from"),
        range_until: typed.get("range_until"),
        vlan: typed.number("vlan", "a VLAN number, 1 to 4094")?,
        members: carriers(typed)?,
    })
}

pub async fn create(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let created = match input(&typed) {
        Ok(input) => networks::create(visit.engine(), &visit.admin, input).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(network) => Ok(done(
            &format!("/networks/{}", network.id),
            &format!("{} is confirmed.", network.name),
        )),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            let list = listed(&ListQuery::default());
            again(&list_view(&visit, list, form, &typed.every("member")).await?)
        }
    }
}

pub async fn change(
    visit: AdminVisit,
    Path(id): Path<NetworkId>,
    mut typed: Typed,
) -> Result<Response> {
    let network = visit.engine().store().network(id).await?;
    let (form, own) = as_it_is(&network);
    let kept_up = typed.keep_up(&Held::of_form(&form, "member", &own));
    let changed = match kept_up.and_then(|()| input(&typed)) {
        Ok(input) => networks::change(visit.engine(), &visit.admin, id, input).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Ok(done(&format!("/networks/{id}"), "Saved.")),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            let back = Back {
                change: Some((form, typed.every("member"))),
                ..Back::default()
            };
            again(&page(&visit, id, back).await?)
        }
    }
}

/// One more member, from the page of its host.
pub async fn join(visit: AdminVisit, Path(id): Path<NetworkId>, typed: Typed) -> Result<Response> {
    let network = visit.engine().store().network(id).await?;
    let joined = match carrier(&typed.get("member")) {
        Ok(member) => {
            let own = network.members.iter();
            let own = own.map(|member| (member.host, member.carrier.clone()));
            let wanted = NewNetwork {
                name: network.name.clone(),
                cidr: network.cidr(),
                gateway: network.gateway.map_or(String::new(), |g| g.to_string()),
                dns: network.dns.iter().map(ToString::to_string).collect(),
                range_from: network.range_from.to_string(),
                range_until: network.range_until.to_string(),
                vlan: network.vlan,
                members: own.chain([member]).collect(),
            };
            networks::change(visit.engine(), &visit.admin, id, wanted).await
        }
        Err(error) => Err(error),
    };
    match joined {
        Ok(network) => Ok(done(
            &format!("/networks/{id}"),
            &format!("{} is carried there too.", network.name),
        )),
        Err(error) => refused(&visit, id, error).await,
    }
}

pub async fn remove(visit: AdminVisit, Path(id): Path<NetworkId>) -> Result<Response> {
    match networks::remove(visit.engine(), &visit.admin, id).await {
        Ok(()) => Ok(done("/networks", "Removed; the hosts stay as they are.")),
        Err(error) => refused(&visit, id, error).await,
    }
}

async fn refused(visit: &AdminVisit, id: NetworkId, error: Error) -> Result<Response> {
    let back = Back {
        act: Form::default().failed(&typed_wrong(error)?),
        ..Back::default()
    };
    again(&page(visit, id, back).await?)
}

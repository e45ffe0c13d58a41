//! My machines, and all machines.

use super::{
    csv::Csv,
    gather,
    site::{AdminVisit, Visit, show},
    view::{
        Badge, List, ListQuery,
        machines::{AllMachines, Awaited, Machine, MachineRow, Machines},
        words,
    },
};
use crate::{error::Result, extract::Query};
use axum::response::Response;
use bellwether_decide::expire::{self as lease, Standing};
use bellwether_model::{
    Day,
    request::{Request, RequestState},
    states::State as _,
    vm::{Vm, VmState},
};
use bellwether_store::Records;

/// Whether whose it is should think of its end.
pub(super) fn ends_soon(vm: &Vm, today: Day, policy: &bellwether_model::policy::Policy) -> bool {
    matches!(
        lease::standing(vm, today, policy),
        Standing::EndsSoon { .. } | Standing::Over { .. }
    )
}

pub async fn mine(visit: Visit) -> Result<Response> {
    let (engine, store) = (visit.engine(), visit.engine().store());
    let owner = visit.actor.user;
    let open = [
        RequestState::Pending,
        RequestState::Approved,
        RequestState::WaitingForRoom,
        RequestState::Placed,
        RequestState::Failed,
    ];
    let (records, requests) = tokio::try_join!(store.records(), store.all_requests())?;
    let (images, policy) = (&records.images, &records.policy);
    let vms = records.vms.iter().filter(|vm| vm.owner == owner);
    let vms: Vec<&Vm> = vms.collect();
    let waits = |request: &&Request| request.owner == owner && open.contains(&request.state);
    let requests = requests.iter().rev().filter(waits).take(100);
    let (today, now) = (engine.today(), engine.now());
    let user = &visit.actor.login;
    let machines = vms
        .iter()
        .map(|vm| Machine {
            href: format!("/vms/{}", vm.id),
            name: vm.name.clone(),
            badge: vm.state.into(),
            note: vm.note.clone(),
            size: gather::size_words(vm.vcpus, vm.memory, vm.disk),
            os: images
                .iter()
                .find(|image| image.id == vm.image)
                .map(|image| image.os.clone())
                .unwrap_or_default(),
            address: vm.address.to_string(),
            ssh: matches!(vm.state, VmState::Running | VmState::Migrating)
                .then(|| ssh_line(user, vm)),
            left: words::days_left_text(vm.lease_until, today),
            until: words::day(vm.lease_until),
            ends_soon: ends_soon(vm, today, policy),
            purpose: vm.purpose.clone(),
        })
        .collect();
    let awaited = requests
        .map(|request| Awaited {
            href: format!("/requests/{}", request.id),
            name: request.spec.name.clone(),
            badge: request.state.into(),
            next: match request.state {
                RequestState::Pending => format!(
                    "waits for an administrator, asked {}",
                    words::ago(request.created_at, now)
                ),
                RequestState::Placed => "is being made".into(),
                RequestState::Failed => "could not be made; an administrator looks at it".into(),
                _ if request.spec.from > today => {
                    format!("begins {}", words::day(request.spec.from))
                }
                _ => "is approved and waits for room".into(),
            },
        })
        .collect();
    let total = |f: fn(&Vm) -> u64| vms.iter().map(|vm| f(vm)).sum::<u64>();
    show(&Machines {
        frame: visit.page("My machines", "/machines").await?,
        totals: gather::has_words(
            u32::try_from(vms.len()).unwrap_or(u32::MAX),
            vms.iter().map(|vm| vm.vcpus).sum(),
            bellwether_model::MiB(total(|vm| vm.memory.0)),
            bellwether_model::GiB(total(|vm| vm.disk.0)),
        ),
        machines,
        awaited,
    })
}

/// How to get in.
pub(super) fn ssh_line(user: &str, vm: &Vm) -> String {
    format!("ssh {user}@{}", vm.address)
}

/// What a list of VMs can be sorted by.
fn sort_key(vm: &Vm, owner: &str, host: &str, key: &str) -> (u64, String) {
    let lower = |text: &str| (0, text.to_lowercase());
    match key {
        "state" => lower(Badge::from(vm.state).word),
        "owner" => lower(owner),
        "host" => lower(host),
        "vcpus" => (u64::from(vm.vcpus.0), String::new()),
        "memory" => (vm.memory.0, String::new()),
        "disk" => (vm.disk.0, String::new()),
        "until" => lower(&vm.lease_until.to_string()),
        _ => lower(&vm.name),
    }
}

/// A VM with the names of whose it is and of its host.
type Line<'a> = (&'a Vm, &'a str, &'a str);

/// Beside the states: whose lease ends soon, or has ended.
const ENDS_SOON: &str = "ends soon";

fn selected(records: &Records, today: Day, mut list: List) -> (List, Vec<Line<'_>>) {
    let by_lease = list.state == ENDS_SOON;
    let rows: Vec<Line<'_>> = records
        .vms
        .iter()
        .map(|vm| {
            let owner = records.name(vm.owner.0).unwrap_or("a removed person");
            let host = records.name(vm.host.0).unwrap_or("a removed host");
            (vm, owner, host)
        })
        .collect();
    let text = |(vm, owner, host): &Line<'_>| {
        format!(
            "{} {owner} {host} {} {} {}",
            vm.name, vm.address, vm.hostname, vm.id
        )
    };
    let state = |(vm, ..): &Line<'_>| match by_lease && ends_soon(vm, today, &records.policy) {
        true => ENDS_SOON,
        false => Badge::from(vm.state).word,
    };
    let key = |(vm, owner, host): &Line<'_>, key: &str| sort_key(vm, owner, host, key);
    let rows = list.apply(rows, text, state, key);
    (list, rows)
}

pub async fn all(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let records = visit.engine().store().records().await?;
    let today = visit.engine().today();
    let (list, rows) = selected(&records, today, List::new("/vms", &query, "name"));
    let policy = &records.policy;
    show(&AllMachines {
        frame: visit.page("All machines", "/vms").await?,
        list,
        states: VmState::ALL
            .iter()
            .filter(|s| **s != VmState::Gone)
            .map(|s| Badge::from(*s).word.to_string())
            .chain([ENDS_SOON.to_string()])
            .collect(),
        rows: rows
            .into_iter()
            .map(|(vm, owner, host)| MachineRow {
                href: format!("/vms/{}", vm.id),
                badge: vm.state.into(),
                owner: owner.into(),
                host: host.into(),
                host_href: format!("/hosts/{}", vm.host),
                vcpus: vm.vcpus.0,
                memory: words::memory_text(vm.memory),
                disk: vm.disk.to_string(),
                address: vm.address.to_string(),
                left: words::days_left_text(vm.lease_until, today),
                ends_soon: ends_soon(vm, today, policy),
                name: vm.name.clone(),
            })
            .collect(),
    })
}

pub async fn all_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let records = visit.engine().store().records().await?;
    let list = List::new("/vms", &query, "name").in_one();
    let (_, rows) = selected(&records, visit.engine().today(), list);
    let head = [
        "id",
        "name",
        "owner",
        "state",
        "host",
        "vcpus",
        "memory_mib",
        "disk_gib",
        "address",
        "from",
        "until",
    ];
    let mut file = Csv::new(head, rows.len());
    for (vm, owner, host) in rows {
        file.row([
            &vm.id,
            &vm.name,
            &owner,
            &vm.state,
            &host,
            &vm.vcpus.0,
            &vm.memory.0,
            &vm.disk.0,
            &vm.address,
            &vm.lease_from,
            &vm.lease_until,
        ]);
    }
    Ok(file.answer("machines"))
}

//! The fleet as last seen.

use crate::{
    context::Context,
    exit::Outcome,
    text::{age, clean, mib, or_dash, or_unknown, used, words},
};
use bellwether_api::fleet::{Fleet, FleetHost, FleetVm};

/// Prints it.
pub async fn run(cx: &Context) -> Outcome {
    let answer = cx.client.fleet().await?;
    cx.answer(&answer, |fleet| show(cx, fleet))
}

fn show(cx: &Context, fleet: &Fleet) -> String {
    let mut parts: Vec<String> = Vec::new();
    for alarm in &fleet.alarms {
        parts.push(format!("ALARM: {}", clean(alarm)));
    }
    let mut hosts = cx.table([
        "HOST",
        "STATE",
        "MODE",
        "SEEN",
        "VMS",
        "VCPUS",
        "CPU USED",
        "MEMORY",
        "MEMORY USED",
        "TROUBLE",
    ]);
    let mut vms = cx.table([
        "VM",
        "HOST",
        "OWNER",
        "POWER",
        "VCPUS",
        "CPU",
        "MEMORY",
        "MEM USED",
        "LIBVIRT NAME",
    ]);
    for host in &fleet.hosts {
        host_row(&mut hosts, host);
        for vm in &host.vms {
            vm_row(&mut vms, &host.host.name, vm);
        }
    }
    parts.push(hosts.show("There are no hosts yet. Add one with: bellwether host add"));
    parts.push(vms.show("There are no VMs."));
    parts.join("\n\n")
}

fn host_row(table: &mut crate::table::Table, fleet: &FleetHost) {
    let (host, seen) = (&fleet.host, &fleet.host.seen);
    table.row([
        host.name.clone(),
        words(seen.health),
        words(host.mode),
        or_dash(seen.age_seconds, |s| format!("{} ago", age(s))),
        format!("{} of {} run", seen.running_vms, seen.vms),
        format!("{} of {}", fleet.committed_vcpus, fleet.capacity_vcpus),
        or_unknown(seen.used_cores, |cores| format!("{cores:.1} cores")),
        format!(
            "{} of {}",
            mib(fleet.committed_memory_mib),
            mib(fleet.capacity_memory_mib)
        ),
        or_unknown(seen.used_memory_mib, mib),
        or_dash(seen.trouble.as_ref(), Clone::clone),
    ]);
}

fn vm_row(table: &mut crate::table::Table, host: &str, vm: &FleetVm) {
    let managed = vm.managed.as_ref();
    let power = words(vm.power);
    table.row([
        managed.map_or_else(|| "(unmanaged)".into(), |m| m.name.clone()),
        host.to_owned(),
        or_dash(managed, |m| m.owner.name.clone()),
        if vm.migrating {
            format!("{power}, migrating")
        } else {
            power
        },
        vm.vcpus.to_string(),
        used(vm.power.is_live(), vm.used_vcpus, |cpu| {
            format!("{:.0} %", cpu / f64::from(vm.vcpus.max(1)) * 100.0)
        }),
        mib(vm.memory_mib),
        used(vm.power.is_live(), vm.used_memory_mib, mib),
        vm.libvirt_name.clone(),
    ]);
}

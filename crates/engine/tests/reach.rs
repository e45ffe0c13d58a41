//! Whether a guest is reachable: yes, no, or not known.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::power::{self, PowerAction};
use bellwether_hypervisor::{
    Inventory, Power,
    sim::{Guest, SimSpec},
};
use bellwether_model::{VmId, observed::Reach, storage::StorageKind, vm::VmState};
use common::Site;

async fn reach(site: &Site, vm: VmId, reach: Reach) {
    let what = format!("reachable: {reach:?}");
    site.until(&what, async |site| site.engine.reach(vm) == reach)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_reachable_once_it_was_seen_to_have_its_address() {
    let spec = SimSpec {
        guest: Guest {
            boot_ms: 300,
            ..Guest::default()
        },
        ..SimSpec::new("reach", 1)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("seen").await;
    reach(&site, vm.id, Reach::Yes).await;
    let off = power::ask(&site.engine, &site.user, vm.id, PowerAction::ForceOff)
        .await
        .unwrap();
    site.ends(off.id).await;
    site.state(vm.id, VmState::ShutOff).await;
    reach(&site, vm.id, Reach::Unknown).await;
    // It comes back with another address than it was given.
    let host = site.fleet.host("host01");
    let mut ownership = host.describe(vm.id.0).await.unwrap().ownership.unwrap();
    ownership.address = "192.168.7.7".into();
    host.set_ownership(vm.id.0, &ownership, "").await.unwrap();
    let on = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap();
    site.ends(on.id).await;
    reach(&site, vm.id, Reach::No).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_host_can_not_know_stays_unknown() {
    let spec = SimSpec {
        guest: Guest {
            boot_ms: 0,
            address_known: false,
            ..Guest::default()
        },
        ..SimSpec::new("unknown", 1)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("unseen").await;
    let asked = site
        .fleet
        .calls("host01", bellwether_hypervisor::sim::Op::Addresses);
    site.until("it was asked some times", async |site| {
        site.fleet
            .calls("host01", bellwether_hypervisor::sim::Op::Addresses)
            > asked + 2
    })
    .await;
    assert_eq!(site.engine.reach(vm.id), Reach::Unknown);
}

//! Hosts that lose each other, libvirtd or their power while something is under way.

use crate::{
    hosts::{Hosts, until},
    house::House,
};
use bellwether_api::{
    host::HostHealth,
    job::JobState,
    migration::MigrationOutcome,
    vm::{Vm, VmState},
};

/// The target of a move is cut off in the middle of the copy: the VM stays where it is.
pub async fn target_cut_off(hosts: &Hosts, house: &House, vm: &Vm) {
    let [from, to] = ways(hosts, vm);
    let guest = hosts.guest_process(from, vm.id);
    let target = hosts.lab.hosts[to].name.clone();
    hosts.lab.rate(&target, Some(16)).unwrap();
    let (job, migration) = begin_copying(house, vm, to).await;
    hosts.lab.cut(&target).unwrap();
    let ended = house.end_of(job).await;
    hosts.lab.heal(&target).unwrap();
    hosts.lab.rate(&target, None).unwrap();
    let told = house.migration(migration).await;
    assert_eq!(
        (ended.state, told.outcome),
        (JobState::Failed, MigrationOutcome::Failed),
        "{told:?}"
    );
    let why = ended.error.unwrap();
    println!("cut off: {why}");
    assert!(why.contains("lost its connection to the target"), "{why}");
    assert_eq!(told.reason.as_ref(), Some(&why));
    house.until_vm(vm.id, VmState::Running, from).await;
    assert_eq!(
        hosts.guest_process(from, vm.id),
        guest,
        "the guest was not touched"
    );
    until("nothing is left on the target", || async {
        hosts.state(to, vm.id).is_none().then_some(())
    })
    .await;
    house.tells_the_truth(hosts).await;
}

/// libvirtd of the source dies in the middle of a copy and is started again: the server is connected again by itself, and
/// the guest never noticed.
pub async fn libvirtd_restarted(hosts: &Hosts, house: &House, vm: &Vm) {
    let [from, to] = ways(hosts, vm);
    let guest = hosts.guest_process(from, vm.id);
    let target = hosts.lab.hosts[to].name.clone();
    hosts.lab.rate(&target, Some(16)).unwrap();
    let (job, migration) = begin_copying(house, vm, to).await;
    hosts.kill_libvirtd(from);
    until("the loss is noticed", || async {
        (house.health(from).await != HostHealth::Ready).then_some(())
    })
    .await;
    hosts.repair();
    until("the host is seen again", || async {
        (house.health(from).await == HostHealth::Ready).then_some(())
    })
    .await;
    hosts.lab.rate(&target, None).unwrap();
    let ended = house.end_of(job).await;
    let told = house.migration(migration).await;
    println!("libvirtd restarted: {:?} {:?}", told.outcome, ended.error);
    assert_eq!(
        (ended.state, told.outcome),
        (JobState::Failed, MigrationOutcome::Failed),
        "{told:?}"
    );
    house.until_vm(vm.id, VmState::Running, from).await;
    assert_eq!(
        hosts.guest_process(from, vm.id),
        guest,
        "the guest was not touched"
    );
    house.tells_the_truth(hosts).await;
}

/// The host dies while a VM is made there: the VM stays bound to it, and is brought to its intent when it is back, like
/// those that ran there before.
pub async fn host_dies(hosts: &mut Hosts, house: &House) -> Vm {
    let ordered = house.order("fourth", 0).await;
    house.caught(ordered.1, "start", None).await;
    hosts.lab.power_off("host1").unwrap();
    let vm = until("the VM shown as out of reach", || async {
        let all = house.living().await;
        all.into_iter()
            .find(|vm| vm.name == "fourth" && vm.state == VmState::HostUnreachable)
    })
    .await;
    assert_eq!(vm.host.id, house.hosts[0], "it stays bound to its host");
    assert_eq!(house.health(0).await, HostHealth::Unreachable);
    assert!(!hosts.domains(1).contains_key(&vm.id));
    hosts.lab = hosts.repair();
    let made = house.made(ordered).await;
    for vm in house.living().await {
        let host = house
            .hosts
            .iter()
            .position(|host| *host == vm.host.id)
            .unwrap();
        house.until_vm(vm.id, VmState::Running, host).await;
    }
    house.tells_the_truth(hosts).await;
    made
}

/// Where a VM runs, and the other host.
fn ways(hosts: &Hosts, vm: &Vm) -> [usize; 2] {
    let here = hosts.live_on(vm.id);
    assert_eq!(here.len(), 1, "{} runs once", vm.name);
    [here[0], 1 - here[0]]
}

/// Begins to move a VM and waits until its memory is on its way.
async fn begin_copying(house: &House, vm: &Vm, to: usize) -> (uuid::Uuid, uuid::Uuid) {
    let (job, migration) = house.begin_to_move(vm.id, to).await;
    until("memory is being copied", || async {
        let job = house.daemon.client.job(job).await.unwrap().value;
        job.progress.migration.filter(|seen| seen.done_bytes > 0)
    })
    .await;
    (job, migration)
}

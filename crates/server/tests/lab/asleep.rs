//! The owner of a job falls asleep, another process takes over, the first one wakes.

use crate::{
    daemon::Daemon,
    hosts::{Hosts, until},
    house::House,
};
use bellwether_api::{host::HostHealth, vm::VmState};
use bellwether_model::job::Job;
use uuid::Uuid;

/// A server whose owner of a job is asleep while a second one, on the same database, waits for its lease to run out.
pub struct Asleep {
    pub house: House,
    pub vm: Uuid,
    first: Daemon,
    ordered: (Uuid, Uuid),
    before: Job,
}

/// Puts a server to sleep while it makes a VM on the second host, and starts another beside it.
pub async fn fall_asleep(mut house: House) -> Asleep {
    let ordered = house.order("asleep", 1).await;
    house
        .caught(ordered.1, "define", Some("may_be_defined"))
        .await;
    house.daemon.signal("-STOP");
    let before = house.store.job(ordered.1.into()).await.unwrap();
    let second = Daemon::start(house.folder.path(), "second", Some(&house.token)).await;
    let first = std::mem::replace(&mut house.daemon, second);
    Asleep {
        vm: house.living().await[0].id,
        house,
        first,
        ordered,
        before,
    }
}

/// The second one has done the work once the lease is out; the first one wakes and changes nothing.
pub async fn wake(hosts: &Hosts, asleep: Asleep) {
    let Asleep {
        house,
        first,
        ordered,
        before,
        ..
    } = asleep;
    let vm = house.made(ordered).await;
    let after = house.store.job(ordered.1.into()).await.unwrap();
    assert_eq!(after.fence, before.fence + 1, "it was taken over once");
    assert_ne!(before.holder, after.holder, "the second server has done it");
    assert_eq!(hosts.live_on(vm.id), [1]);
    let guest = hosts.guest_process(1, vm.id);

    first.signal("-CONT");
    until("the first one sees that it lost the job", || async {
        first
            .log()
            .contains("another runner has taken over")
            .then_some(())
    })
    .await;
    // What it last saw is minutes old: until it has looked again it may take the host for a silent one.
    until("the first one has looked again", || async {
        let seen = first.client.host(house.hosts[1]).await.ok()?.value.seen;
        let fresh = seen.age_seconds.is_some_and(|age| age < 30);
        (fresh && seen.health == HostHealth::Ready).then_some(())
    })
    .await;
    house.until_vm(vm.id, VmState::Running, 1).await;
    assert_eq!(house.store.job(ordered.1.into()).await.unwrap(), after);
    assert_eq!(hosts.guest_process(1, vm.id), guest);
    house.tells_the_truth(hosts).await;
    let job = until("its deletion is taken", || async {
        let job = house.daemon.client.delete_vm(vm.id, &vm.name).await;
        job.ok().map(|job| job.value.id)
    })
    .await;
    house.end_of(job).await;
    house.tells_the_truth(hosts).await;
}

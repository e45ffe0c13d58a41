//! The owner of a job falls asleep, another process takes over, the first one wakes.

use crate::{
    daemon::Daemon,
    hosts::{Hosts, until},
    house::House,
};
use bellwether_api::vm::VmState;
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
    assert_eq!(
        first.client.vm(vm.id).await.unwrap().value.state,
        VmState::Running
    );
    assert_eq!(house.store.job(ordered.1.into()).await.unwrap(), after);
    assert_eq!(hosts.guest_process(1, vm.id), guest);
    house.tells_the_truth(hosts).await;
    let job = house.begin_to_delete(&vm).await;
    house.end_of(job).await;
    house.tells_the_truth(hosts).await;
}

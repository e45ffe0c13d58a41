//! The owner of a job falls asleep and another process takes over; it wakes in the engine's own test of the same name,
//! on the simulated fleet, at each of its writes.

use crate::{daemon::Daemon, hosts::Hosts, house::House};
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

/// The second one has done the work once the lease is out, and the first one is ended in its sleep.
pub async fn taken_over(hosts: &Hosts, asleep: Asleep) {
    let vm = asleep.house.made(asleep.ordered).await;
    let job = asleep.ordered.1.into();
    let (before, after) = (asleep.before, asleep.house.store.job(job).await.unwrap());
    assert_eq!(after.fence, before.fence + 1, "it was taken over once");
    assert_ne!(before.holder, after.holder, "the second server has done it");
    assert_eq!(hosts.live_on(vm.id), [1]);
    drop(asleep.first);
}

//! Killed between any two steps: what was begun ends as if nothing had happened, and what is reported is what is so.

use crate::{
    hosts::{Hosts, until},
    house::House,
};
use bellwether_api::{
    job::JobState,
    migration::MigrationOutcome,
    vm::{Vm, VmState},
};

/// Makes three VMs on the first host, killed in the middle of each.
pub async fn while_making(hosts: &Hosts, house: &mut House) -> [Vm; 3] {
    // Before anything is on the host.
    let first = house.order("first", 0).await;
    house.caught(first.1, "image", None).await;
    house
        .kill_and_start(first.1, "while the image is brought")
        .await;
    let one = house.made(first).await;
    house.tells_the_truth(hosts).await;

    // Defined, and the journal does not know it.
    let second = house.order("second", 0).await;
    house
        .caught(second.1, "define", Some("may_be_defined"))
        .await;
    let writing = house.stop_writing().await;
    until("a second VM is defined", || async {
        (hosts.domains(0).len() > 1).then_some(())
    })
    .await;
    house
        .kill_and_start_after(writing, second.1, "after the VM was defined")
        .await;
    let two = house.made(second).await;
    house.tells_the_truth(hosts).await;

    // It runs, and the journal does not know it.
    let third = house.order("third", 0).await;
    house.caught(third.1, "start", None).await;
    let writing = house.stop_writing().await;
    until("a third VM runs", || async {
        let live = hosts.domains(0).into_values().filter(|live| *live).count();
        (live > 2).then_some(())
    })
    .await;
    house
        .kill_and_start_after(writing, third.1, "after the VM was started")
        .await;
    let three = house.made(third).await;
    house.tells_the_truth(hosts).await;
    [one, two, three]
}

/// Moves a VM to and fro, killed on the way; it is on the second host afterwards.
pub async fn while_moving(hosts: &Hosts, house: &mut House, vm: &Vm) {
    // In the middle of the copy, which goes on between the hosts.
    hosts.lab.rate("host2", Some(16)).unwrap();
    let (job, migration) = house.begin_to_move(vm.id, 1).await;
    until("memory is being copied", || async {
        let job = house.daemon.client.job(job).await.unwrap().value;
        job.progress.migration.filter(|seen| seen.done_bytes > 0)
    })
    .await;
    house.kill_and_start(job, "in the middle of the copy").await;
    until("the restarted server shows the copy", || async {
        let job = house.daemon.client.job(job).await.unwrap().value;
        (job.attempts > 1).then_some(())
    })
    .await;
    assert_eq!(
        house.migration(migration).await.outcome,
        MigrationOutcome::Running
    );
    hosts.lab.rate("host2", None).unwrap();
    let ended = house.end_of(job).await;
    let told = house.migration(migration).await;
    assert_eq!(
        (ended.state, told.outcome),
        (JobState::Done, MigrationOutcome::Completed),
        "{told:?}"
    );
    assert!(
        told.total_ms.is_some() && told.downtime_ms.is_some(),
        "{told:?}"
    );
    house.until_vm(vm.id, VmState::Running, 1).await;
    house.tells_the_truth(hosts).await;

    // It has arrived, and nobody wrote that down.
    let (job, migration) = house.begin_to_move(vm.id, 0).await;
    house.caught(job, "move", Some("begun")).await;
    let writing = house.stop_writing().await;
    until("the VM has arrived", || async {
        let here = hosts
            .state(0, vm.id)
            .is_some_and(|state| state == "running");
        (here && hosts.state(1, vm.id).is_none()).then_some(())
    })
    .await;
    house
        .kill_and_start_after(writing, job, "after the VM had arrived")
        .await;
    let ended = house.end_of(job).await;
    let told = house.migration(migration).await;
    assert_eq!(
        (ended.state, told.outcome),
        (JobState::Done, MigrationOutcome::Completed),
        "{told:?}"
    );
    house.until_vm(vm.id, VmState::Running, 0).await;
    house.tells_the_truth(hosts).await;

    // The hosts were about to be told, or just were: whichever it was is what is reported.
    let (job, migration) = house.begin_to_move(vm.id, 1).await;
    house.caught(job, "move", Some("begun")).await;
    house.kill_and_start(job, "as the move was begun").await;
    house.end_of(job).await;
    let told = house.migration(migration).await;
    let there = hosts.live_on(vm.id);
    match told.outcome {
        MigrationOutcome::Completed => assert_eq!(there, [1], "{told:?}"),
        MigrationOutcome::Failed => assert_eq!(there, [0], "{told:?}"),
        _ => panic!("{told:?}"),
    }
    house.tells_the_truth(hosts).await;
}

/// Deletes the VMs, killed in the middle of each.
pub async fn while_deleting(hosts: &Hosts, house: &mut House, vms: &[Vm; 3]) {
    for (vm, step, effect) in [
        (&vms[0], "off", "power"),
        (&vms[1], "undefine", "definition"),
        (&vms[2], "disk", "disk"),
    ] {
        let host = hosts.live_on(vm.id)[0];
        let job = house.begin_to_delete(vm).await;
        house.caught(job, step, None).await;
        let writing = house.stop_writing().await;
        let disk = format!("bw-{}.qcow2", vm.id);
        until(&format!("{} without {effect}", vm.name), || async {
            match effect {
                "power" => hosts
                    .state(host, vm.id)
                    .is_none_or(|state| state == "shut off"),
                "definition" => hosts.state(host, vm.id).is_none(),
                _ => !hosts.has_file(&disk),
            }
            .then_some(())
        })
        .await;
        house
            .kill_and_start_after(writing, job, &format!("after the VM lost its {effect}"))
            .await;
        let ended = house.end_of(job).await;
        assert_eq!(ended.state, JobState::Done, "{ended:?}");
        assert_eq!(house.vm(vm.id).await.state, VmState::Gone);
        house.tells_the_truth(hosts).await;
    }
}

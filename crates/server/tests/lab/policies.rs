//! A guest that writes more than the way carries: it gets through by what its policy allows, and not otherwise. And a host
//! that is emptied by a plan.

use crate::{
    hosts::{Hosts, until},
    house::House,
};
use bellwether_api::{
    job::JobState,
    migration::{Migration, MigrationInput, MigrationOutcome},
    migration_policy::{LastResort, MigrationPolicy},
    plan::{DrainInput, Plan, PlanState, ResumeInput, StepState},
    vm::Vm,
};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Has the guest do something, by its port for commands.
fn tell(vm: &Vm, command: &str) {
    let address = SocketAddr::new(vm.address, 9);
    let patience = Duration::from_secs(20);
    let mut stream = TcpStream::connect_timeout(&address, patience).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(format!("{command}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    println!("{command}: {}", answer.trim());
}

/// Two policies with a part of the link: one may hold the guest back, one may use post-copy.
async fn thin_policies(house: &House) {
    let client = &house.daemon.client;
    let mut policy = client.policy().await.unwrap().value;
    let thin = MigrationPolicy {
        name: "thin".into(),
        link_share_percent: 40,
        may_compress: false,
        ..policy.migration.named[0].clone()
    };
    let post_copy = MigrationPolicy {
        name: "thin, post-copy".into(),
        may_throttle: false,
        may_post_copy: true,
        last_resort: LastResort::PostCopy,
        ..thin.clone()
    };
    policy.migration.named.extend([thin, post_copy]);
    client.set_policy(&policy).await.unwrap();
}

async fn moved(house: &House, vm: &Vm, host: usize, policy: &str) -> Migration {
    let input = MigrationInput {
        target: Some(house.hosts[host]),
        policy: Some(policy.into()),
    };
    let started = house
        .daemon
        .client
        .migrate(vm.id, &input)
        .await
        .unwrap()
        .value;
    let ended = house.end_of(started.job.id).await;
    let told = house.migration(started.migration.id).await;
    for phase in &told.phases {
        println!("{policy} {:6} ms: {}", phase.at_ms, phase.what);
    }
    assert_eq!(
        (ended.state, told.outcome),
        (JobState::Done, MigrationOutcome::Completed),
        "{ended:?} {told:?}"
    );
    told
}

fn says(migration: &Migration, words: &str) -> bool {
    migration
        .phases
        .iter()
        .any(|phase| phase.what.contains(words))
}

/// Held back until copying gets ahead, and switched over before its memory is there.
pub async fn move_by_policy(hosts: &Hosts, house: &House, vm: &Vm) {
    thin_policies(house).await;
    let here = hosts.live_on(vm.id)[0];
    tell(vm, "dirty 60 64");
    let switched = moved(house, vm, 1 - here, "thin, post-copy").await;
    assert!(says(&switched, "its memory follows"), "{switched:?}");
    house.tells_the_truth(hosts).await;
    // QEMU takes two passes for each step by which it holds a guest back.
    tell(vm, "dirty 30 16");
    let held = moved(house, vm, here, "thin").await;
    assert!(held.mechanism.as_ref().unwrap().throttle);
    println!(
        "post-copy: {:?} ms in all, {:?} ms pause; held back: {:?} ms, {:?} ms",
        switched.total_ms, switched.downtime_ms, held.total_ms, held.downtime_ms
    );
    house.tells_the_truth(hosts).await;
    tell(vm, "stop");
}

async fn carried_out(house: &House, plan: &Plan) -> Plan {
    let ended = until("the plan is over", || async {
        let plan = house.daemon.client.plan(plan.id).await.unwrap().value;
        (plan.state != PlanState::Running).then_some(plan)
    })
    .await;
    for step in &ended.steps {
        println!(
            "{} to {}: {} from {} to {} ms, {} expected",
            step.vm.name, step.to.name, step.state, step.start_ms, step.end_ms, step.forecast_ms
        );
        assert_eq!(step.state, StepState::Done, "{step:?}");
    }
    ended
}

/// The host of this VM is emptied, as far as that goes with others' VMs on it, and gets its own back.
pub async fn empty_a_host(hosts: &Hosts, house: &House, vm: &Vm) {
    let client = &house.daemon.client;
    let here = hosts.live_on(vm.id)[0];
    let host = house.hosts[here];
    let prospect = client.drain_prospect(host).await.unwrap().value;
    assert!(prospect.steps.iter().any(|step| step.vm.id == vm.id));
    let anyway = DrainInput { anyway: true };
    let drained = client.drain(host, &anyway).await.unwrap().value;
    let drained = carried_out(house, &drained).await;
    assert_eq!(hosts.live_on(vm.id), [1 - here]);
    house.tells_the_truth(hosts).await;
    let home = ResumeInput { bring_home: true };
    let resumed = client.resume_host(host, &home).await.unwrap().value;
    let returned = carried_out(house, &resumed.plan.unwrap()).await;
    assert_eq!(returned.steps.len(), drained.steps.len());
    assert_eq!(hosts.live_on(vm.id), [here]);
    house.tells_the_truth(hosts).await;
}

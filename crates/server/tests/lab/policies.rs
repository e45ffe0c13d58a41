//! A guest that writes more than the way carries gets through by what its policy allows.

use crate::{hosts::Hosts, house::House};
use bellwether_api::{
    job::JobState,
    migration::{Migration, MigrationInput, MigrationOutcome},
    migration_policy::{LastResort, MigrationPolicy},
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

/// A policy with a part of the link, which may use post-copy.
async fn thin_policy(house: &House) {
    let client = &house.daemon.client;
    let mut policy = client.policy().await.unwrap().value;
    let post_copy = MigrationPolicy {
        name: "thin, post-copy".into(),
        link_share_percent: 40,
        may_compress: false,
        may_throttle: false,
        may_post_copy: true,
        last_resort: LastResort::PostCopy,
        ..policy.migration.named[0].clone()
    };
    policy.migration.named.push(post_copy);
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

/// Switched over before its memory is there, and back by the usual policy once it is quiet.
pub async fn move_by_policy(hosts: &Hosts, house: &House, vm: &Vm) {
    thin_policy(house).await;
    let here = hosts.live_on(vm.id)[0];
    tell(vm, "dirty 60 64");
    let switched = moved(house, vm, 1 - here, "thin, post-copy").await;
    assert!(says(&switched, "its memory follows"), "{switched:?}");
    house.tells_the_truth(hosts).await;
    tell(vm, "stop");
    let back = moved(house, vm, here, "careful").await;
    assert!(back.mechanism.as_ref().unwrap().throttle);
    house.tells_the_truth(hosts).await;
}

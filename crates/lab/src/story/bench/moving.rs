//! A VM moved by the server, and by virsh with the same flags.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bellwether_api::migration::{MigrationInput, MigrationOutcome};
use bellwether_api::vm::{Vm, VmState};

use super::figures::Pairs;
use super::{Bench, REST, until};
use crate::story::{blocking, echo};

/// A move takes at most this long.
const LONGEST: Duration = Duration::from_secs(120);

/// How long a move took and the guest stood still, in milliseconds.
struct Taken {
    wall: f64,
    downtime: f64,
}

/// So many pairs, each side first in every other one, so that both go each way equally often; wall times and downtimes.
pub(super) async fn pairs(bench: &Bench, vm: &Vm, count: usize) -> anyhow::Result<(Pairs, Pairs)> {
    let address = vm.address;
    until(
        Duration::from_secs(120),
        "an answer of the guest",
        || async {
            let answers = blocking(move || Ok(echo::answers(address))).await?;
            Ok(answers.then_some(()))
        },
    )
    .await?;
    // The first move between two hosts is not like those after it.
    by_server(bench, vm, 1).await?;
    by_hand(bench, vm, 0).await?;
    let (mut walls, mut downtimes) = (Pairs::default(), Pairs::default());
    for number in 0..count {
        let (ours, peer);
        if number % 2 == 0 {
            ours = by_server(bench, vm, 1).await?;
            peer = by_hand(bench, vm, 0).await?;
        } else {
            peer = by_hand(bench, vm, 1).await?;
            ours = by_server(bench, vm, 0).await?;
        }
        println!(
            "  moved: {:.0} ms ({:.0} still), by hand {:.0} ms ({:.0} still)",
            ours.wall, ours.downtime, peer.wall, peer.downtime
        );
        walls.add(ours.wall, peer.wall);
        downtimes.add(ours.downtime, peer.downtime);
    }
    Ok((walls, downtimes))
}

async fn by_server(bench: &Bench, vm: &Vm, to: usize) -> anyhow::Result<Taken> {
    tokio::time::sleep(REST).await;
    let target = MigrationInput {
        target: Some(bench.hosts[to]),
        ..MigrationInput::default()
    };
    let begin = Instant::now();
    let started = bench.client.migrate(vm.id, &target).await?.value;
    let told = until(LONGEST, "the end of a move", || async {
        let told = bench.client.migration(started.migration.id).await?.value;
        Ok((told.outcome != MigrationOutcome::Running).then_some(told))
    })
    .await?;
    let wall = begin.elapsed().as_secs_f64() * 1000.0;
    ensure!(
        told.outcome == MigrationOutcome::Completed,
        "a migration {}: {}",
        told.outcome,
        told.reason.unwrap_or_default()
    );
    bench.ended(started.job.id).await?;
    Ok(Taken {
        wall,
        downtime: told.downtime_ms.context("a move without a downtime")? as f64,
    })
}

async fn by_hand(bench: &Bench, vm: &Vm, to: usize) -> anyhow::Result<Taken> {
    tokio::time::sleep(REST).await;
    let (from, target) = (1 - to, &bench.lab.hosts[to]);
    let (name, address) = (vm.libvirt_name.as_str(), target.address.to_string());
    let migrate_uri = format!("tcp://{address}");
    let words = [
        "migrate",
        "--live",
        "--p2p",
        "--persistent",
        "--undefinesource",
        "--abort-on-error",
        name,
        &target.uris.tcp,
        "--migrateuri",
        &migrate_uri,
        // As ours: a lab's hosts have certificates for it.
        "--tls",
        "--tls-destination",
        &address,
    ];
    let begin = Instant::now();
    bench.virsh(from, &words)?;
    let wall = begin.elapsed().as_secs_f64() * 1000.0;
    let told = ["domjobinfo", "--completed", "--keep-completed", name];
    let told = bench.virsh(to, &told)?;
    let downtime = told
        .lines()
        .find_map(|line| line.strip_prefix("Total downtime:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    // The server follows a VM that somebody else has moved.
    until(
        Duration::from_secs(60),
        "the VM on its new host",
        || async {
            let seen = bench.client.vm(vm.id).await?.value;
            Ok((seen.host.id == bench.hosts[to] && seen.state == VmState::Running).then_some(()))
        },
    )
    .await?;
    Ok(Taken {
        wall,
        downtime: downtime.with_context(|| format!("no downtime in {told:?}"))?,
    })
}

//! The VM moves live while somebody talks to it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bellwether_api::migration::{MigrationInput, MigrationOutcome};
use bellwether_api::vm::{Vm, VmState};

use super::cast::Cast;
use super::echo::Echo;
use super::report::MigrationFigures;
use super::{blocking, until};

/// How long is listened before and after, so that a gap at either end shows.
const AROUND: Duration = Duration::from_secs(1);

/// The admin moves the VM to the best other host; the figures are libvirt's and the open connection's.
pub(super) async fn migrate(cast: &Cast, vm: &Vm) -> anyhow::Result<(MigrationFigures, String)> {
    let admin = &cast.admin.client;
    let choices = admin.migration_targets(vm.id, None).await?.value;
    let best = choices.targets.iter().find(|target| target.possible);
    let best = best.with_context(|| {
        let failed = choices.targets.iter().flat_map(|target| &target.checks);
        let words: Vec<_> = failed.map(|check| check.text.as_str()).collect();
        format!("nowhere to move to: {}", words.join("; "))
    })?;
    let address = vm.address;
    let echo = blocking(move || Echo::open(address)).await?;
    tokio::time::sleep(AROUND).await;
    let input = MigrationInput {
        target: Some(best.host.id),
        ..MigrationInput::default()
    };
    let started = admin.migrate(vm.id, &input).await?.value;
    let job = admin.wait_for_job(started.job.id, |_| ()).await;
    tokio::time::sleep(AROUND).await;
    let felt = blocking(move || Ok(echo.close())).await?;
    job?;

    let migration = admin.migration(started.migration.id).await?.value;
    if migration.outcome != MigrationOutcome::Completed {
        bail!(
            "the migration {}: {}",
            migration.outcome,
            migration.reason.unwrap_or_default()
        );
    }
    ensure!(
        felt.alive,
        "the connection to the guest broke after {} echoes",
        felt.echoes
    );
    until(
        Duration::from_secs(30),
        "the VM on its new host",
        || async {
            let vm = admin.vm(vm.id).await?.value;
            Ok((vm.host.id == best.host.id && vm.state == VmState::Running).then_some(()))
        },
    )
    .await?;
    let figures = MigrationFigures {
        total_ms: migration.total_ms,
        downtime_ms: migration.downtime_ms,
        tcp_alive: felt.alive,
        longest_gap_ms: (felt.longest_gap.as_secs_f64() * 10_000.0).round() / 10.0,
        echoes: felt.echoes,
    };
    let words = format!(
        "{} → {} while connected: {} echoes, longest gap {:.0} ms",
        migration.source.name, migration.target.name, figures.echoes, figures.longest_gap_ms
    );
    Ok((figures, words))
}

//! What a move may cost: the policy a VM moves by, and what is changed of it while one is under way.

use super::choices::unknown_policy;
use crate::{Admin, Engine, policy};
use bellwether_decide::migrate::pause_limit_ms;
use bellwether_model::{
    Error, MigrationId, Result, VmId,
    migration::{Migration, MigrationOutcome},
    vm::Vm,
};

/// By what a VM's policy for moves is chosen; replaces what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovesBy {
    /// The name of the policy; none for the one its labels choose, or the usual one.
    pub policy: Option<String>,
    /// Words by which policies choose it.
    pub labels: Vec<String>,
}

/// Labels of a VM, and letters of each, at most.
const MOST_LABELS: usize = 20;
const LONGEST_LABEL: usize = 63;

/// Says by what the VM's policy for moves is chosen. A move under way goes on as it was begun.
pub async fn set_moves_by(engine: &Engine, admin: &Admin, id: VmId, wanted: MovesBy) -> Result<Vm> {
    let (policies, _) = engine.store().policy().await?;
    let policies = policies.migration;
    let chosen = match wanted.policy.as_deref().map(str::trim) {
        None | Some("") => None,
        // As it is written there.
        Some(name) => Some(
            policies
                .named(name)
                .ok_or_else(|| unknown_policy("policy", name, &policies))?
                .name
                .clone(),
        ),
    };
    let labels = labels(&wanted.labels)?;
    let mut tx = engine.store().begin().await?;
    let mut vm = tx.vm(id).await?;
    let text = format!(
        "\"{}\": {}, labels: {}",
        vm.name,
        chosen.as_deref().map_or_else(
            || "no policy of its own".into(),
            |name| format!("\"{name}\"")
        ),
        match labels.is_empty() {
            true => "none".into(),
            false => labels.join(", "),
        }
    );
    (vm.migration_policy, vm.labels) = (chosen, labels);
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, Some(admin), "vm.moves_by", "vm", id, text)
        .await?;
    engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(vm)
}

/// In order, each once; refused where one is no word of a reasonable length.
pub(crate) fn labels(given: &[String]) -> Result<Vec<String>> {
    let mut labels: Vec<String> = given
        .iter()
        .map(|label| label.trim().to_lowercase())
        .filter(|label| !label.is_empty())
        .collect();
    labels.sort();
    labels.dedup();
    let bad = |label: &&String| {
        label.chars().count() > LONGEST_LABEL
            || label
                .chars()
                .any(|letter| letter.is_control() || letter == ',')
    };
    if let Some(label) = labels.iter().find(bad) {
        return Err(Error::field(
            "labels",
            format!(
                "\"{}\" is no label: 1 to {LONGEST_LABEL} letters, digits and signs, without a comma",
                bellwether_model::text::shown(label)
            ),
        ));
    }
    if labels.len() > MOST_LABELS {
        return Err(Error::field(
            "labels",
            format!(
                "{} labels are too many: {MOST_LABELS} at most",
                labels.len()
            ),
        ));
    }
    Ok(labels)
}

/// What is changed of a move that is under way; none stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsChange {
    /// The longest pause, milliseconds.
    pub longest_pause_ms: Option<u32>,
    /// When it is to be over, seconds from its beginning; `Some(None)` for no end.
    pub finish_within_seconds: Option<Option<u32>>,
    /// Bytes a second it may take of the link; `Some(None)` for all there is.
    pub bandwidth: Option<Option<u64>>,
}

/// The least of a link that can be told a move: libvirt counts MiB.
const LEAST_BANDWIDTH: u64 = 1 << 20;

/// Changes what a running move may cost; it holds from its next look on, about a second later.
pub async fn set_limits(
    engine: &Engine,
    admin: &Admin,
    id: MigrationId,
    change: LimitsChange,
) -> Result<Migration> {
    let mut tx = engine.store().begin().await?;
    let mut migration = tx.migration(id).await?;
    let over = || {
        Error::conflict(
            "The move is over, or was not begun by a policy: there is nothing to change.",
        )
    };
    if migration.outcome != MigrationOutcome::Running {
        return Err(over());
    }
    let (Some(intent), Some(mechanism)) = (&mut migration.intent, &mut migration.mechanism) else {
        return Err(over());
    };
    let besides = intent
        .longest_pause_ms
        .saturating_sub(mechanism.pause_limit_ms);
    if let Some(pause) = change.longest_pause_ms {
        intent.longest_pause_ms = pause;
        mechanism.pause_limit_ms = pause_limit_ms(intent, f64::from(besides));
    }
    if let Some(within) = change.finish_within_seconds {
        intent.finish_within_seconds = within;
    }
    if let Some(bandwidth) = change.bandwidth {
        if bandwidth.is_some_and(|bytes| bytes < LEAST_BANDWIDTH) {
            return Err(Error::field(
                "bandwidth_mib_per_second",
                "give at least 1 MiB a second, or nothing for all there is",
            ));
        }
        mechanism.bandwidth = bandwidth;
    }
    policy::check_moves_by(intent)?;
    if !tx.set_limits(&migration).await? {
        return Err(over());
    }
    let vm = tx.vm(migration.vm).await?;
    let text = format!("\"{}\": {}", vm.name, in_words(&change));
    engine
        .audit(&mut tx, Some(admin), "migration.limits", "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "migration", id, None).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(migration)
}

fn in_words(change: &LimitsChange) -> String {
    let mut said = Vec::new();
    if let Some(pause) = change.longest_pause_ms {
        said.push(format!("a pause of {pause} ms at most"));
    }
    if let Some(within) = change.finish_within_seconds {
        said.push(within.map_or("no end in time".into(), |most| {
            format!("over within {most} s")
        }));
    }
    if let Some(bandwidth) = change.bandwidth {
        said.push(bandwidth.map_or("all of the link".into(), |bytes| {
            format!("{} MiB/s of the link", bytes >> 20)
        }));
    }
    match said.is_empty() {
        true => "nothing changed".into(),
        false => said.join(", "),
    }
}

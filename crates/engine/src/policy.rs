//! Policy: changed by admins, versioned, audited.

mod moves;

pub(crate) use moves::check_one as check_moves_by;

use crate::{Admin, Engine, alert};
use bellwether_model::{
    Error, FieldError, Result,
    policy::{HistoryPolicy, Policy},
};

/// Replaces the policy if nobody changed it since `expected_version` was read; answers the new version.
pub async fn set(
    engine: &Engine,
    admin: &Admin,
    policy: &Policy,
    expected_version: i64,
) -> Result<i64> {
    check(policy)?;
    let (before, _) = engine.store().policy().await?;
    let mut tx = engine.store().begin().await?;
    tx.set_policy(policy, expected_version, Some(admin.user), engine.now())
        .await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "policy.set",
            "policy",
            expected_version + 1,
            difference(&before, policy)?,
        )
        .await?;
    engine
        .emit(&mut tx, "policy", expected_version + 1, None)
        .await?;
    tx.commit().await?;
    engine.inner.fleet_changed.notify_waiters();
    Ok(engine.store().policy().await?.1)
}

/// Says that a field is wrong, and what would be right.
pub(crate) type Need<'a> = dyn FnMut(bool, &str, &str) + 'a;

/// Refuses what `rules` find wrong, all of it at once.
fn judge(rules: impl FnOnce(&mut Need<'_>)) -> Result<()> {
    let mut wrong = Vec::new();
    rules(&mut |good, field, message| {
        if !good {
            wrong.push(FieldError {
                field: field.into(),
                message: message.into(),
            });
        }
    });
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid_fields(wrong))
    }
}

fn check(policy: &Policy) -> Result<()> {
    judge(|need| {
        limits(policy, need);
        alert::check_policy(&policy.alerts, need);
        history(&policy.history, need);
        moves::check(&policy.migration, need);
    })
}

/// Refuses times to keep measurements that make no sense; the fields are called as in [`HistoryPolicy`].
pub fn check_history(kept: &HistoryPolicy) -> Result<()> {
    judge(|need| history(kept, need))
}

fn limits(policy: &Policy, need: &mut Need<'_>) {
    need(
        (0.1..=100.0).contains(&policy.cpu_overcommit),
        "cpu_overcommit",
        "give a number from 0.1 to 100 vCPUs a core",
    );
    need(
        (0.1..=10.0).contains(&policy.memory_overcommit),
        "memory_overcommit",
        "give a number from 0.1 to 10",
    );
    need(
        (1..=1024).contains(&policy.max_vcpus.0),
        "max_vcpus",
        "give 1 to 1,024",
    );
    need(
        (64..=16_777_216).contains(&policy.max_memory.0),
        "max_memory",
        "give 64 to 16,777,216 MiB",
    );
    need(
        (1..=65_536).contains(&policy.max_disk.0),
        "max_disk",
        "give 1 to 65,536 GiB",
    );
    need(
        (1..=36_600).contains(&policy.max_lease_days),
        "max_lease_days",
        "give 1 to 36,600 days",
    );
    need(
        policy.max_days_ahead <= 36_600,
        "max_days_ahead",
        "give at most 36,600 days",
    );
    need(
        policy.warn_days <= 365,
        "warn_days",
        "give at most 365 days",
    );
    need(
        (1..=3600).contains(&policy.shutdown_grace_seconds),
        "shutdown_grace_seconds",
        "give 1 to 3,600 seconds",
    );
    need(
        policy.address_rest_seconds <= 2_592_000,
        "address_rest_seconds",
        "give at most 2,592,000 seconds (30 days)",
    );
}

/// A coarser point stands where the finer ones are gone: it has to be there as long at least.
fn history(history: &HistoryPolicy, need: &mut Need<'_>) {
    need(
        (2..=744).contains(&history.samples_hours),
        "samples_hours",
        "give 2 to 744 hours",
    );
    let mut finer = history.samples_hours.div_ceil(24).max(1);
    for (field, days) in [
        ("minutes_days", history.minutes_days),
        ("ten_minutes_days", history.ten_minutes_days),
        ("hours_days", history.hours_days),
    ] {
        let message = format!(
            "give {finer} to 36,600 days: what is finer is kept for {finer}, and this stands for it later"
        );
        need((finer..=36_600).contains(&days), field, &message);
        finer = days.clamp(finer, 36_600);
    }
}

/// What changed, for the audit log.
fn difference(before: &Policy, after: &Policy) -> Result<String> {
    let (before, after) = (
        serde_json::to_value(before).map_err(Error::internal)?,
        serde_json::to_value(after).map_err(Error::internal)?,
    );
    let changes: Vec<String> = after
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| before.get(key.as_str()) != Some(value))
        .map(|(key, value)| {
            format!(
                "{key}: {} → {value}",
                before.get(key.as_str()).unwrap_or(&serde_json::Value::Null)
            )
        })
        .collect();
    Ok(if changes.is_empty() {
        "nothing changed".into()
    } else {
        changes.join(", ")
    })
}

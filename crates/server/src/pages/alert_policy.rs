//! The alerts' part of the policy's form.

use super::{typed::Typed, view::Form};
use bellwether_model::{
    Error,
    alert::{AlertPolicy, Rule},
};

/// The name of the box that has a rule watched.
pub fn box_of(rule: Rule) -> String {
    format!("watch.{rule}")
}

/// The form with the marks in it.
pub fn fill(form: Form, marks: &AlertPolicy) -> Form {
    let form = form
        .with("alerts.host_silent_minutes", marks.host_silent_minutes)
        .with("alerts.sample_seconds", marks.sample_seconds)
        .with("alerts.host_cpu_percent", marks.host_cpu_percent)
        .with("alerts.host_memory_percent", marks.host_memory_percent)
        .with("alerts.vm_contention_percent", marks.vm_contention_percent)
        .with("alerts.vm_memory_percent", marks.vm_memory_percent)
        .with("alerts.hold_minutes", marks.hold_minutes)
        .with("alerts.pool_percent", marks.pool_percent)
        .with("alerts.pool_days", marks.pool_days)
        .with(
            "alerts.migration_stuck_minutes",
            marks.migration_stuck_minutes,
        );
    Rule::ALL.iter().fold(form, |form, rule| {
        let watched = if marks.watches(*rule) { "on" } else { "" };
        form.with(&box_of(*rule), watched)
    })
}

/// The marks as typed.
pub fn typed(typed: &Typed) -> Result<AlertPolicy, Error> {
    let need = |name: &str| {
        typed
            .number(name, "a whole number")?
            .ok_or_else(|| Error::field(name, "give a number"))
    };
    let off = Rule::ALL.iter().copied();
    Ok(AlertPolicy {
        off: off.filter(|rule| !typed.ticked(&box_of(*rule))).collect(),
        host_silent_minutes: need("alerts.host_silent_minutes")?,
        sample_seconds: need("alerts.sample_seconds")?,
        host_cpu_percent: need("alerts.host_cpu_percent")?,
        host_memory_percent: need("alerts.host_memory_percent")?,
        vm_contention_percent: need("alerts.vm_contention_percent")?,
        vm_memory_percent: need("alerts.vm_memory_percent")?,
        hold_minutes: need("alerts.hold_minutes")?,
        pool_percent: need("alerts.pool_percent")?,
        pool_days: need("alerts.pool_days")?,
        migration_stuck_minutes: need("alerts.migration_stuck_minutes")?,
    })
}

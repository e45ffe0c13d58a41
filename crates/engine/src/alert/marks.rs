//! Which marks of alerts an admin may set.

use bellwether_model::alert::AlertPolicy;

/// Says what of the marks can't be, by field.
pub fn check_policy(marks: &AlertPolicy, need: &mut dyn FnMut(bool, &str, &str)) {
    for (field, percent) in [
        ("alerts.host_cpu_percent", marks.host_cpu_percent),
        ("alerts.host_memory_percent", marks.host_memory_percent),
        ("alerts.vm_contention_percent", marks.vm_contention_percent),
        ("alerts.vm_memory_percent", marks.vm_memory_percent),
        ("alerts.pool_percent", marks.pool_percent),
    ] {
        need(
            (1..=100).contains(&percent),
            field,
            "give 1 to 100 per cent",
        );
    }
    for (field, minutes) in [
        ("alerts.host_silent_minutes", marks.host_silent_minutes),
        ("alerts.hold_minutes", marks.hold_minutes),
        (
            "alerts.migration_stuck_minutes",
            marks.migration_stuck_minutes,
        ),
    ] {
        need(
            minutes <= 1_440,
            field,
            "give at most 1,440 minutes (a day)",
        );
    }
    need(
        (1..=14).contains(&marks.sample_seconds),
        "alerts.sample_seconds",
        "give 1 to 14 seconds; a host that takes longer counts as silent",
    );
    need(
        marks.pool_days <= 366,
        "alerts.pool_days",
        "give at most 366 days",
    );
}

//! What happened to a VM or a host in a stretch of time, as marks on its graphs: the same on pages and in REST.

use super::{Graphed, MOST};
use crate::{
    names::Directory,
    pages::view::words::{capital, shortened},
    told::told,
};
use bellwether_api::Names;
use bellwether_engine::Engine;
use bellwether_model::{
    Result, Timestamp,
    audit::AuditLine,
    migration::{Migration, MigrationOutcome},
};
use bellwether_store::AuditQuery;

/// Characters of a name beside a mark.
const NAME_AT_A_MARK: usize = 20;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// It moved, or was to.
    Migration,
    /// Its power came, went, or was to.
    Power,
    /// Its lease began, was prolonged, ended.
    Lease,
    /// Somebody decided about its request.
    Decision,
    /// Anything else a person or the system did about it.
    Act,
}

impl MarkKind {
    /// The word in REST and in style sheets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Power => "power",
            Self::Lease => "lease",
            Self::Decision => "decision",
            Self::Act => "act",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When it began.
    pub at: Timestamp,
    /// When it ended, for what lasts.
    pub until: Option<Timestamp>,
    /// What kind of thing.
    pub kind: MarkKind,
    /// In a word or three.
    pub label: String,
    /// In words.
    pub text: String,
    /// Who did it; empty where nobody did.
    pub who: String,
}

impl Mark {
    /// Whether any of it lies in the stretch.
    fn within(&self, from: Timestamp, to: Timestamp) -> bool {
        self.at <= to && from <= self.until.unwrap_or(self.at)
    }
}

/// What happened between the two moments, in order of time.
pub async fn of(
    engine: &Engine,
    of: Graphed<'_>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Mark>> {
    let migrations = of.migrations(engine, from).await?;
    let vms = migrations.iter().map(|migration| migration.vm).collect();
    let names = Directory::load(engine).await?.with_vms(engine, vms).await?;
    let mut marks: Vec<Mark> = migrations
        .iter()
        .map(|migration| of_migration(of, migration, &names))
        .collect();
    for (about, id) in abouts(of) {
        let query = AuditQuery {
            about: Some((about.into(), id)),
            since: Some(from),
            limit: MOST,
            ..AuditQuery::default()
        };
        let lines = engine.store().audit(query).await?;
        marks.extend(lines.iter().filter_map(of_audit));
    }
    if let Graphed::Vm(vm) = of {
        let begins = bellwether_model::time::day_start(vm.lease_from, engine.zone());
        let ends = bellwether_model::time::day_end(vm.lease_until, engine.zone());
        marks.push(lease(begins, "lease begins"));
        marks.push(lease(ends, "lease ends"));
    }
    marks.retain(|mark| mark.within(from, to));
    marks.sort_by_key(|mark| (mark.at, mark.kind));
    Ok(marks)
}

fn lease(at: Timestamp, label: &str) -> Mark {
    Mark {
        at,
        until: None,
        kind: MarkKind::Lease,
        label: label.into(),
        text: capital(label),
        who: String::new(),
    }
}

/// Whose lines of the audit log are about it.
fn abouts(of: Graphed<'_>) -> Vec<(&'static str, String)> {
    match of {
        Graphed::Host(id) => vec![("host", id.to_string())],
        Graphed::Vm(vm) => {
            let request = vm.request.map(|id| ("request", id.to_string()));
            [("vm", vm.id.to_string())]
                .into_iter()
                .chain(request)
                .collect()
        }
    }
}

fn of_migration(of: Graphed<'_>, migration: &Migration, names: &Directory) -> Mark {
    let host = |id| names.host(id).unwrap_or_else(|| "a removed host".into());
    let (source, target) = (host(migration.source), host(migration.target));
    let outcome = match migration.outcome {
        MigrationOutcome::Running => "under way",
        MigrationOutcome::Completed => "completed",
        MigrationOutcome::Failed => "failed",
        MigrationOutcome::Cancelled => "cancelled",
        MigrationOutcome::Unknown => "outcome unknown",
    };
    let pause = migration
        .downtime_ms
        .map(|ms| format!(", paused {ms} ms"))
        .unwrap_or_default();
    let way = format!("{source} → {target}, {outcome}{pause}");
    let (label, text) = match of {
        Graphed::Vm(_) if migration.outcome == MigrationOutcome::Completed => {
            (format!("to {target}"), way)
        }
        Graphed::Vm(_) => (format!("to {target}: {outcome}"), way),
        Graphed::Host(id) => {
            let name = names.vm(migration.vm);
            let name = name.unwrap_or_else(|| "a removed VM".into());
            let short = shortened(&name, NAME_AT_A_MARK);
            let label = match (migration.outcome, id == migration.target) {
                (MigrationOutcome::Completed, true) => format!("{short} came"),
                (MigrationOutcome::Completed, false) => format!("{short} left"),
                _ => format!("{short}: move {outcome}"),
            };
            (label, format!("{name}: {way}"))
        }
    };
    Mark {
        at: migration.started_at,
        until: Some(migration.ended_at.unwrap_or(Timestamp(i64::MAX))),
        kind: MarkKind::Migration,
        label,
        text,
        who: String::new(),
    }
}

/// None for what another mark tells better: migrations have their own record.
fn of_audit(line: &AuditLine) -> Option<Mark> {
    let (kind, label) = match line.action.as_str() {
        "vm.migrate" | "vm.migrated" | "vm.migration_unknown" => return None,
        "vm.moved_by_others" => (MarkKind::Migration, "moved by others"),
        "vm.start" | "vm.start_elsewhere" => (MarkKind::Power, "started"),
        "vm.shutdown" => (MarkKind::Power, "shut down"),
        "vm.reboot" => (MarkKind::Power, "rebooted"),
        "vm.force_off" => (MarkKind::Power, "forced off"),
        "vm.off" => (MarkKind::Power, "off"),
        "lease.extend" => (MarkKind::Lease, "extended"),
        "lease.warn" => (MarkKind::Lease, "warned of its end"),
        "lease.end" | "lease.ended" => (MarkKind::Lease, "lease over"),
        "request.submit" => (MarkKind::Decision, "requested"),
        "request.approve" => (MarkKind::Decision, "approved"),
        "request.refuse" => (MarkKind::Decision, "refused"),
        "request.place" => (MarkKind::Decision, "placed"),
        "request.not_made" => (MarkKind::Decision, "not made"),
        "vm.made" => (MarkKind::Act, "made"),
        "vm.delete" => (MarkKind::Act, "to be deleted"),
        "vm.gone" => (MarkKind::Act, "deleted"),
        "vm.first_password" => (MarkKind::Act, "password shown"),
        "vm.screen" => (MarkKind::Act, "screen opened"),
        "host.mode" => (MarkKind::Act, "mode changed"),
        "host.change" => (MarkKind::Act, "changed"),
        "host.add" => (MarkKind::Act, "added"),
        other => (MarkKind::Act, other.rsplit('.').next().unwrap_or(other)),
    };
    Some(Mark {
        at: line.at,
        until: None,
        kind,
        label: label.replace('_', " "),
        text: told(&line.action, &line.text),
        who: line.actor_login.clone(),
    })
}

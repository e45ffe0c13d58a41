//! Live migrations that were made, and what they may cost.

mod policy;

use super::host::drain;
use crate::{
    complete,
    context::Context,
    exit::Outcome,
    resolve,
    text::{bytes, expected_ms, millis, or_dash, or_unknown, words, yes},
};
use bellwether_api::{
    migration::{Migration, MigrationAccuracy, MigrationQuery},
    migration_policy::LimitsInput,
};
use clap::Subcommand;
use clap_complete::ArgValueCompleter;

/// What to do with migrations.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Migrations, newest first
    List {
        /// Only of this VM
        #[arg(long, add = ArgValueCompleter::new(complete::vms))]
        vm: Option<String>,
        /// Only those under way
        #[arg(long)]
        running: bool,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// How right forecasts were: each beside what came of it
    Accuracy,
    /// One migration
    Show {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::migrations))]
        migration: String,
    },
    /// Change what a move under way may cost (admins)
    Limits {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::migrations))]
        migration: String,
        /// The longest pause
        #[arg(long, value_name = "MILLISECONDS")]
        longest_pause: Option<u32>,
        /// When it is to be over, from its beginning; 0 for no end
        #[arg(long, value_name = "SECONDS")]
        finish_within: Option<u32>,
        /// What it may take of the link; 0 for all there is
        #[arg(long, value_name = "MIB_PER_SECOND")]
        bandwidth: Option<u64>,
    },
    /// Plans: hosts that are emptied or filled again
    #[command(subcommand)]
    Plan(drain::Plans),
    /// Policies: what moves may cost
    #[command(subcommand)]
    Policy(policy::Command),
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List { vm, running, limit } => {
            let vm = match vm {
                Some(vm) => Some(resolve::vm(cx, &vm).await?),
                None => None,
            };
            let query = MigrationQuery {
                vm,
                running: running.then_some(true),
                limit: None,
            };
            let answer = cx.client.migrations(&query, limit).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table([
                    "STARTED", "VM", "FROM", "TO", "OUTCOME", "TOTAL", "DOWNTIME", "ID",
                ]);
                for migration in &list.items {
                    table.row([
                        migration.started_at.to_string(),
                        migration.vm.name.clone(),
                        migration.source.name.clone(),
                        migration.target.name.clone(),
                        words(migration.outcome),
                        or_dash(migration.total_ms, millis),
                        or_dash(migration.downtime_ms, millis),
                        migration.id.to_string(),
                    ]);
                }
                table.show("No migrations.")
            })
        }
        Command::Accuracy => {
            let answer = cx.client.migration_accuracy().await?;
            cx.answer(&answer, |accuracy| right(cx, accuracy))
        }
        Command::Show { migration } => {
            let id = resolve::migration(cx, &migration).await?;
            let answer = cx.client.migration(id).await?;
            cx.answer(&answer, |migration| show(cx, migration))
        }
        Command::Limits {
            migration,
            longest_pause,
            finish_within,
            bandwidth,
        } => {
            let id = resolve::migration(cx, &migration).await?;
            let input = LimitsInput {
                longest_pause_ms: longest_pause,
                finish_within_seconds: finish_within,
                bandwidth_mib_per_second: bandwidth,
            };
            let answer = cx.client.set_migration_limits(id, &input).await?;
            cx.answer(&answer, |migration| show(cx, migration))
        }
        Command::Plan(command) => drain::plans(command, cx).await,
        Command::Policy(command) => policy::run(command, cx).await,
    }
}

fn right(cx: &Context, accuracy: &MigrationAccuracy) -> String {
    let mut table = cx.table([
        "STARTED",
        "VM",
        "FROM",
        "TO",
        "EXPECTED",
        "TOOK",
        "OFF BY",
        "PAUSE EXPECTED",
        "PAUSE",
    ]);
    for one in &accuracy.items {
        table.row([
            one.started_at.to_string(),
            one.vm.name.clone(),
            one.source.name.clone(),
            one.target.name.clone(),
            expected_ms(&one.forecast_total_ms),
            millis(one.total_ms.round() as u64),
            share(one.error),
            expected_ms(&one.forecast_downtime_ms),
            or_unknown(one.downtime_ms, millis),
        ]);
    }
    let moves = table.show("Nothing was moved since there are forecasts.");
    if accuracy.migrations == 0 {
        return moves;
    }
    format!(
        "{moves}\n\nOf {} migrations half were forecast within {} of what they took, nine of ten within {}; {} ended within their range (half would be as forecast), {} of the pauses within a factor of 1.5; {} kept to their policy.",
        accuracy.migrations,
        or_unknown(accuracy.median_error, share),
        or_unknown(accuracy.p90_error, share),
        or_unknown(accuracy.within_range, share),
        or_unknown(accuracy.downtime_near, share),
        or_unknown(accuracy.intents_kept, share),
    )
}

fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn show(cx: &Context, migration: &Migration) -> String {
    let mut sheet = cx.sheet();
    sheet
        .line("Migration", migration.id.to_string())
        .line("VM", &migration.vm.name)
        .line("From", &migration.source.name)
        .line("To", &migration.target.name)
        .line("Outcome", words(migration.outcome))
        .maybe("Why", migration.reason.as_deref())
        .line("Disk copied", yes(migration.copy_disk))
        .maybe(
            "Asked by",
            migration.asked_by.as_ref().map(|by| by.name.as_str()),
        )
        .line("Started", migration.started_at.to_string())
        .maybe("Ended", migration.ended_at.map(|at| at.to_string()))
        .line("Total", or_unknown(migration.total_ms, millis))
        .line("Downtime", or_unknown(migration.downtime_ms, millis))
        .maybe(
            "Expected",
            migration.forecast.as_ref().map(|forecast| {
                let total = expected_ms(&forecast.total_ms);
                format!(
                    "{total}, standing still for {}",
                    expected_ms(&forecast.downtime_ms)
                )
            }),
        )
        .line(
            "Sent",
            or_unknown(migration.sent_bytes, |sent| bytes(sent as f64)),
        )
        .line(
            "Rounds",
            or_unknown(migration.rounds, |rounds| rounds.to_string()),
        )
        .maybe(
            "Policy",
            migration.intent.as_ref().map(|intent| {
                let kept = match migration.intent_kept {
                    Some(true) => ", kept",
                    Some(false) => ", not kept",
                    None => "",
                };
                let pause = millis(intent.longest_pause_ms.into());
                format!("{}: a pause of {pause} at most{kept}", intent.name)
            }),
        )
        .maybe(
            "How",
            migration.mechanism.as_ref().map(|how| how.why.as_str()),
        )
        .maybe("Job", migration.job.map(|job| job.to_string()));
    let mut phases = cx.table(["AFTER", "WHAT HAPPENED"]);
    for phase in &migration.phases {
        phases.row([millis(phase.at_ms), phase.what.clone()]);
    }
    match migration.phases.is_empty() {
        true => sheet.show(),
        false => format!("{}\n\n{}", sheet.show(), phases.show("")),
    }
}

//! Live migrations that were made.

use crate::{
    complete,
    context::Context,
    exit::Outcome,
    resolve,
    text::{bytes, millis, or_dash, or_unknown, words, yes},
};
use bellwether_api::migration::{Migration, MigrationQuery};
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
    /// One migration
    Show {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::migrations))]
        migration: String,
    },
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
        Command::Show { migration } => {
            let id = resolve::migration(cx, &migration).await?;
            let answer = cx.client.migration(id).await?;
            cx.answer(&answer, |migration| show(cx, migration))
        }
    }
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
        .line(
            "Sent",
            or_unknown(migration.sent_bytes, |sent| bytes(sent as f64)),
        )
        .line(
            "Rounds",
            or_unknown(migration.rounds, |rounds| rounds.to_string()),
        )
        .maybe("Job", migration.job.map(|job| job.to_string()));
    sheet.show()
}

//! Jobs.

use crate::{
    complete,
    context::Context,
    exit::Outcome,
    resolve,
    text::{or_dash, words},
    wait,
};
use bellwether_api::job::{Job, JobQuery};
use clap::Subcommand;
use clap_complete::ArgValueCompleter;

/// What to do with jobs.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Examples:\n  bellwether job list --state running\n  bellwether job watch 0192f3a1"
)]
pub enum Command {
    /// Jobs, newest first
    List {
        /// Only about this VM
        #[arg(long, add = ArgValueCompleter::new(complete::vms))]
        vm: Option<String>,
        /// Only in these states, with commas between: queued, running, undoing, done, undone, failed, needs_person
        #[arg(long)]
        state: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One job with its journal
    Show {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::jobs))]
        job: String,
    },
    /// Follow a job to its end
    Watch {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::jobs))]
        job: String,
    },
    /// Have a job that needs a person try again, once what hindered it is mended
    Retry {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::jobs))]
        job: String,
    },
    /// Ask a job to stop; what it did is undone
    Cancel {
        /// Identifier
        #[arg(add = ArgValueCompleter::new(complete::jobs))]
        job: String,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List { vm, state, limit } => {
            let vm = match vm {
                Some(vm) => Some(resolve::vm(cx, &vm).await?),
                None => None,
            };
            let answer = cx
                .client
                .jobs(
                    &JobQuery {
                        vm,
                        state,
                        limit: None,
                    },
                    limit,
                )
                .await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["MADE", "KIND", "ABOUT", "STATE", "DOING", "ID"]);
                for job in &list.items {
                    let doing = match job.state.is_open() {
                        true => job.progress.doing.clone(),
                        false => job.error.clone().unwrap_or_default(),
                    };
                    table.row([
                        job.created_at.to_string(),
                        words(job.kind),
                        about(job),
                        words(job.state),
                        doing,
                        job.id.to_string(),
                    ]);
                }
                table.show("No jobs.")
            })
        }
        Command::Show { job } => {
            let id = resolve::job(cx, &job).await?;
            let answer = cx.client.job(id).await?;
            cx.answer(&answer, |job| show(cx, job))
        }
        Command::Watch { job } => {
            let id = resolve::job(cx, &job).await?;
            let job = wait::follow(cx, id, false).await?;
            cx.answer(&job, |job| {
                format!("The {} job is {}.", words(job.kind), words(job.state))
            })?;
            wait::settled(&job)
        }
        Command::Retry { job } => {
            let id = resolve::job(cx, &job).await?;
            let answer = cx.client.retry_job(id).await?;
            cx.answer(&answer, |job| {
                format!("It tries again; it is {} now.", words(job.state))
            })
        }
        Command::Cancel { job } => {
            let id = resolve::job(cx, &job).await?;
            let answer = cx.client.cancel_job(id).await?;
            cx.answer(&answer, |job| {
                format!("Asked to stop; it is {} now.", words(job.state))
            })
        }
    }
}

fn about(job: &Job) -> String {
    let thing = job.vm.as_ref().or(job.image.as_ref()).or(job.host.as_ref());
    or_dash(thing, |thing| thing.name.clone())
}

fn show(cx: &Context, job: &Job) -> String {
    let mut sheet = cx.sheet();
    sheet
        .line("Job", job.id.to_string())
        .line("Kind", words(job.kind))
        .line("State", words(job.state))
        .maybe("VM", job.vm.as_ref().map(|vm| vm.name.as_str()))
        .maybe("Image", job.image.as_ref().map(|image| image.name.as_str()))
        .maybe("Host", job.host.as_ref().map(|host| host.name.as_str()))
        .maybe(
            "Asked by",
            job.created_by.as_ref().map(|by| by.name.as_str()),
        )
        .line("Made", job.created_at.to_string())
        .maybe("Ended", job.ended_at.map(|at| at.to_string()))
        .maybe(
            "Doing",
            Some(job.progress.doing.clone()).filter(|_| job.state.is_open()),
        )
        .maybe("Why", job.error.as_deref());
    let mut table = cx.table(["WHEN", "STEP", "EVENT", "TEXT"]);
    for line in job.journal.iter().flatten() {
        table.row([
            line.at.to_string(),
            line.step.clone(),
            words(line.event),
            line.text.clone(),
        ]);
    }
    format!(
        "{}\n\n{}",
        sheet.show(),
        table.show("Its journal is empty.")
    )
}

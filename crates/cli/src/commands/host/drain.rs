//! Emptying a host, and filling it again.

use crate::{
    complete,
    context::Context,
    exit::{Exit, Fault, Outcome},
    resolve,
    text::{clean, millis, or_dash, words},
};
use bellwether_api::plan::{
    DrainInput, Plan, PlanCancelInput, PlanQuery, PlanState, ResumeInput, StepState,
};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use std::time::Duration;
use uuid::Uuid;

/// How often it is looked how a plan stands.
const LOOK: Duration = Duration::from_secs(1);

/// A host to empty.
#[derive(Args, Debug)]
pub struct Drain {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::hosts))]
    host: String,
    /// Only say which VM would go where, in which order, and who stands in the way
    #[arg(long)]
    dry_run: bool,
    /// Although some VMs can't leave
    #[arg(long, conflicts_with = "dry_run")]
    anyway: bool,
    /// Come back once it began, not when it is over
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
}

/// A host that takes VMs again.
#[derive(Args, Debug)]
pub struct Resume {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::hosts))]
    host: String,
    /// Those go back that the last drain took away
    #[arg(long)]
    bring_home: bool,
    /// Come back once it began, not when it is over
    #[arg(long)]
    no_wait: bool,
}

/// Empties one.
pub async fn drain(args: Drain, cx: &Context) -> Outcome {
    let id = resolve::host(cx, &args.host).await?;
    if args.dry_run {
        let answer = cx.client.drain_prospect(id).await?;
        cx.answer(&answer, |plan| {
            format!("Nothing was moved.\n{}", show(cx, plan))
        })?;
        return match answer.blocked.is_empty() {
            true => Ok(()),
            false => Err(blocked(&answer)),
        };
    }
    let input = DrainInput {
        anyway: args.anyway,
    };
    let answer = cx.client.drain(id, &input).await?;
    if args.no_wait {
        return cx.answer(&answer, |plan| show(cx, plan));
    }
    follow(cx, answer.id).await
}

/// Takes one back.
pub async fn resume(args: Resume, cx: &Context) -> Outcome {
    let id = resolve::host(cx, &args.host).await?;
    let input = ResumeInput {
        bring_home: args.bring_home,
    };
    let answer = cx.client.resume_host(id, &input).await?;
    match &answer.plan {
        Some(plan) if !args.no_wait && !cx.json => follow(cx, plan.id).await,
        _ => cx.answer(&answer, |resumed| {
            let takes = format!("{} takes VMs again.", clean(&resumed.host.name));
            match &resumed.plan {
                Some(plan) => format!("{takes}\n{}", show(cx, plan)),
                None if args.bring_home => format!("{takes} None is to go back."),
                None => takes,
            }
        }),
    }
}

/// Until the plan is over.
async fn follow(cx: &Context, id: Uuid) -> Outcome {
    let mut told = String::new();
    loop {
        let answer = cx.client.plan(id).await?;
        if answer.state != PlanState::Running {
            cx.answer(&answer, |plan| show(cx, plan))?;
            return match answer
                .steps
                .iter()
                .any(|step| step.state == StepState::Left)
            {
                true => Err(Fault::new(Exit::Failed, "Some could not be moved.")),
                false => Ok(()),
            };
        }
        let now = progress(&answer);
        if now != told && !cx.json {
            eprintln!("{now}");
            told = now;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn progress(plan: &Plan) -> String {
    let of = |state: StepState| {
        let steps = plan.steps.iter().filter(|step| step.state == state);
        steps.map(|step| clean(&step.vm.name)).collect::<Vec<_>>()
    };
    let moving = of(StepState::Moving);
    format!(
        "{} of {} moved{}",
        of(StepState::Done).len(),
        plan.steps.len(),
        match moving.is_empty() {
            true => String::new(),
            false => format!("; moving {}", moving.join(", ")),
        }
    )
}

fn blocked(plan: &Plan) -> Fault {
    let details = plan
        .blocked
        .iter()
        .map(|one| format!("{}: {} {}", one.vm.name, one.why.join(" "), one.unblock));
    Fault::new(Exit::Refused, "Not all can leave.").with_details(details.collect())
}

/// A plan in lines.
fn show(cx: &Context, plan: &Plan) -> String {
    let mut table = cx.table(["VM", "FROM", "TO", "STATE", "BEGINS", "ENDS", "WHY"]);
    for step in &plan.steps {
        table.row([
            step.vm.name.clone(),
            step.from.name.clone(),
            step.to.name.clone(),
            words(step.state),
            millis(step.start_ms),
            millis(step.end_ms),
            or_dash(step.why.clone(), |why| why),
        ]);
    }
    let mut said = format!(
        "{}\n{} of {}: about {} in all, no plan takes less than {}.",
        table.show("Nothing has to move."),
        words(plan.kind),
        clean(&plan.host.name),
        millis(plan.forecast_ms),
        millis(plan.bound_ms)
    );
    for one in &plan.blocked {
        said += &format!(
            "\n{} can't leave: {} {}",
            clean(&one.vm.name),
            clean(&one.why.join(" ")),
            clean(&one.unblock)
        );
    }
    said
}

/// What to do with plans that are kept.
#[derive(Subcommand, Debug)]
pub enum Plans {
    /// Plans, newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One plan
    Show {
        /// Identifier
        plan: Uuid,
    },
    /// Begin no more of its moves (admins)
    Cancel {
        /// Identifier
        plan: Uuid,
        /// Cancel what is under way, too
        #[arg(long)]
        moves_too: bool,
    },
}

/// Does it.
pub async fn plans(command: Plans, cx: &Context) -> Outcome {
    match command {
        Plans::List { limit } => {
            let answer = cx.client.plans(&PlanQuery { limit: Some(limit) }).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["BEGAN", "WHAT", "HOST", "STATE", "MOVED", "ID"]);
                for plan in &list.items {
                    let done =
                        |step: &&bellwether_api::plan::PlanStep| step.state == StepState::Done;
                    table.row([
                        plan.created_at.to_string(),
                        words(plan.kind),
                        plan.host.name.clone(),
                        words(plan.state),
                        format!(
                            "{} of {}",
                            plan.steps.iter().filter(done).count(),
                            plan.steps.len()
                        ),
                        plan.id.to_string(),
                    ]);
                }
                table.show("No plans.")
            })
        }
        Plans::Show { plan } => {
            let answer = cx.client.plan(plan).await?;
            cx.answer(&answer, |plan| show(cx, plan))
        }
        Plans::Cancel { plan, moves_too } => {
            let answer = cx
                .client
                .cancel_plan(plan, &PlanCancelInput { moves_too })
                .await?;
            cx.answer(&answer, |plan| show(cx, plan))
        }
    }
}

//! What can be done with a VM.

use super::vm::{Acted, Named};
use crate::{
    ask, complete,
    context::Context,
    exit::{Exit, Fault, Outcome},
    resolve,
    text::{TypedDay, bytes, clean, expected_ms, millis, or_unknown, words},
    wait::{self, Wait},
};
use bellwether_api::{
    client::Answer,
    migration::{Convergence, Forecast, MigrationChoices, MigrationInput, TargetChoice, Verdict},
    migration_policy::MovesByInput,
    vm::{LeaseInput, PowerAction, PowerInput},
};
use clap::Args;
use clap_complete::ArgValueCompleter;
use uuid::Uuid;

/// Starts, stops or reboots.
pub async fn power(acted: Acted, action: PowerAction, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &acted.vm).await?;
    let answer = cx.client.power(id, &PowerInput { action }).await?;
    let done = match action {
        PowerAction::Start => "It runs.",
        PowerAction::Shutdown => "It is shut off.",
        PowerAction::ForceOff => "It is off.",
        PowerAction::Reboot => "It was told to reboot.",
    };
    wait::finish(cx, acted.wait, answer.id, &answer.text, done).await
}

/// What to delete.
#[derive(Args, Debug)]
pub struct Delete {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::vms))]
    vm: String,
    /// The VM's exact name, to go on without being asked
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

/// Removes a VM.
pub async fn delete(args: Delete, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &args.vm).await?;
    let vm = cx.client.vm(id).await?;
    let what = format!(
        "{} of {} with its {} GiB disk and everything on it will be gone.",
        clean(&vm.name),
        clean(&vm.owner.name),
        vm.disk_gib
    );
    let confirm = ask::confirmation(args.confirm, &what, &vm.name)?;
    let answer = cx.client.delete_vm(id, &confirm).await?;
    let done = format!("{} is gone; its disk and address are free.", vm.name);
    wait::finish(cx, args.wait, answer.id, &answer.text, &done).await
}

/// Moves the end of the lease.
pub async fn extend(named: Named, until: TypedDay, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &named.vm).await?;
    let until = match &until {
        TypedDay::Literal(day) => day.clone(),
        relative => relative.from(cx.client.vm(id).await?.lease_until),
    };
    let answer = cx.client.extend(id, &LeaseInput { until }).await?;
    cx.answer(&answer, |vm| {
        format!(
            "The lease of {} lasts until {}, that day included.",
            vm.name, vm.lease_until
        )
    })
}

/// Takes the first password.
pub async fn password(named: Named, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &named.vm).await?;
    let answer = cx.client.first_password(id).await?;
    match &answer.password {
        Some(password) => cx.answer(&answer, |_| password.expose().into()),
        None => Err(Fault::new(
            Exit::NotFound,
            "There is no first password: an SSH key was given, or it was taken before.",
        )),
    }
}

/// Opens the screen.
pub async fn screen(named: Named, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &named.vm).await?;
    let answer = cx.client.screen(id).await?;
    cx.answer(&answer, |screen| {
        let there = match screen.address.contains(':') {
            true => format!("[{}]", screen.address),
            false => screen.address.to_string(),
        };
        let mut sheet = cx.sheet();
        sheet
            .line("Host", &screen.host.name)
            .line(
                "VNC",
                format!(
                    "{}, port {} (as seen on the host)",
                    screen.address, screen.port
                ),
            )
            .line(
                "From elsewhere",
                format!(
                    "ssh -N -L {port}:{there}:{port} {}, then a viewer on 127.0.0.1, port {port}",
                    screen.host.name,
                    port = screen.port
                ),
            )
            .line("Password", screen.password.expose())
            .line("Until", screen.until.to_string());
        sheet.show()
    })
}

/// Where to move.
#[derive(Args, Debug)]
#[command(
    after_help = "Without --to the best host is chosen. --dry-run prints each host with its pre-flight checks, the best
first, and moves nothing; its exit code is 3 where the move is not possible."
)]
pub struct Migrate {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::vms))]
    vm: String,
    /// To this host
    #[arg(long, value_name = "HOST", conflicts_with = "best", add = ArgValueCompleter::new(complete::hosts))]
    to: Option<String>,
    /// To the best host (the default)
    #[arg(long)]
    best: bool,
    /// By this policy, instead of the VM's own
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::migration_policies))]
    policy: Option<String>,
    /// Only say what would be checked and found
    #[arg(long, conflicts_with = "no_wait")]
    dry_run: bool,
    /// Progress as a line of figures at every look, instead of one line that changes
    #[arg(long, conflicts_with = "no_wait")]
    watch: bool,
    #[command(flatten)]
    wait: Wait,
}

/// By what its policy for moves is chosen.
#[derive(Args, Debug)]
pub struct MovesBy {
    /// Name or identifier
    #[arg(add = ArgValueCompleter::new(complete::vms))]
    vm: String,
    /// The policy; without one its labels choose it, or it is the usual one
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::migration_policies))]
    policy: Option<String>,
    /// A label; may be given several times, and replaces those it had
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
}

/// Says by what a VM's policy for moves is chosen.
pub async fn moves_by(args: MovesBy, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &args.vm).await?;
    let input = MovesByInput {
        policy: args.policy,
        labels: args.label,
    };
    let answer = cx.client.set_vm_migration_policy(id, &input).await?;
    cx.answer(&answer, |vm| {
        format!(
            "{} moves by {}; labels: {}.",
            clean(&vm.name),
            vm.migration_policy.as_deref().map_or_else(
                || "the policy of its labels, or the usual one".into(),
                |name| format!("'{}'", clean(name))
            ),
            match vm.labels.is_empty() {
                true => "none".into(),
                false => clean(&vm.labels.join(", ")),
            }
        )
    })
}

/// Moves a VM live.
pub async fn migrate(args: Migrate, cx: &Context) -> Outcome {
    let id = resolve::vm(cx, &args.vm).await?;
    let target = match &args.to {
        Some(host) => Some(resolve::host(cx, host).await?),
        None => None,
    };
    if args.dry_run {
        let answer = cx
            .client
            .migration_targets(id, args.policy.as_deref())
            .await?;
        return dry_run(cx, &answer, target);
    }
    let started = cx
        .client
        .migrate(
            id,
            &MigrationInput {
                target,
                policy: args.policy,
            },
        )
        .await?;
    if args.wait.no_wait {
        return wait::finish(cx, args.wait, started.job.id, &started.text, "").await;
    }
    let job = wait::follow(cx, started.job.id, args.watch).await?;
    let migration = cx.client.migration(started.migration.id).await?;
    if cx.json {
        cx.raw(&migration.text)?;
        return wait::settled(&job);
    }
    wait::settled(&job)?;
    let foretold = migration
        .forecast
        .as_ref()
        .map_or_else(String::new, |forecast| {
            let total = expected_ms(&forecast.total_ms);
            format!(
                " Expected were {total} and {}.",
                expected_ms(&forecast.downtime_ms)
            )
        });
    cx.say(&format!(
        "{} runs on {} now: {} in all, standing still for {}.{foretold}",
        migration.vm.name,
        migration.target.name,
        or_unknown(migration.total_ms, millis),
        or_unknown(migration.downtime_ms, millis),
    ))
}

/// What a move would take, in lines.
fn foretold(forecast: &Forecast) -> String {
    let ends = match forecast.convergence {
        Convergence::Converges => "it ends by itself",
        Convergence::NeedsThrottling => "it ends only if the guest is held back",
        Convergence::WillNot => "it does not end while the guest writes so much",
    };
    let mut lines = format!(
        "takes about {}, standing still for {}; {} are sent; {ends}\n",
        expected_ms(&forecast.total_ms),
        expected_ms(&forecast.downtime_ms),
        bytes(forecast.sent_bytes.middle)
    );
    for sentence in &forecast.basis {
        lines += &format!("  {}\n", clean(sentence));
    }
    lines
}

fn dry_run(cx: &Context, answer: &Answer<MigrationChoices>, target: Option<Uuid>) -> Outcome {
    let meant: Vec<&TargetChoice> = answer
        .targets
        .iter()
        .filter(|t| target.is_none_or(|id| t.host.id == id))
        .collect();
    cx.answer(answer, |choices| {
        let mut parts = vec![clean(&format!(
            "{} runs on {} and would move by '{}'. Nothing was moved.",
            choices.vm.name, choices.source.name, choices.policy.name
        ))];
        for choice in &meant {
            let mut table = cx.table(["CHECK", "FOUND", "IN WORDS"]);
            for check in &choice.checks {
                table.row([words(&check.name), words(check.verdict), check.text.clone()]);
            }
            let verdict = match (choice.possible, choice.copy_disk) {
                (false, _) => "not possible",
                (true, true) => "possible, with a copy of its disk",
                (true, false) => "possible",
            };
            let mut part = format!("{}: {verdict}\n", clean(&choice.host.name));
            if let Some(forecast) = &choice.forecast {
                part += &foretold(forecast);
            }
            if let Some(how) = &choice.mechanism {
                part += &format!("  {}\n", clean(&how.why));
            }
            parts.push(part + &table.show("Nothing to check."));
        }
        parts.join("\n\n")
    })?;
    if meant.iter().any(|choice| choice.possible) {
        return Ok(());
    }
    let details = meant.iter().map(|choice| {
        let failed: Vec<&str> = choice
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Fail)
            .map(|check| check.text.as_str())
            .collect();
        format!("{}: {}", choice.host.name, failed.join("; "))
    });
    Err(Fault::new(Exit::Refused, "It can't be moved there.").with_details(details.collect()))
}

//! `plan`: what Bellwether would decide about a fleet in a file, without a server.

use crate::{
    exit::{Exit, Fault, Outcome},
    table::{Style, Table},
    text::clean,
};
use bellwether_decide::order::{
    Budget,
    file::{Ordered, Placed, read},
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{io::Read, path::PathBuf, time::Instant};

/// What to plan.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Put the moves of a file in order, so that the last ends as soon as the links allow
    Order(Order),
}

const EXAMPLES: &str = "\
Examples:
  bellwether plan order moves.json
  bellwether plan order moves.json --json | jq .makespan_s

The file is JSON, of one of two kinds:
  Bellwether's own: {\"hosts\": [{\"name\", \"memory_mib\", \"link_mbit\", \"vcpus\"?, \"disk_mib\"?, \"may_lend\"?}],
    \"vms\": [{\"name\", \"host\", \"memory_mib\", \"vcpus\"?, \"disk_mib\"?, \"used_mib\"?, \"hot_mib\"?, \"hot_within_s\"?,
    \"cold_mib_per_s\"?, \"apart\"?: [group]}], \"moves\": [{\"vm\", \"to\"}]}
  BtrPlace's plans (origin, actions): which VM goes where is read, when is worked out anew; the first half
    of the hosts has links of 500 Mbit/s, the others of 1000, as published with them.

A move takes what both ends' links can carry for as long as it lasts; its VM holds its room on the target
from the start and frees it on the source at the end.";

/// Which file, and how much may be spent on it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Order {
    /// The file; - is standard input
    file: PathBuf,
    /// Starts of moves that may be tried: the same number gives the same plan on any machine
    #[arg(long, default_value_t = Budget::default().starts)]
    evaluations: u64,
    /// Where the search begins
    #[arg(long, default_value_t = Budget::default().seed)]
    seed: u64,
}

/// Does it; no server is asked.
pub fn run(command: &Command, as_json: bool) -> Outcome {
    let Command::Order(order) = command;
    let text = text_of(order)?;
    let wanted = read(&text).map_err(|error| Fault::usage(error.message))?;
    let began = Instant::now();
    let ordered = wanted.order(Budget {
        starts: order.evaluations,
        seed: order.seed,
    });
    let search_ms = began.elapsed().as_secs_f64() * 1e3;
    if as_json {
        let told = Told {
            ordered: &ordered,
            search_ms,
        };
        let json = serde_json::to_string_pretty(&told)
            .map_err(|error| Fault::new(Exit::Failed, error.to_string()))?;
        println!("{json}");
    } else {
        print!("{}", shown(&ordered));
    }
    Ok(())
}

/// With how long it took.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    ordered: &'a Ordered,
    search_ms: f64,
}

fn text_of(order: &Order) -> Outcome<String> {
    let mut text = String::new();
    let read = if order.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(&order.file).and_then(|mut file| file.read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::usage(format!(
            "{} can't be read: {error}.",
            order.file.display()
        ))),
    }
}

/// Characters of the picture.
const WIDE: usize = 48;

/// A line for each move, with when it runs drawn behind it.
fn shown(plan: &Ordered) -> String {
    // Bars are to stand below each other, however narrow the terminal is.
    let style = Style {
        colour: false,
        fit: false,
    };
    let mut table = Table::new(style, ["VM", "FROM", "TO", "MBIT/S", "SECONDS", ""]);
    for step in &plan.steps {
        let on = if step.detour { ", and on" } else { "" };
        table.row([
            step.vm.to_string(),
            step.from.to_string(),
            step.to.to_string() + on,
            step.mbit.to_string(),
            format!("{:.1}–{:.1}", step.start_s, step.end_s),
            bar(step, plan.makespan_s),
        ]);
    }
    let mut out = table.show("Nothing moves.") + "\n";
    for left in &plan.left {
        out += &format!("left: {}\n", clean(&left.why));
    }
    if !plan.steps.is_empty() {
        out += &format!(
            "All in {:.1} s; the links allow no less than {:.1} s.\n",
            plan.makespan_s, plan.bound_s
        );
    }
    out
}

fn bar(step: &Placed, whole: f64) -> String {
    let at =
        |seconds: f64| ((seconds / whole.max(f64::MIN_POSITIVE)) * WIDE as f64).round() as usize;
    let (start, end) = (at(step.start_s), at(step.end_s));
    " ".repeat(start) + &"█".repeat((end - start.min(end)).max(1))
}

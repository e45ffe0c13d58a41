//! `top`: the whole fleet, or one host, as it uses what it has: a screen that is kept up to date, or the same for scripts.

mod batch;
mod column;
mod draw;
mod frame;
mod screen;
mod state;

use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
};
use clap::Args;
use clap_complete::ArgValueCompleter;
use column::Column;
use state::State;
use std::{io::IsTerminal, time::Duration};

const EXAMPLES: &str = "\
Examples:
  bellwether top                          # a screen; q ends it, ? says which keys there are
  bellwether top --host host1 --sort wait
  bellwether top --csv --count 60 --delay 10 > an-hour-ago-until-now.csv
  bellwether top --json | jq -r '.vms[] | select(.wait_share > 0.1) | .name'

%CPU and %WAIT are of the VM's own vCPUs: what it used, and what it was ready to use but had to
wait for; %MEM is what the guest uses of its memory. A ? is unknown, a - is off.";

/// What to show, and how.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    /// Only what is on this host
    #[arg(long, add = ArgValueCompleter::new(complete::hosts))]
    host: Option<String>,
    /// Begin with the hosts instead of the VMs
    #[arg(long)]
    hosts: bool,
    /// Sort by this column
    #[arg(long, value_enum, default_value_t = Column::Cpu)]
    sort: Column,
    /// Only VMs whose name, owner or host holds this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = delay)]
    delay: f64,
    /// So many looks, 0 for no end (default: one in --batch, --csv and --json, else no end)
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Print a table for each look instead of a screen (also where the output is no terminal)
    #[arg(long, conflicts_with = "csv")]
    batch: bool,
    /// Print a line of CSV for each VM and look
    #[arg(long)]
    csv: bool,
    /// No colours
    #[arg(long)]
    no_color: bool,
}

fn delay(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.2..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.2 to 3600".into()),
    }
}

/// Shows it.
pub async fn run(top: Top, cx: &Context) -> Outcome {
    if cx.json && (top.batch || top.csv) {
        return Err(Fault::usage("--json goes with neither --batch nor --csv."));
    }
    let delay = Duration::from_secs_f64(top.delay);
    let mut state = State::new(top.host.clone(), top.sort, top.filter.clone());
    if top.hosts {
        state.show_hosts();
    }
    let format = match (cx.json, top.csv) {
        (true, _) => Some(batch::Format::Json),
        (_, true) => Some(batch::Format::Csv),
        _ if top.batch || !std::io::stdout().is_terminal() => Some(batch::Format::Table),
        _ => None,
    };
    match format {
        Some(format) => {
            let count = top.count.unwrap_or(1);
            batch::run(cx, &mut state, format, delay, count).await
        }
        None => {
            let colour = cx.style.colour && !top.no_color;
            screen::run(cx, state, colour, delay, top.count.unwrap_or(0)).await
        }
    }
}

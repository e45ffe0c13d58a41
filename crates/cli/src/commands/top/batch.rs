//! For scripts: a table, lines of CSV, or a line of JSON for each look.

use super::{
    column::Column,
    draw,
    frame::{Frame, HostRow},
    state::{State, View},
};
use crate::{
    context::Context,
    exit::{Exit, Fault, Outcome},
};
use std::{
    io::{self, Write},
    time::Duration,
};

/// How a look is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Csv,
    Json,
}

/// Looks `count` times, 0 for no end, and prints each.
pub async fn run(
    cx: &Context,
    state: &mut State,
    format: Format,
    delay: Duration,
    count: u64,
) -> Outcome {
    let mut every = tokio::time::interval(delay);
    let mut looks = 0;
    while count == 0 || looks < count {
        every.tick().await;
        state.take(Frame::ask(cx).await?);
        let text = match format {
            Format::Table => table(cx, state),
            Format::Csv => csv(state, looks == 0),
            Format::Json => json(state)?,
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Who read it has had enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(Fault::new(Exit::Failed, format!("Can't write: {e}."))),
        }
        looks += 1;
    }
    Ok(())
}

/// The first line of a table: when, how many, and what of the hosts is used.
pub(super) fn summary(frame: &Frame) -> String {
    let live = frame.vms.iter().filter(|vm| vm.power.is_live()).count();
    let mut parts = vec![format!("{} VMs, {live} run", frame.vms.len())];
    if !frame.hosts.is_empty() {
        let up = frame
            .hosts
            .iter()
            .filter(|host| host.health == "ready")
            .count();
        parts.insert(0, format!("{up} of {} hosts ready", frame.hosts.len()));
        // What is not known of any host is not nothing.
        let sum = |of: fn(&HostRow) -> Option<f64>| {
            let known: Vec<f64> = frame.hosts.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>())
        };
        let or_unknown =
            |value: Option<f64>| value.map_or_else(|| "?".into(), |value| format!("{value:.1}"));
        let cores: u32 = frame.hosts.iter().map(|host| host.cores).sum();
        let memory: u64 = frame.hosts.iter().map(|host| host.memory_mib).sum();
        let used_memory = sum(|host| host.used_memory_mib.map(|mib| mib as f64 / 1024.0));
        parts.push(format!(
            "{} of {cores} cores",
            or_unknown(sum(|host| host.used_cores))
        ));
        parts.push(format!(
            "{} of {:.1} GiB",
            or_unknown(used_memory),
            memory as f64 / 1024.0
        ));
    }
    format!("{}  {}", frame.at, parts.join(", "))
}

fn table(cx: &Context, state: &State) -> String {
    let mut text = summary(&state.frame) + "\n";
    let shown = if state.view == View::Hosts {
        let mut table = cx.table(draw::HOST_TITLES);
        for host in &state.frame.hosts {
            table.row(draw::host_cells(host));
        }
        table.show("There are no hosts.")
    } else {
        let mut table = cx.table(Column::ALL.map(Column::title));
        for vm in state.vms() {
            table.row(Column::ALL.map(|column| column.cell(vm)));
        }
        table.show("There are no VMs.")
    };
    text.push_str(&shown);
    text.push_str("\n\n");
    text
}

const CSV_HEAD: &str = "at,host,uuid,name,owner,state,vcpus,cpu_share,wait_share,memory_mib,used_memory_mib,\
     disk_read_bytes_per_second,disk_written_bytes_per_second,received_bytes_per_second,sent_bytes_per_second,cpu_seconds,lease_until\n";

fn csv(state: &State, with_head: bool) -> String {
    let mut text = String::new();
    if with_head {
        text.push_str(CSV_HEAD);
    }
    for vm in state.vms() {
        let figure = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let cells = [
            state.frame.at.clone(),
            vm.host.clone(),
            vm.uuid.to_string(),
            vm.name.clone(),
            vm.owner.clone().unwrap_or_default(),
            vm.power.to_string(),
            vm.vcpus.to_string(),
            figure(vm.cpu_share),
            figure(vm.wait_share),
            vm.memory_mib.to_string(),
            vm.used_memory_mib
                .map_or_else(String::new, |mib| mib.to_string()),
            figure(vm.disk_read_bytes_per_second),
            figure(vm.disk_written_bytes_per_second),
            figure(vm.received_bytes_per_second),
            figure(vm.sent_bytes_per_second),
            figure(vm.cpu_seconds),
            vm.lease_until.clone().unwrap_or_default(),
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push('\n');
    }
    text
}

/// A cell as RFC 4180 has it.
fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.into(),
    }
}

/// Only what the table would show.
fn json(state: &State) -> Outcome<String> {
    let rest = Frame {
        vms: Vec::new(),
        ..state.frame.clone()
    };
    let mut value = serde_json::to_value(&rest).map_err(unwritten)?;
    value["vms"] = serde_json::to_value(state.vms()).map_err(unwritten)?;
    Ok(format!("{value}\n"))
}

fn unwritten(error: serde_json::Error) -> Fault {
    Fault::new(Exit::Failed, format!("Can't write JSON: {error}."))
}

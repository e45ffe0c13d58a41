//! `bellwether-lab`: several libvirt hosts on one machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bellwether_lab::{DEFAULT_STATE, Kernel, Lab, LabName, Options, Status, story};
use clap::{Parser, Subcommand};

/// Several libvirt hosts on one machine, to try Bellwether and to test it.
#[derive(Parser)]
#[command(name = "bellwether-lab", version)]
struct Arguments {
    /// Name of the lab; labs of different names live side by side
    #[arg(long, default_value = "lab", global = true)]
    name: LabName,
    /// Folder below which labs are kept
    #[arg(long, value_name = "DIR", env = "BELLWETHER_LAB_STATE", default_value = DEFAULT_STATE, global = true)]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the lab, or start what does not run of it
    Up {
        /// How many hosts
        #[arg(long, default_value_t = 2)]
        hosts: u8,
        /// Cores of a host: one value for all, or one for each (1,0.5)
        #[arg(long, value_delimiter = ',')]
        cores: Vec<f64>,
        /// Memory of a host in MiB: one value for all, or one for each
        #[arg(long, value_name = "MIB", value_delimiter = ',')]
        memory: Vec<u64>,
        /// Emulate, even where KVM works (also: BELLWETHER_LAB_TCG=1)
        #[arg(long)]
        tcg: bool,
    },
    /// Remove the lab with everything in it
    Down,
    /// Show what the lab is made of and what runs of it
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Cut a host off its networks
    Cut { host: String },
    /// Connect a host again
    Heal { host: String },
    /// Build the test image, unless it is there, and print its path
    Image {
        /// Copy it to this file as well
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Which kernel: `cloud` knows virtio only, `generic` SATA and e1000 as well but starts slower
        #[arg(long, value_enum, default_value = "cloud")]
        kernel: Kernel,
    },
    /// Limit a host's management link, which carries migrations
    Rate {
        host: String,
        /// Mbit/s each way; 0 lifts the limit
        mbit: u32,
    },
    /// Tell the whole story on this lab: register, request, approve, boot, graph, live migration
    Story(story::Arguments),
    /// Measure what the server costs: VMs made and moved by it, beside the same by hand
    Bench(story::bench::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bellwether-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        name,
        state,
        command,
    } = arguments;
    let lab = || {
        Lab::load(&state, &name)?
            .with_context(|| format!("there is no lab {name} in {}", state.display()))
    };
    match command {
        Command::Up {
            hosts,
            cores,
            memory,
            tcg,
        } => {
            let mut options = Options::new(name, hosts);
            options.base = state;
            options.cores = cores;
            options.memory_mib = memory;
            options.tcg |= tcg;
            print(&bellwether_lab::status(bellwether_lab::up(&options)?));
        }
        Command::Down => bellwether_lab::down(&state, &name)?,
        Command::Status { json } => {
            let status = bellwether_lab::status(lab()?);
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                print(&status);
            }
            return Ok(if status.running {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(3)
            });
        }
        Command::Image { out, kernel } => {
            let image = bellwether_lab::test_image(kernel, &bellwether_lab::cache_folder())?;
            if let Some(out) = &out {
                std::fs::copy(&image, out)
                    .with_context(|| format!("cannot write {}", out.display()))?;
            }
            println!("{}", out.unwrap_or(image).display());
        }
        Command::Story(story) => {
            let mut options = Options::new(name, story::HOSTS);
            options.base = state;
            return Ok(if story::tell(&story.options(options)?)?.ok {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Bench(arguments) => {
            let mut options = Options::new(name, story::HOSTS);
            options.base = state;
            story::bench::measure(&arguments, &options)?;
        }
        Command::Cut { host } => lab()?.cut(&host)?,
        Command::Heal { host } => lab()?.heal(&host)?,
        Command::Rate { host, mbit } => lab()?.rate(&host, (mbit > 0).then_some(mbit))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(status: &Status) {
    let lab = &status.lab;
    println!(
        "lab {}: {}, guests run under {}",
        lab.name,
        if status.running {
            "running"
        } else {
            "not all of it runs"
        },
        if lab.kvm { "KVM" } else { "emulation (TCG)" }
    );
    println!(
        "  guests      {} on bridge {}, gateway {} (this machine), {} to {} to give away",
        lab.guests.cidr, lab.guests.bridge, lab.guests.gateway, lab.guests.first, lab.guests.last
    );
    println!(
        "  management  {}, this machine is {}",
        lab.management.cidr, lab.management.machine
    );
    for lacking in &lab.lacking {
        println!("  note: {lacking}");
    }
    for (host, live) in lab.hosts.iter().zip(&status.live) {
        let mut notes = vec![if live.running {
            "running".to_owned()
        } else {
            "NOT RUNNING".to_owned()
        }];
        if !live.connected {
            notes.push("cut off".to_owned());
        }
        notes.extend(
            live.rate_mbit
                .map(|mbit| format!("link limited to {mbit} Mbit/s")),
        );
        notes.extend(
            live.vms
                .as_ref()
                .filter(|vms| !vms.is_empty())
                .map(|vms| format!("VMs {}", vms.join(", "))),
        );
        println!(
            "  {:<8} {}  {} cores, {} MiB  {}",
            host.name,
            host.address,
            host.cores,
            host.memory_mib,
            notes.join(", ")
        );
        println!("           {}", host.uris.local);
    }
}

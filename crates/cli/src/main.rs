//! bellwether: the command line of Bellwether, over REST only.

mod ask;
mod commands;
mod complete;
mod config;
mod context;
mod exit;
mod resolve;
mod table;
mod text;
mod wait;

use clap::{CommandFactory, Parser};
use commands::Command;
use context::{Context, Global};
use std::process::ExitCode;

/// Ask for virtual machines, and run the fleet they live on
#[derive(Parser, Debug)]
#[command(
    name = "bellwether",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = EXAMPLES, after_long_help = MANUAL)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bellwether --server https://cloud.example.org login ada
  bellwether request create web --image 'Debian 12' --memory 2GiB --disk 20GiB --vcpus 2 \\
      --until +30d --purpose 'Course web server' --ssh-key ~/.ssh/id_ed25519.pub
  bellwether vm list
  bellwether request approve ada/web          # as an administrator
  bellwether vm migrate ada/web --best --dry-run

--help tells more: names, waiting, JSON, the environment, exit codes.";

const MANUAL: &str = "\
Examples:
  bellwether --server https://cloud.example.org login ada
  bellwether request create web --image 'Debian 12' --memory 2GiB --disk 20GiB --vcpus 2 \\
      --until +30d --purpose 'Course web server' --ssh-key ~/.ssh/id_ed25519.pub
  bellwether request list --state pending     # as an administrator, and the next two
  bellwether request approve ada/web
  bellwether vm migrate ada/web --best --dry-run
  bellwether vm list --json | jq -r '.items[] | select(.state == \"running\") | .address'
  source <(bellwether completions bash)

Names:
  Wherever a thing is named, its name, its identifier or the beginning of its identifier (four
  characters or more) will do; VMs and requests of others can be written LOGIN/NAME. What could be
  several things is refused, with the candidates.

Waiting:
  What takes time is a job on the server. Commands wait for its end and show progress on standard
  error; with --no-wait they return once it is accepted. Interrupting the command leaves the job
  running: `bellwether job watch` takes it up again, `bellwether job cancel` stops it.

JSON:
  With --json standard output is the server's JSON as it came (of a list all parts together; of a
  waited-for job its end), and a failure is a problem document (RFC 9457) on standard error.

Environment:
  BELLWETHER_SERVER      the server's address
  BELLWETHER_TOKEN       an API token
  BELLWETHER_TOKEN_FILE  a file that holds one
  BELLWETHER_CA_FILE     one more certificate authority to trust
  NO_COLOR               no colours (they are for terminals only, anyway)
  XDG_CONFIG_HOME        where bellwether/config.toml keeps the login (else ~/.config)

Exit codes:
  0  done
  1  it was tried and failed: a job failed, the server has a fault
  2  what was typed is not acceptable
  3  refused: a conflict with what is there, no room, too much asked for
  4  there is no such thing
  5  not logged in, or not allowed
  6  the server can't be reached, or a part it needs does not answer
  130  interrupted while waiting; the job goes on";

fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: can't start: {e}");
            return ExitCode::from(exit::Exit::Failed as u8);
        }
    };
    let ended = runtime.block_on(async {
        if let Command::Completions { shell } = cli.command {
            return commands::completions::print(shell);
        }
        if let Command::Plan(plan) = &cli.command {
            return commands::plan::run(plan, cli.global.json);
        }
        let cx = Context::new(&cli.global)?;
        commands::run(cli.command, &cx).await
    });
    // A prompt may still wait on a thread of the runtime; nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            fault.tell(cli.global.json);
            ExitCode::from(fault.exit as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }
}

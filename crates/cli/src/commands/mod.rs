//! The commands, one file a noun.

mod alert;
pub mod completions;
mod fleet;
mod host;
mod image;
mod job;
mod members;
mod metrics;
mod migration;
mod network;
mod people;
pub mod plan;
mod policy;
mod record;
mod request;
mod storage;
mod top;
mod user;
mod vm;
mod vm_act;

use crate::{context::Context, exit::Outcome};
use clap::Subcommand;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Log in: makes an API token and keeps it for this server
    Login(people::Login),
    /// Log out: revokes the token and forgets it
    Logout,
    /// Make an account
    Register(people::Register),
    /// Show who is logged in, where
    Whoami,
    /// Change your password (asks for the old and the new; or two lines of standard input)
    Password {
        /// End your API tokens as well, but for the one in use here
        #[arg(long)]
        end_api_tokens: bool,
    },
    /// Your sessions and API tokens
    #[command(subcommand)]
    Token(people::TokenCommand),
    /// Requests for VMs: ask, withdraw; consider, approve, refuse
    #[command(subcommand)]
    Request(request::Command),
    /// VMs: show, start, stop, extend, get in, move live, delete
    #[command(subcommand)]
    Vm(Box<vm::Command>),
    /// Images: what a disk starts from
    #[command(subcommand)]
    Image(image::Command),
    /// Jobs: work that runs on the server, in steps
    #[command(subcommand)]
    Job(job::Command),
    /// Live migrations that were made (admins; `vm migrate` makes one)
    #[command(subcommand)]
    Migration(migration::Command),
    /// Alerts: what somebody should know, and silence (admins)
    #[command(subcommand)]
    Alert(alert::Command),
    /// Every host with every VM on it, as last seen (admins)
    Fleet,
    /// What uses how much, on a screen that is kept up to date, or for scripts
    Top(top::Top),
    /// Hosts that run libvirt (admins)
    #[command(subcommand)]
    Host(host::Command),
    /// Storages: sets of pools (admins)
    #[command(subcommand)]
    Storage(storage::Command),
    /// Networks guests attach to (admins)
    #[command(subcommand)]
    Network(network::Command),
    /// People (admins)
    #[command(subcommand)]
    User(user::Command),
    /// The policy: limits, overcommit, leases
    #[command(subcommand)]
    Policy(policy::Command),
    /// Plans about a fleet in a file, without a server
    #[command(subcommand)]
    Plan(plan::Command),
    /// Who did what, newest first (admins)
    Audit(record::Audit),
    /// Follow live events until interrupted
    Events(record::Events),
    /// What the server is
    Server {
        /// Its tasks as well (admins)
        #[arg(long)]
        tasks: bool,
    },
    /// Print the completion script for a shell; it completes names by asking the server
    #[command(
        after_help = "Put it into the shell's start-up file:\n  bash  source <(bellwether completions bash)\n  zsh   source <(bellwether completions zsh)\n  fish  bellwether completions fish | source"
    )]
    Completions {
        /// The shell
        shell: completions::Shell,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::Login(args) => people::login(args, cx).await,
        Command::Logout => people::logout(cx).await,
        Command::Register(args) => people::register(args, cx).await,
        Command::Whoami => people::whoami(cx).await,
        Command::Password { end_api_tokens } => people::password(cx, end_api_tokens).await,
        Command::Token(command) => people::token(command, cx).await,
        Command::Request(command) => request::run(command, cx).await,
        Command::Vm(command) => vm::run(*command, cx).await,
        Command::Image(command) => image::run(command, cx).await,
        Command::Job(command) => job::run(command, cx).await,
        Command::Migration(command) => migration::run(command, cx).await,
        Command::Alert(command) => alert::run(command, cx).await,
        Command::Fleet => fleet::run(cx).await,
        Command::Top(args) => top::run(args, cx).await,
        Command::Host(command) => host::run(command, cx).await,
        Command::Storage(command) => storage::run(command, cx).await,
        Command::Network(command) => network::run(command, cx).await,
        Command::User(command) => user::run(command, cx).await,
        Command::Policy(command) => policy::run(command, cx).await,
        Command::Audit(args) => record::audit(args, cx).await,
        Command::Events(args) => record::events(args, cx).await,
        Command::Server { tasks } => record::server(tasks, cx).await,
        Command::Plan(command) => plan::run(&command, cx.json),
        Command::Completions { shell } => completions::print(shell),
    }
}

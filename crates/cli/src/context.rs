//! What every command works with: the client, and how to answer.

use crate::{
    config::{self, Config},
    exit::{Exit, Fault, Outcome},
    table::{Sheet, Style, Table},
    text::clean,
};
use bellwether_api::{
    Secret,
    client::{Answer, Client, Settings},
};
use clap::Args;
use std::{
    env, fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

/// The server used when none is named.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// The server's address; else the one last logged in to, else http://127.0.0.1:8080
    #[arg(
        long,
        global = true,
        env = "BELLWETHER_SERVER",
        value_name = "URL",
        help_heading = "Everywhere"
    )]
    pub server: Option<String>,
    /// File with the API token; else BELLWETHER_TOKEN, else what `login` kept. A token is never an argument
    #[arg(
        long,
        global = true,
        env = "BELLWETHER_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub token_file: Option<PathBuf>,
    /// One more certificate authority to trust, PEM
    #[arg(
        long,
        global = true,
        env = "BELLWETHER_CA_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub ca_file: Option<PathBuf>,
    /// Answer in JSON as it came over the wire; failures as problem documents on standard error
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
}

/// What every command works with.
pub struct Context {
    /// The client.
    pub client: Client,
    /// Answer in JSON.
    pub json: bool,
    /// What the terminal can show.
    pub style: Style,
    /// The authority named for this server, to be remembered by `login`.
    pub ca_file: Option<PathBuf>,
}

impl Context {
    /// From the options, the environment and what was remembered.
    pub fn new(global: &Global) -> Outcome<Self> {
        let config = config::load()?;
        let server = global
            .server
            .clone()
            .or_else(|| config.server.clone())
            .unwrap_or_else(|| DEFAULT_SERVER.into());
        let bare = Client::new(Settings {
            server: server.clone(),
            ..Settings::default()
        });
        // The client knows how an address is written; the login is kept under that.
        let known = bare
            .as_ref()
            .ok()
            .and_then(|client| config.logins.get(client.server_address()));
        let ca_file = global
            .ca_file
            .clone()
            .or_else(|| known.and_then(|login| login.ca_file.clone()));
        let authority = ca_file.as_deref().map(read_file).transpose()?;
        let token = token(
            global,
            &config,
            bare.as_ref().ok().map(Client::server_address),
        )?;
        let client = Client::new(Settings {
            server,
            token,
            authority,
        })?;
        let terminal = io::stdout().is_terminal();
        let colour = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self {
            client,
            json: global.json,
            style: Style {
                colour,
                fit: terminal,
            },
            ca_file,
        })
    }

    /// Prints an answer: as it came, or as `human` shows it.
    pub fn answer<T>(&self, answer: &Answer<T>, human: impl FnOnce(&T) -> String) -> Outcome {
        if self.json {
            self.raw(&answer.text)
        } else {
            print(&human(&answer.value))
        }
    }

    /// Prints wire JSON; what has no answer prints nothing.
    pub fn raw(&self, text: &str) -> Outcome {
        if text.is_empty() { Ok(()) } else { print(text) }
    }

    /// Prints a sentence to people; programs have the exit code.
    pub fn say(&self, text: &str) -> Outcome {
        if self.json {
            Ok(())
        } else {
            print(&clean(text))
        }
    }

    /// An empty table.
    pub fn table<const N: usize>(&self, header: [&str; N]) -> Table {
        Table::new(self.style, header)
    }

    /// An empty sheet.
    pub fn sheet(&self) -> Sheet {
        Sheet::new(self.style)
    }
}

fn token(global: &Global, config: &Config, server: Option<&str>) -> Outcome<Option<Secret>> {
    if let Some(path) = &global.token_file {
        let text = String::from_utf8_lossy(&read_file(path)?).trim().to_owned();
        return match text.is_empty() {
            true => Err(Fault::usage(format!(
                "{} is empty; it should hold a token.",
                path.display()
            ))),
            false => Ok(Some(text.into())),
        };
    }
    if let Ok(token) = env::var("BELLWETHER_TOKEN")
        && !token.trim().is_empty()
    {
        return Ok(Some(token.trim().into()));
    }
    let login = server.and_then(|server| config.logins.get(server));
    Ok(login.map(|login| login.token.as_str().into()))
}

fn read_file(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| Fault::usage(format!("Can't read {}: {e}.", path.display())))
}

/// Prints a line; a reader that has gone away (`| head`) is no failure.
pub fn print(text: &str) -> Outcome {
    match writeln!(io::stdout(), "{text}") {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Fault::new(
            Exit::Failed,
            format!("Can't write the answer: {e}."),
        )),
        _ => Ok(()),
    }
}

//! What `bellwether-lab story` can be told on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Existing, Options};
use crate::plan::Options as LabOptions;

/// How to tell the story.
#[derive(Args)]
pub struct Arguments {
    /// Clean up at the end, instead of leaving server and lab running
    #[arg(long)]
    check: bool,
    /// Write a report here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A step done before, with the seconds it took; may be given several times
    #[arg(long, value_name = "STEP=SECONDS", value_parser = earlier_step)]
    earlier: Vec<(String, f64)>,
    /// Where the server is to listen [default: 127.0.0.1:8080, with --check any free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The bellwetherd to start [default: the one beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    bellwetherd: Option<PathBuf>,
    /// Use a server that runs already; the admin's password is read from standard input
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The admin of that server
    #[arg(
        long,
        value_name = "LOGIN",
        default_value = "admin",
        requires = "server"
    )]
    admin_login: String,
}

fn earlier_step(text: &str) -> Result<(String, f64), String> {
    let (name, seconds) = text.split_once('=').ok_or("must be STEP=SECONDS")?;
    let seconds = seconds
        .parse()
        .map_err(|_| format!("{seconds:?} is no number of seconds"))?;
    Ok((name.to_owned(), seconds))
}

impl Arguments {
    /// The options they stand for.
    ///
    /// # Errors
    /// When the password of a server that runs already can't be read.
    pub fn options(self, lab: LabOptions) -> anyhow::Result<Options> {
        let existing = match self.server {
            None => None,
            Some(url) => {
                let mut password = String::new();
                std::io::stdin().read_line(&mut password)?;
                Some(Existing {
                    url,
                    admin_login: self.admin_login,
                    admin_password: password.trim_end_matches(['\r', '\n']).into(),
                })
            }
        };
        Ok(Options {
            lab,
            check: self.check,
            json: self.json,
            earlier: self.earlier,
            listen: self.listen,
            bellwetherd: self.bellwetherd,
            existing,
        })
    }
}

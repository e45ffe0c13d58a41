//! bellwetherd as a process that can be killed, put to sleep and started again.

use crate::hosts::{signal, text_of, until};
use bellwether_api::{
    Secret,
    client::{Client, Settings},
    session::{SessionInput, TokenInput},
};
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const PASSWORD: &str = "a very long passphrase";

/// One bellwetherd; killed when the test ends.
pub struct Daemon {
    folder: PathBuf,
    log: PathBuf,
    child: Child,
    pub client: Client,
}

impl Daemon {
    /// Writes the configuration and makes the first administrator, of whom the token is given.
    pub async fn prepare(folder: &Path) -> Secret {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\nsample_period_seconds = 1\n",
            folder.join("data").display()
        );
        std::fs::write(folder.join("bellwetherd.toml"), config).unwrap();
        let mut create = command(folder)
            .args(["admin", "create", "ada", "--full-name", "Ada Lovelace"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = create.stdin.take().unwrap();
        writeln!(stdin, "{PASSWORD}").unwrap();
        drop(stdin);
        assert!(create.wait().unwrap().success());
        let first = Self::start(folder, "first", None).await;
        let wanted = SessionInput {
            login: "ada".into(),
            password: PASSWORD.into(),
            token: Some(TokenInput {
                name: "test".into(),
                days: 1,
            }),
        };
        let session = first.client.log_in(&wanted).await.unwrap().value;
        session.token.unwrap().secret
    }

    /// Starts one on this folder's database and waits until it serves. Its log has a name of its own.
    pub async fn start(folder: &Path, name: &str, token: Option<&Secret>) -> Self {
        let log = folder.join(format!("{name}.log"));
        let lines = OpenOptions::new().create(true).append(true).open(&log);
        let before = text_of(&log).len();
        let mut child = command(folder)
            .env("RUST_LOG", "info,bellwether_engine=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(lines.unwrap())
            .spawn()
            .unwrap();
        let url = until("the server serves", || {
            let ended = child.try_wait().unwrap();
            let text = text_of(&log).split_off(before);
            assert!(ended.is_none(), "{ended:?}: {text}");
            let address = text.split_once("serves ").and_then(|(_, rest)| {
                let word = rest.split_whitespace().next()?;
                Some(word.trim_end_matches('\u{1b}').to_owned())
            });
            async { address }
        });
        let url = url.await;
        let client = Client::new(Settings {
            server: url,
            token: token.cloned(),
            ..Settings::default()
        });
        Self {
            folder: folder.to_owned(),
            log,
            child,
            client: client.unwrap(),
        }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it anew on the same database.
    pub async fn start_again(&mut self, token: &Secret) {
        let name = self.log.file_stem().unwrap().to_str().unwrap().to_owned();
        let folder = self.folder.clone();
        *self = Self::start(&folder, &name, Some(token)).await;
    }

    /// Puts it to sleep, or wakes it.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn log(&self) -> String {
        text_of(&self.log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = self.log();
            let lines: Vec<_> = text.lines().rev().take(80).collect();
            let lines: Vec<_> = lines.into_iter().rev().collect();
            eprintln!("{}:\n{}", self.log.display(), lines.join("\n"));
        }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwetherd"));
    command
        .arg("--config")
        .arg(folder.join("bellwetherd.toml"))
        .env_remove("BELLWETHER_DATABASE")
        .env_remove("NOTIFY_SOCKET")
        .env("NO_COLOR", "1");
    command
}

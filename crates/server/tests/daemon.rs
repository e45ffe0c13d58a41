//! bellwetherd as a process: the first administrator, starting, what it logs, ending, and what it refuses to start with.

#![allow(clippy::unwrap_used)] // in a test a panic is the message

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const PASSWORD: &str = "a very long passphrase";

fn bellwetherd(folder: &Path, config: &str) -> Command {
    let file = folder.join("bellwetherd.toml");
    let text = format!("data_dir = \"{}\"\n{config}", folder.join("data").display());
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwetherd"));
    command
        .arg("--config")
        .arg(file)
        .env_remove("RUST_LOG")
        .env_remove("BELLWETHER_DATABASE")
        .env_remove("NOTIFY_SOCKET");
    command
}

/// Runs to the end with this on standard input.
fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that refuses to start reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A running server.
struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
    address: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let mut server = Self {
            child,
            log,
            reader: Some(reader),
            address: String::new(),
        };
        server.address = server.wait(|log| {
            let (_, rest) = log.split_once("serves http://")?;
            rest.split(['"', ' ', '\n']).next().map(str::to_string)
        });
        server
    }

    /// Waits until the log says what is looked for.
    fn wait<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = find(&self.log.lock().unwrap()) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(60),
                "{ended:?}: {}",
                self.log.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_first_day_without_a_secret_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let config = "listen = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n";
    let mut create = bellwetherd(folder.path(), config);
    create.args(["admin", "create", "ada", "--full-name", "Ada Lovelace"]);
    let made = run(create, &format!("{PASSWORD}\n"));
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert_eq!(said, "ada is an administrator now.\n");
    let mode = std::fs::metadata(folder.path().join("data"))
        .unwrap()
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o700
    );

    let mut server = Server::start(bellwetherd(folder.path(), config));
    let body = format!("{{\"login\": \"ada\", \"password\": \"{PASSWORD}\"}}");
    let inside = server.ask("POST", "/api/v1/session", "", &body);
    assert!(inside.starts_with("HTTP/1.1 201"), "{inside}");
    // Who guesses leaves a trace, but not the guess.
    let guess = "{\"login\": \"ada\", \"password\": \"a wrong guess\"}";
    let outside = server.ask("POST", "/api/v1/session", "", guess);
    assert!(outside.starts_with("HTTP/1.1 401"), "{outside}");
    server.wait(|log| {
        let line = log.lines().find(|line| line.contains("refused"))?;
        let told = line.contains("\"login\":\"ada\"") && line.contains("\"client\":\"127.0.0.1\"");
        told.then_some(())
    });
    let (_, cookie) = inside.split_once("bw_session=").unwrap();
    let secret = cookie.split(';').next().unwrap();
    assert_eq!(secret.len(), 64);
    let cookie = format!("Cookie: bw_session={secret}\r\n");
    let token = server.ask(
        "POST",
        "/api/v1/me/tokens",
        &cookie,
        r#"{"name": "t", "days": 1}"#,
    );
    let (_, token) = token.split_once("\"secret\":\"").unwrap();
    let token = token.split('"').next().unwrap();
    let me = server.ask(
        "GET",
        "/api/v1/me?secret=in-the-query",
        &format!("Authorization: Bearer {token}\r\n"),
        "",
    );
    assert!(me.contains("\"full_name\":\"Ada Lovelace\""), "{me}");
    assert!(
        server
            .ask("GET", "/api/v1/fleet", &cookie, "")
            .starts_with("HTTP/1.1 200")
    );

    server.signal("-HUP");
    server.wait(|log| log.contains("no certificate to read again").then_some(()));
    server.signal("-TERM");
    server.wait_end();
    let log = server.log.lock().unwrap();
    assert!(log.contains("bellwetherd has ended"), "{log}");
    for hidden in [PASSWORD, secret, token, "in-the-query", "a wrong guess"] {
        let line = log.lines().find(|line| line.contains(hidden));
        assert!(line.is_none(), "the log holds {hidden}: {line:?}");
    }
}

impl Server {
    /// Waits for the process's orderly end.
    fn wait_end(&mut self) {
        let began = Instant::now();
        let ended = loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                break ended;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(ended.success(), "{ended:?}");
        // What it last wrote is read, too.
        self.reader.take().unwrap().join().unwrap();
    }
}

#[test]
fn it_refuses_what_would_be_unsafe_or_can_t_work() {
    let folder = tempfile::tempdir().unwrap();
    for (config, command, says) in [
        ("listen = \"0.0.0.0:0\"", &["serve"][..], "trusted_proxy"),
        ("lisen = \"127.0.0.1:0\"", &["check-config"], "lisen"),
        (
            "listen = \"127.0.0.1:0\"\n[log]\nfilter = \"a=b=c\"",
            &["check-config"],
            "log.filter",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/a.crt\"\nkey = \"/nowhere/a.key\"",
            &["check-config"],
            "/nowhere/a.crt",
        ),
        (
            "database = \"mysql://me:hunter2@db/x\"",
            &["serve"],
            "database",
        ),
        (
            "databse = \"postgres://me:hunter2@db/x\"",
            &["serve"],
            "databse",
        ),
        ("", &["admin", "create", "ada"], "holds no password"),
    ] {
        let mut refused = bellwetherd(folder.path(), config);
        refused.args(command);
        let output = run(refused, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{config}: {said}");
        assert!(said.contains(says), "{config}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let mut short = bellwetherd(folder.path(), "");
    short.args(["admin", "create", "ada"]);
    let output = run(short, "abc\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("password"),
        "{said}"
    );
}

//! A real bellwetherd and somebody who asks it, for benches.

#![allow(dead_code, clippy::unwrap_used)] // each bench uses its part; a panic is the message

use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Everybody's password.
pub const PASSWORD: &str = "a very long passphrase";

/// A bellwetherd of the bench's own.
pub struct Server {
    child: Child,
    /// Its address.
    pub base: String,
    folder: tempfile::TempDir,
}

impl Server {
    /// CPU time the server has used, in milliseconds; Linux counts in hundredths of a second.
    pub fn cpu_ms(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        [11, 12]
            .map(|at| fields[at].parse::<f64>().unwrap())
            .iter()
            .sum::<f64>()
            * 10.0
    }
    /// Memory it holds, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }
    /// Ends it, has something done to its data, and starts it again, at another address.
    pub async fn while_stopped(&mut self, what: impl Future<Output = ()>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        what.await;
        (self.child, self.base) = serve(&self.folder.path().join("bellwetherd.toml"));
    }
    /// Its data folder.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one on simulated hosts, with an administrator called ada.
pub fn start() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bellwetherd.toml");
    let config = format!(
        "data_dir = \"{}\"\nlisten = \"127.0.0.1:0\"\nallow_simulated_hosts = true\ntime_zone = \"UTC\"\n[limits]\n\
         requests_per_second = 1000000\nlogins_per_minute = 1000\nlogins_per_minute_and_address = 1000\nregistrations_per_hour = 1000\n",
        folder.path().join("data").display()
    );
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwetherd"));
    let mut create = command
        .arg("--config")
        .arg(&file)
        .args(["admin", "create", "ada", "--full-name", "Ada Lovelace"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(create.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(create.wait().unwrap().success());
    let (child, base) = serve(&file);
    Server {
        child,
        base,
        folder,
    }
}

/// Starts one by this configuration; its address.
fn serve(file: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bellwetherd"))
        .arg("--config")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let base = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, rest) = line.split_once("serves http://")?;
            let end = rest.find(|c: char| c == '"' || c.is_whitespace());
            Some(format!("http://{}", &rest[..end.unwrap_or(rest.len())]))
        })
        .unwrap();
    // Read on, or the server would wait for whoever reads its log.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, base)
}

/// Somebody who asks.
#[derive(Clone)]
pub struct Person {
    /// HTTP.
    pub client: Client,
    /// The server's address.
    pub base: String,
    /// An API token.
    pub token: String,
}

impl Person {
    /// The administrator of a server that was just started.
    pub async fn admin(server: &Server) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
        // Shorter than a server keeps a silent connection, or a question may meet its end.
        let client = Client::builder()
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        Self::sign_in(&client, &server.base, "ada").await
    }

    pub async fn sign_in(client: &Client, base: &str, login: &str) -> Self {
        let nobody = Self {
            client: client.clone(),
            base: base.into(),
            token: String::new(),
        };
        let wanted =
            json!({"login": login, "password": PASSWORD, "token": {"name": "bench", "days": 1}});
        let session = nobody.call(Method::POST, "session", Some(wanted)).await;
        Self {
            token: session["token"]["secret"].as_str().unwrap().into(),
            ..nobody
        }
    }

    /// Milliseconds until the last byte of an answer is there; what it is made of is not looked at.
    pub async fn time(&self, path: &str) -> (f64, String) {
        let began = Instant::now();
        let answer = self
            .client
            .get(format!("{}/api/v1/{path}", self.base))
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.unwrap();
        (began.elapsed().as_secs_f64() * 1e3, text)
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self
            .client
            .request(method, format!("{}/api/v1/{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await
    }

    pub async fn until(&self, what: &str, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        eprintln!("waiting for {what}");
        let began = Instant::now();
        loop {
            let answer = self.get(path).await;
            if good(&answer) {
                return answer;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "waited for {what}: {answer:.3000}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The value of an argument.
pub fn argument(name: &str, otherwise: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next()
        .map_or(otherwise, |value| value.parse().unwrap())
}

/// So many hosts of the simulated fleet that `query` describes, a storage of their pools called `pool`, a network and an
/// image; answers the image's id.
pub async fn furnish(admin: &Person, number: usize, query: &str, pool: &str) -> String {
    for n in 1..=number {
        let name = format!("host{n:02}");
        let uri = format!("sim://bench/{name}?{query}");
        admin
            .call(
                Method::POST,
                "hosts",
                Some(json!({"name": name, "uri": uri})),
            )
            .await;
    }
    let items = |value: &Value| value["items"].as_array().unwrap().clone();
    let hosts = admin
        .until("ready hosts", "hosts?limit=1000", |hosts| {
            items(hosts)
                .iter()
                .all(|host| host["seen"]["health"] == "ready")
        })
        .await;
    let of_pool = |value: &Value| -> Vec<Value> {
        let found = items(value).into_iter();
        found
            .filter(|found| found["pool"]["name"] == pool)
            .collect()
    };
    let pools = admin
        .until("pools", "storages/discovered", |found| {
            of_pool(found).len() == number
        })
        .await;
    let members: Vec<Value> = of_pool(&pools)
        .iter()
        .map(|found| json!({"host": found["host"]["id"], "pool": pool}))
        .collect();
    let storage = json!({"name": pool, "kind": pool, "members": members});
    admin.call(Method::POST, "storages", Some(storage)).await;
    let members: Vec<Value> = items(&hosts)
        .iter()
        .map(|host| json!({"host": host["id"], "carrier": {"kind": "bridge", "name": "br0"}}))
        .collect();
    let network = json!({
        "name": "guests", "cidr": "10.78.0.0/16", "gateway": "10.78.0.1", "dns": [],
        "range_from": "10.78.0.20", "range_until": "10.78.31.250", "members": members
    });
    admin.call(Method::POST, "networks", Some(network)).await;
    let answer = admin
        .client
        .post(format!(
            "{}/api/v1/images/upload?name=debian-12&os=Debian%2012&min_disk_gib=1&min_memory_mib=128",
            admin.base
        ))
        .bearer_auth(&admin.token)
        .header("content-type", "application/octet-stream")
        .body(vec![0_u8; 1 << 20])
        .send()
        .await
        .unwrap();
    let image: Value = answer.json().await.unwrap();
    image["id"].as_str().unwrap().into()
}

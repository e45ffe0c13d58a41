//! A tiny server that answers what a test told it to, remembers what it was asked, and runs the program against it.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{Request, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// What the server was asked.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET /api/v1/vms?limit=1000`.
    pub line: String,
    /// The `Authorization` header.
    pub authorization: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

#[derive(Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<(u16, String, String)>>,
    calls: Vec<Call>,
}

/// The server and a home of its own for the program.
pub struct Server {
    script: Arc<Mutex<Script>>,
    address: String,
    home: TempDir,
    _runtime: tokio::runtime::Runtime,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {:?}", self.out))
    }
}

impl Server {
    /// A server that knows nothing yet.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(script.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            script,
            address,
            home: TempDir::new().unwrap(),
            _runtime: runtime,
        }
    }

    /// Answers `GET /vms` (a path below `/api/v1`) with this; given several times, one after the other, the last for ever.
    pub fn on(&self, line: &str, status: u16, body: Value) -> &Self {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let kind = if status >= 400 {
            "application/problem+json"
        } else {
            "application/json"
        };
        self.raw(line, status, kind, &text)
    }

    /// The same with any body.
    pub fn raw(&self, line: &str, status: u16, kind: &str, body: &str) -> &Self {
        let (method, path) = line.split_once(' ').unwrap();
        let key = format!("{method} /api/v1{path}");
        let answer = (status, kind.into(), body.into());
        self.script
            .lock()
            .unwrap()
            .answers
            .entry(key)
            .or_default()
            .push_back(answer);
        self
    }

    /// What was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.script.lock().unwrap().calls.clone()
    }

    /// What was asked in one line each, without `/api/v1`.
    pub fn lines(&self) -> Vec<String> {
        self.calls()
            .into_iter()
            .map(|call| call.line.replace("/api/v1", ""))
            .collect()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program, told where the server is and to use a token.
    pub fn command(&self) -> Command {
        let mut command = self.bare();
        command
            .env("BELLWETHER_SERVER", &self.address)
            .env("BELLWETHER_TOKEN", "t0ken");
        command
    }

    /// The program, told nothing.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLWETHER_")) {
            command.env_remove(name);
        }
        command
            .env("XDG_CONFIG_HOME", self.home.path())
            .env_remove("NO_COLOR")
            .env_remove("COMPLETE");
        command
    }

    /// Runs the program with these arguments.
    pub fn run(&self, args: &[&str]) -> Ended {
        run(self.command().args(args), "")
    }
}

/// Runs a command with this standard input.
pub fn run(command: &mut Command, input: &str) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input closes it; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let key = format!("{} {}", parts.method, parts.uri.path());
    let authorization = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    let mut script = script.lock().unwrap();
    script.calls.push(Call {
        line: format!("{} {}", parts.method, parts.uri),
        authorization: authorization.unwrap_or_default().into(),
        body: body.to_vec(),
    });
    let known = script
        .answers
        .get_mut(&key)
        .and_then(|queue| match queue.len() {
            0 | 1 => queue.front().cloned(),
            _ => queue.pop_front(),
        });
    let (status, kind, body) = known.unwrap_or_else(|| {
        let detail = format!("the test has no answer for {key}");
        (
            500,
            "application/problem+json".into(),
            problem("internal", 500, &detail).to_string(),
        )
    });
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body))
        .unwrap()
}

/// A problem document.
pub fn problem(code: &str, status: u16, detail: &str) -> Value {
    json!({
        "type": format!("urn:bellwether:problem:{code}"), "title": "A title", "status": status,
        "detail": detail, "code": code, "request_id": "r-1",
    })
}

/// A complete list.
pub fn list(items: Vec<Value>) -> Value {
    json!({ "total": items.len(), "items": items })
}

/// Another thing.
pub fn other(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name })
}

pub const VM: &str = "0a000000-0000-4000-8000-000000000001";
pub const REQUEST: &str = "0b000000-0000-7000-8000-000000000001";
pub const HOST: &str = "0c000000-0000-7000-8000-000000000001";
pub const HOST2: &str = "0c000000-0000-7000-8000-000000000002";
pub const JOB: &str = "0d000000-0000-7000-8000-000000000001";
pub const IMAGE: &str = "0e000000-0000-7000-8000-000000000001";
pub const PERSON: &str = "0f000000-0000-7000-8000-000000000001";
pub const MOVE: &str = "1a000000-0000-7000-8000-000000000001";

/// A VM of somebody.
pub fn vm(id: &str, owner: &str, name: &str) -> Value {
    json!({
        "id": id, "owner": other(PERSON, owner), "request": REQUEST, "name": name, "hostname": "web-0a00",
        "libvirt_name": "bw-0a000000-web", "host": other(HOST, "h1"), "state": "running", "wanted": "on", "note": null,
        "vcpus": 2, "memory_mib": 2048, "disk_gib": 20, "image": other(IMAGE, "Debian 12"),
        "storage": other(HOST2, "main"), "network": other(HOST2, "guests"), "mac": "52:54:00:01:02:03",
        "address": "10.0.0.17", "lease_from": "2026-11-24", "lease_until": "2026-12-24",
        "purpose": "Course web server", "first_password_waiting": false, "created_at": "2026-11-24T12:00:00Z",
        "generation": 1, "sightings": [{
            "host": other(HOST, "h1"), "at": "2026-11-24T12:00:00Z", "age_seconds": 4, "power": "running",
            "migrating": false, "used_vcpus": 0.5, "used_memory_mib": null, "resident_memory_mib": 900,
            "disk_read_bytes_per_second": 0.0, "disk_written_bytes_per_second": 2048.0,
            "received_bytes_per_second": null, "sent_bytes_per_second": null,
        }],
    })
}

/// A job in a state.
pub fn job(kind: &str, state: &str, doing: &str, error: Option<&str>) -> Value {
    json!({
        "id": JOB, "kind": kind, "vm": other(VM, "web"), "request": null, "image": null, "host": other(HOST, "h1"),
        "owner": other(PERSON, "ada"), "created_by": other(PERSON, "ada"), "state": state,
        "progress": { "doing": doing, "share": 0.5, "done_bytes": null, "total_bytes": null, "migration": null },
        "error": error, "cancel_asked": false, "attempts": 1, "created_at": "2026-11-24T12:00:00Z", "ended_at": null,
    })
}

/// A request in a state.
pub fn request(state: &str) -> Value {
    json!({
        "id": REQUEST, "owner": other(PERSON, "ada"), "name": "web", "vcpus": 2, "memory_mib": 2048, "disk_gib": 20,
        "from": "2026-11-24", "until": "2026-12-24", "purpose": "Course web server", "image": other(IMAGE, "Debian 12"),
        "ssh_key": null, "state": state, "reason": null, "decided_by": null, "decided_at": null, "wanted_host": null,
        "wanted_storage": null, "wanted_network": null, "vm": null, "created_at": "2026-11-24T12:00:00Z",
    })
}

/// A person.
pub fn user(login: &str) -> Value {
    json!({
        "id": PERSON, "login": login, "full_name": "Ada Lovelace", "mail": "ada@example.org", "role": "admin",
        "state": "active", "created_at": "2026-11-24T12:00:00Z",
    })
}

/// An image.
pub fn image(name: &str) -> Value {
    json!({
        "id": IMAGE, "name": name, "os": "Debian 12", "state": "ready", "reason": null, "url": null, "sha256": "00ff",
        "checksums_url": null, "verified": true, "file_bytes": 1048576, "virtual_bytes": 3221225472u64, "format": "qcow2",
        "min_disk_gib": 3, "min_memory_mib": 256, "devices": "virtio", "cloud_init": true,
        "created_at": "2026-11-24T12:00:00Z",
    })
}

/// A host's record and what is seen of it.
pub fn host(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "uri": "qemu+ssh://root@h/system", "peer_uri": "qemu+ssh://root@h/system",
        "migration_address": null, "site": "here", "offered_cores": 8, "offered_memory_mib": 30720, "mode": "active",
        "machine": null, "created_at": "2026-11-24T12:00:00Z", "missing": [], "seen": {
            "health": "ready", "why": null, "at": "2026-11-24T12:00:00Z", "age_seconds": 4, "trouble": null, "latency_ms": 12,
            "facts": null, "used_cores": 1.5, "used_memory_mib": null, "vms": 3, "running_vms": 2,
        },
    })
}

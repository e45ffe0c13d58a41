//! A server on a simulated fleet and a database of its own, asked without a network.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use bellwether_engine::{
    Actor, Admin, Clock, Engine, Running, Settings,
    approve::{self, Choice},
    export::{Credentials, Push, ToGraphite, ToRemoteWrite},
    hosts::{self, NewHost},
    images::{self, NewImage},
    migrate::{self, Target},
    networks::{self, NewNetwork},
    people::{self, NewAccount},
    request,
    sessions::{self, NewToken},
    storages::{self, NewStorage},
};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{
    ErrorKind, HostId, PlanId, UserId, VmId,
    host::HostHealth,
    image::Image,
    job::Job,
    migration::Migration,
    network::Carrier,
    plan::{Blocked, Plan, PlanKind, PlanState, PlanStep, StepState},
    request::Request as VmRequest,
    storage::StorageKind,
    vm::{Devices, Vm},
};
use bellwether_server::{client::Peer, config::Config, router, state::AppState};
use bellwether_store::{History, Store};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, time::Duration};
use tower::ServiceExt;

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "correct horse battery";

/// How long what a server can't take is kept.
const KEEP: Duration = Duration::from_secs(600);

/// To one that speaks remote-write, every second.
pub fn to_remote_write(address: SocketAddr) -> Push {
    Push {
        remote_write: vec![ToRemoteWrite {
            url: format!("http://{address}/api/v1/write"),
            credentials: Credentials::None,
            every: Duration::from_secs(1),
            keep: KEEP,
        }],
        ..Push::default()
    }
}

/// To a carbon.
pub fn to_graphite(address: SocketAddr, prefix: &str, tagged: bool) -> Push {
    Push {
        graphite: vec![ToGraphite {
            address: address.to_string(),
            prefix: prefix.into(),
            tagged,
            keep: KEEP,
        }],
        ..Push::default()
    }
}

/// The server with its world.
pub struct Site {
    pub app: Router,
    pub state: AppState,
    pub engine: Engine,
    pub fleet: SimFleet,
    pub folder: tempfile::TempDir,
    pub running: Option<Running>,
}

/// An answer, read to its end (but for a stream of events).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
    /// Asserts that it is a problem document with this status.
    pub fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Content,
    pub peer: Peer,
}

/// A body that can be sent again.
#[derive(Clone, Debug)]
pub enum Content {
    None,
    Json(serde_json::Value),
    Text(String),
}

pub fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.parse().unwrap(),
        path: path.into(),
        headers: Vec::new(),
        body: Content::None,
        peer: Peer {
            address: "127.0.0.1:40000".parse().unwrap(),
            tls: false,
        },
    }
}

pub fn get(path: &str) -> Ask {
    ask("GET", path)
}

pub fn post(path: &str, body: serde_json::Value) -> Ask {
    ask("POST", path).json(body)
}

impl Ask {
    pub fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Content::Json(body);
        self
    }
    pub fn text(mut self, kind: &str, body: &str) -> Self {
        self.body = Content::Text(body.into());
        self.header("content-type", kind)
    }
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn token(self, token: &SecretString) -> Self {
        let value = format!("Bearer {}", token.expose_secret());
        self.header("authorization", &value)
    }
    pub fn from(mut self, peer: &str, tls: bool) -> Self {
        let address = SocketAddr::new(peer.parse().unwrap(), 40000);
        self.peer = Peer { address, tls };
        self
    }
}

/// Lets that much time pass at once; nothing else may be under way, or it would find its own deadlines gone by.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn account(login: &str) -> NewAccount {
    NewAccount {
        login: login.into(),
        full_name: format!("Full-{login}"),
        mail: format!("{login}@example.org"),
        password: PASSWORD.to_owned().into(),
    }
}

pub fn config(extra: &str) -> Config {
    Config::parse(&format!(
        "time_zone = \"UTC\"\nallow_simulated_hosts = true\nallow_local_image_urls = true\n{extra}"
    ))
    .unwrap()
}

impl Site {
    /// A server that knows nobody and has no hosts; nothing runs in the background.
    pub async fn bare(config: Config) -> Self {
        Self::with_fleet(config, SimFleet::new(SimSpec::new("site", 2))).await
    }

    pub async fn with_fleet(config: Config, fleet: SimFleet) -> Self {
        Self::with_clock(config, fleet, Clock::System).await
    }

    /// Two hosts, what is measured of which is pushed.
    pub async fn pushing_two_hosts(push: Push) -> Self {
        Self::pushing(config(""), SimFleet::new(SimSpec::new("site", 2)), push).await
    }

    /// Serves `/metrics` on a port of its own.
    pub async fn serve_scrapes(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router::scrapes(&self.state);
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    /// A server that pushes what is measured.
    pub async fn pushing(config: Config, fleet: SimFleet, push: Push) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pushing = |settings: &mut Settings| settings.push = push.clone();
        Self::open(config, fleet, pushing, folder, "").await
    }

    pub async fn with_clock(config: Config, fleet: SimFleet, clock: Clock) -> Self {
        let ticking = |settings: &mut Settings| settings.clock = clock.clone();
        Self::open(config, fleet, ticking, tempfile::tempdir().unwrap(), "").await
    }

    /// The same once more, on a database that can only be read.
    pub async fn read_only(mut self, config: Config) -> Self {
        self.quiet().await;
        self.engine.store().close().await;
        Self::open(config, self.fleet, |_| {}, self.folder, "?mode=ro").await
    }

    async fn open(
        config: Config,
        fleet: SimFleet,
        change: impl Fn(&mut Settings),
        folder: tempfile::TempDir,
        options: &str,
    ) -> Self {
        let file = folder.path().join("bellwether.db");
        let url = format!("sqlite://{}{options}", file.display());
        let store = Store::open(&url).await.unwrap();
        let history = History::open(&url).await.unwrap();
        let mut settings = Settings {
            period: Duration::from_millis(100),
            paces: bellwether_engine::Paces::of(Duration::from_millis(100)),
            zone: jiff::tz::TimeZone::UTC,
            data_dir: folder.path().into(),
            ..Settings::default()
        };
        change(&mut settings);
        let connector = std::sync::Arc::new(fleet.connector());
        let engine = Engine::new(store, history, connector, settings);
        let state = AppState::new(engine.clone(), config);
        Self {
            app: router::router(&state),
            state,
            engine,
            fleet,
            folder,
            running: None,
        }
    }

    pub async fn send(&self, ask: Ask) -> Answer {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header("host", "bellwether.test")
            .extension(ConnectInfo(ask.peer));
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let body = match ask.body {
            Content::None => Body::empty(),
            Content::Text(text) => text.into(),
            Content::Json(json) => {
                request = request.header("content-type", "application/json");
                json.to_string().into()
            }
        };
        self.answer(request.body(body).unwrap()).await
    }

    /// What the server answers this very request.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let endless = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let body = match endless && parts.status == StatusCode::OK {
            true => Bytes::new(),
            false => to_bytes(body, usize::MAX).await.unwrap(),
        };
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub async fn admin(&self) -> Admin {
        let user = match self.engine.store().user_by_login("root").await.unwrap() {
            Some(user) => user,
            None => people::create_admin(&self.engine, account("root"))
                .await
                .unwrap(),
        };
        Actor::of(&user).admin().unwrap()
    }

    pub async fn user(&self, login: &str) -> Actor {
        self.user_called(login, &format!("Full-{login}")).await
    }

    pub async fn user_called(&self, login: &str, full_name: &str) -> Actor {
        let user = match self.engine.store().user_by_login(login).await.unwrap() {
            Some(user) => user,
            None => {
                let account = NewAccount {
                    full_name: full_name.into(),
                    ..account(login)
                };
                people::register(&self.engine, account).await.unwrap()
            }
        };
        Actor::of(&user)
    }

    /// A fresh API token.
    pub async fn token(&self, actor: &Actor) -> SecretString {
        let new = NewToken {
            name: "test",
            days: 1,
            with: None,
        };
        sessions::create_api_token(&self.engine, actor, new)
            .await
            .unwrap()
            .0
    }

    /// Every host of the fleet added and seen, with a storage, a network and an image.
    pub async fn furnish(&mut self) -> (Image, Vec<HostId>) {
        let admin = self.admin().await;
        self.running = Some(self.engine.start().await.unwrap());
        let mut ids = Vec::new();
        for name in self.fleet.hosts() {
            let new = NewHost {
                name: name.clone(),
                uri: self.fleet.uri(&name),
                ..NewHost::default()
            };
            ids.push(hosts::add(&self.engine, &admin, new).await.unwrap().host.id);
        }
        let known = ids.clone();
        self.until("all hosts are ready", async |site| {
            let observed = site.engine.observed();
            known.iter().all(|id| {
                observed
                    .hosts
                    .get(id)
                    .is_some_and(|seen| seen.health == HostHealth::Ready && !seen.pools.is_empty())
            })
        })
        .await;
        let storage = NewStorage {
            name: "shared".into(),
            kind: StorageKind::Shared,
            members: ids.iter().map(|id| (*id, "shared".to_owned())).collect(),
        };
        storages::create(&self.engine, &admin, storage)
            .await
            .unwrap();
        let network = NewNetwork {
            name: "lan".into(),
            cidr: "10.1.0.0/24".into(),
            gateway: "10.1.0.1".into(),
            dns: vec!["10.1.0.1".into()],
            range_from: "10.1.0.10".into(),
            range_until: "10.1.0.99".into(),
            vlan: None,
            members: ids
                .iter()
                .map(|id| (*id, Carrier::Bridge("br0".into())))
                .collect(),
        };
        networks::create(&self.engine, &admin, network)
            .await
            .unwrap();
        let image = NewImage {
            name: "Debian 12".into(),
            os: "Debian 12".into(),
            url: None,
            sha256: None,
            checksums_url: None,
            min_disk_gib: 1,
            min_memory_mib: 256,
            devices: Devices::Virtio,
            cloud_init: true,
            from_catalogue: None,
        };
        let bytes = Ok::<_, std::io::Error>(Bytes::from(vec![0_u8; 1 << 20]));
        let image = images::upload(
            &self.engine,
            &admin,
            image,
            futures::stream::iter([bytes]),
            Some(1 << 20),
        )
        .await
        .unwrap();
        (image, ids)
    }

    pub fn request_json(&self, image: &Image, name: &str) -> serde_json::Value {
        let today = self.engine.today();
        serde_json::json!({
            "name": name, "vcpus": 1, "memory_mib": 512, "disk_gib": 4, "image": image.id,
            "from": today.to_string(), "until": today.tomorrow().unwrap().to_string(),
            "purpose": format!("purpose of {name}"),
        })
    }

    /// A request of `actor`, as pending.
    pub async fn requested(&self, actor: &Actor, image: &Image, name: &str) -> VmRequest {
        let today = self.engine.today().to_string();
        let text = |text: &str| Some(text.to_string());
        let draft = bellwether_decide::request::Draft {
            name: text(name),
            vcpus: text("1"),
            memory_mib: text("512"),
            disk_gib: text("4"),
            from: text(&today),
            until: text(&today),
            purpose: Some(format!("purpose of {name}")),
            image: Some(image.id.to_string()),
            ssh_key: None,
        };
        request::submit(&self.engine, actor, &draft).await.unwrap()
    }

    /// A VM of `actor` that runs.
    pub async fn vm(&self, actor: &Actor, image: &Image, name: &str) -> Vm {
        let request = self.requested(actor, image, name).await;
        let admin = self.admin().await;
        let approved = approve::approve(&self.engine, &admin, request.id, Choice::default())
            .await
            .unwrap();
        let job = approved.job.unwrap().id;
        self.until("the VM runs", async |site| {
            let job = site.engine.store().job(job).await.unwrap();
            assert!(job.error.is_none(), "{:?}", job.error);
            !job.state.is_open()
        })
        .await;
        let vm = self
            .engine
            .store()
            .request(request.id)
            .await
            .unwrap()
            .vm
            .unwrap();
        self.engine.store().vm(vm).await.unwrap()
    }

    /// A plan about the host that is over, and moved the VM.
    pub async fn plan(&self, vm: &Vm, host: HostId, by: UserId) -> PlanId {
        let plan = Plan {
            id: PlanId::new(),
            kind: PlanKind::Drain,
            host,
            state: PlanState::Done,
            asked_by: Some(by),
            created_at: self.engine.now(),
            ended_at: Some(self.engine.now()),
            forecast_ms: 2_000,
            bound_ms: 2_000,
            steps: vec![PlanStep {
                vm: vm.id,
                name: vm.name.clone(),
                from: host,
                to: host,
                state: StepState::Left,
                start_ms: 0,
                end_ms: 2_000,
                forecast_ms: 2_000,
                migration: None,
                failures: 0,
                why: Some(vm.name.clone()),
            }],
            blocked: vec![Blocked {
                vm: vm.id,
                name: vm.name.clone(),
                why: vec![vm.name.clone()],
                unblock: String::new(),
            }],
            stopping: false,
        };
        let mut tx = self.engine.store().begin().await.unwrap();
        tx.insert_plan(&plan).await.unwrap();
        tx.commit().await.unwrap();
        plan.id
    }

    /// Has the VM move, as soon as its hosts were seen lately: on a loaded machine a sample may be late.
    pub async fn moves(&self, vm: VmId) -> (Job, Migration) {
        let admin = self.admin().await;
        let began = tokio::time::Instant::now();
        loop {
            match migrate::ask(&self.engine, &admin, vm, Target::Best).await {
                Err(error) if began.elapsed() < PATIENCE => {
                    assert!(
                        matches!(
                            error.kind,
                            ErrorKind::NoCapacity | ErrorKind::Conflict | ErrorKind::Unavailable
                        ),
                        "{error:?}"
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                asked => return asked.unwrap(),
            }
        }
    }

    /// Waits until it is so; fails with what was waited for.
    pub async fn until(&self, what: &str, so: impl AsyncFn(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !so(self).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain until {what}");
    }

    /// Nothing runs in the background any more.
    pub async fn quiet(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

/// A page as this person sees it.
pub async fn page(site: &Site, actor: &Actor, path: &str) -> String {
    let token = site.token(actor).await;
    let asked = get(path).header("accept", "text/html").token(&token);
    let answer = site.send(asked).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

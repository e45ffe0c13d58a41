//! A fresh database for a case, on either engine, and nouns to put into it.

use bellwether_model::{
    GiB, HostId, ImageId, JobId, Mac, MiB, NetworkId, RequestId, StorageId, Timestamp, UserId,
    Vcpus, VmId,
    host::{Host, HostMode},
    image::{Image, ImageFormat, ImageState},
    job::{Job, JobKind, JobState, JobSubject, Progress},
    network::{Carrier, Network, NetworkMember},
    people::{AccountState, Role, User},
    request::{Request, RequestSpec, RequestState},
    storage::{Storage, StorageKind, StorageMember},
    vm::{Devices, Vm, VmState, WantedPower},
};
use bellwether_store::Store;
use std::future::Future;

/// A database of its own; removed with it.
pub struct World {
    pub url: String,
    pub store: Store,
    folder: Option<tempfile::TempDir>,
}

/// The engines a case runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a case on a fresh database of the engine; says so where there is no PostgreSQL to run it on.
pub fn run<F: Future<Output = ()>>(engine: Engine, case: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if let Some(world) = World::new(engine).await {
            let store = world.store.clone();
            let (url, postgres) = (world.url.clone(), engine == Engine::Postgres);
            case(world).await;
            store.close().await;
            if postgres {
                drop_database(&url).await;
            }
        }
    });
}

impl World {
    /// A fresh database; none where there is no PostgreSQL server (which is a failure under `CI_STRICT=1`).
    async fn new(engine: Engine) -> Option<Self> {
        let (url, folder) = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/bellwether.db", folder.path().display());
                (url, Some(folder))
            }
            Engine::Postgres => (create_database().await?, None),
        };
        let store = Store::open(&url).await.unwrap();
        Some(Self { url, store, folder })
    }
}

impl World {
    /// The URL of another database of the same engine, empty yet.
    pub async fn another_url(&self) -> String {
        match &self.folder {
            Some(folder) => format!("sqlite://{}/another.db", folder.path().display()),
            None => create_database().await.unwrap(),
        }
    }

    /// The folder of a SQLite database.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_ref().map(|folder| folder.path())
    }

    /// Runs a statement past the store, as only a test may.
    pub async fn raw(&self, statement: &'static str) {
        use sqlx::{Connection, Executor};
        if self.folder.is_some() {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            connection.execute(statement).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            connection.execute(statement).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

fn server() -> Option<String> {
    match std::env::var("BELLWETHER_TEST_POSTGRES") {
        Ok(url) if !url.is_empty() => Some(url),
        _ => {
            assert!(
                std::env::var("CI_STRICT").as_deref() != Ok("1"),
                "BELLWETHER_TEST_POSTGRES is not set: a skipped case is a failed one here"
            );
            eprintln!(
                "SKIPPED on PostgreSQL: BELLWETHER_TEST_POSTGRES is not set (see scripts/postgres-for-tests)"
            );
            None
        }
    }
}

/// The server's URL with another database's name.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').unwrap_or((server, ""));
    let (base, _) = base.rsplit_once('/').unwrap();
    format!("{base}/{name}?{query}")
}

async fn on_server(statement: String) {
    use sqlx::{Connection, Executor};
    let Some(server) = server() else { return };
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    // One transaction at a time may copy the template.
    for attempt in 0.. {
        match connection
            .execute(sqlx::AssertSqlSafe(statement.clone()))
            .await
        {
            Ok(_) => break,
            Err(e) if attempt == 100 => panic!("{e}"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    connection.close().await.unwrap();
}

async fn create_database() -> Option<String> {
    let server = server()?;
    let name = format!("bw_test_{}", UserId::new().0.simple());
    on_server(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    Some(with_database(&server, &name))
}

pub async fn drop_database(url: &str) {
    let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap();
    on_server(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + seconds)
}

pub fn user(login: &str) -> User {
    User {
        id: UserId::new(),
        login: login.into(),
        full_name: format!("{login} Müller-Ōno"),
        mail: format!("{login}@example.org"),
        role: Role::User,
        state: AccountState::Active,
        created_at: at(0),
    }
}

pub fn host(name: &str) -> Host {
    Host {
        id: HostId::new(),
        name: name.into(),
        uri: format!("qemu+tcp://{name}/system"),
        peer_uri: format!("qemu+tls://{name}/system"),
        migration_address: Some("10.0.0.1".into()),
        site: "main".into(),
        cores: 8,
        memory: MiB(16_384),
        mode: HostMode::Active,
        machine: None,
        created_at: at(1),
    }
}

pub fn storage(name: &str, kind: StorageKind, hosts: &[&Host]) -> Storage {
    Storage {
        id: StorageId::new(),
        name: name.into(),
        kind,
        members: hosts
            .iter()
            .map(|h| StorageMember {
                host: h.id,
                pool: "default".into(),
                proven_at: (kind == StorageKind::Shared).then(|| at(3)),
            })
            .collect(),
        created_at: at(2),
    }
}

pub fn network(name: &str, hosts: &[&Host]) -> Network {
    Network {
        id: NetworkId::new(),
        name: name.into(),
        cidr_address: "10.7.0.0".parse().unwrap(),
        cidr_prefix: 24,
        gateway: Some("10.7.0.1".parse().unwrap()),
        dns: vec!["10.7.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        range_from: "10.7.0.10".parse().unwrap(),
        range_until: "10.7.0.99".parse().unwrap(),
        vlan: Some(7),
        members: hosts
            .iter()
            .map(|h| NetworkMember {
                host: h.id,
                carrier: Carrier::Bridge("br0".into()),
            })
            .collect(),
        created_at: at(2),
    }
}

pub fn image(name: &str) -> Image {
    Image {
        id: ImageId::new(),
        name: name.into(),
        os: "Debian 12".into(),
        state: ImageState::Ready,
        reason: None,
        url: Some("https://example.org/debian.qcow2".into()),
        sha256: Some("ab".repeat(32)),
        checksums_url: None,
        verified: true,
        file_bytes: Some(3 << 30),
        virtual_bytes: Some(10 << 30),
        format: Some(ImageFormat::Qcow2),
        min_disk: GiB(10),
        min_memory: MiB(512),
        devices: Devices::Virtio,
        cloud_init: true,
        created_at: at(2),
    }
}

pub fn request(owner: &User, image: &Image, name: &str) -> Request {
    Request {
        id: RequestId::new(),
        owner: owner.id,
        spec: RequestSpec {
            name: name.into(),
            vcpus: Vcpus(2),
            memory: MiB(2048),
            disk: GiB(20),
            from: "2026-11-24".parse().unwrap(),
            until: "2026-12-31".parse().unwrap(),
            purpose: "to <try> \"it\"; DROP TABLE vms; --\n第二行".into(),
            image: image.id,
            ssh_key: Some("ssh-ed25519 AAAA".into()),
        },
        state: RequestState::Pending,
        reason: None,
        decided_by: None,
        decided_at: None,
        wanted_host: None,
        wanted_storage: None,
        wanted_network: None,
        vm: None,
        created_at: at(10),
    }
}

/// One of everything a VM stands on, stored.
pub struct Ground {
    pub owner: User,
    pub host: Host,
    pub storage: Storage,
    pub network: Network,
    pub image: Image,
}

impl Ground {
    pub async fn lay(store: &Store) -> Self {
        let host = host("h1");
        let ground = Self {
            owner: user("ada"),
            storage: storage("local", StorageKind::Local, &[&host]),
            network: network("guests", &[&host]),
            image: image("debian"),
            host,
        };
        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&ground.owner, "hash").await.unwrap();
        tx.insert_host(&ground.host).await.unwrap();
        tx.insert_storage(&ground.storage).await.unwrap();
        tx.insert_network(&ground.network).await.unwrap();
        tx.insert_image(&ground.image).await.unwrap();
        tx.commit().await.unwrap();
        ground
    }

    pub fn vm(&self, name: &str) -> Vm {
        let id = VmId::random();
        Vm {
            id,
            owner: self.owner.id,
            request: Some(RequestId::new()),
            name: name.into(),
            hostname: Vm::hostname_of(id, name),
            libvirt_name: Vm::libvirt_name_of(id, name),
            host: self.host.id,
            state: VmState::Provisioning,
            wanted: WantedPower::On,
            vcpus: Vcpus(2),
            memory: MiB(2048),
            disk: GiB(20),
            image: self.image.id,
            storage: self.storage.id,
            network: self.network.id,
            mac: Mac::local([1, 2, 3]),
            address: "10.7.0.10".parse().unwrap(),
            lease_from: "2026-11-24".parse().unwrap(),
            lease_until: "2026-12-31".parse().unwrap(),
            purpose: "x".into(),
            labels: Vec::new(),
            migration_policy: None,
            note: None,
            created_at: at(20),
            generation: 0,
        }
    }
}

pub fn job(kind: JobKind, vm: Option<VmId>) -> Job {
    Job {
        id: JobId::new(),
        kind,
        subject: JobSubject {
            vm,
            ..JobSubject::default()
        },
        owner: None,
        created_by: None,
        state: JobState::Queued,
        step: 0,
        data: serde_json::json!({"a": [1, null, "é"]}),
        progress: Progress::default(),
        error: None,
        cancel: false,
        holder: None,
        lease_until: Timestamp(0),
        fence: 0,
        attempts: 0,
        not_before: Timestamp(0),
        created_at: at(30),
        ended_at: None,
    }
}

/// Commits what was done, after a read that must not take part in it.
pub async fn commit(
    mut tx: bellwether_store::Tx,
    done: bellwether_model::Result<()>,
) -> bellwether_model::Result<()> {
    done?;
    tx.active_admins().await?;
    tx.commit().await
}

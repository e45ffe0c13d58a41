//! An engine on a simulated fleet and a database of its own, with everything a VM needs: two hosts, a shared storage, a
//! network, an image, an admin and a user.

#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // each test file uses its part

pub mod points;

use bellwether_decide::request::Draft;
use bellwether_engine::{
    Actor, Admin, Clock, Engine, Running, Settings,
    approve::{self, Choice},
    hosts::{self, NewHost},
    images::{self, NewImage},
    migrate::{self, Target},
    networks::{self, NewNetwork},
    people::{self, NewAccount},
    request, storages,
};
use bellwether_hypervisor::{
    Inventory,
    sim::{SimFleet, SimSpec},
};
use bellwether_model::{
    ErrorKind, HostId, JobId, RequestId, Timestamp, VmId,
    host::HostHealth,
    image::Image,
    job::{Job, JobState},
    migration::Migration,
    network::Carrier,
    request::{Request, RequestState},
    storage::StorageKind,
    vm::{Devices, Vm, VmState},
};
use bellwether_store::{History, JobQuery, MigrationQuery, Store};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// Nothing here takes longer unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Site {
    pub fleet: SimFleet,
    pub engine: Engine,
    pub running: Option<Running>,
    pub admin: Admin,
    pub user: Actor,
    pub image: Image,
    pub hosts: Vec<HostId>,
    folder: tempfile::TempDir,
    /// How far the engine's clock is ahead of the machine's.
    ahead: Duration,
}

pub fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        period: Duration::from_millis(200),
        paces: bellwether_engine::Paces::of(Duration::from_millis(200)),
        zone: jiff::tz::TimeZone::UTC,
        data_dir: folder.into(),
        job_lease: Duration::from_millis(600),
        ..Settings::default()
    }
}

fn account(login: &str) -> NewAccount {
    NewAccount {
        login: login.into(),
        full_name: login.to_uppercase(),
        mail: format!("{login}@example.org"),
        password: "correct horse battery".to_owned().into(),
    }
}

impl Site {
    /// A site whose engine runs, on `spec`, with a storage of this kind.
    pub async fn new(spec: SimSpec, kind: StorageKind) -> Self {
        Self::with(spec, kind, |_| {}).await
    }

    /// The same with other settings.
    pub async fn with(spec: SimSpec, kind: StorageKind, change: impl Fn(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fleet = SimFleet::new(spec);
        let engine = open_with(&fleet, folder.path(), Duration::ZERO, change).await;
        let admin_user = people::create_admin(&engine, account("root"))
            .await
            .unwrap();
        let admin = Actor::of(&admin_user).admin().unwrap();
        let user = Actor::of(&people::register(&engine, account("ada")).await.unwrap());
        let running = Some(engine.start().await.unwrap());
        let mut ids = Vec::new();
        for name in fleet.hosts() {
            let new = NewHost {
                name: name.clone(),
                uri: fleet.uri(&name),
                ..NewHost::default()
            };
            ids.push(hosts::add(&engine, &admin, new).await.unwrap().host.id);
        }
        let image = upload(&engine, &admin, debian()).await;
        let site = Self {
            fleet,
            engine,
            running,
            admin,
            user,
            image,
            hosts: ids,
            folder,
            ahead: Duration::ZERO,
        };
        site.ready().await;
        let pool = match kind {
            StorageKind::Shared => "shared",
            StorageKind::Local => "local",
        };
        let members = site.hosts.iter().map(|id| (*id, pool.to_owned())).collect();
        storages::create(
            &site.engine,
            &site.admin,
            storages::NewStorage {
                name: pool.into(),
                kind,
                members,
            },
        )
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
            members: site
                .hosts
                .iter()
                .map(|id| (*id, Carrier::Bridge("br0".into())))
                .collect(),
        };
        networks::create(&site.engine, &site.admin, network)
            .await
            .unwrap();
        site
    }

    pub fn draft(&self, name: &str) -> Draft {
        let today = self.engine.today();
        Draft {
            name: Some(name.into()),
            vcpus: Some("2".into()),
            memory_mib: Some("1024".into()),
            disk_gib: Some("10".into()),
            from: Some(today.to_string()),
            until: Some(today.saturating_add(jiff::Span::new().days(30)).to_string()),
            purpose: Some("thesis".into()),
            image: Some(self.image.id.to_string()),
            ssh_key: None,
        }
    }

    /// Another image; from now on VMs are asked for with it.
    pub async fn use_image(&mut self, new: NewImage) {
        self.image = upload(&self.engine, &self.admin, new).await;
    }

    pub async fn ask(&self, name: &str) -> Request {
        request::submit(&self.engine, &self.user, &self.draft(name))
            .await
            .unwrap()
    }

    /// Asks for a VM for a period that begins so many days from now.
    pub async fn ask_for_later(&self, name: &str, days: i64) -> Request {
        let from = self.engine.today();
        let from = from.saturating_add(jiff::Span::new().days(days));
        let draft = Draft {
            from: Some(from.to_string()),
            ..self.draft(name)
        };
        request::submit(&self.engine, &self.user, &draft)
            .await
            .unwrap()
    }

    /// Asks for a VM, approves it and waits until it runs.
    pub async fn vm(&self, name: &str) -> Vm {
        let request = self.ask(name).await;
        self.made(request).await
    }

    /// Approves the request and waits until its VM runs.
    pub async fn made(&self, request: Request) -> Vm {
        let job = self.approved(request.id).await;
        self.ends(job.id).await;
        let request = self.engine.store().request(request.id).await.unwrap();
        assert_eq!(
            request.state,
            RequestState::Fulfilled,
            "{:?}",
            request.reason
        );
        self.get(request.vm.unwrap()).await
    }

    /// Approves the request and answers the job that makes its VM. On a loaded machine the hosts' last samples may have
    /// grown old, and the request waits for a moment.
    pub async fn approved(&self, request: RequestId) -> Job {
        let asked = self.engine.now();
        let placed = approve::approve(&self.engine, &self.admin, request, Choice::default())
            .await
            .unwrap();
        if let Some(job) = placed.job {
            return job;
        }
        let began = tokio::time::Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "waited in vain for room");
            let query = JobQuery {
                limit: 100,
                ..JobQuery::default()
            };
            let jobs = self.engine.store().jobs(query).await.unwrap();
            let of_it = |job: &Job| job.subject.request == Some(request) && job.created_at >= asked;
            if let Some(job) = jobs.into_iter().find(of_it) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has the VM move, as soon as its hosts were seen lately: on a loaded machine a sample may be late.
    pub async fn moves(&self, vm: VmId, target: Target) -> (Job, Migration) {
        let began = tokio::time::Instant::now();
        loop {
            self.ready().await;
            match migrate::ask(&self.engine, &self.admin, vm, target).await {
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
                other => return other.unwrap(),
            }
        }
    }

    pub async fn get(&self, vm: VmId) -> Vm {
        self.engine.store().vm(vm).await.unwrap()
    }

    /// Gives guests so many seconds to shut down.
    pub async fn grace(&self, seconds: u32) {
        let (mut policy, version) = self.engine.store().policy().await.unwrap();
        policy.shutdown_grace_seconds = seconds;
        let mut tx = self.engine.store().begin().await.unwrap();
        let now = self.engine.now();
        tx.set_policy(&policy, version, None, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Waits until the job has ended.
    pub async fn ends(&self, id: JobId) -> Job {
        self.until("the job ends", async |site| {
            !site.engine.store().job(id).await.unwrap().state.is_open()
        })
        .await;
        self.engine.store().job(id).await.unwrap()
    }

    pub async fn state(&self, vm: VmId, state: VmState) {
        let what = format!("the VM is {state}");
        self.until(&what, async |site| site.get(vm).await.state == state)
            .await;
    }

    /// What the fleet calls a host.
    pub async fn name_of(&self, host: HostId) -> String {
        self.engine.store().host(host).await.unwrap().name
    }

    /// Waits until reconcile has run so many times more.
    pub async fn rounds_of_reconcile(&self, rounds: u32) {
        let last = |site: &Self| {
            let tasks = site.engine.task_status();
            let task = tasks.into_iter().find(|task| task.name == "reconcile");
            task.and_then(|task| task.last_run)
        };
        // One may be under way that began before.
        for _ in 0..=rounds {
            let before = last(self);
            self.until("reconcile has run", async |site| last(site) > before)
                .await;
        }
    }

    /// Waits until the job shows how far its copy is.
    pub async fn copies(&self, job: JobId) {
        self.until("progress shows", async |site| {
            let job = site.engine.store().job(job).await.unwrap();
            job.progress.migration.is_some()
        })
        .await;
    }

    /// The VM's last migration.
    pub async fn last_migration(&self, vm: VmId) -> Migration {
        let query = MigrationQuery {
            vm: Some(vm),
            limit: 1,
            ..MigrationQuery::default()
        };
        let found = self.engine.store().migrations(query).await.unwrap();
        found.into_iter().next().unwrap()
    }

    /// Waits until every host was just seen.
    pub async fn ready(&self) {
        self.until("all hosts are ready", async |site| {
            let observed = site.engine.observed();
            site.hosts.iter().all(|id| {
                observed
                    .hosts
                    .get(id)
                    .is_some_and(|seen| seen.health == HostHealth::Ready && !seen.pools.is_empty())
            })
        })
        .await;
    }

    /// Waits until what each host says of itself now was seen.
    pub async fn facts_seen(&self) {
        self.until("what the hosts say of themselves was seen", async |site| {
            let observed = site.engine.observed();
            for (id, name) in site.hosts.iter().zip(site.fleet.hosts()) {
                let says = site.fleet.host(&name).facts().await.ok();
                if observed.hosts[id].facts != says {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Waits until it is so; fails with what was waited for.
    pub async fn until(&self, what: &str, so: impl AsyncFn(&Self) -> bool) {
        let began = tokio::time::Instant::now();
        while !so(self).await {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the engine as kill -9 would and starts another on the same database and fleet.
    pub async fn kill_and_start(&mut self) {
        self.kill_and_start_with(|_| {}).await;
    }

    /// As [`Site::kill_and_start`], with other settings.
    pub async fn kill_and_start_with(&mut self, change: impl Fn(&mut Settings)) {
        if let Some(mut running) = self.running.take() {
            running.kill();
            running.stop().await;
        }
        self.engine.store().close().await;
        self.engine = open_with(&self.fleet, self.folder.path(), self.ahead, change).await;
        self.leases_run_out().await;
        self.running = Some(self.engine.start().await.unwrap());
    }

    /// As [`Site::kill_and_start`], so many days later.
    pub async fn days_later(&mut self, days: u64) {
        self.ahead += Duration::from_secs(days * 86_400);
        self.kill_and_start().await;
    }

    /// Where the server keeps the image's file.
    pub fn image_file(&self) -> std::path::PathBuf {
        let images = self.folder.path().join("images");
        images.join(self.image.id.to_string())
    }

    /// As if so much time had passed that whoever runs a job has lost it.
    pub async fn leases_run_out(&self) {
        let query = JobQuery {
            states: vec![JobState::Running, JobState::Undoing],
            limit: 100,
            ..JobQuery::default()
        };
        let store = self.engine.store();
        for job in store.jobs(query).await.unwrap() {
            // Who was killed in the middle of a write holds SQLite's lock until that is rolled back.
            for tries in 0.. {
                match store.renew_lease(job.id, job.fence, Timestamp(0)).await {
                    Err(error) if error.kind == ErrorKind::Unavailable && tries < 5 => {}
                    renewed => {
                        renewed.unwrap();
                        break;
                    }
                }
            }
        }
    }

    /// What it takes to open another engine on the same database and fleet, as another process would.
    pub fn opening(&self) -> Opening {
        Opening {
            fleet: self.fleet.clone(),
            folder: self.folder.path().into(),
            ahead: self.ahead,
        }
    }

    /// What must hold of every fleet at every time, and that nothing but the named VMs holds room.
    pub fn sound(&self) {
        assert_eq!(self.fleet.check(), Vec::<String>::new());
    }
}

/// Opens an engine on a site's database and fleet.
pub struct Opening {
    fleet: SimFleet,
    folder: std::path::PathBuf,
    ahead: Duration,
}

impl Opening {
    pub async fn engine(&self) -> Engine {
        open(&self.fleet, &self.folder, self.ahead).await
    }
}

async fn open(fleet: &SimFleet, folder: &std::path::Path, ahead: Duration) -> Engine {
    open_with(fleet, folder, ahead, |_| {}).await
}

async fn open_with(
    fleet: &SimFleet,
    folder: &std::path::Path,
    ahead: Duration,
    change: impl Fn(&mut Settings),
) -> Engine {
    let url = format!("sqlite://{}", folder.join("bellwether.db").display());
    let store = Store::open(&url).await.unwrap();
    let history = History::open(&url).await.unwrap();
    let mut settings = settings(folder);
    if !ahead.is_zero() {
        settings.clock = Clock::simulated(settings.clock.now().plus(ahead));
    }
    change(&mut settings);
    Engine::new(store, history, Arc::new(fleet.connector()), settings)
}

/// A system that reads a seed.
pub fn debian() -> NewImage {
    NewImage {
        name: "Debian".into(),
        os: "Debian 12".into(),
        url: None,
        sha256: None,
        checksums_url: None,
        min_disk_gib: 1,
        min_memory_mib: 128,
        devices: Devices::Virtio,
        cloud_init: true,
        from_catalogue: None,
    }
}

async fn upload(engine: &Engine, admin: &Admin, new: NewImage) -> Image {
    let bytes = Bytes::from(vec![7_u8; 1 << 20]);
    let length = bytes.len() as u64;
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    images::upload(engine, admin, new, stream, Some(length))
        .await
        .unwrap()
}

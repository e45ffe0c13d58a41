//! Where an engine dies or sleeps: at the points around a job's writes.

use super::{Opening, Site};
use bellwether_engine::{Engine, jobs::Point};
use bellwether_hypervisor::{Inventory, Volumes};
use bellwether_model::{VmId, observed::PowerState, vm::Vm, vm::VmState};
use secrecy::ExposeSecret;
use sha_crypt::{PasswordVerifier, ShaCrypt};
use std::{
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Has the engine die at the `at`-th point that `counts`; answers what tells that it did.
pub fn die_at(
    engine: &Engine,
    at: usize,
    counts: impl Fn() -> bool + Send + Sync + 'static,
) -> Arc<Notify> {
    let died = Arc::new(Notify::new());
    let (count, told) = (AtomicUsize::new(0), died.clone());
    engine.set_probe(Arc::new(move |_: Point, _: &str| {
        if !counts() {
            return false;
        }
        let now = count.fetch_add(1, Ordering::SeqCst);
        if now == at {
            told.notify_one();
        }
        // Dead is dead: nothing after that point is written either.
        now >= at
    }));
    died
}

/// Another process on the site's database and fleet, with all its threads stopped at one point as by SIGSTOP.
pub struct Sleeper {
    has_stopped: Option<mpsc::Receiver<()>>,
    wake: mpsc::Sender<()>,
    finish: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Sleeper {
    /// Starts it; it stops at its `at`-th point that `counts`.
    pub fn start(
        opening: Opening,
        at: usize,
        counts: impl Fn(Point, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let (stopped, has_stopped) = mpsc::channel();
        let (wake, go_on) = mpsc::channel();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async move {
                    let engine = opening.engine().await;
                    let (count, go_on) = (AtomicUsize::new(0), Mutex::new(go_on));
                    engine.set_probe(Arc::new(move |point: Point, step: &str| {
                        if counts(point, step) && count.fetch_add(1, Ordering::SeqCst) == at {
                            let _ = stopped.send(());
                            let _ = go_on.lock().unwrap().recv();
                        }
                        false
                    }));
                    let running = engine.start().await.unwrap();
                    let _ = finished.await;
                    running.stop().await;
                });
        });
        Self {
            has_stopped: Some(has_stopped),
            wake,
            finish,
            thread,
        }
    }

    /// Waits until it stands at its point; `false` if it never does, while `ended` waits for its work to end without.
    pub async fn stopped(&mut self, ended: impl Future) -> bool {
        let Some(has_stopped) = self.has_stopped.take() else {
            return true;
        };
        let stopped = tokio::task::spawn_blocking(move || has_stopped.recv().is_ok());
        tokio::select! {
            stopped = stopped => stopped.unwrap(),
            _ = ended => false,
        }
    }

    /// Lets it go on with what it was about to do, for a while, and ends it.
    pub async fn wakes(self) {
        let _ = self.wake.send(());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _ = self.finish.send(());
        drop(self.has_stopped);
        tokio::task::spawn_blocking(move || self.thread.join().unwrap())
            .await
            .unwrap();
    }
}

/// The VM runs exactly once, on its recorded host.
pub async fn once(site: &Site, vm: VmId) -> Vm {
    site.state(vm, VmState::Running).await;
    let vm = site.get(vm).await;
    let host = site.engine.store().host(vm.host).await.unwrap().name;
    let running: Vec<_> = site
        .fleet
        .whereabouts(vm.id.0)
        .into_iter()
        .filter(|(_, power)| *power == PowerState::Running)
        .collect();
    assert_eq!(running, [(host, PowerState::Running)]);
    site.sound();
    vm
}

/// Volumes that nothing refers to, but for images.
pub fn leftovers(site: &Site) -> Vec<String> {
    site.fleet
        .unused_volumes()
        .into_iter()
        .filter(|volume| !volume.contains("image"))
        .collect()
}

/// No VM, no address, no volume, no secret is kept of any VM, and none was lost on the way.
pub async fn no_room_held(site: &Site) {
    nothing_kept(site).await;
    site.sound();
}

/// No VM, no address, no volume, no secret is kept of any VM.
pub async fn nothing_kept(site: &Site) {
    let store = site.engine.store();
    assert!(store.vms(Default::default()).await.unwrap().is_empty());
    let network = store.networks().await.unwrap().remove(0);
    let held = store.addresses(network.id).await.unwrap();
    assert!(held.iter().all(|held| held.vm.is_none()));
    let with_gone = bellwether_store::VmQuery {
        with_gone: true,
        ..Default::default()
    };
    let all = store.vms(with_gone).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for vm in all {
        assert_eq!(tx.first_password(vm.id).await.unwrap(), None);
    }
    drop(tx);
    assert_eq!(leftovers(site), Vec::<String>::new());
}

/// What the VM's seed tells its guest about who may log in; none where it has no seed.
pub async fn told_by_seed(site: &Site, vm: &Vm) -> Option<serde_json::Value> {
    let host = site.engine.store().host(vm.host).await.unwrap().name;
    let host = site.fleet.host(&host);
    let pool = host.places().await.unwrap().pools;
    let mut seed = None;
    for pool in pool {
        let bytes = bellwether_engine::seed::SEED_BYTES;
        seed = seed.or(host
            .read_volume(&pool.name, &vm.seed_volume(), bytes)
            .await
            .ok());
    }
    let mut seed = std::io::Cursor::new(seed?);
    let disk = fatfs::FileSystem::new(&mut seed, fatfs::FsOptions::new()).unwrap();
    let mut text = String::new();
    disk.root_dir()
        .open_file("user-data")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let text = text.strip_prefix("#cloud-config\n").unwrap();
    Some(serde_json::from_str(text).unwrap())
}

/// The first password that its owner is shown, if one waits.
pub async fn first_password(site: &Site, vm: &Vm) -> Option<secrecy::SecretString> {
    bellwether_engine::secrets::take_first_password(&site.engine, &site.user, vm.id)
        .await
        .unwrap()
}

/// The first password that its owner is shown lets them into the guest, which read the seed.
pub async fn password_is_the_seeds(site: &Site, vm: &Vm) {
    let shown = first_password(site, vm).await;
    let shown = shown.expect("a first password waits");
    let user_data = told_by_seed(site, vm).await.expect("there is a seed");
    let hash = user_data["users"][0]["hashed_passwd"].as_str().unwrap();
    ShaCrypt::default()
        .verify_password(shown.expose_secret().as_bytes(), hash)
        .expect("the password shown is the guest's");
}

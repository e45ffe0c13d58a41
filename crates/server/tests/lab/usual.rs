//! What people do on usual days, on real hosts: they log in, look at the screen, switch the VM, let its lease end, and keep
//! disks on the hosts' own storage.

use crate::{hosts::Hosts, hosts::until, house::House, screen};
use bellwether_api::{
    Secret,
    job::JobState,
    migration::MigrationOutcome,
    storage::{StorageInput, StorageKind, StorageMemberInput},
    vm::{LeaseInput, PowerAction, PowerInput, Vm, VmState, WantedPower},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// The first password, which is shown once, is the one that lets its owner into the guest.
pub async fn log_in(house: &House, vm: &Vm) -> Secret {
    let client = &house.daemon.client;
    let shown = client.first_password(vm.id).await.unwrap().value.password;
    let password = shown.unwrap();
    let again = client.first_password(vm.id).await.unwrap().value.password;
    assert!(again.is_none(), "it is shown once");
    until("its owner gets in", || async {
        in_guest(house, vm, &password, "true").then_some(())
    })
    .await;
    assert!(!in_guest(house, vm, &"something else".into(), "true"));
    password
}

/// Whether a command succeeds in the guest for whoever logs in there by this password.
fn in_guest(house: &House, vm: &Vm, password: &Secret, command: &str) -> bool {
    let asked = house.folder.path().join("askpass");
    if !asked.exists() {
        std::fs::write(&asked, "#!/bin/sh\nprintf '%s\\n' \"$FIRST_PASSWORD\"\n").unwrap();
        std::fs::set_permissions(&asked, PermissionsExt::from_mode(0o700)).unwrap();
    }
    Command::new("timeout")
        .args(["20", "ssh", "-F", "none", "-o", "PubkeyAuthentication=no"])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"])
        .args(["-o", "UserKnownHostsFile=/dev/null"])
        .args(["-o", "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=5"])
        .arg(format!("ada@{}", vm.address))
        .arg(command)
        .env("SSH_ASKPASS", &asked)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("FIRST_PASSWORD", password.expose())
        .output()
        .unwrap()
        .status
        .success()
}

/// The screen is closed but to the password that was asked for. That one goes along when the VM moves, as the viewer's
/// person would expect, and is worth nothing once another was asked for.
pub async fn look_at_screen(
    hosts: &Hosts,
    house: &House,
    vm: &Vm,
    before: Option<Secret>,
) -> Secret {
    let host = hosts.live_on(vm.id)[0];
    let shown = hosts.virsh(host, &["vncdisplay", &vm.id.to_string()]);
    let shown = shown.unwrap();
    let (address, display) = shown.rsplit_once(':').unwrap();
    let port = 5900 + display.parse::<u16>().unwrap();
    let there = format!("{address}:{port}");
    let lets_in = |password: &str| screen::lets_in(hosts, host, &there, password);
    assert!(!lets_in(""));
    if let Some(before) = &before {
        assert!(lets_in(before.expose()));
    }
    let screen = house.daemon.client.screen(vm.id).await.unwrap().value;
    assert_eq!(screen.host.id, house.hosts[host]);
    assert_eq!(format!("{}:{}", screen.address, screen.port), there);
    assert!(lets_in(screen.password.expose()));
    assert!(!lets_in("mistaken"));
    if let Some(before) = &before {
        assert!(!lets_in(before.expose()));
    }
    screen.password
}

/// Rebooted, shut down, started, and its power taken away.
pub async fn switch(hosts: &Hosts, house: &House, vm: &Vm, password: &Secret) {
    let host = hosts.live_on(vm.id)[0];
    let process = hosts.guest_process(host, vm.id);
    // What lies in the guest's memory is gone once it has started anew.
    assert!(in_guest(house, vm, password, "touch before"));
    press(house, vm, PowerAction::Reboot).await;
    until("the guest started anew", || async {
        in_guest(house, vm, password, "! test -e before").then_some(())
    })
    .await;
    assert_eq!(hosts.guest_process(host, vm.id), process);

    for (action, state, wanted) in [
        (PowerAction::Shutdown, "shut off", WantedPower::Off),
        (PowerAction::Start, "running", WantedPower::On),
        (PowerAction::ForceOff, "shut off", WantedPower::Off),
        (PowerAction::Start, "running", WantedPower::On),
    ] {
        press(house, vm, action).await;
        assert_eq!(hosts.state(host, vm.id).as_deref(), Some(state));
        assert_eq!(house.vm(vm.id).await.wanted, wanted, "{action:?}");
        house.tells_the_truth(hosts).await;
    }
}

/// A connection to a guest, which sends back what it gets.
struct Echo(TcpStream);

impl Echo {
    const PATIENCE: Duration = Duration::from_secs(20);

    fn open(vm: &Vm) -> Option<Self> {
        let address = SocketAddr::new(vm.address, 7);
        let stream = TcpStream::connect_timeout(&address, Self::PATIENCE).ok()?;
        stream.set_read_timeout(Some(Self::PATIENCE)).ok()?;
        Some(Self(stream))
    }

    fn answers(&mut self, text: &str) -> std::io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        let mut back = vec![0; text.len()];
        self.0.read_exact(&mut back)?;
        assert_eq!(back, text.as_bytes());
        Ok(())
    }
}

async fn press(house: &House, vm: &Vm, action: PowerAction) {
    let job = house
        .daemon
        .client
        .power(vm.id, &PowerInput { action })
        .await;
    let ended = house.end_of(job.unwrap().value.id).await;
    assert_eq!(ended.state, JobState::Done, "{action:?}: {ended:?}");
}

/// The day after its last one a VM is shut down and kept; once the lease is extended it starts again, with all it had.
pub async fn outlive_lease(hosts: &Hosts, house: &mut House, vm: &Vm, password: &Secret) {
    let host = hosts.live_on(vm.id)[0];
    until("the guest is up", || async {
        in_guest(house, vm, password, "true").then_some(())
    })
    .await;
    house.daemon.kill();
    let mut over = house.store.vm(vm.id.into()).await.unwrap();
    over.lease_until = over.lease_until.yesterday().unwrap();
    let mut tx = house.store.begin().await.unwrap();
    tx.update_vm(&mut over).await.unwrap();
    tx.commit().await.unwrap();
    house.daemon.start_again(&house.token).await;
    until("its guest has shut down", || async {
        let state = hosts.state(host, vm.id);
        state.is_some_and(|state| state == "shut off").then_some(())
    })
    .await;
    // A server looks at the leases when it starts, and else once a minute.
    house.daemon.kill();
    house.daemon.start_again(&house.token).await;
    let ended = house.until_vm(vm.id, VmState::Ended, host).await;
    assert!(ended.note.unwrap().contains("Its disk is kept"));
    assert_eq!(hosts.state(host, vm.id).as_deref(), Some("shut off"));
    house.tells_the_truth(hosts).await;
    let today = house.daemon.client.server().await.unwrap().value.today;
    let until_today = LeaseInput {
        until: today.to_string(),
    };
    let client = &house.daemon.client;
    client.extend(vm.id, &until_today).await.unwrap();
    press(house, vm, PowerAction::Start).await;
    house.tells_the_truth(hosts).await;
}

/// A VM whose disk is on its host's own storage takes it along when it moves.
pub async fn move_with_disk(hosts: &Hosts, house: &House) {
    let pool = hosts.lab.pools.iter().find(|pool| !pool.shared).unwrap();
    let member = |host: &Uuid| StorageMemberInput {
        host: *host,
        pool: pool.name.clone(),
    };
    let wanted = StorageInput {
        name: "own".into(),
        kind: StorageKind::Local,
        members: house.hosts.iter().map(member).collect(),
    };
    let client = &house.daemon.client;
    let storage = client.create_storage(&wanted).await.unwrap().value.id;
    let ordered = house.order_on("own-disk", 0, Some(storage)).await;
    let vm = house.made(ordered).await;
    let disk = |host: usize| {
        let folder: &Path = &hosts.lab.hosts[host].local_pool;
        folder.join(format!("bw-{}.qcow2", vm.id)).exists()
    };
    assert_eq!([disk(0), disk(1)], [true, false]);
    house.tells_the_truth(hosts).await;
    let process = hosts.guest_process(0, vm.id);
    let mut open = until("its guest answers", || async { Echo::open(&vm) }).await;
    open.answers("before").unwrap();
    let (job, migration) = house.begin_to_move(vm.id, 1).await;
    let ended = house.end_of(job).await;
    let told = house.migration(migration).await;
    assert_eq!(
        (ended.state, told.outcome, told.copy_disk),
        (JobState::Done, MigrationOutcome::Completed, true),
        "{ended:?} {told:?}"
    );
    assert_eq!([disk(0), disk(1)], [false, true]);
    assert_ne!(hosts.guest_process(1, vm.id), process);
    house.tells_the_truth(hosts).await;
    // The guest and its connection came along, and the disk is whole: it starts from it again.
    open.answers("after").unwrap();
    press(house, &vm, PowerAction::Reboot).await;
    // The new one knows nothing of the old connection, and says so.
    let asked = Instant::now();
    let ended = |said: std::io::Result<()>| {
        let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        said.is_err_and(|error| !waits.contains(&error.kind()))
    };
    while !ended(open.answers("still")) {
        assert!(asked.elapsed() < Duration::from_secs(90), "it goes on");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until("its guest starts from the copied disk", || async {
        Echo::open(&vm)?.answers("again").ok()
    })
    .await;
    let job = house.begin_to_delete(&vm).await;
    assert_eq!(house.end_of(job).await.state, JobState::Done);
    assert_eq!([disk(0), disk(1)], [false, false]);
    house.tells_the_truth(hosts).await;
}

/// What somebody made by hand is shown, as nobody's.
pub async fn see_what_is_unmanaged(house: &House, uuid: Uuid) {
    until("it is shown", || async {
        let fleet = house.daemon.client.fleet().await.unwrap().value;
        let mut vms = fleet.hosts.into_iter().flat_map(|host| host.vms);
        let shown = vms.find(|vm| vm.uuid == uuid)?;
        assert_eq!(shown.libvirt_name, "by-hand");
        assert!(shown.managed.is_none());
        Some(())
    })
    .await;
}

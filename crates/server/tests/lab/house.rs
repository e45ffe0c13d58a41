//! A furnished server, what is asked of it, and whether all that it says is true on the hosts.

use crate::{
    daemon::Daemon,
    hosts::{Hosts, until},
};
use bellwether_api::{
    Secret,
    host::HostHealth,
    job::{Job, JobState},
    migration::{Migration, MigrationInput},
    request::{Approval, RequestInput, RequestState},
    vm::{Vm, VmQuery, VmState, WantedPower},
};
use bellwether_lab::{Kernel, Lab, cache_folder, story::furnish, test_image};
use bellwether_model::{JobId, job::JournalEvent};
use bellwether_store::{Store, Tx};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// A bellwetherd with its data, told of the lab.
pub struct House {
    pub daemon: Daemon,
    pub token: Secret,
    /// Its database, read past it.
    pub store: Store,
    pub hosts: [Uuid; 2],
    image: Uuid,
    /// A VM of another server on the same hosts, which is none of its business.
    pub stranger: Uuid,
    /// Goes last: it holds the log.
    pub folder: TempDir,
}

impl House {
    /// Starts a server and tells it of the lab.
    pub async fn open(lab: &Lab, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = Daemon::prepare(folder.path()).await;
        let daemon = Daemon::start(folder.path(), name, Some(&token)).await;
        let file = test_image(Kernel::Cloud, &cache_folder()).unwrap();
        let image = furnish(&daemon.client, lab, &file).await.unwrap();
        let known = daemon.client.hosts(usize::MAX).await.unwrap().value.items;
        let id = |name: &str| known.iter().find(|host| host.name == name).unwrap().id;
        let database = folder.path().join("data/bellwether.db");
        let database = format!("sqlite://{}", database.display());
        Self {
            hosts: [id("host1"), id("host2")],
            store: Store::open(&database).await.unwrap(),
            folder,
            daemon,
            token,
            image,
            stranger: Uuid::nil(),
        }
    }

    /// Asks for a VM, which is approved onto a host; the request and the job that makes it.
    pub async fn order(&self, name: &str, host: usize) -> (Uuid, Uuid) {
        self.order_on(name, host, None).await
    }

    /// As [`Self::order`], with its disk on a storage of choice.
    pub async fn order_on(&self, name: &str, host: usize, storage: Option<Uuid>) -> (Uuid, Uuid) {
        let client = &self.daemon.client;
        let request = self.ask_only(name).await;
        let approval = Approval {
            host: Some(self.hosts[host]),
            storage,
            ..Approval::default()
        };
        let approved = client.approve(request, &approval).await.unwrap().value;
        (request, approved.job.unwrap().id)
    }

    /// Asks for a VM, and leaves it at that.
    pub async fn ask_only(&self, name: &str) -> Uuid {
        let client = &self.daemon.client;
        let today = client.server().await.unwrap().value.today.to_string();
        let wanted = RequestInput {
            name: name.into(),
            vcpus: 1,
            memory_mib: 160,
            disk_gib: 1,
            from: today.clone(),
            until: today,
            purpose: "a bad day".into(),
            image: self.image,
            ssh_key: None,
        };
        client.create_request(&wanted).await.unwrap().value.id
    }

    /// Begins a migration; the job that does it and the migration.
    pub async fn begin_to_move(&self, vm: Uuid, host: usize) -> (Uuid, Uuid) {
        let target = MigrationInput {
            target: Some(self.hosts[host]),
            ..MigrationInput::default()
        };
        let started = self.daemon.client.migrate(vm, &target).await.unwrap().value;
        (started.job.id, started.migration.id)
    }

    /// Begins to delete a VM; the job that does it.
    pub async fn begin_to_delete(&self, vm: &Vm) -> Uuid {
        let job = self.daemon.client.delete_vm(vm.id, &vm.name).await;
        job.unwrap().value.id
    }

    /// How a job ended.
    pub async fn end_of(&self, job: Uuid) -> Job {
        let ended = self.daemon.client.wait_for_job(job, |_| ());
        let ended = tokio::time::timeout(Duration::from_secs(200), ended).await;
        ended
            .unwrap_or_else(|_| panic!("the job goes on for ever: {}", self.daemon.log()))
            .unwrap()
            .value
    }

    /// The VM that came of a request, once its job is done.
    pub async fn made(&self, (request, job): (Uuid, Uuid)) -> Vm {
        let ended = self.end_of(job).await;
        assert_eq!(ended.state, JobState::Done, "{ended:?}");
        let request = self.daemon.client.request_by_id(request).await;
        let request = request.unwrap().value;
        assert_eq!(request.state, RequestState::Fulfilled, "{request:?}");
        self.vm(request.vm.unwrap().id).await
    }

    pub async fn vm(&self, id: Uuid) -> Vm {
        self.daemon.client.vm(id).await.unwrap().value
    }

    pub async fn migration(&self, id: Uuid) -> Migration {
        self.daemon.client.migration(id).await.unwrap().value
    }

    /// How a host is seen now.
    pub async fn health(&self, host: usize) -> HostHealth {
        let host = self.daemon.client.host(self.hosts[host]).await;
        host.unwrap().value.seen.health
    }

    /// Waits until a job has begun `step` and kept what `kept` wants of its data, or is past that. Looks past the server, so
    /// that nothing of it is in the way.
    pub async fn caught(&self, job: Uuid, step: &str, kept: Option<&str>) {
        let id: JobId = job.into();
        loop {
            let job = self.store.job(id).await.unwrap();
            let journal = self.store.journal(id).await.unwrap();
            let begun = journal
                .iter()
                .any(|line| line.event == JournalEvent::Doing && line.step == step);
            let kept = kept.is_none_or(|key| job.data[key] == true);
            if (begun && kept) || !job.state.is_open() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Keeps the server from writing, so that what a step does to a host is done but not yet in the journal.
    pub async fn stop_writing(&self) -> Tx {
        self.store.begin().await.unwrap()
    }

    /// Ends the server as `kill -9` does, says where its job was, and starts it again.
    pub async fn kill_and_start(&mut self, job: Uuid, at: &str) {
        self.daemon.kill();
        let journal = self.store.journal(job.into()).await.unwrap();
        let last = journal
            .last()
            .map(|line| format!("{:?} {}", line.event, line.step));
        println!(
            "killed {at}; the journal's last line: {}",
            last.unwrap_or_default()
        );
        self.daemon.start_again(&self.token).await;
    }

    /// As [`Self::kill_and_start`], after writing was stopped with `stopped`.
    pub async fn kill_and_start_after(&mut self, stopped: Tx, job: Uuid, at: &str) {
        self.daemon.kill();
        stopped.rollback().await.unwrap();
        self.kill_and_start(job, at).await;
    }

    /// Whatever the server says is so on the hosts: each VM is where it says and nowhere else, runs once if it is to run,
    /// and has its files; there is no other VM, file or held address, but strangers'.
    pub async fn tells_the_truth(&self, hosts: &Hosts) {
        let vms = self.living().await;
        let mut held = BTreeMap::new();
        for network in self
            .daemon
            .client
            .networks(usize::MAX)
            .await
            .unwrap()
            .value
            .items
        {
            let addresses = self.store.addresses(network.id.into()).await.unwrap();
            held.extend(
                addresses
                    .into_iter()
                    .filter_map(|held| Some((held.vm?.0, (held.address, held.mac.to_string())))),
            );
        }
        let own = |vm: &Vm| (vm.id, (vm.address, vm.mac.clone()));
        assert_eq!(
            held,
            vms.iter().map(own).collect(),
            "addresses held, and the VMs' own"
        );

        let place = |vm: &Vm| {
            self.hosts
                .iter()
                .position(|host| *host == vm.host.id)
                .unwrap()
        };
        let mut there = BTreeMap::new();
        for host in 0..2 {
            for (uuid, live) in hosts.domains(host) {
                let before = there.insert(uuid, (host, live));
                assert_eq!(before, None, "{uuid} is known to both hosts");
            }
        }
        there.remove(&self.stranger);
        let wanted = |vm: &Vm| (vm.id, (place(vm), vm.wanted == WantedPower::On));
        assert_eq!(
            there,
            vms.iter().map(wanted).collect(),
            "where VMs are, and whether they run"
        );

        let mut files = hosts.vm_files();
        files.retain(|name| !name.contains(&self.stranger.to_string()));
        let wanted = |vm: &Vm| {
            [
                format!("bw-{}.qcow2", vm.id),
                format!("bw-{}-seed.img", vm.id),
            ]
        };
        assert_eq!(
            files,
            vms.iter().flat_map(wanted).collect(),
            "the files in the pools"
        );
    }

    /// Every VM that is not gone.
    pub async fn living(&self) -> Vec<Vm> {
        let all = self
            .daemon
            .client
            .vms(&VmQuery::default(), usize::MAX)
            .await;
        let all = all.unwrap().value.items;
        all.into_iter()
            .filter(|vm| vm.state != VmState::Gone)
            .collect()
    }

    /// Waits until the server shows a VM so.
    pub async fn until_vm(&self, id: Uuid, state: VmState, host: usize) -> Vm {
        until(&format!("the VM {state} on host{}", host + 1), || async {
            let vm = self.vm(id).await;
            (vm.state == state && vm.host.id == self.hosts[host]).then_some(vm)
        })
        .await
    }
}

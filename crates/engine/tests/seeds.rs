//! What a guest is told when it starts for the first time: a key, a password, or nothing at all.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_decide::request::Draft;
use bellwether_engine::{delete, images::NewImage, migrate::Target, request};
use bellwether_hypervisor::{Inventory, sim::SimSpec};
use bellwether_model::{job::JobState, storage::StorageKind, vm::Devices};
use common::{
    Site, debian,
    points::{first_password, no_room_held, once, password_is_the_seeds, told_by_seed},
};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8oV1xrwZbvkBjfRAGsYuDXKS9Jr0HtaJDv0kHyLHGq ada@home";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_a_key_gets_in_by_it_and_whoever_gives_none_by_a_password_shown_once() {
    let site = Site::new(SimSpec::new("keys", 1), StorageKind::Shared).await;
    let draft = Draft {
        ssh_key: Some(KEY.into()),
        ..site.draft("by-key")
    };
    let asked = request::submit(&site.engine, &site.user, &draft)
        .await
        .unwrap();
    let by_key = site.made(asked).await;
    let told = told_by_seed(&site, &by_key).await.unwrap();
    let user = &told["users"][0];
    assert_eq!(user["ssh_authorized_keys"], serde_json::json!([KEY]));
    assert_eq!(user["lock_passwd"], true);
    assert!(user.get("hashed_passwd").is_none(), "{user}");
    assert_eq!(told["ssh_pwauth"], false);
    assert!(first_password(&site, &by_key).await.is_none());

    let by_password = site.vm("by-password").await;
    let told = told_by_seed(&site, &by_password).await.unwrap();
    assert!(told["users"][0].get("ssh_authorized_keys").is_none());
    password_is_the_seeds(&site, &by_password).await;
    assert!(first_password(&site, &by_password).await.is_none(), "once");
}

/// As Windows: it knows no virtio and reads no seed.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_reads_no_seed_is_made_moved_and_deleted_without_one() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let mut site = Site::new(SimSpec::new("bare", 2), kind).await;
        let bare = NewImage {
            name: "Bare".into(),
            os: "Windows Server 2025".into(),
            devices: Devices::Plain,
            cloud_init: false,
            ..debian()
        };
        site.use_image(bare).await;
        let vm = site.vm("bare").await;
        assert_eq!(told_by_seed(&site, &vm).await, None);
        assert!(first_password(&site, &vm).await.is_none());
        let host = site.fleet.host(&site.name_of(vm.host).await);
        let shown = host.describe(vm.id.0).await.unwrap();
        let targets: Vec<_> = shown.disks.iter().map(|disk| &*disk.target).collect();
        assert_eq!(targets, ["sda"], "one disk, of a kind that installers know");

        let (job, _) = site.moves(vm.id, Target::Best).await;
        assert_eq!(site.ends(job.id).await.state, JobState::Done);
        let moved = once(&site, vm.id).await;
        assert_ne!(moved.host, vm.host);
        assert_eq!(told_by_seed(&site, &moved).await, None);

        let job = delete::ask(&site.engine, &site.user, vm.id, "bare")
            .await
            .unwrap();
        assert_eq!(site.ends(job.id).await.state, JobState::Done);
        no_room_held(&site).await;
    }
}

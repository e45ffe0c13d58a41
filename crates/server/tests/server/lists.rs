//! Lists on pages: what a filter leaves, and in which order the rest stands; and what a machine's page offers to do.

use crate::site::{Site, config, page, post};
use bellwether_engine::{Actor, expire};
use bellwether_model::vm::{Vm, VmState};

/// Two machines of one person: one ends today, the other in two months.
async fn short_and_long() -> (Site, Actor, [Vm; 2]) {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let (short, long) = (
        site.vm(&ada, &image, "short").await,
        site.vm(&ada, &image, "long").await,
    );
    let until = site.engine.today();
    let until = until.checked_add(jiff::ToSpan::days(60)).unwrap();
    let admin = site.admin().await;
    let long = expire::extend(&site.engine, &admin, long.id, until)
        .await
        .unwrap();
    (site, (*admin).clone(), [short, long])
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_end_soon_are_found_among_all() {
    let (mut site, root, [short, long]) = short_and_long().await;
    let shows = |page: &str, vm: &Vm| page.contains(&format!("/vms/{}\"", vm.id));
    let all = page(&site, &root, "/vms").await;
    assert!(shows(&all, &short) && shows(&all, &long));
    let soon = page(&site, &root, "/vms?state=ends+soon").await;
    assert!(shows(&soon, &short) && !shows(&soon, &long));
    assert!(soon.contains("1 of 2 machines"), "{soon}");
    // The words of states go on to be those of states.
    let running = page(&site, &root, "/vms?state=running").await;
    assert!(shows(&running, &short) && shows(&running, &long));
    let csv = page(&site, &root, "/vms.csv?state=ends+soon").await;
    assert!(csv.contains("short") && !csv.contains("long"), "{csv}");
    site.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_counted_and_turned_whichever_way_they_are_read() {
    let (mut site, root, _) = short_and_long().await;
    // Newest first, oldest first, and by a text, which is looked for among what was read.
    for (path, first, second) in [
        ("/jobs", "Make long", "Make short"),
        ("/jobs?sort=when", "Make short", "Make long"),
        ("/jobs?q=make", "Make long", "Make short"),
        ("/jobs?q=make&sort=when", "Make short", "Make long"),
    ] {
        let jobs = page(&site, &root, path).await;
        let at = |words: &str| jobs.find(words).unwrap_or_else(|| panic!("{path}: {jobs}"));
        assert!(at(first) < at(second), "{path}");
    }
    let done = page(&site, &root, "/jobs?state=done").await;
    assert!(done.contains("Make short") && done.contains("Make long"));
    for state in ["queued", "nonsense"] {
        let none = page(&site, &root, &format!("/jobs?state={state}")).await;
        assert!(
            none.contains("No job matches the filter"),
            "{state}: {none}"
        );
    }
    let one = page(&site, &root, "/jobs?q=short").await;
    assert!(one.contains("Make short") && !one.contains("Make long"));
    site.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_machine_can_be_let_go_on() {
    let (mut site, root, [vm, _]) = short_and_long().await;
    let host = site.engine.store().host(vm.host).await.unwrap().name;
    // As QEMU does when its disk is full.
    site.fleet.pause(&host, vm.id.into()).unwrap();
    site.until("it shows as paused", async |site| {
        site.engine.store().vm(vm.id).await.unwrap().state == VmState::Paused
    })
    .await;
    let own = format!("/vms/{}", vm.id);
    let shown = page(&site, &root, &own).await;
    assert!(shown.contains(">Resume</button>"), "{shown}");
    let token = site.token(&root).await;
    let resume = post(
        &format!("/api/v1{own}/power"),
        serde_json::json!({"action": "start"}),
    );
    assert_eq!(site.send(resume.token(&token)).await.status, 202);
    site.until("it runs", async |site| {
        site.engine.store().vm(vm.id).await.unwrap().state == VmState::Running
    })
    .await;
    site.quiet().await;
}

//! What graphs are drawn of: what happened, who takes how much of a host, how hot hosts are; and what can't be asked.

use crate::site::{Site, config, get, page};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{Timestamp, job::JobState, signal};
use bellwether_store::SeriesKey;
use serde_json::Value;

async fn read(site: &Site, path: &str, token: &secrecy::SecretString) -> Value {
    let answer = site.send(get(path).token(token)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// Samples every second, and memory with them.
fn brisk() -> bellwether_server::config::Config {
    config("sample_period_seconds = 1\nmemory_period_seconds = 1\n")
}

#[tokio::test]
async fn the_life_of_a_vm_is_marked_on_its_graphs() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "wanderer").await;
    let token = site.token(&ada).await;
    let metrics = read(&site, &format!("/api/v1/vms/{}/metrics", vm.id), &token).await;
    let marks = metrics["marks"].as_array().unwrap();
    let kind = |label: &str| {
        let mark = marks.iter().find(|mark| mark["label"] == label);
        mark.map_or("", |mark| mark["kind"].as_str().unwrap())
    };
    assert_eq!(kind("requested"), "decision", "{metrics:#}");
    assert_eq!(kind("approved"), "decision", "{metrics:#}");
    assert_eq!(kind("made"), "act", "{metrics:#}");
    let asked = marks.iter().find(|mark| mark["label"] == "requested");
    assert_eq!(asked.unwrap()["who"], "ada");
    // The whole lease: from its first moment to its last, which lies ahead.
    let path = format!("/vms/{}", vm.id);
    let whole = page(&site, &ada, &format!("{path}?range=lease")).await;
    for expected in [
        ">This lease</a>",
        ">lease begins</text>",
        "data-until=",
        ">requested</text>",
    ] {
        assert!(whole.contains(expected), "{expected}: {whole}");
    }
    // One that was zoomed into, and what makes no sense.
    let chosen = page(&site, &ada, &format!("{path}?from=1000&until=4600")).await;
    assert!(
        chosen.contains("data-from=\"1000\" data-until=\"4600\""),
        "{chosen}"
    );
    assert!(
        chosen.contains("1 Jan 1970 00:16 – 1 Jan 1970 01:16"),
        "{chosen}"
    );
    let nonsense = page(
        &site,
        &ada,
        &format!("{path}?range=fortnight&from=7&until=6"),
    )
    .await;
    assert!(
        nonsense.contains("aria-current=\"true\">Hour</a>"),
        "{nonsense}"
    );
    site.quiet().await;
}

#[tokio::test]
async fn the_hog_of_a_host_is_told_by_name() {
    let fleet = SimFleet::new(SimSpec {
        vms: 8,
        ..SimSpec::new("hogs", 2)
    });
    let mut site = Site::with_fleet(brisk(), fleet).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "wanderer").await;
    let admin = site.admin().await;
    let root = site.token(&admin).await;
    let (job, migration) = site.moves(vm.id).await;
    site.until("it has moved", async |site| {
        site.engine.store().job(job.id).await.unwrap().state == JobState::Done
    })
    .await;
    for of in ["cpu", "memory"] {
        let path = |host| format!("/api/v1/hosts/{host}/shares?of={of}&most=100");
        let of_vm = |shares: &Value| {
            let series = shares["series"].as_array().unwrap();
            let own = series.iter().find(|part| part["vm"] == vm.id.to_string());
            own.map(|part| part["at_unix_seconds"].as_array().unwrap().len())
        };
        site.until("it takes of the host it came to", async |site| {
            of_vm(&read(site, &path(migration.target), &root).await).is_some()
        })
        .await;
        let shares = read(&site, &path(migration.target), &root).await;
        let series = shares["series"].as_array().unwrap();
        assert_eq!(series.last().unwrap()["signal"], "whole", "{shares:#}");
        let taken = |part: &Value| {
            let points = part["average"].as_array().unwrap().iter();
            points.map(|value| value.as_f64().unwrap()).sum::<f64>()
        };
        let parts = &series[..series.len() - 1];
        assert!(parts.len() >= 4, "{shares:#}");
        assert!(
            parts.windows(2).all(|two| taken(&two[0]) >= taken(&two[1])),
            "{shares:#}"
        );
        // The same, told shorter.
        let short = path(migration.target).replace("most=100", "most=2");
        let short = read(&site, &short, &root).await;
        let names: Vec<&str> = short["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["signal"].as_str().unwrap())
            .collect();
        assert_eq!(names[2..], ["others", "whole"], "{short:#}");
        assert_eq!(names[0], parts[0]["signal"].as_str().unwrap(), "{short:#}");
    }
    let host = page(&site, &admin, &format!("/hosts/{}", migration.target)).await;
    assert!(
        host.contains("class=\"area s1\"") && host.contains("the host in all"),
        "{host}"
    );
    site.quiet().await;
}

#[tokio::test]
async fn the_hottest_host_is_first_and_the_unknown_last() {
    let fleet = SimFleet::new(SimSpec {
        vms: 5,
        ..SimSpec::new("heat", 3)
    });
    let mut site = Site::with_fleet(brisk(), fleet).await;
    site.furnish().await;
    let admin = site.admin().await;
    let root = site.token(&admin).await;
    site.until("every host was measured", async |site| {
        let heat = read(site, "/api/v1/fleet/heat", &root).await;
        let hosts = heat["hosts"].as_array().unwrap();
        !hosts.is_empty() && hosts.iter().all(|host| host["heat"].is_number())
    })
    .await;
    let heat = read(&site, "/api/v1/fleet/heat", &root).await;
    let hosts = heat["hosts"].as_array().unwrap();
    for host in hosts {
        for signal in ["cpu", "memory", "contention"] {
            let cells = host[signal].as_array().unwrap();
            assert_eq!(cells.len(), 48, "{host:#}");
            assert!(cells[0].is_null(), "nobody looked an hour ago: {host:#}");
        }
    }
    let shown = page(&site, &admin, "/fleet/heat?range=quarter").await;
    let mut by_heat: Vec<(f64, &str)> = hosts
        .iter()
        .map(|host| {
            (
                host["heat"].as_f64().unwrap(),
                host["name"].as_str().unwrap(),
            )
        })
        .collect();
    by_heat.sort_by(|a, b| b.0.total_cmp(&a.0));
    let at = |name: &str| shown.find(&format!(">{name}</a>")).unwrap();
    // Two that are as hot as each other to a hair may have changed places between the two answers.
    let (hottest, emptiest) = (by_heat[0], by_heat[by_heat.len() - 1]);
    if hottest.0 - emptiest.0 > 0.05 {
        assert!(at(hottest.1) < at(emptiest.1), "{by_heat:?} {shown}");
    }
    let file = page(&site, &admin, "/fleet/heat.csv").await;
    assert_eq!(file.lines().count(), hosts.len() + 1, "{file}");
    assert!(file.starts_with("\"host\",\"cpu_share\""), "{file}");
    site.quiet().await;
}

#[tokio::test]
async fn what_can_not_be_drawn_is_refused_with_what_can() {
    let mut site = Site::bare(config("")).await;
    let (image, hosts) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "mine").await;
    let (ada, eve) = (site.token(&ada).await, site.user("eve").await);
    let (eve, root) = (site.token(&eve).await, site.admin().await);
    let root = site.token(&root).await;
    let (of_vm, of_host) = (
        format!("/api/v1/vms/{}/metrics", vm.id),
        format!("/api/v1/hosts/{}/shares", hosts[0]),
    );
    let years = "?from=2016-01-01T00:00:00Z&until=2026-01-01T00:00:00Z";
    for (path, token, field, says) in [
        (
            format!("{of_vm}{years}&step_seconds=1"),
            &ada,
            "step_seconds",
            "give at least 157,",
        ),
        (
            format!("{of_vm}?step_seconds=0"),
            &ada,
            "step_seconds",
            "at least 1",
        ),
        (
            format!("{of_vm}?signals=cpu,warmth"),
            &ada,
            "signals",
            "'warmth' is none of: cpu, ",
        ),
        (
            format!("{of_vm}?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"),
            &ada,
            "until",
            "after from",
        ),
        (
            format!("{of_host}?of=disk"),
            &root,
            "of",
            "'disk' is none of: cpu, memory",
        ),
        (format!("{of_host}?most=0"), &root, "most", "give 1 to 100"),
        (
            format!("{of_host}{years}&step_seconds=1"),
            &root,
            "step_seconds",
            "give at least",
        ),
    ] {
        let problem = site.send(get(&path).token(token)).await.problem(422);
        let errors = problem["errors"].to_string();
        let says = says.trim_end_matches(',');
        assert!(
            errors.contains(&format!("\"{field}\"")) && errors.contains(says),
            "{path}: {problem:#}"
        );
    }
    // Ten years with a step that fits are answered, however little there is of them.
    let long = read(&site, &format!("{of_vm}{years}"), &ada).await;
    assert!(long["step_seconds"].as_u64().unwrap() > 86_400, "{long:#}");
    assert_eq!(
        long["series"][0]["at_unix_seconds"],
        serde_json::json!([]),
        "{long:#}"
    );
    // Of somebody else's VM nothing is told, not even that it is there.
    site.send(get(&of_vm).token(&eve)).await.problem(404);
    site.quiet().await;
}

#[tokio::test]
async fn what_is_kept_coarser_by_now_is_drawn_as_a_line() {
    let mut site = Site::bare(config("")).await;
    let (_, hosts) = site.furnish().await;
    let admin = site.admin().await;
    let root = site.token(&admin).await;
    let now = site.engine.now();
    let from = now.seconds() - 3 * 86_400;
    let key = SeriesKey::new(hosts[0].0, signal::host::CPU);
    let history = site.engine.history();
    for n in 0..360 {
        let at = Timestamp::from_seconds(from + 10 * n);
        history.append(at, &[(key, 2.0)]).await.unwrap();
    }
    history.settle(now).await.unwrap();
    // What is old is so beside what was measured last, whether or not a host was looked at since.
    history.append(now, &[(key, 2.0)]).await.unwrap();
    let until = from + 3_600;
    let at = |seconds| Timestamp::from_seconds(seconds).rfc3339();
    let path = format!(
        "/api/v1/hosts/{}/metrics?signals=cpu,cpu&step_seconds=10&from={}&until={}",
        hosts[0],
        at(from),
        at(until)
    );
    let metrics = read(&site, &path, &root).await;
    assert_eq!(metrics["step_seconds"], 60, "as it is kept: {metrics:#}");
    let series = metrics["series"].as_array().unwrap();
    assert_eq!(series.len(), 1, "each once, however often it is named");
    let points = series[0]["average"].as_array().unwrap().len();
    assert!((59..=61).contains(&points), "{metrics:#}");
    let path = format!("/hosts/{}?from={from}&until={until}", hosts[0]);
    let shown = page(&site, &admin, &path).await;
    let line = shown.split("class=\"trace s1\" d=\"").nth(1).unwrap();
    let line = line.split('"').next().unwrap();
    assert_eq!(
        line.matches('M').count(),
        1,
        "one line without holes: {line}"
    );
    assert!(line.matches('L').count() > 50, "{line}");
    site.quiet().await;
}

#[tokio::test]
async fn a_vm_made_again_under_its_name_begins_anew_and_one_that_moved_goes_on() {
    let mut site = Site::with_fleet(brisk(), SimFleet::new(SimSpec::new("again", 2))).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let token = site.token(&ada).await;
    let metrics = async |site: &Site, vm: bellwether_model::VmId| {
        let path = format!("/api/v1/vms/{vm}/metrics?signals=cpu,net_rx&step_seconds=2");
        read(site, &path, &token).await
    };
    let points = |metrics: &Value| {
        let cpu = &metrics["series"][0];
        let at = cpu["at_unix_seconds"].as_array().unwrap().iter();
        let values = cpu["average"].as_array().unwrap().iter();
        at.map(|at| at.as_i64().unwrap())
            .zip(values.map(|value| value.as_f64().unwrap()))
            .collect::<Vec<(i64, f64)>>()
    };
    let first = site.vm(&ada, &image, "web").await;
    site.until("it was measured", async |site| {
        points(&metrics(site, first.id).await).len() >= 3
    })
    .await;

    // It moves: its series goes on on the other host, with neither a spike nor anything twice.
    let (job, _) = site.moves(first.id).await;
    site.until("it has moved", async |site| {
        site.engine.store().job(job.id).await.unwrap().state == JobState::Done
    })
    .await;
    let before = points(&metrics(&site, first.id).await).len();
    site.until("it is measured there", async |site| {
        points(&metrics(site, first.id).await).len() >= before + 3
    })
    .await;
    let all = points(&metrics(&site, first.id).await);
    assert!(all.windows(2).all(|two| two[0].0 < two[1].0), "{all:?}");
    let most = f64::from(first.vcpus.0) * 1.2;
    assert!(
        all.iter().all(|(_, cpu)| (0.0..=most).contains(cpu)),
        "{all:?}"
    );

    bellwether_engine::delete::ask(&site.engine, &ada, first.id, "web")
        .await
        .unwrap();
    site.until("it is gone", async |site| {
        site.engine.store().vm(first.id).await.unwrap().state == bellwether_model::vm::VmState::Gone
    })
    .await;
    let second = site.vm(&ada, &image, "web").await;
    assert_ne!(first.id, second.id);
    site.until("the new one was measured", async |site| {
        !points(&metrics(site, second.id).await).is_empty()
    })
    .await;
    let made = second.created_at.seconds();
    let all = points(&metrics(&site, second.id).await);
    assert!(all.iter().all(|(at, _)| *at >= made - 2), "{made} {all:?}");
    site.quiet().await;
}

#[tokio::test]
async fn a_vm_renamed_by_hand_shows_its_new_name_and_keeps_its_past() {
    let fleet = SimFleet::new(SimSpec::new("renamed", 1));
    let host = fleet.hosts()[0].clone();
    let mut site = Site::with_fleet(brisk(), fleet.clone()).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "web").await;
    let root = site.token(&*site.admin().await).await;
    let from = site
        .engine
        .now()
        .minus(std::time::Duration::from_secs(600))
        .rfc3339();
    let path = format!("/api/v1/vms/{}/metrics?step_seconds=1&from={from}", vm.id);
    let past = async |site: &Site| {
        let metrics = read(site, &path, &root).await;
        let of = |word: &str| {
            let series = metrics["series"].as_array().unwrap().iter();
            let mut of_word = series.filter(|series| series["signal"] == word);
            let series = of_word.next().unwrap();
            serde_json::from_value::<Vec<f64>>(series["average"].clone()).unwrap()
        };
        (of("cpu"), of("running"))
    };
    site.until("it was measured", async |site| {
        past(site).await.0.len() >= 3
    })
    .await;

    fleet.guest_stops(&host, vm.id.0).unwrap();
    site.until("it is told that it is off", async |site| {
        past(site).await.1.last() == Some(&0.0)
    })
    .await;
    let before = past(&site).await.0.len();
    fleet.rename_by_hand(&host, vm.id.0, "web by hand").unwrap();
    fleet.start_by_hand(&host, vm.id.0).unwrap();
    site.until("it is measured again", async |site| {
        past(site).await.0.len() >= before + 2
    })
    .await;
    let (cpu, running) = past(&site).await;
    assert!(cpu.iter().all(|cpu| (0.0..16.0).contains(cpu)), "{cpu:?}");
    assert_eq!(running.first(), Some(&1.0), "{running:?}");
    assert_eq!(running.last(), Some(&1.0), "{running:?}");

    let told = site.send(get("/metrics").token(&root)).await.body;
    let of_vm = told
        .lines()
        .filter(|line| line.contains(&vm.id.to_string()))
        .collect::<Vec<_>>();
    assert!(!of_vm.is_empty());
    let renamed = |line: &&str| line.contains("domain=\"web by hand\"");
    assert!(of_vm.iter().all(renamed), "{of_vm:#?}");
    // What its owner called it is not libvirt's to change.
    let shown = read(&site, &format!("/api/v1/vms/{}", vm.id), &root).await;
    assert_eq!(shown["name"], "web");
    site.quiet().await;
}

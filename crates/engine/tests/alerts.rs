//! Alerts on a simulated fleet: what is found, that it is told once, over restarts and to servers that are away, slow or
//! unwilling, and that who wants silence has it.

#![allow(clippy::unwrap_used)]

mod common;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bellwether_engine::{
    Settings,
    alert::{self, LONGEST_SILENCE, Tell, ToWebhook},
    export::Credentials,
    migrate::Target,
};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{
    ErrorKind,
    alert::{Delivery, Incident, Rule},
    job::JobState,
    policy::Policy,
    storage::StorageKind,
};
use bellwether_store::IncidentQuery;
use common::Site;
use serde_json::Value;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;

/// What a server does with the next request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer(u16),
    /// With the seconds to wait.
    AskToWait(u64),
    Hang,
}

/// A server that takes alerts.
#[derive(Clone, Default)]
struct Receiver {
    /// What it does with the next requests; afterwards it takes them.
    next: Arc<Mutex<VecDeque<Does>>>,
    /// What it was sent, taken or not.
    sent: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// What it took: news, rule and identifier of the notice.
    taken: Arc<Mutex<Vec<(String, String, String)>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let json: Value = serde_json::from_slice(&body).unwrap();
    receiver.sent.lock().unwrap().push((headers, json.clone()));
    let does = receiver.next.lock().unwrap().pop_front();
    match does.unwrap_or(Does::Answer(200)) {
        Does::Answer(200) => {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let alerts = json["alerts"].as_array().unwrap().iter();
            let taken =
                alerts.map(|one| (text(&one["news"]), text(&one["rule"]), text(&one["notice"])));
            // Who was killed before it noted that something was taken sends it again.
            let mut known = receiver.taken.lock().unwrap();
            for one in taken {
                if !known.contains(&one) {
                    known.push(one);
                }
            }
            StatusCode::OK.into_response()
        }
        Does::Answer(status) => (StatusCode::from_u16(status).unwrap(), "no").into_response(),
        Does::AskToWait(seconds) => {
            let wait = [("retry-after", seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wait).into_response()
        }
        Does::Hang => std::future::pending().await,
    }
}

impl Receiver {
    async fn listen(&self, at: Option<SocketAddr>) -> SocketAddr {
        let at = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .fallback(axum::routing::post(receive))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }
    fn does(&self, next: &[Does]) {
        self.next.lock().unwrap().extend(next);
    }
    /// What it took: news and rules.
    fn taken(&self) -> Vec<(String, String)> {
        let taken = self.taken.lock().unwrap();
        let taken = taken.iter();
        taken
            .map(|(news, rule, _)| (news.clone(), rule.clone()))
            .collect()
    }
}

fn news(news: &str, rule: Rule) -> (String, String) {
    (news.into(), rule.as_str().into())
}

fn telling(address: SocketAddr) -> impl Fn(&mut Settings) + Clone {
    move |settings| {
        settings.tell = Tell {
            webhooks: vec![ToWebhook {
                name: "test".into(),
                url: format!("http://{address}/hooks/s3cret-path").into(),
                credentials: Credentials::Bearer("s3cret-token".into()),
                signing_key: Some("s3cret-key".into()),
            }],
            ..Tell::default()
        };
    }
}

/// A site whose alerts open at once.
async fn site(name: &str, address: SocketAddr) -> Site {
    let site = Site::with(SimSpec::new(name, 2), StorageKind::Shared, telling(address)).await;
    set(&site, |policy| {
        policy.alerts.host_silent_minutes = 0;
        policy.alerts.hold_minutes = 0;
        // Simulated machines are as loaded as the one under the test.
        policy.alerts.off = vec![
            Rule::SamplingLate,
            Rule::HostCpu,
            Rule::HostMemory,
            Rule::VmContention,
            Rule::VmMemory,
        ];
    })
    .await;
    site
}

async fn set(site: &Site, change: impl Fn(&mut Policy)) {
    let (mut policy, version) = site.engine.store().policy().await.unwrap();
    change(&mut policy);
    bellwether_engine::policy::set(&site.engine, &site.admin, &policy, version)
        .await
        .unwrap();
}

async fn open(site: &Site, rule: Rule) -> Option<Incident> {
    let open = site.engine.store().open_incidents().await.unwrap();
    open.iter().find(|one| one.key.rule == rule).cloned()
}

async fn opens(site: &Site, rule: Rule) -> Incident {
    site.until("an incident opens", async |site| {
        open(site, rule).await.is_some()
    })
    .await;
    open(site, rule).await.unwrap()
}

async fn ends(site: &Site, rule: Rule) {
    site.until("the incident is over", async |site| {
        open(site, rule).await.is_none()
    })
    .await;
}

/// Waits until the task has run several times more.
async fn looks(site: &Site) {
    let last = |site: &Site| {
        let tasks = site.engine.task_status();
        let task = tasks.into_iter().find(|task| task.name == "alerts");
        task.and_then(|task| task.last_run)
    };
    for _ in 0..4 {
        let before = last(site);
        site.until("alerts were looked at", async |site| last(site) > before)
            .await;
    }
}

async fn all(site: &Site) -> Vec<Incident> {
    let query = IncidentQuery {
        limit: 100,
        ..IncidentQuery::default()
    };
    site.engine.store().incidents(query).await.unwrap()
}

#[tokio::test]
async fn a_silent_host_is_told_once_over_a_restart_and_so_is_its_return() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    let mut site = site("silent", address).await;
    looks(&site).await;
    assert_eq!(all(&site).await, [], "all is well");
    site.fleet.lose_host("host01").unwrap();
    let found = opens(&site, Rule::HostStale).await;
    assert_eq!(found.name, "host01");
    site.until("it is told", async |_| receiver.taken().len() == 1)
        .await;
    site.kill_and_start_with(telling(address)).await;
    looks(&site).await;
    assert_eq!(open(&site, Rule::HostStale).await.unwrap().id, found.id);
    site.fleet.find_host("host01").unwrap();
    ends(&site, Rule::HostStale).await;
    site.until("its return is told", async |_| receiver.taken().len() == 2)
        .await;
    looks(&site).await;
    let expected = [
        news("opened", Rule::HostStale),
        news("resolved", Rule::HostStale),
    ];
    assert_eq!(receiver.taken(), expected);
    assert_eq!(all(&site).await.len(), 1);
    let (headers, body) = receiver.sent.lock().unwrap().pop().unwrap();
    assert_eq!(headers["authorization"], "Bearer s3cret-token");
    let signature = headers["x-bellwether-signature-256"].to_str().unwrap();
    assert_eq!(signature.len(), "sha256=".len() + 64);
    assert_eq!(body["alerts"][0]["ending"], "It answers again.");
    assert_eq!(body["alerts"][0]["subject"]["name"], "host01");
}

#[tokio::test]
async fn a_server_that_is_broken_busy_or_slow_gets_each_notice_in_the_end() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    receiver.does(&[Does::Hang, Does::Answer(500), Does::AskToWait(1)]);
    let site = site("broken", address).await;
    site.fleet.lose_host("host01").unwrap();
    let found = opens(&site, Rule::HostStale).await;
    site.until("trouble is known", async |site| {
        site.engine.told()[0].trouble.is_some()
    })
    .await;
    let told = format!("{:?}", site.engine.told());
    assert!(!told.contains("s3cret"), "{told}");
    // Sampling and looking go on meanwhile.
    looks(&site).await;
    site.until("it is told", async |_| !receiver.taken().is_empty())
        .await;
    assert_eq!(receiver.taken(), [news("opened", Rule::HostStale)]);
    let sent = receiver.sent.lock().unwrap().clone();
    let notices: Vec<_> = sent
        .iter()
        .map(|(_, body)| &body["alerts"][0]["notice"])
        .collect();
    assert_eq!(notices.len(), 4);
    assert!(
        notices.iter().all(|notice| *notice == notices[0]),
        "always the same: {notices:?}"
    );
    site.until("that is noted", async |site| {
        let notices = site.engine.store().notices(found.id).await.unwrap();
        notices[0].delivery == Delivery::Sent
    })
    .await;
    site.until("all is well", async |site| {
        site.engine.told()[0].trouble.is_none()
    })
    .await;
}

#[tokio::test]
async fn what_was_not_told_before_a_kill_is_told_after_it() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    let mut site = site("killed", "127.0.0.1:9".parse().unwrap()).await;
    site.fleet.lose_host("host01").unwrap();
    let found = opens(&site, Rule::HostStale).await;
    site.until("it was tried", async |site| {
        site.engine.told()[0].trouble.is_some()
    })
    .await;
    site.kill_and_start_with(telling(address)).await;
    site.until("it is told", async |_| !receiver.taken().is_empty())
        .await;
    looks(&site).await;
    assert_eq!(receiver.taken(), [news("opened", Rule::HostStale)]);
    assert_eq!(all(&site).await[0].id, found.id);
}

#[tokio::test]
async fn what_a_server_refuses_for_good_is_not_sent_again() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    receiver.does(&[Does::Answer(422)]);
    let site = site("refusing", address).await;
    site.fleet.lose_host("host01").unwrap();
    let found = opens(&site, Rule::HostStale).await;
    site.until("it was refused", async |site| {
        let notices = site.engine.store().notices(found.id).await.unwrap();
        notices
            .iter()
            .any(|notice| notice.delivery == Delivery::Refused)
    })
    .await;
    looks(&site).await;
    assert_eq!(receiver.sent.lock().unwrap().len(), 1);
    let trouble = site.engine.told()[0].trouble.clone().unwrap();
    assert!(trouble.contains("422"), "{trouble}");
}

#[tokio::test]
async fn who_silences_an_alert_hears_nothing_of_it_until_that_is_over() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    let site = site("quiet", address).await;
    site.fleet.lose_host("host01").unwrap();
    let first = opens(&site, Rule::HostStale).await;
    site.until("it is told", async |_| receiver.taken().len() == 1)
        .await;
    let too_long = alert::silence(&site.engine, &site.admin, first.id, LONGEST_SILENCE + 1).await;
    assert_eq!(too_long.unwrap_err().kind, ErrorKind::Invalid);
    let silent = alert::silence(&site.engine, &site.admin, first.id, 60).await;
    assert!(silent.unwrap().silenced_until > Some(site.engine.now()));
    site.fleet.find_host("host01").unwrap();
    ends(&site, Rule::HostStale).await;
    site.fleet.lose_host("host01").unwrap();
    let second = opens(&site, Rule::HostStale).await;
    assert_ne!(first.id, second.id);
    looks(&site).await;
    assert_eq!(
        receiver.taken().len(),
        1,
        "neither its end nor the next is told"
    );
    // It is still so, and somebody wants to know again.
    alert::silence(&site.engine, &site.admin, second.id, 0)
        .await
        .unwrap();
    site.until("it is told", async |_| receiver.taken().len() == 2)
        .await;
    assert_eq!(receiver.taken()[1], news("opened", Rule::HostStale));
}

#[tokio::test]
async fn storages_leases_and_failed_moves_are_told_together_where_they_come_together() {
    let receiver = Receiver::default();
    let address = receiver.listen(None).await;
    let site = site("many", address).await;
    let vm = site.vm("web").await;
    looks(&site).await;
    assert_eq!(all(&site).await, []);
    // Its lease ends in 30 days.
    set(&site, |policy| policy.warn_days = 60).await;
    let lease = opens(&site, Rule::LeaseEnding).await;
    assert_eq!(
        (lease.name.as_str(), lease.owner),
        ("web", Some(site.user.user))
    );
    set(&site, |policy| policy.warn_days = 7).await;
    ends(&site, Rule::LeaseEnding).await;
    let source = site.name_of(vm.host).await;
    site.fleet.fault(&source, Op::Migrate, Fault::before(), 1);
    let (job, _) = site.moves(vm.id, Target::Best).await;
    assert_ne!(site.ends(job.id).await.state, JobState::Done);
    let failed = opens(&site, Rule::MigrationFailed).await;
    assert!(
        failed.text.contains("could not be moved"),
        "{}",
        failed.text
    );
    let (job, _) = site.moves(vm.id, Target::Best).await;
    assert_eq!(site.ends(job.id).await.state, JobState::Done);
    ends(&site, Rule::MigrationFailed).await;
    for host in site.fleet.hosts() {
        site.fleet.fill_pool(&host, "shared").unwrap();
    }
    let full = opens(&site, Rule::PoolFilling).await;
    assert_eq!(full.name, "shared");
    site.until("all are told", async |_| receiver.taken().len() == 3)
        .await;
    let expected = [
        news("opened", Rule::LeaseEnding),
        news("opened", Rule::MigrationFailed),
        news("opened", Rule::PoolFilling),
    ];
    assert_eq!(receiver.taken(), expected, "the end of some is no news");
    set(&site, |policy| policy.alerts.off.push(Rule::PoolFilling)).await;
    ends(&site, Rule::PoolFilling).await;
    // Several in one look are told in one request.
    receiver.sent.lock().unwrap().clear();
    for host in site.fleet.hosts() {
        site.fleet.lose_host(&host).unwrap();
    }
    site.until("both hosts are told", async |_| receiver.taken().len() == 6)
        .await;
    assert!(receiver.sent.lock().unwrap().len() <= 3);
    tokio::time::sleep(Duration::from_millis(50)).await;
}

//! Pushing measurements to servers that are away, break off, refuse, or answer late: nothing is lost that can be kept, and
//! nobody else is delayed.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    Paces, Settings,
    export::{Credentials, OutletStatus, Push, ToGraphite, ToRemoteWrite},
};
use bellwether_hypervisor::sim::SimSpec;
use bellwether_model::storage::StorageKind;
use common::Site;
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{TcpListener, TcpStream},
};

const SECOND: Duration = Duration::from_secs(1);

/// An address nobody listens at.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn site_pushing(name: &str, push: Push) -> Site {
    let every_second = |settings: &mut Settings| {
        settings.period = SECOND;
        settings.paces = Paces::of(SECOND);
        settings.push = push.clone();
    };
    Site::with(SimSpec::new(name, 2), StorageKind::Shared, every_second).await
}

fn graphite(address: SocketAddr, tagged: bool) -> ToGraphite {
    ToGraphite {
        address: address.to_string(),
        prefix: "test".into(),
        tagged,
        keep: Duration::from_secs(600),
    }
}

fn remote_write(address: SocketAddr, path: &str) -> ToRemoteWrite {
    ToRemoteWrite {
        url: format!("http://{address}{path}"),
        credentials: Credentials::Bearer("s3cret-token".into()),
        every: SECOND,
        keep: Duration::from_secs(600),
    }
}

fn status(site: &Site, address: impl ToString) -> OutletStatus {
    let address = address.to_string();
    let mut all = site.engine.outlets().into_iter();
    all.find(|outlet| outlet.to.contains(&address)).unwrap()
}

/// The seconds at which each path has a value.
#[derive(Default)]
struct Received(BTreeMap<String, BTreeSet<i64>>);

impl Received {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [path, value, at] = words[..] else {
            panic!("{line:?} is not three words")
        };
        value.parse::<f64>().expect(line);
        let seconds = self.0.entry(path.to_owned()).or_default();
        seconds.insert(at.parse().expect(line));
    }
    /// Reads what comes for so long.
    async fn read(&mut self, stream: &mut TcpStream, time: Duration) {
        let mut lines = BufReader::new(stream).lines();
        let all = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                self.line(&line);
            }
        };
        let _ = tokio::time::timeout(time, all).await;
    }
    /// The longest time between two values of a path.
    fn longest_gap(&self, path: &str) -> i64 {
        let seconds: Vec<i64> = self.0[path].iter().copied().collect();
        seconds
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carbon_missed_while_it_was_away_comes_when_it_is_back() {
    let (address, other) = (
        free_address().await,
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let push = Push {
        graphite: vec![
            graphite(address, false),
            graphite(other.local_addr().unwrap(), true),
        ],
        ..Push::default()
    };
    let site = site_pushing("away", push).await;
    let vm = site.vm("web").await;
    // The one that is there is served at once.
    let (mut stream, _) = other.accept().await.unwrap();
    let mut received = Received::default();
    received.read(&mut stream, SECOND * 2).await;
    let tagged = format!(";host=host01;title=host01;uuid={}", site.hosts[0].0);
    assert!(
        received
            .0
            .contains_key(&format!("test.host.running_vms{tagged}")),
        "{:?}",
        received.0.keys()
    );
    let away = status(&site, address);
    assert!(away.trouble.is_some_and(|why| why.contains("is away")) && away.waiting > 0);
    assert_eq!(away.dropped, 0);
    let began = site.engine.now().seconds();
    let listener = TcpListener::bind(address).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Received::default();
    received.read(&mut stream, SECOND * 4).await;
    let path = "test.hosts.host01.running_vms";
    assert!(
        received.0[path].first().unwrap() < &began,
        "from before it was there"
    );
    assert!(received.longest_gap(path) <= 3, "{:?}", received.0[path]);
    let name = &vm.libvirt_name;
    let on_host = |path: &str| {
        path.starts_with("test.hosts.host0") && path.ends_with(&format!(".vms.{name}.cpu"))
    };
    assert!(
        received.0.keys().any(|path| on_host(path)),
        "{:?}",
        received.0.keys()
    );
    for path in [
        &format!("test.vms.{name}.cpu"),
        "test.hosts.host02.up",
        "test.hosts.host02.pools.shared.capacity",
        "test.people.ada.memory",
        "test.requests.fulfilled",
        "test.jobs.provision.done",
        "test.migrations_running",
    ] {
        assert!(
            received.0.contains_key(path),
            "{path}: {:?}",
            received.0.keys()
        );
    }
    assert!(status(&site, address).trouble.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_when_carbon_died_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let push = Push {
        graphite: vec![graphite(listener.local_addr().unwrap(), false)],
        ..Push::default()
    };
    let site = site_pushing("dies", push).await;
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        // It dies in the middle of a line, with what it has not read yet.
        let mut some = [0; 50];
        stream.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(SECOND).await;
        drop(stream);
    }
    let began = site.engine.now().seconds();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Received::default();
    received.read(&mut stream, SECOND * 3).await;
    let path = "test.hosts.host01.running_vms";
    assert!(
        received.0[path].first().unwrap() < &(began - 1),
        "{:?}",
        received.0[path]
    );
    assert!(received.longest_gap(path) <= 3, "{:?}", received.0[path]);
}

#[tokio::test(flavor = "multi_thread")]
async fn carbon_that_reads_slowly_gets_everything_and_delays_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let push = Push {
        graphite: vec![graphite(address, false)],
        ..Push::default()
    };
    let site = site_pushing("slow", push).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    // Some hundred bytes at a time: less than comes at first.
    let mut text = Vec::new();
    let mut some = [0; 300];
    let until = tokio::time::Instant::now() + SECOND * 8;
    while tokio::time::Instant::now() < until {
        let read = stream.read(&mut some).await.unwrap();
        text.extend_from_slice(&some[..read]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text = String::from_utf8(text).unwrap();
    let (whole, _) = text.rsplit_once('\n').unwrap();
    let mut received = Received::default();
    whole.lines().for_each(|line| received.line(line));
    let path = "test.hosts.host01.running_vms";
    assert!(received.0[path].len() >= 3, "{:?}", received.0[path]);
    assert!(received.longest_gap(path) <= 2, "{:?}", received.0[path]);
    assert_eq!(status(&site, address).dropped, 0);
    let seen = site.engine.observed().hosts[&site.hosts[0]].at.unwrap();
    let age = site.engine.now().since(seen);
    assert!(age < SECOND * 3, "sampling goes on: {age:?}");
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}
#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}
#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    at_ms: i64,
}

/// What a server that takes remote-write was sent, and the answers it gives before it takes anything.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Answers>>);

/// Answers still to be given, the next one last; and those given, with what they were to.
type Answers = (Vec<u16>, Vec<(u16, WriteRequest)>);

impl Writes {
    fn answering(answers: &[u16]) -> Self {
        let mut answers = answers.to_vec();
        answers.reverse();
        Self(Arc::new(Mutex::new((answers, Vec::new()))))
    }
    /// Answers, and the moment in what each was about.
    fn answered(&self) -> Vec<(u16, i64)> {
        let all = self.0.lock().unwrap();
        let first = |request: &WriteRequest| request.series[0].samples[0].at_ms;
        all.1
            .iter()
            .map(|(status, request)| (*status, first(request)))
            .collect()
    }
    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.serve_at(listener);
        address
    }
    fn serve_at(&self, listener: TcpListener) {
        let writes = self.clone();
        let answer = move |headers: axum::http::HeaderMap, body: bytes::Bytes| async move {
            for (name, value) in [
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
                ("x-prometheus-remote-write-version", "0.1.0"),
                ("authorization", "Bearer s3cret-token"),
            ] {
                assert_eq!(headers[name], value);
            }
            let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
            let request = WriteRequest::decode(&plain[..]).unwrap();
            let mut all = writes.0.lock().unwrap();
            let status = all.0.pop().unwrap_or(204);
            all.1.push((status, request));
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", "2")], "out of order\nsample")
        };
        let app = axum::Router::new().route("/write", axum::routing::post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_that_was_away_and_then_broke_off_gets_everything() {
    let address = free_address().await;
    let push = Push {
        remote_write: vec![remote_write(address, "/write")],
        ..Push::default()
    };
    let site = site_pushing("broken", push).await;
    site.until("it was refused", async |site| {
        let status = status(site, address);
        status.trouble.is_some() && status.waiting > 0
    })
    .await;
    let began = site.engine.now().0 / 1_000;
    let listener = TcpListener::bind(address).await.unwrap();
    for _ in 0..2 {
        // It dies in the middle of a request.
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 100];
        stream.read_exact(&mut some).await.unwrap();
        drop(stream);
    }
    let writes = Writes::default();
    writes.serve_at(listener);
    site.until("what waited has come", async |_| {
        writes.answered().len() >= 5
    })
    .await;
    let at: Vec<i64> = writes.answered().iter().map(|(_, at)| *at).collect();
    assert!(at[0] < began, "from before it was there: {began} {at:?}");
    assert!(
        at.windows(2)
            .all(|pair| pair[0] < pair[1] && pair[1] - pair[0] < 3_500),
        "in order, without a gap: {at:?}"
    );
    let status = status(&site, address);
    assert_eq!(
        (status.dropped, status.refused, status.trouble),
        (0, 0, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_keeps_what_may_be_taken_later_and_drops_what_never_will() {
    let writes = Writes::answering(&[500, 429, 204, 400, 204]);
    let address = writes.serve().await;
    let push = Push {
        remote_write: vec![remote_write(address, "/write")],
        ..Push::default()
    };
    let site = site_pushing("writes", push).await;
    site.until("seven were answered", async |_| {
        writes.answered().len() >= 7
    })
    .await;
    let answered = writes.answered();
    let statuses: Vec<u16> = answered.iter().map(|(status, _)| *status).take(7).collect();
    assert_eq!(statuses, [500, 429, 204, 400, 204, 204, 204]);
    let at: Vec<i64> = answered.iter().map(|(_, at)| *at).collect();
    assert_eq!((at[0], at[1]), (at[2], at[2]), "the same until it is taken");
    assert!(
        at[2..].windows(2).all(|pair| pair[0] < pair[1]),
        "in order: {at:?}"
    );
    // What was waiting meanwhile came, a second apart.
    assert!(
        at[2..7].windows(2).all(|pair| pair[1] - pair[0] < 3_500),
        "{at:?}"
    );
    let status = status(&site, address);
    assert_eq!((status.dropped, status.trouble), (0, None));
    assert!(status.refused > 0 && status.sent > status.refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_sends_what_the_metrics_page_has() {
    let writes = Writes::default();
    let address = writes.serve().await;
    let push = Push {
        remote_write: vec![remote_write(address, "/write")],
        ..Push::default()
    };
    let site = site_pushing("same", push).await;
    let vm = site.vm("a \"b\"\\ 机器").await;
    let of_vm = |series: &Series| {
        let uuid = vm.id.to_string();
        series
            .labels
            .iter()
            .any(|label| label.name == "uuid" && label.value == uuid)
    };
    site.until("the VM is told", async |_| {
        let all = writes.0.lock().unwrap();
        all.1
            .iter()
            .flat_map(|(_, request)| &request.series)
            .any(of_vm)
    })
    .await;
    let all = writes.0.lock().unwrap().1.clone();
    let mut names = BTreeSet::new();
    for series in all.iter().flat_map(|(_, request)| &request.series) {
        let labels: Vec<&str> = series
            .labels
            .iter()
            .map(|label| label.name.as_str())
            .collect();
        assert!(labels.is_sorted() && labels[0] == "__name__", "{labels:?}");
        assert!(series.labels.iter().all(|label| !label.value.is_empty()));
        assert_eq!(series.samples.len(), 1);
        names.insert(series.labels[0].value.clone());
        if of_vm(series) {
            let name = series
                .labels
                .iter()
                .find(|label| label.name == "name")
                .unwrap();
            assert_eq!(name.value, "a \"b\"\\ 机器");
        }
    }
    for name in [
        "libvirt_up",
        "libvirt_domain_info_virtual_cpus",
        "bellwether_host_cpu_seconds_total",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_delays_nobody() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap();
    let writes = Writes::default();
    let push = Push {
        graphite: vec![graphite(silent_address, false)],
        remote_write: vec![
            remote_write(silent_address, "/write"),
            remote_write(writes.serve().await, "/write"),
        ],
    };
    let site = site_pushing("silent", push).await;
    site.until("the other was written to five times", async |_| {
        writes.answered().len() >= 5
    })
    .await;
    let at: Vec<i64> = writes.answered().iter().map(|(_, at)| *at).collect();
    assert!(
        at.windows(2).all(|pair| pair[1] - pair[0] < 3_500),
        "{at:?}"
    );
    let age = site
        .engine
        .now()
        .since(site.engine.observed().hosts[&site.hosts[0]].at.unwrap());
    assert!(age < SECOND * 3, "sampling goes on: {age:?}");
}

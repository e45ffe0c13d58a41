//! Mail to a real server: aiosmtpd, Debian's package (`scripts/setup monitoring`), with STARTTLS and TLS and a password;
//! `./test` says that it is there by `BELLWETHER_TEST_MONITORING`.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    Settings,
    alert::{MailTls, Tell, ToMail},
};
use bellwether_hypervisor::sim::SimSpec;
use bellwether_model::{
    alert::{Delivery, Rule},
    storage::StorageKind,
};
use bellwether_store::IncidentQuery;
use common::Site;
use rcgen::{CertificateParams, Issuer, KeyPair};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

fn wanted() -> bool {
    let wanted = std::env::var_os("BELLWETHER_TEST_MONITORING").is_some();
    if !wanted {
        println!("skipped: BELLWETHER_TEST_MONITORING is not set");
    }
    wanted
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A mail server that ends with the test.
struct Server {
    child: Child,
    port: u16,
    took: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn start(folder: &Path, mode: &str) -> Self {
        let port = free_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(port.to_string())
            .args([folder.join("server.crt"), folder.join("server.key")])
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let took = Arc::new(Mutex::new(Vec::new()));
        let taking = took.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mail = serde_json::from_str(&line).unwrap();
                taking.lock().unwrap().push(mail);
            }
        });
        Self { child, port, took }
    }
    /// What it took for an address.
    fn to(&self, address: &str) -> Vec<Value> {
        let took = self.took.lock().unwrap();
        let of = took.iter().filter(|mail| mail["to"][0] == address);
        of.cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority, and a certificate of it for a server on this machine.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.crt"), own.pem()).unwrap();
    std::fs::write(folder.join("server.crt"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

fn mailing(
    folder: &Path,
    port: u16,
    tls: MailTls,
    password: &str,
    to: &[&str],
) -> impl Fn(&mut Settings) + Clone + use<> {
    let mail = ToMail {
        server: "localhost".into(),
        port,
        tls,
        ca_file: Some(folder.join("ca.crt")),
        credentials: Some(("bellwether".into(), password.to_owned().into())),
        from: "Bellwether <bellwether@example.org>".into(),
        to: to.iter().map(|address| (*address).to_owned()).collect(),
    };
    move |settings| {
        settings.tell = Tell {
            mail: Some(mail.clone()),
            ..Tell::default()
        };
    }
}

async fn site(name: &str, change: impl Fn(&mut Settings)) -> Site {
    let site = Site::with(SimSpec::new(name, 2), StorageKind::Shared, change).await;
    let (mut policy, version) = site.engine.store().policy().await.unwrap();
    policy.alerts.host_silent_minutes = 0;
    policy.alerts.off = vec![Rule::SamplingLate];
    bellwether_engine::policy::set(&site.engine, &site.admin, &policy, version)
        .await
        .unwrap();
    site
}

/// Notices by whom they are for, with what became of them.
async fn notices(site: &Site) -> Vec<(String, Delivery, Option<String>)> {
    let query = IncidentQuery {
        limit: 100,
        ..IncidentQuery::default()
    };
    let mut all = Vec::new();
    for incident in site.engine.store().incidents(query).await.unwrap() {
        let of_it = site.engine.store().notices(incident.id).await.unwrap();
        all.extend(
            of_it
                .into_iter()
                .map(|one| (one.target, one.delivery, one.trouble)),
        );
    }
    all
}

#[tokio::test]
async fn administrators_and_owners_get_mail_over_starttls() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = Server::start(folder.path(), "starttls");
    let to = ["root@example.org", "gone@example.org", "busy@example.org"];
    let mailing = mailing(
        folder.path(),
        server.port,
        MailTls::StartTls,
        "s3cret-password",
        &to,
    );
    let site = site("mailing", mailing).await;
    site.fleet.lose_host("host01").unwrap();
    site.until("root has mail", async |_| {
        !server.to("root@example.org").is_empty()
    })
    .await;
    let mail = server.to("root@example.org").remove(0);
    assert_eq!(mail["subject"], "[Bellwether] Host silent: host01");
    assert_eq!(
        (&mail["tls"], &mail["login"]),
        (&true.into(), &"bellwether".into())
    );
    assert_eq!(mail["from"], "bellwether@example.org");
    assert_eq!(mail["hello"], "example.org");
    assert_eq!(mail["automatic"], "auto-generated");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("It was last seen at"), "{text}");
    // One that is refused spares the others, and one that is busy gets it later.
    site.until("the busy one has it too", async |_| {
        server.to("busy@example.org").len() == 1
    })
    .await;
    site.until("one was refused", async |site| {
        let notices = notices(site).await;
        notices.iter().any(|(target, delivery, trouble)| {
            target == "mail gone@example.org"
                && *delivery == Delivery::Refused
                && trouble.as_deref().is_some_and(|why| why.contains("550"))
        })
    })
    .await;
    site.fleet.find_host("host01").unwrap();
    site.until("its return is told", async |_| {
        server.to("root@example.org").len() == 2
    })
    .await;
    let mail = server.to("root@example.org").remove(1);
    assert_eq!(mail["subject"], "[Bellwether] Over: Host silent: host01");
    // The owner is told of what is theirs, and of nothing else.
    site.ready().await;
    site.vm("web ü").await;
    let (mut policy, version) = site.engine.store().policy().await.unwrap();
    policy.warn_days = 60;
    bellwether_engine::policy::set(&site.engine, &site.admin, &policy, version)
        .await
        .unwrap();
    site.until("ada has mail", async |_| {
        !server.to("ada@example.org").is_empty()
    })
    .await;
    let mails = server.to("ada@example.org");
    assert_eq!(mails.len(), 1);
    let subject = mails[0]["subject"].as_str().unwrap();
    assert!(
        subject.starts_with("[Bellwether] Lease ending: web ü"),
        "{subject}"
    );
    assert!(
        mails[0]["text"]
            .as_str()
            .unwrap()
            .contains("31 days are left")
    );
}

#[tokio::test]
async fn mail_goes_over_tls_and_a_wrong_password_loses_none() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = Server::start(folder.path(), "tls");
    let mailing = |password| {
        let to = ["root@example.org"];
        mailing(folder.path(), server.port, MailTls::Tls, password, &to)
    };
    let mut site = site("wrapped", mailing("s3cret-guess")).await;
    site.fleet.lose_host("host01").unwrap();
    site.until("it was not let in", async |site| {
        let told = site.engine.told();
        told.iter().any(|one| one.trouble.is_some())
    })
    .await;
    let told = format!("{:?} {:?}", site.engine.told(), notices(&site).await);
    assert!(!told.contains("s3cret"), "{told}");
    assert!(told.contains("535"), "{told}");
    assert!(notices(&site).await[0].1 == Delivery::Waiting);
    site.kill_and_start_with(mailing("s3cret-password")).await;
    site.until("root has mail", async |_| {
        server.to("root@example.org").len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_server_with_the_certificate_of_somebody_else_gets_nothing() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = Server::start(folder.path(), "starttls");
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let mailing = mailing(
        other.path(),
        server.port,
        MailTls::StartTls,
        "s3cret-password",
        &["root@example.org"],
    );
    let site = site("strange", mailing).await;
    site.fleet.lose_host("host01").unwrap();
    site.until("it is not trusted", async |site| {
        let told = site.engine.told();
        let trouble = told.iter().find_map(|one| one.trouble.clone());
        trouble.is_some_and(|why| why.contains("certificate"))
    })
    .await;
    assert!(server.to("root@example.org").is_empty());
}

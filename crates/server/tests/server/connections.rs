//! Real sockets: TLS, reloading its certificate, both versions of HTTP, an orderly end.

use crate::site::{Site, config, pass};
use bellwether_server::{config::Tls as Files, serve, tls::Tls};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

/// Writes a certificate for localhost and its key; returns the certificate.
fn certificate(files: &Files) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn files(folder: &Path) -> Files {
    Files {
        certificate: folder.join("server.crt"),
        key: folder.join("server.key"),
    }
}

async fn listen(
    site: &Site,
    tls: Option<Arc<Tls>>,
) -> (SocketAddr, JoinHandle<anyhow::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, config, stopping) = (
        site.app.clone(),
        site.state.config.clone(),
        site.state.stopping.clone(),
    );
    let serving = async move { serve::serve(listener, tls, app, &config, stopping).await };
    (address, tokio::spawn(serving))
}

fn trusting(trusted: &CertificateDer<'static>, protocol: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The handshake, offering this protocol; then one request and all that comes back.
async fn fetch(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> Result<(Option<Vec<u8>>, String), std::io::Error> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = trusting(trusted, protocol).connect(name, stream).await?;
    let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if protocol == "h2" {
        return Ok((chosen, String::new()));
    }
    stream
        .write_all(b"GET /api/v1/server HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    Ok((chosen, String::from_utf8_lossy(&text).into_owned()))
}

#[tokio::test]
async fn tls_is_built_in_and_its_certificate_can_be_exchanged() {
    let site = Site::bare(config("")).await;
    let files = files(site.folder.path());
    let old = certificate(&files);
    let tls = Tls::load(&files).unwrap();
    let (address, serving) = listen(&site, Some(tls.clone())).await;
    let (protocol, text) = fetch(address, &old, "http/1.1").await.unwrap();
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(
        text.to_lowercase().contains("strict-transport-security"),
        "{text}"
    );
    let (protocol, _) = fetch(address, &old, "h2").await.unwrap();
    assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));

    // A new certificate, as on SIGHUP.
    let new = certificate(&files);
    tls.reload().unwrap();
    assert!(fetch(address, &old, "http/1.1").await.is_err());
    assert!(fetch(address, &new, "http/1.1").await.is_ok());

    // A broken one is refused, and the one in use stays.
    std::fs::write(&files.key, "nothing").unwrap();
    let error = format!("{:#}", tls.reload().unwrap_err());
    assert!(error.contains("server.key"), "{error}");
    assert!(fetch(address, &new, "http/1.1").await.is_ok());

    // Plain HTTP is not answered there.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut text = Vec::new();
    let _ = plain.read_to_end(&mut text).await;
    assert!(!String::from_utf8_lossy(&text).contains("HTTP/1.1"));

    site.state.stopping.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    certificate(&files);
    let kept = std::fs::read(&files.certificate).unwrap();
    certificate(&files);
    std::fs::write(&files.certificate, kept).unwrap();
    let error = format!("{:#}", Tls::load(&files).unwrap_err());
    assert!(error.contains("does not belong to"), "{error}");
}

#[tokio::test]
async fn the_end_waits_for_requests_under_way_and_closes_the_door() {
    let site = Site::bare(config("")).await;
    let (address, serving) = listen(&site, None).await;
    let mut under_way = TcpStream::connect(address).await.unwrap();
    let body = br#"{"login": "ada", "password": "x"}"#;
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    under_way.write_all(head.as_bytes()).await.unwrap();
    under_way.write_all(&body[..10]).await.unwrap();
    // The server has the request once it waits for the rest of the body.
    tokio::time::sleep(Duration::from_millis(200)).await;
    site.state.stopping.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    under_way.write_all(&body[10..]).await.unwrap();
    let mut text = Vec::new();
    under_way.read_to_end(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// Whether the server closes the connection of its own accord; with nothing else to do, the paused clock goes on to when
/// it would.
async fn is_closed(mut stream: impl AsyncRead + Unpin) -> bool {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(300), stream.read_to_end(&mut rest));
    // A reset is an end as well.
    closed.await.is_ok()
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let site = Site::bare(config("")).await;
    let (address, _serving) = listen(&site, None).await;
    tokio::time::pause();
    for said in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HT"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        assert!(is_closed(stream).await, "after {said:?}");
    }
}

#[tokio::test]
async fn nor_who_says_nothing_after_the_handshake() {
    let site = Site::bare(config("")).await;
    let files = files(site.folder.path());
    let trusted = certificate(&files);
    let (address, _serving) = listen(&site, Some(Tls::load(&files).unwrap())).await;
    for protocol in ["http/1.1", "h2"] {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = trusting(&trusted, protocol).connect(name, stream).await;
        tokio::time::pause();
        assert!(is_closed(stream.unwrap()).await, "{protocol}");
        tokio::time::resume();
    }
    // Nor who does not even begin with it.
    let silent = TcpStream::connect(address).await.unwrap();
    tokio::time::pause();
    assert!(is_closed(silent).await);
}

/// Asks on a connection, and answers whether it was answered.
async fn answers(stream: &mut TcpStream) -> bool {
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut begin = [0; 12];
    stream.write_all(ask).await.is_ok()
        && stream.read_exact(&mut begin).await.is_ok()
        && &begin == b"HTTP/1.1 200"
}

#[tokio::test]
async fn nor_who_does_not_take_what_was_asked_for() {
    let site = Site::bare(config("[limits]\nconnections_per_address = 1")).await;
    let (address, _serving) = listen(&site, None).await;
    let mut stuck = TcpStream::connect(address).await.unwrap();
    // The answers are far more than the buffers between hold.
    let ask = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stuck.write_all(ask.repeat(300).as_bytes()).await.unwrap();
    let began = std::time::Instant::now();
    loop {
        let mut other = TcpStream::connect(address).await.unwrap();
        if answers(&mut other).await {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it holds its place"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        pass(Duration::from_secs(61)).await;
    }
    drop(stuck);
}

#[tokio::test]
async fn one_address_does_not_take_every_place() {
    let site = Site::bare(config("[limits]\nconnections_per_address = 2")).await;
    let (address, _serving) = listen(&site, None).await;
    let mut one = TcpStream::connect(address).await.unwrap();
    let mut two = TcpStream::connect(address).await.unwrap();
    assert!(answers(&mut one).await && answers(&mut two).await);
    let mut three = TcpStream::connect(address).await.unwrap();
    assert!(!answers(&mut three).await);
    drop(one);
    // Its place is free once the server has noticed.
    site.until("there is a place again", async |_| {
        let mut four = TcpStream::connect(address).await.unwrap();
        answers(&mut four).await
    })
    .await;
}

//! Images on their way in: slow, broken off, standing still, too large.

use crate::site::{self, Answer, Site, config, get};
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use bellwether_server::{client::Peer, router};
use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};
use secrecy::ExposeSecret;
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const BOUNDARY: &str = "x-boundary";
/// The two ways in.
const REST: &str = "/api/v1/images/upload?name=web&os=Debian";
const PAGE: &str = "/images/upload";

/// A server that takes images of up to 1 MiB.
async fn site() -> Site {
    let mut site = Site::bare(config("")).await;
    site.state.largest_upload = 1 << 20;
    site.app = router::router(&site.state);
    site
}

/// Half of the largest image.
fn half() -> Bytes {
    Bytes::from(vec![0; 1 << 19])
}

/// The form before the file.
fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        text += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    text + &format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.raw\"\r\n\r\n"
    )
}

/// An upload by an admin's program or browser.
async fn upload(
    site: &Site,
    path: &str,
    bytes: impl Stream<Item = Bytes> + Send + 'static,
) -> Request<Body> {
    let token = site.token(&*site.admin().await).await;
    let request = Request::post(path)
        .header(header::HOST, "bellwether.test")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.expose_secret()),
        )
        .extension(ConnectInfo(Peer {
            address: "127.0.0.1:40000".parse().unwrap(),
            tls: false,
        }));
    let whole = |text: String| stream::iter([Bytes::from(text)]);
    if path == REST {
        let body = Body::from_stream(bytes.map(Ok::<_, Infallible>));
        return request.body(body).unwrap();
    }
    let before = whole(form(&[("name", "web"), ("os", "Debian")]));
    let after = whole(format!("\r\n--{BOUNDARY}--\r\n"));
    let body = before.chain(bytes).chain(after);
    request
        .header(header::ACCEPT, "text/html")
        .header(
            header::CONTENT_TYPE,
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(Body::from_stream(body.map(Ok::<_, Infallible>)))
        .unwrap()
}

fn images(site: &Site) -> PathBuf {
    site.folder.path().join("images")
}

/// Lets that many seconds pass at once, while the server does nothing but wait for the file that it has begun.
async fn pass(folder: &Path, seconds: u64) {
    while !folder.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    site::pass(Duration::from_secs(seconds)).await;
}

/// What is in the folder of images.
fn files(site: &Site) -> Vec<PathBuf> {
    match std::fs::read_dir(images(site)) {
        Ok(files) => files.map(|file| file.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// The message of a problem document or a page.
fn says(answer: &Answer, words: &str) {
    assert!(
        answer.body.contains(words),
        "{}: {}",
        answer.status,
        answer.body
    );
}

#[tokio::test]
async fn an_upload_may_take_its_time() {
    for (path, status) in [(REST, 201), (PAGE, 303)] {
        let site = site().await;
        // Two minutes, with pauses that are shorter than what counts as standing still.
        let folder = images(&site);
        let slow = stream::iter(vec![folder; 5]).then(async |folder| {
            pass(&folder, 25).await;
            Bytes::from(vec![0; 64 << 10])
        });
        let answer = site.answer(upload(&site, path, slow).await).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let images = site.engine.store().images().await.unwrap();
        assert_eq!(images[0].name, "web");
        assert_eq!(images[0].file_bytes, Some(320 << 10));
        assert_eq!(files(&site).len(), 1);
    }
}

#[tokio::test]
async fn one_that_stands_still_is_given_up() {
    for path in [REST, PAGE] {
        let site = site().await;
        let folder = images(&site);
        let stuck = stream::once(async { half() }).chain(stream::once(async move {
            pass(&folder, 31).await;
            future::pending().await
        }));
        let asked = upload(&site, path, stuck).await;
        let answer = site.answer(asked).await;
        assert_eq!(answer.status, 408, "{path}: {}", answer.body);
        says(&answer, "30 seconds");
        assert_eq!(files(&site), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn one_whose_sender_goes_away_leaves_nothing() {
    for path in [REST, PAGE] {
        let site = site().await;
        let endless = stream::once(async { half() }).chain(stream::pending());
        let asked = upload(&site, path, endless).await;
        let mut answer = Box::pin(site.answer(asked));
        let arriving = site.until("the file grows", async |site| !files(site).is_empty());
        tokio::select! {
            answer = &mut answer => panic!("{path}: {answer:?}"),
            () = arriving => {}
        }
        drop(answer);
        assert_eq!(files(&site), Vec::<PathBuf>::new(), "{path}");
        assert!(site.engine.store().images().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_that_is_too_large_is_told_the_limit() {
    for path in [REST, PAGE] {
        let site = site().await;
        let large = stream::iter([half(), half(), half()]);
        let answer = site.answer(upload(&site, path, large).await).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        says(&answer, "larger than 1 MiB");
        assert_eq!(files(&site), Vec::<PathBuf>::new());
        // Said beforehand, it is not even begun.
        let mut announced = upload(&site, path, stream::pending()).await;
        let headers = announced.headers_mut();
        headers.insert(header::CONTENT_LENGTH, ((1 << 20) + 1).into());
        let answer = site.answer(announced).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        says(&answer, "larger than 1 MiB");
    }
}

#[tokio::test]
async fn the_fields_beside_a_file_are_bounded() {
    let site = site().await;
    let long = "x".repeat(5000);
    let mut asked = upload(&site, PAGE, stream::empty()).await;
    *asked.body_mut() = form(&[("name", "web"), ("os", &long)]).into();
    let answer = site.answer(asked).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    says(&answer, "is longer than 4096 bytes");
    // What came before is not lost.
    says(&answer, "value=\"web\"");
}

#[tokio::test]
async fn what_a_dead_process_left_is_swept_at_the_start() {
    let mut site = site().await;
    let answer = site
        .answer(upload(&site, REST, stream::iter([half()])).await)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let known = files(&site).remove(0);
    let folder = known.parent().unwrap();
    let file = |hours: u64, end: &str| {
        let path = folder.join(format!("{}{end}", uuid::Uuid::now_v7()));
        let age = Duration::from_secs(hours * 3600);
        let at = SystemTime::now() - age;
        std::fs::File::create(&path)
            .unwrap()
            .set_modified(at)
            .unwrap();
        path
    };
    std::fs::File::open(&known)
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(86_400))
        .unwrap();
    let gone = [file(2, ".part"), file(2, "")];
    // Another process may be writing this one.
    let young = file(0, ".part");
    site.running = Some(site.engine.start().await.unwrap());
    site.until("what was left is gone", async |_| {
        gone.iter().all(|path| !path.exists())
    })
    .await;
    assert!(young.exists() && known.exists());
    let token = site.token(&*site.admin().await).await;
    assert_eq!(
        site.send(get("/api/v1/images").token(&token)).await.json()["items"][0]["state"],
        "ready"
    );
}

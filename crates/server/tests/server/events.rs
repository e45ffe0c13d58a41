//! Live events: who hears what, resuming, ending.

use crate::site::{Site, config, get, post};
use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::Request,
};
use bellwether_engine::Actor;
use bellwether_server::client::Peer;
use futures::StreamExt;
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;
use tower::ServiceExt;

struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(site: &Site, actor: &Actor, last: Option<i64>) -> Self {
        let token = site.token(actor).await;
        let mut request = Request::get("/api/v1/events")
            .header("authorization", format!("Bearer {}", token.expose_secret()))
            .extension(ConnectInfo(Peer {
                address: "127.0.0.1:4".parse().unwrap(),
                tls: false,
            }));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = site
            .app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// Reads until the text holds `wanted`.
    async fn until(&mut self, wanted: &str) -> &str {
        let read = tokio::time::timeout(Duration::from_secs(30), async {
            while !self.text.contains(wanted) {
                match self.body.next().await {
                    Some(part) => self.text += &String::from_utf8_lossy(&part.unwrap()),
                    None => panic!("the stream ended before {wanted}: {}", self.text),
                }
            }
        });
        assert!(
            read.await.is_ok(),
            "waited in vain for {wanted}: {}",
            self.text
        );
        &self.text
    }

    /// Reads to the end.
    async fn end(mut self) -> String {
        let read = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(part) = self.body.next().await {
                self.text += &String::from_utf8_lossy(&part.unwrap());
            }
        });
        assert!(read.await.is_ok(), "the stream does not end");
        self.text
    }
}

#[tokio::test]
async fn each_hears_what_is_theirs_and_resumes_where_they_were() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let (ada, bob) = (site.user("ada").await, site.user("bob").await);
    let root = (*site.admin().await).clone();
    let mut to_ada = Stream::open(&site, &ada, None).await;
    let mut to_bob = Stream::open(&site, &bob, None).await;
    let mut to_root = Stream::open(&site, &root, None).await;
    let first = site.requested(&ada, &image, "first").await;
    let text = to_ada.until(&first.id.to_string()).await.to_string();
    assert!(text.contains("event: request"), "{text}");
    to_root.until(&first.id.to_string()).await;
    let last: i64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back()
        .unwrap()
        .trim()
        .parse()
        .unwrap();

    // While nobody listens, something happens; who resumes hears of it.
    drop(to_ada);
    let second = site.requested(&ada, &image, "second").await;
    let mut again = Stream::open(&site, &ada, Some(last)).await;
    again.until(&second.id.to_string()).await;
    assert!(
        !again.text.contains(&first.id.to_string()),
        "{}",
        again.text
    );

    // Bob hears that hosts were sampled, not which, and nothing of ada's.
    to_bob.until("event: sampled").await;
    let third = site.requested(&bob, &image, "third").await;
    to_bob.until(&third.id.to_string()).await;
    for id in [
        first.id.to_string(),
        second.id.to_string(),
        ada.user.to_string(),
    ] {
        assert!(!to_bob.text.contains(&id), "{}", to_bob.text);
    }
    for host in site.engine.observed().hosts.keys() {
        assert!(!to_bob.text.contains(&host.to_string()));
    }

    // The end of the server is the end of every stream.
    site.state.stopping.cancel();
    again.end().await;
    to_bob.end().await;
    to_root.end().await;
    site.quiet().await;
}

#[tokio::test]
async fn what_can_t_be_resumed_is_said() {
    let site = Site::bare(config("")).await;
    let ada = site.user("ada").await;
    let mut future = Stream::open(&site, &ada, Some(1_000_000)).await;
    assert!(future.until("event: reset").await.contains("id: "));
    let token = site.token(&ada).await;
    site.send(
        get("/api/v1/events")
            .token(&token)
            .header("last-event-id", "x"),
    )
    .await
    .problem(422);
}

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let site = Site::bare(config("[limits]\nevent_streams_per_person = 1")).await;
    let ada = site.user("ada").await;
    let token = site.token(&ada).await;
    let open = Stream::open(&site, &ada, None).await;
    site.send(get("/api/v1/events").token(&token))
        .await
        .problem(429);
    drop(open);
    Stream::open(&site, &ada, None).await;
    let made = site
        .send(post("/api/v1/me/tokens", json!({"name": "x", "days": 1})).token(&token))
        .await;
    assert_eq!(made.status, 201);
}

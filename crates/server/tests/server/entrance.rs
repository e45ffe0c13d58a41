//! Getting in and out: sessions, tokens, cross-site posts, proxies, limits.

use crate::site::{Answer, Ask, PASSWORD, Site, ask, config, get, post};
use secrecy::SecretString;
use serde_json::json;

fn log_in(login: &str, password: &str) -> Ask {
    post(
        "/api/v1/session",
        json!({"login": login, "password": password}),
    )
}

/// The session cookie the answer sets, as the browser sends it back.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    set.split(';').next().unwrap_or_default().to_string()
}

#[tokio::test]
async fn a_session_begins_and_ends() {
    let site = Site::bare(config("")).await;
    let account = json!({"login": "ada", "full_name": "Ada", "mail": "ada@example.org", "password": PASSWORD});
    let made = site.send(post("/api/v1/accounts", account.clone())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(made.header("location").starts_with("/api/v1/users/"));
    assert!(!made.body.contains(PASSWORD));
    site.send(post("/api/v1/accounts", account))
        .await
        .problem(409);

    let inside = site.send(log_in("Ada", PASSWORD)).await;
    assert_eq!(inside.status, 201, "{}", inside.body);
    let set = inside.header("set-cookie").to_string();
    for part in ["bw_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"));
    let cookie = cookie(&inside);
    let secret = cookie.split_once('=').unwrap().1;
    assert!(!inside.body.contains(secret));
    let me = site.send(get("/api/v1/me").header("cookie", &cookie)).await;
    assert_eq!(me.json()["user"]["login"], "ada");
    assert_eq!(me.json()["token"]["kind"], "session");

    let out = site
        .send(ask("DELETE", "/api/v1/session").header("cookie", &cookie))
        .await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    site.send(get("/api/v1/me").header("cookie", &cookie))
        .await
        .problem(401);
}

#[tokio::test]
async fn a_token_is_made_at_the_door_and_ends_on_request() {
    let site = Site::bare(config("")).await;
    site.user("ada").await;
    let asked =
        json!({"login": "ada", "password": PASSWORD, "token": {"name": "script", "days": 7}});
    let inside = site.send(post("/api/v1/session", asked)).await;
    assert_eq!(inside.status, 201, "{}", inside.body);
    assert_eq!(inside.header("set-cookie"), "");
    let secret: SecretString = inside.json()["token"]["secret"]
        .as_str()
        .unwrap()
        .to_owned()
        .into();
    // The session that proved the password is not left behind.
    let tokens = site
        .send(get("/api/v1/me/tokens").token(&secret))
        .await
        .json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
    assert_eq!(tokens["items"][0]["name"], "script");
    let out = site
        .send(ask("DELETE", "/api/v1/session").token(&secret))
        .await;
    assert_eq!(out.status, 204);
    site.send(get("/api/v1/me").token(&secret))
        .await
        .problem(401);
    let wrong = json!({"login": "ada", "password": PASSWORD, "token": {"name": "x", "days": -1}});
    let problem = site.send(post("/api/v1/session", wrong)).await.problem(422);
    assert_eq!(problem["errors"][0]["field"], "token.days");
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_this_host() {
    let site = Site::bare(config("")).await;
    site.user("ada").await;
    let inside = site
        .send(log_in("ada", PASSWORD).from("203.0.113.5", true))
        .await;
    let set = inside.header("set-cookie");
    assert!(
        set.starts_with("__Host-bw_session=") && set.contains("Secure"),
        "{set}"
    );
    assert!(!inside.header("strict-transport-security").is_empty());
    // A cookie without the prefix could have been set by a neighbour.
    let tossed = cookie(&inside).replace("__Host-", "");
    site.send(
        get("/api/v1/me")
            .header("cookie", &tossed)
            .from("203.0.113.5", true),
    )
    .await
    .problem(401);
}

#[tokio::test]
async fn nobody_learns_which_logins_exist() {
    let site = Site::bare(config("")).await;
    site.user("ada").await;
    let mut wrong = site
        .send(log_in("ada", "not the password"))
        .await
        .problem(401);
    let mut unknown = site
        .send(log_in("eve", "not the password"))
        .await
        .problem(401);
    wrong["request_id"].take();
    unknown["request_id"].take();
    assert_eq!(wrong, unknown);
}

#[tokio::test]
async fn guessing_is_throttled() {
    let site = Site::bare(config("[limits]\nlogins_per_minute = 2")).await;
    site.user("ada").await;
    for _ in 0..4 {
        site.send(log_in("ada", "guess")).await.problem(401);
    }
    let refused = site.send(log_in("ada", PASSWORD)).await;
    let problem = refused.problem(429);
    assert_eq!(problem["code"], "too_many");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // A browser is told when to come back as well.
    let form = format!("login=ada&password={PASSWORD}");
    let page = ask("POST", "/sign-in")
        .text("application/x-www-form-urlencoded", &form)
        .header("accept", "text/html");
    let refused = site.send(page).await;
    assert_eq!(refused.status, 429);
    assert!(!refused.header("retry-after").is_empty());
    // From elsewhere the account's owner gets in all the same.
    let owner = site
        .send(log_in("ada", PASSWORD).from("127.0.0.2", false))
        .await;
    assert_eq!(owner.status, 201);
}

#[tokio::test]
async fn registering_and_asking_are_limited() {
    let site = Site::bare(config(
        "[limits]\nregistrations_per_hour = 1\nrequests_per_second = 2",
    ))
    .await;
    let account = |login: &str| json!({"login": login, "full_name": "x", "mail": format!("{login}@example.org"), "password": PASSWORD});
    assert_eq!(
        site.send(post("/api/v1/accounts", account("one")))
            .await
            .status,
        201
    );
    site.send(post("/api/v1/accounts", account("two")))
        .await
        .problem(429);
    let mut refused = 0;
    for _ in 0..60 {
        refused += u32::from(site.send(get("/api/v1/server")).await.status == 429);
    }
    assert!(refused > 0);
    // Somebody else is not held up.
    let other = site
        .send(get("/api/v1/server").from("127.0.0.9", false))
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn other_sites_can_t_post_with_somebody_s_cookie() {
    let site = Site::bare(config("")).await;
    site.user("ada").await;
    let cookie = cookie(&site.send(log_in("ada", PASSWORD)).await);
    let token = json!({"name": "x", "days": 1});
    let with = |name: &str, value: &str| {
        post("/api/v1/me/tokens", token.clone())
            .header("cookie", &cookie)
            .header(name, value)
    };
    let problem = site
        .send(with("sec-fetch-site", "cross-site"))
        .await
        .problem(403);
    assert!(problem["detail"].as_str().unwrap().contains("another site"));
    site.send(with("origin", "https://evil.example"))
        .await
        .problem(403);
    site.send(with("origin", "null")).await.problem(403);
    site.send(with("sec-fetch-site", "same-site"))
        .await
        .problem(403);
    assert_eq!(
        site.send(with("sec-fetch-site", "same-origin"))
            .await
            .status,
        201
    );
    assert_eq!(
        site.send(with("origin", "http://bellwether.test"))
            .await
            .status,
        201
    );
    // Also the door itself: nobody is logged in to somebody else's account unawares.
    site.send(log_in("ada", PASSWORD).header("sec-fetch-site", "cross-site"))
        .await
        .problem(403);
    // A bearer token is never sent by a browser of its own accord.
    let secret = site.token(&site.user("ada").await).await;
    let program = post("/api/v1/me/tokens", token)
        .token(&secret)
        .header("origin", "https://tool.example");
    assert_eq!(site.send(program).await.status, 201);
}

#[tokio::test]
async fn only_the_named_proxy_is_believed_and_let_in_unencrypted() {
    let site = Site::bare(config(
        "listen = \"0.0.0.0:80\"\ntrusted_proxy = [\"10.0.0.1\"]\n[limits]\nlogins_per_minute = 1",
    ))
    .await;
    site.user("ada").await;
    let stranger = site
        .send(get("/api/v1/server").from("203.0.113.5", false))
        .await;
    assert!(
        stranger.problem(403)["detail"]
            .as_str()
            .unwrap()
            .contains("proxy")
    );
    let through = |client: &str, ask: Ask| {
        ask.from("10.0.0.1", false)
            .header("x-forwarded-for", client)
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "cloud.example.org")
    };
    let inside = site
        .send(through("198.51.100.1", log_in("ada", PASSWORD)))
        .await;
    assert!(inside.header("set-cookie").starts_with("__Host-"));
    // The cross-site check goes by the name the browser used.
    let token = post("/api/v1/me/tokens", json!({"name": "x", "days": 1}))
        .header("cookie", &cookie(&inside))
        .header("origin", "https://cloud.example.org");
    assert_eq!(site.send(through("198.51.100.1", token)).await.status, 201);
    // Limits go by the client, not by the proxy.
    for _ in 0..2 {
        site.send(through("198.51.100.1", log_in("ada", "guess")))
            .await;
    }
    site.send(through("198.51.100.1", log_in("ada", "guess")))
        .await
        .problem(429);
    site.send(through("198.51.100.2", log_in("ada", "guess")))
        .await
        .problem(401);
    // Ids of requests too.
    let named = site
        .send(through(
            "198.51.100.1",
            get("/api/v1/server").header("x-request-id", "proxy-7"),
        ))
        .await;
    assert_eq!(named.header("x-request-id"), "proxy-7");
    let unnamed = site
        .send(get("/api/v1/server").header("x-request-id", "mine"))
        .await;
    assert_ne!(unnamed.header("x-request-id"), "mine");
}

#[tokio::test]
async fn a_proxy_that_was_reached_unencrypted_is_no_way_in() {
    let site = Site::bare(config(
        "listen = \"0.0.0.0:80\"\ntrusted_proxy = [\"10.0.0.1\", \"127.0.0.1\"]",
    ))
    .await;
    site.user("ada").await;
    let through = |proto: &str, ask: Ask| {
        let ask = ask
            .from("10.0.0.1", false)
            .header("x-forwarded-for", "198.51.100.1")
            .header("x-forwarded-host", "cloud.example.org:80");
        match proto {
            "" => ask,
            proto => ask.header("x-forwarded-proto", proto),
        }
    };
    // Who looks is sent on; a login or a token has been seen by others, which is said.
    let page = through("http", get("/vms?sort=name").header("accept", "text/html"));
    let sent_on = site.send(page).await;
    assert_eq!(sent_on.status, 308);
    let location = sent_on.header("location");
    assert_eq!(location, "https://cloud.example.org/vms?sort=name");
    for ask in [log_in("ada", PASSWORD), get("/api/v1/vms")] {
        let refused = site.send(through("http", ask)).await;
        assert_eq!(refused.header("set-cookie"), "");
        let problem = refused.problem(403);
        assert!(problem["detail"].as_str().unwrap().contains("https"));
    }
    // A proxy that does not say must be told to: a redirection would only come back here.
    for ask in [log_in("ada", PASSWORD), get("/vms")] {
        let problem = site.send(through("", ask)).await.problem(403);
        let says = problem["detail"].as_str().unwrap();
        assert!(says.contains("X-Forwarded-Proto"), "{says}");
    }
    // It may look after us on its own behalf, and who is on this machine needs no encryption.
    let probe = get("/healthz").from("10.0.0.1", false);
    assert_eq!(site.send(probe).await.status, 200);
    assert_eq!(site.send(log_in("ada", PASSWORD)).await.status, 201);
}

#[tokio::test]
async fn a_new_password_ends_other_sessions() {
    let site = Site::bare(config("")).await;
    site.user("ada").await;
    let here = cookie(&site.send(log_in("ada", PASSWORD)).await);
    let there = cookie(&site.send(log_in("ada", PASSWORD)).await);
    let change = |current: &str| {
        ask("PUT", "/api/v1/me/password")
            .json(json!({"current": current, "new": "a different long one"}))
            .header("cookie", &here)
    };
    let problem = site.send(change("wrong")).await.problem(422);
    assert_eq!(problem["errors"][0]["field"], "current");
    assert_eq!(site.send(change(PASSWORD)).await.status, 200);
    assert_eq!(
        site.send(get("/api/v1/me").header("cookie", &here))
            .await
            .status,
        200
    );
    site.send(get("/api/v1/me").header("cookie", &there))
        .await
        .problem(401);
    site.send(log_in("ada", PASSWORD)).await.problem(401);
}

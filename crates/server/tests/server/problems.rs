//! Every failure is a problem document for programs and a page for people.

use crate::site::{Answer, Site, ask, config, get, post};
use serde_json::json;

#[tokio::test]
async fn malformed_requests_get_problems() {
    let site = Site::bare(config("")).await;
    let token = site.token(&*site.admin().await).await;
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(300 * 1024));
    for (ask, status, says) in [
        (get("/api/v1/nowhere"), 404, "no such address"),
        (ask("DELETE", "/api/v1/requests"), 405, "method"),
        (get("/api/v1/vms/no-uuid").token(&token), 400, "no-uuid"),
        (get("/api/v1/vms?limit=ten").token(&token), 422, "limit"),
        (get("/api/v1/vms?limit=0").token(&token), 422, "1 to 1000"),
        (
            get("/api/v1/vms?state=flying").token(&token),
            422,
            "'flying' is none of",
        ),
        (get("/api/v1/vms?after=x").token(&token), 422, "after"),
        (get("/api/v1/vms?colour=red").token(&token), 422, "colour"),
        (get("/api/v1/audit?about=vm").token(&token), 422, "about_id"),
        (
            ask("POST", "/api/v1/requests")
                .token(&token)
                .text("application/json", "{\"name\":"),
            400,
            "not valid JSON",
        ),
        (
            ask("POST", "/api/v1/requests")
                .token(&token)
                .text("text/plain", "{}"),
            415,
            "'text/plain'",
        ),
        (
            ask("POST", "/api/v1/requests")
                .token(&token)
                .text("application/json", &large),
            413,
            "larger",
        ),
        (
            post("/api/v1/session", json!({"login": "ada"})),
            422,
            "password: is missing",
        ),
    ] {
        let path = ask.path.clone();
        let problem = site.send(ask).await.problem(status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{path}: {detail}");
    }
}

#[tokio::test]
async fn answers_say_how_they_may_be_used() {
    let site = Site::bare(config("")).await;
    let answer = site.send(get("/api/v1/server")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("strict-transport-security"), "");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    let refused = site.send(get("/api/v1/me")).await;
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    assert!(!refused.header("x-request-id").is_empty());
    let wrong = site.send(ask("DELETE", "/api/v1/requests")).await;
    assert!(wrong.header("allow").contains("POST"));
    let packed = site
        .send(get("/api/v1/openapi.json").header("accept-encoding", "gzip"))
        .await;
    assert_eq!(packed.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn people_get_a_page() {
    let site = Site::bare(config("")).await;
    let answer = site
        .send(get("/nowhere-%3Cscript%3E").header("accept", "text/html,*/*;q=0.8"))
        .await;
    assert_eq!(answer.status, 404);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(!answer.body.contains("<script>alert"));
    // Programs, and everything under /api, get the document.
    site.send(get("/nowhere")).await.problem(404);
    site.send(get("/api/v1/nowhere").header("accept", "text/html"))
        .await
        .problem(404);
}

#[tokio::test]
async fn an_error_page_keeps_the_visitor_s_frame() {
    let site = Site::bare(config("")).await;
    let page = |path: &str| get(path).header("accept", "text/html");
    let rail = |answer: &Answer| answer.body.contains("class=\"rail\"");
    let token = site.token(&*site.admin().await).await;
    let asked = page("/nowhere").token(&token);
    let lost = site.send(asked.header("cookie", "bw_theme=dark")).await;
    assert_eq!(lost.status, 404);
    assert!(rail(&lost) && lost.body.contains("href=\"/inbox\""));
    assert!(lost.body.contains("data-theme=\"dark\""));
    assert!(!lost.body.contains("/sign-in"));
    // A user has a user's.
    let token = site.token(&site.user("ada").await).await;
    let refused = site.send(page("/fleet").token(&token)).await;
    assert_eq!(refused.status, 403);
    assert!(rail(&refused) && !refused.body.contains("href=\"/inbox\""));
    // Nobody has none, and the way in.
    let stranger = site.send(page("/nowhere")).await;
    assert_eq!(stranger.status, 404);
    assert!(!rail(&stranger) && stranger.body.contains("href=\"/\""));
    // Without its database the server still answers with a page.
    site.engine.store().close().await;
    let away = site.send(page("/machines").token(&token)).await;
    assert_eq!(away.status, 503);
    assert!(away.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_refused_act_comes_back_to_its_page_with_the_reason() {
    let site = Site::bare(config("")).await;
    let admin = site.admin().await;
    let token = site.token(&admin).await;
    let act = |path: &str, form: &str| {
        ask("POST", path)
            .text("application/x-www-form-urlencoded", form)
            .header("accept", "text/html")
            .token(&token)
    };
    let last = act(&format!("/people/{}/role", admin.user), "role=user");
    let sent = site.send(last).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    assert_eq!(sent.header("location"), "/people");
    let kept = sent.header("set-cookie").split(';').next().unwrap();
    let page = get("/people").token(&token).header("cookie", kept);
    let shown = site.send(page).await;
    assert_eq!(shown.status, 200);
    assert!(
        shown
            .body
            .contains("role=\"alert\">This is the last active administrator")
    );
    // Said once.
    let forgotten = shown.headers.get_all("set-cookie").iter();
    assert!(
        forgotten
            .filter(|set| set.to_str().unwrap().contains("Max-Age=0"))
            .count()
            >= 2
    );
    // What is not there has no page to come back to but its list.
    let lost = act(
        "/account/tokens/018f3a5e-0000-7000-8000-000000000000/end",
        "",
    );
    let lost = site.send(lost).await;
    assert_eq!(lost.status, 404);
    assert!(
        lost.body.contains("href=\"/account\">Back"),
        "{}",
        lost.body
    );
}

#[tokio::test]
async fn who_signs_in_again_is_back_at_the_form() {
    let site = Site::bare(config("")).await;
    for (path, next) in [
        ("/vms/1/extend", "/vms/1"),
        ("/requests", "/requests/new"),
        ("/policy", "/policy"),
    ] {
        let late = ask("POST", path)
            .text("application/x-www-form-urlencoded", "")
            .header("accept", "text/html");
        let answer = site.send(late).await;
        assert_eq!(answer.status, 303);
        let next = next.replace('/', "%2F");
        assert_eq!(answer.header("location"), format!("/sign-in?next={next}"));
    }
}

#[tokio::test]
async fn a_panic_is_one_answer_and_the_server_goes_on() {
    let site = Site::bare(config("")).await;
    let broken = axum::Router::new().route("/api/v1/broken", axum::routing::get(broken));
    let app = bellwether_server::layers::around(broken, &site.state);
    let site = Site { app, ..site };
    let problem = site.send(get("/api/v1/broken")).await.problem(500);
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("details of ours"));
    site.send(get("/api/v1/nowhere")).await.problem(404);
}

async fn broken() {
    panic!("details of ours");
}

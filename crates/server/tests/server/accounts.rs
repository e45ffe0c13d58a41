//! Accounts and what hangs on them: letting in and locking out, sessions that end, tokens that do not outlive their maker.

use crate::site::{Answer, Ask, PASSWORD, Site, ask, config, get, pass, post};
use bellwether_engine::{Clock, people, policy};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{
    Timestamp,
    people::{AccountState, Role},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn account(login: &str) -> Value {
    json!({"login": login, "full_name": "Ada", "mail": format!("{login}@example.org"), "password": PASSWORD})
}

fn log_in(login: &str) -> Ask {
    post(
        "/api/v1/session",
        json!({"login": login, "password": PASSWORD}),
    )
}

fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    let set = answer.header("set-cookie");
    set.split(';').next().unwrap().to_string()
}

fn change(user: &str, what: Value) -> Ask {
    ask("PATCH", &format!("/api/v1/users/{user}")).json(what)
}

/// A site on a clock that tests can let pass.
async fn clocked() -> Site {
    let clock = Clock::simulated(Timestamp::from_seconds(1_800_000_000));
    let fleet = SimFleet::new(SimSpec::new("site", 1));
    Site::with_clock(config(""), fleet, clock).await
}

async fn only_after_a_word(site: &Site) {
    let (mut wanted, version) = site.engine.store().policy().await.unwrap();
    wanted.accounts_active_at_once = false;
    policy::set(&site.engine, &site.admin().await, &wanted, version)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_account_waits_for_an_admins_word() {
    let site = Site::bare(config("")).await;
    only_after_a_word(&site).await;
    let token = site.token(&*site.admin().await).await;
    let made = site.send(post("/api/v1/accounts", account("ada"))).await;
    assert_eq!(made.json()["state"], "waiting");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let problem = site.send(log_in("ada")).await.problem(403);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("waits for an administrator")
    );
    // Who does not know the password learns nothing of that.
    let wrong = json!({"login": "ada", "password": "not the password"});
    let problem = site.send(post("/api/v1/session", wrong)).await.problem(401);
    assert!(!problem["detail"].as_str().unwrap().contains("wait"));
    // Wherever an administrator is, the page says that somebody waits.
    let anywhere = get("/hosts").header("accept", "text/html").token(&token);
    let page = site.send(anywhere).await.body;
    let told = "People<span class=\"count\">1<span class=\"sr\"> waiting</span></span>";
    assert!(page.contains(told), "{page}");
    let waiting = get("/api/v1/users?state=waiting").token(&token);
    assert_eq!(site.send(waiting).await.json()["items"][0]["login"], "ada");

    let let_in = change(&id, json!({"state": "active"})).token(&token);
    assert_eq!(site.send(let_in).await.json()["state"], "active");
    let inside = cookie(&site.send(log_in("ada")).await);

    // Locked out: the session ends at once, and no other begins.
    let out = change(&id, json!({"state": "disabled"})).token(&token);
    assert_eq!(site.send(out).await.status, 200);
    site.send(get("/api/v1/me").header("cookie", &inside))
        .await
        .problem(401);
    let problem = site.send(log_in("ada")).await.problem(403);
    assert!(problem["detail"].as_str().unwrap().contains("disabled"));
    // Back again: the old session stays ended.
    let back = change(&id, json!({"state": "active"})).token(&token);
    assert_eq!(site.send(back).await.status, 200);
    site.send(get("/api/v1/me").header("cookie", &inside))
        .await
        .problem(401);
    cookie(&site.send(log_in("ada")).await);
}

#[tokio::test]
async fn an_account_that_is_declined_never_gets_in() {
    let site = Site::bare(config("")).await;
    only_after_a_word(&site).await;
    let token = site.token(&*site.admin().await).await;
    let made = site.send(post("/api/v1/accounts", account("eve"))).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let declined = change(&id, json!({"state": "disabled"})).token(&token);
    assert_eq!(site.send(declined).await.status, 200);
    site.send(log_in("eve")).await.problem(403);
    let again = change(&id, json!({"state": "waiting"})).token(&token);
    site.send(again).await.problem(409);
    let audit = site.send(get("/api/v1/audit").token(&token)).await;
    assert!(
        audit.body.contains("eve: waiting → disabled"),
        "{}",
        audit.body
    );
}

#[tokio::test]
async fn the_page_says_that_one_waits() {
    let site = Site::bare(config("")).await;
    only_after_a_word(&site).await;
    let form = |path: &str, text: &str| {
        ask("POST", path)
            .text("application/x-www-form-urlencoded", text)
            .header("accept", "text/html")
    };
    let typed = "login=ada&full_name=Ada&mail=ada%40example.org&password=correct+horse+battery";
    let registered = site.send(form("/register", typed)).await;
    assert_eq!(registered.header("location"), "/sign-in");
    assert!(!registered.header("set-cookie").contains("session"));
    let refused = form("/sign-in", "login=ada&password=correct+horse+battery");
    let refused = site.send(refused).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("waits for an administrator"));
    assert!(refused.body.contains("value=\"ada\""));
}

#[tokio::test]
async fn the_last_active_admin_stays_one() {
    let site = Site::bare(config("")).await;
    let root = site.admin().await;
    let token = site.token(&root).await;
    let id = root.user.to_string();
    for wanted in [
        json!({"role": "user"}),
        json!({"state": "disabled"}),
        json!({"role": "user", "state": "disabled"}),
    ] {
        let problem = site
            .send(change(&id, wanted).token(&token))
            .await
            .problem(409);
        assert!(problem["detail"].as_str().unwrap().contains("last active"));
    }
    // An admin who can't log in is no other one.
    let ada = site.user("ada").await.user.to_string();
    let made = change(&ada, json!({"role": "admin"})).token(&token);
    assert_eq!(site.send(made).await.status, 200);
    let out = change(&ada, json!({"state": "disabled"})).token(&token);
    assert_eq!(site.send(out).await.status, 200);
    site.send(change(&id, json!({"role": "user"})).token(&token))
        .await
        .problem(409);
    let back = change(&ada, json!({"state": "active"})).token(&token);
    assert_eq!(site.send(back).await.status, 200);
    let stands_down = change(&id, json!({"role": "user"})).token(&token);
    assert_eq!(site.send(stands_down).await.json()["role"], "user");
}

#[tokio::test]
async fn a_change_of_a_person_is_made_whole_or_not_at_all() {
    let site = Site::bare(config("")).await;
    let token = site.token(&*site.admin().await).await;
    let ada = site.user("ada").await.user;
    let impossible = json!({"role": "admin", "state": "waiting"});
    site.send(change(&ada.to_string(), impossible).token(&token))
        .await
        .problem(409);
    let kept = site.engine.store().user(ada).await.unwrap();
    assert_eq!((kept.role, kept.state), (Role::User, AccountState::Active));
    // Nothing to change is no act.
    let nothing = change(&ada.to_string(), json!({"role": "user"})).token(&token);
    assert_eq!(site.send(nothing).await.status, 200);
    let audit = site.send(get("/api/v1/audit").token(&token)).await;
    assert!(!audit.body.contains("user.role"), "{}", audit.body);
}

#[tokio::test]
async fn two_admins_do_not_undo_each_other() {
    let site = Site::bare(config("")).await;
    let root = site.admin().await;
    let ada = site.user("ada").await.user;
    let promote = people::Change {
        role: Some(Role::Admin),
        ..Default::default()
    };
    let lock_out = people::Change {
        state: Some(AccountState::Disabled),
        ..Default::default()
    };
    let (one, other) = tokio::join!(
        people::change(&site.engine, &root, ada, promote),
        people::change(&site.engine, &root, ada, lock_out),
    );
    assert!(one.is_ok() && other.is_ok());
    let both = site.engine.store().user(ada).await.unwrap();
    assert_eq!(
        (both.role, both.state),
        (Role::Admin, AccountState::Disabled)
    );
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_is_used() {
    let site = clocked().await;
    let ada = site.user("ada").await;
    let inside = cookie(&site.send(log_in("ada")).await);
    let me = || get("/api/v1/me").header("cookie", &inside);
    for _ in 0..3 {
        pass(11 * HOUR).await;
        assert_eq!(site.send(me()).await.status, 200);
        site.until("the use is noted", async |site| {
            let tokens = site.engine.store().tokens(ada.user).await.unwrap();
            tokens[0].used_at == site.engine.now()
                || site.engine.now().since(tokens[0].used_at) < HOUR
        })
        .await;
    }
    pass(13 * HOUR).await;
    site.send(me()).await.problem(401);
    // A browser is asked to sign in, not told of an error.
    let page = get("/machines")
        .header("cookie", &inside)
        .header("accept", "text/html");
    assert_eq!(
        site.send(page).await.header("location"),
        "/sign-in?next=%2Fmachines"
    );
}

#[tokio::test]
async fn an_api_token_does_not_outlive_the_one_it_is_made_with() {
    let site = clocked().await;
    let ada = site.user("ada").await;
    let short = site.token(&ada).await;
    let make = |days: u32| post("/api/v1/me/tokens", json!({"name": "x", "days": days}));
    let problem = site.send(make(3660).token(&short)).await.problem(422);
    assert_eq!(problem["errors"][0]["field"], "days");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("may not last longer")
    );
    // The password is worth more.
    let inside = cookie(&site.send(log_in("ada")).await);
    let made = site.send(make(3660).header("cookie", &inside)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let long: SecretString = made.json()["secret"].as_str().unwrap().to_owned().into();
    assert_eq!(site.send(make(30).token(&long)).await.status, 201);
    // A day asked for in the middle of the last day is what is left of it.
    pass(20 * HOUR).await;
    let last = site.send(make(1).token(&short)).await.json();
    let last: SecretString = last["secret"].as_str().unwrap().to_owned().into();
    pass(5 * HOUR).await;
    for ended in [short, last] {
        site.send(get("/api/v1/me").token(&ended))
            .await
            .problem(401);
    }
}

#[tokio::test]
async fn a_new_password_ends_api_tokens_where_that_is_asked() {
    let site = Site::bare(config("")).await;
    let ada = site.user("ada").await;
    let (one, two) = (site.token(&ada).await, site.token(&ada).await);
    let me = async |token: &SecretString| site.send(get("/api/v1/me").token(token)).await.status;
    let inside = cookie(&site.send(log_in("ada")).await);
    let stays = ask("PUT", "/api/v1/me/password")
        .json(json!({"current": PASSWORD, "new": "a different long one"}))
        .header("cookie", &inside);
    assert_eq!(site.send(stays).await.json()["api_tokens"], 2);
    assert_eq!((me(&one).await, me(&two).await), (200, 200));
    let form =
        "current_password=a+different+long+one&new_password=yet+another+one&end_api_tokens=on";
    let page = ask("POST", "/account/password")
        .text("application/x-www-form-urlencoded", form)
        .header("accept", "text/html")
        .token(&one);
    let changed = site.send(page).await;
    assert_eq!(changed.header("location"), "/account", "{}", changed.body);
    // The one it was asked with goes on.
    assert_eq!((me(&one).await, me(&two).await), (200, 401));
    let page = get("/account").header("cookie", &inside);
    site.send(page).await.problem(401);
}

#[tokio::test]
async fn hostile_accounts_are_refused_with_the_field() {
    let site = Site::bare(config("[limits]\nregistrations_per_hour = 1000")).await;
    let long = "x".repeat(10_000);
    for (field, value) in [
        ("full_name", json!("Ada\u{202e}nimda")),
        ("full_name", json!("A\u{200b}da")),
        ("full_name", json!("Ada\u{2028}Lovelace")),
        ("full_name", json!("\u{200e}")),
        ("full_name", json!("Ada\u{0}")),
        ("full_name", json!(long)),
        ("full_name", json!("")),
        ("login", json!("r\u{200b}oot")),
        ("login", json!("аda")), // a Cyrillic а
        ("login", json!(long)),
        ("login", json!("<script>")),
        ("mail", json!("ada\u{202e}@example.org")),
        ("mail", json!("ada@example.org\r\nBcc: all@example.org")),
        ("mail", json!(long)),
        ("password", json!("short")),
        ("password", json!(long)),
    ] {
        let mut wanted = account("ada");
        wanted[field] = value.clone();
        let answer = site.send(post("/api/v1/accounts", wanted)).await;
        let problem = answer.problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{value}: {problem}");
        assert!(answer.body.len() < 2_000, "{field}");
        assert!(
            !answer.body.contains('\u{202e}'),
            "{field}: {}",
            answer.body
        );
    }
    let token = site.token(&site.user("bob").await).await;
    for name in ["\u{200b}", "ci\u{202e}", "two\nlines", "", &long] {
        let wanted = json!({"name": name, "days": 1});
        let asked = post("/api/v1/me/tokens", wanted).token(&token);
        let problem = site.send(asked).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], "name");
    }
    // What is merely unusual is kept exactly.
    let mut wanted = account("zoe");
    wanted["full_name"] = json!("Zoë O'Brien-Łukasiewicz 大橋 👩‍🔬 <b>");
    let made = site.send(post("/api/v1/accounts", wanted.clone())).await;
    assert_eq!(made.json()["full_name"], wanted["full_name"]);
}

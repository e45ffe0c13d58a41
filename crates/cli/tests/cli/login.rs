//! Logging in and out, where tokens come from, and completion.

use crate::common::*;
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

fn token() -> serde_json::Value {
    json!({
        "id": HOST, "kind": "api", "name": "bellwether command line", "created_at": "2026-11-24T12:00:00Z",
        "used_at": "2026-11-24T12:00:00Z", "expires_at": "2027-02-22T12:00:00Z",
    })
}

#[test]
fn a_login_is_kept_for_its_owner_only_and_forgotten_at_logout() {
    let server = Server::new();
    let session = json!({ "user": user("ada"), "token": { "token": token(), "secret": "s3cret" } });
    server
        .on("POST /session", 201, session)
        .on(
            "GET /me",
            200,
            json!({ "user": user("ada"), "token": token() }),
        )
        .on("DELETE /session", 204, serde_json::Value::Null);
    let url = server.address();
    let ended = run(
        server.bare().args(["login", "ada", "--server", url]),
        "pa ss\n",
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.out,
        format!("Logged in at {url} as ada (admin) until 2027-02-22T12:00:00Z.\n")
    );
    assert_eq!(
        server.calls()[0].json(),
        json!({ "login": "ada", "password": "pa ss", "token": { "name": "bellwether command line", "days": 90 } })
    );
    let file = server.home().join("bellwether/config.toml");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fs::read_to_string(&file).unwrap().contains("s3cret"));

    // From now on neither the server nor the token has to be named.
    let ended = run(server.bare().arg("whoami"), "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("Ada Lovelace"));
    assert_eq!(server.calls()[1].authorization, "Bearer s3cret");

    let ended = run(server.bare().args(["login", "ada", "--json"]), "pa ss\n");
    assert!(
        !ended.out.contains("s3cret"),
        "the secret is kept, not shown"
    );

    assert_eq!(run(server.bare().arg("logout"), "").out, "Logged out.\n");
    assert!(!fs::read_to_string(&file).unwrap().contains("s3cret"));
    server.on(
        "GET /vms",
        401,
        problem("unauthenticated", 401, "Nobody is logged in."),
    );
    let ended = run(server.bare().args(["vm", "list"]), "");
    assert_eq!(ended.code, 5);
    assert_eq!(
        ended.err,
        "error: Nobody is logged in.\n  Log in with: bellwether login\n"
    );
    assert_eq!(server.calls().last().unwrap().authorization, "");
}

#[test]
fn a_token_of_one_server_is_never_shown_to_another() {
    let one = Server::new();
    one.on(
        "POST /session",
        201,
        json!({ "user": user("ada"), "token": { "token": token(), "secret": "s3cret" } }),
    );
    assert_eq!(
        run(
            one.bare().args(["login", "ada", "--server", one.address()]),
            "x\n"
        )
        .code,
        0
    );
    let two = Server::new();
    run(
        one.bare().args(["vm", "list", "--server", two.address()]),
        "",
    );
    assert_eq!(two.calls()[0].authorization, "");
}

#[test]
fn tokens_come_from_files_and_the_environment_never_from_arguments() {
    let server = Server::new();
    server.on("GET /vms", 200, list(vec![]));
    let file = server.home().join("token");
    fs::write(&file, "from-file\n").unwrap();
    server.run(&["vm", "list", "--token-file", file.to_str().unwrap()]);
    server.run(&["vm", "list"]);
    let sent: Vec<String> = server
        .calls()
        .into_iter()
        .map(|call| call.authorization)
        .collect();
    assert_eq!(sent, ["Bearer from-file", "Bearer t0ken"]);
    assert_eq!(server.run(&["vm", "list", "--token", "x"]).code, 2);
    fs::write(&file, "").unwrap();
    assert_eq!(
        server
            .run(&["vm", "list", "--token-file", file.to_str().unwrap()])
            .code,
        2
    );
}

#[test]
fn passwords_are_read_line_by_line() {
    let server = Server::new();
    server.on("POST /accounts", 201, user("ada")).on(
        "PUT /me/password",
        200,
        json!({ "api_tokens": 2 }),
    );
    let mut command = server.command();
    command.args([
        "register",
        "ada",
        "--full-name",
        "Ada Lovelace",
        "--mail",
        "ada@example.org",
    ]);
    let ended = run(&mut command, "first\n");
    assert_eq!(ended.out, "Welcome. Log in with: bellwether login ada\n");
    let ended = run(server.command().arg("password"), "old\nnew\n");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("2 API tokens still work"),
        "{}",
        ended.out
    );
    let mut both = server.command();
    run(both.args(["password", "--end-api-tokens"]), "old\nnew\n");
    for (call, end) in [(1, false), (2, true)] {
        assert_eq!(
            server.calls()[call].json(),
            json!({ "current": "old", "new": "new", "end_api_tokens": end })
        );
    }
    assert_eq!(run(server.command().arg("password"), "old\n").code, 2);
}

#[test]
fn a_made_token_stands_alone_on_standard_output() {
    let server = Server::new();
    server.on(
        "POST /me/tokens",
        201,
        json!({ "token": token(), "secret": "s3cret" }),
    );
    let ended = server.run(&["token", "create", "ci", "--days", "7"]);
    assert_eq!(ended.out, "s3cret\n");
    assert!(ended.err.contains("can't be shown again"));
    assert_eq!(server.calls()[0].json(), json!({ "name": "ci", "days": 7 }));
}

#[test]
fn a_file_that_others_read_is_warned_of() {
    let server = Server::new();
    server.on("GET /vms", 200, list(vec![]));
    let folder = server.home().join("bellwether");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("config.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(server.run(&["vm", "list"]).err.contains("chmod 600"));
    fs::write(&file, "not toml").unwrap();
    let ended = server.run(&["vm", "list"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("can't be understood"));
}

#[test]
fn completion_scripts_for_three_shells() {
    let server = Server::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(server.bare().args(["completions", shell]), "");
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains("bellwether"), "{shell}");
        let there = Command::new(shell).arg("--version").output().is_ok();
        if there {
            let script = server.home().join("completion");
            fs::write(&script, &ended.out).unwrap();
            let checked = Command::new(shell).arg("-n").arg(&script).output().unwrap();
            assert!(
                checked.status.success(),
                "{shell}: {}",
                String::from_utf8_lossy(&checked.stderr)
            );
        }
    }
    assert_eq!(run(server.bare().args(["completions", "cmd"]), "").code, 2);
}

#[test]
fn names_complete_by_asking_the_server() {
    let server = Server::new();
    server.on(
        "GET /vms",
        200,
        list(vec![
            vm(VM, "ada", "web"),
            vm(HOST, "ada", "mail"),
            vm(HOST2, "ada", "we\u{1b}[2J"),
        ]),
    );
    let mut command = server.command();
    command
        .env("COMPLETE", "fish")
        .args(["--", "bellwether", "vm", "show", "we"]);
    let ended = run(&mut command, "");
    assert_eq!(
        ended
            .out
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect::<Vec<_>>(),
        ["web"]
    );
    // A server that is away must not disturb the typing.
    let mut command = server.command();
    command
        .env("COMPLETE", "fish")
        .env("BELLWETHER_SERVER", "http://127.0.0.1:1")
        .args(["--", "bellwether", "vm", "show", ""]);
    let ended = run(&mut command, "");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[test]
fn every_command_explains_itself() {
    let server = Server::new();
    let help = |args: &[&str]| {
        let ended = run(server.bare().args(args).arg("--help"), "");
        assert_eq!(ended.code, 0, "{args:?}");
        ended.out
    };
    let commands = |text: &str| -> Vec<String> {
        text.lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| line.starts_with("  "))
            .filter(|line| !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .filter(|name| name != "help")
            .collect()
    };
    let top = help(&[]);
    assert!(top.contains("Exit codes:"));
    let nouns = commands(&top);
    assert!(nouns.len() > 15, "{nouns:?}");
    for noun in nouns {
        for verb in commands(&help(&[&noun])) {
            assert!(
                help(&[&noun, &verb]).contains("Usage: bellwether"),
                "{noun} {verb}"
            );
        }
    }
}

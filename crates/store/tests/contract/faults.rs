//! Bad days: what the store says when its database is locked, read-only, damaged, newer, or gone.

use crate::world::{Engine, Ground, World, drop_database, host, run, user};
use bellwether_model::{Error, ErrorKind, Timestamp};
use bellwether_store::{History, SeriesKey, Store, VmQuery};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

crate::cases!(
    while_another_writes_for_long_writers_hear_so_and_readers_go_on,
    writers_that_wait_leave_readers_their_turn,
    a_newer_database_is_refused,
    an_altered_database_is_refused,
    many_open_a_new_database_at_once,
    a_row_that_holds_what_it_cannot_is_a_fault_that_names_the_column,
    what_was_seen_by_another_version_is_left_out,
    a_closed_store_says_so,
    a_dropped_transaction_never_was,
);

fn unavailable(error: Error, says: &str) {
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    assert!(error.message.contains(says), "{error:?}");
}

async fn add(store: &Store, login: &str) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    tx.insert_user(&user(login), "h").await?;
    tx.commit().await
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what)
        .await
        .expect("stuck")
}

async fn while_another_writes_for_long_writers_hear_so_and_readers_go_on(world: World) {
    let store = world.store.clone();
    let h = host("h1");
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h).await.unwrap();
    tx.commit().await.unwrap();
    let other = Store::open(&world.url).await.unwrap();
    let mut long = other.begin().await.unwrap();
    long.insert_user(&user("slow"), "h").await.unwrap();
    unavailable(soon(add(&store, "ada")).await.unwrap_err(), "locked");
    assert_eq!(soon(store.users()).await.unwrap(), []);
    long.commit().await.unwrap();
    soon(add(&store, "ada")).await.unwrap();
    assert_eq!(store.users().await.unwrap().len(), 2);
    other.close().await;
}

async fn writers_that_wait_leave_readers_their_turn(world: World) {
    let store = world.store.clone();
    let long = store.begin().await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let store = store.clone();
        waiting.spawn(async move { store.begin().await.map(drop) });
    }
    tokio::select! {
        // The first to give up does so after seconds.
        gave_up = waiting.join_next() => panic!("{gave_up:?} before the readers were done"),
        () = async {
            for _ in 0..20 {
                assert_eq!(store.users().await.unwrap(), []);
                store.ping().await.unwrap();
            }
        } => {}
    }
    drop(long);
}

async fn a_newer_database_is_refused(world: World) {
    world
        .raw("INSERT INTO upgrades (number, name, checksum) VALUES (9999, 'wonders', 'x')")
        .await;
    let said = Store::open(&world.url).await.unwrap_err();
    unavailable(said.clone(), "newer version of Bellwether");
    assert!(said.message.contains("9999 (wonders)"), "{said}");
}

async fn an_altered_database_is_refused(world: World) {
    world
        .raw("UPDATE upgrades SET checksum = 'x' WHERE number = 1")
        .await;
    unavailable(Store::open(&world.url).await.unwrap_err(), "differs");
}

async fn many_open_a_new_database_at_once(world: World) {
    let url = world.another_url().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let url = url.clone();
        tasks.spawn(async move {
            let store = soon(Store::open(&url)).await.unwrap();
            add(&store, &format!("u{n}")).await.unwrap();
            store.close().await;
        });
    }
    tasks.join_all().await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.users().await.unwrap().len(), 6);
    store.close().await;
    if world.folder().is_none() {
        drop_database(&url).await;
    }
}

async fn a_row_that_holds_what_it_cannot_is_a_fault_that_names_the_column(world: World) {
    let store = world.store.clone();
    let ground = Ground::lay(&store).await;
    let vm = ground.vm("db");
    let mut tx = store.begin().await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    tx.commit().await.unwrap();
    for (break_it, mend_it, names) in [
        (
            "UPDATE vms SET state = 'melted'",
            "UPDATE vms SET state = 'running'",
            "column state holds 'melted'",
        ),
        (
            "UPDATE vms SET mac = 'x'",
            "UPDATE vms SET mac = '52:54:00:00:00:01'",
            "column mac holds 'x'",
        ),
        (
            "UPDATE vms SET memory_mib = -1",
            "UPDATE vms SET memory_mib = 1",
            "column memory_mib holds '-1'",
        ),
        (
            "UPDATE vms SET vcpus = 99999999999",
            "UPDATE vms SET vcpus = 1",
            "column vcpus holds '99999999999'",
        ),
        (
            "UPDATE vms SET lease_from = '31.12.'",
            "UPDATE vms SET lease_from = '2026-01-01'",
            "column lease_from holds",
        ),
        (
            "UPDATE vms SET wanted = ''",
            "UPDATE vms SET wanted = 'on'",
            "column wanted holds ''",
        ),
        (
            "UPDATE networks SET dns = '{'",
            "UPDATE networks SET dns = '[]'",
            "column dns is not the JSON expected",
        ),
    ] {
        world.raw(break_it).await;
        let said = match store.vm(vm.id).await {
            Err(said) => said,
            Ok(_) => store.networks().await.unwrap_err(),
        };
        assert_eq!(said.kind, ErrorKind::Internal);
        assert!(said.context().unwrap().contains(names), "{said:?}");
        assert!(!said.message.contains("column"), "the person is not told");
        world.raw(mend_it).await;
    }
    assert_eq!(store.vms(VmQuery::default()).await.unwrap().len(), 1);
}

async fn what_was_seen_by_another_version_is_left_out(world: World) {
    let store = world.store.clone();
    let h = host("h1");
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h).await.unwrap();
    tx.commit().await.unwrap();
    let seen = bellwether_model::observed::HostSeen::nothing(h.id);
    store.save_seen(&seen).await.unwrap();
    world
        .raw("UPDATE seen SET data = '{\"shape\": \"of tomorrow\"}'")
        .await;
    assert_eq!(store.seen().await.unwrap(), []);
    store.save_seen(&seen).await.unwrap();
    assert_eq!(store.seen().await.unwrap(), [seen]);
}

async fn a_closed_store_says_so(world: World) {
    world.store.ping().await.unwrap();
    world.store.close().await;
    unavailable(world.store.ping().await.unwrap_err(), "closed");
    unavailable(world.store.begin().await.unwrap_err(), "closed");
}

async fn a_dropped_transaction_never_was(world: World) {
    let store = world.store;
    for n in 0..5 {
        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&user(&format!("u{n}")), "h").await.unwrap();
        drop(tx);
    }
    add(&store, "ada").await.unwrap();
    assert_eq!(store.users().await.unwrap().len(), 1);
}

// --- SQLite's own bad days; a second process where that matters ---

/// What this program does when a test starts it again as a child: the environment says what.
#[test]
fn child() {
    let Ok(what) = std::env::var("BELLWETHER_STORE_CHILD") else {
        return;
    };
    let url = std::env::var("BELLWETHER_STORE_URL").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&url).await.unwrap();
        match what.as_str() {
            "hold" => {
                add(&store, "committed").await.unwrap();
                let mut tx = store.begin().await.unwrap();
                for n in 0..200 {
                    tx.insert_user(&user(&format!("lost{n}")), "h")
                        .await
                        .unwrap();
                }
                println!("\nready");
                std::future::pending::<()>().await;
            }
            "read-only" => {
                assert_eq!(store.users().await.unwrap().len(), 1, "reads go on");
                let said = add(&store, "ben").await.unwrap_err();
                println!("\nsaid {:?}: {}", said.kind, said.message);
            }
            other => panic!("{other}"),
        }
    });
}

fn child_with(what: &str, url: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", "faults::child", "--nocapture"])
        .env("BELLWETHER_STORE_CHILD", what)
        .env("BELLWETHER_STORE_URL", url)
        .stdout(Stdio::piped());
    command
}

/// The first line the child writes that begins so.
fn line(child: &mut Child, begins: &str) -> String {
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with(begins))
        .expect("the child's word")
}

#[test]
fn a_killed_writer_leaves_what_it_committed_and_no_lock() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run(engine, async |world: World| {
            let mut child = child_with("hold", &world.url, &std::env::current_exe().unwrap())
                .spawn()
                .unwrap();
            line(&mut child, "ready");
            // While it lives, it holds the lock, and the server is not stuck.
            unavailable(soon(add(&world.store, "ada")).await.unwrap_err(), "locked");
            assert_eq!(world.store.users().await.unwrap().len(), 1);
            child.kill().unwrap();
            child.wait().unwrap();
            // PostgreSQL notices within moments that the client is gone.
            for _ in 0..5 {
                if soon(add(&world.store, "ada")).await.is_ok() {
                    break;
                }
            }
            let logins: Vec<_> = world
                .store
                .users()
                .await
                .unwrap()
                .into_iter()
                .map(|u| u.login)
                .collect();
            assert_eq!(logins, ["committed", "ada"]);
        });
    }
}

#[test]
fn a_read_only_database_is_read_and_says_so_when_written() {
    run(Engine::Sqlite, async |world: World| {
        use std::os::unix::{fs::PermissionsExt, process::CommandExt};
        add(&world.store, "ada").await.unwrap();
        world.store.close().await;
        let folder = world.folder().unwrap();
        let database = folder.join("bellwether.db");
        // Root may write whatever the permissions say: the child runs as nobody, from a copy it may execute.
        let program = folder.join("program");
        let current = std::env::current_exe().unwrap();
        std::fs::hard_link(&current, &program)
            .or_else(|_| std::fs::copy(&current, &program).map(drop))
            .unwrap();
        std::fs::set_permissions(&database, PermissionsExt::from_mode(0o444)).unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        let mut command = child_with("read-only", &world.url, &program);
        if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
            command.uid(65534).gid(65534);
        }
        let done = command.current_dir("/").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}");
        assert!(
            said.contains("Unavailable") && said.contains("read-only"),
            "{said}"
        );
    });
}

#[test]
fn a_file_that_is_no_database_is_named_so() {
    run(Engine::Sqlite, async |world: World| {
        let file = world.folder().unwrap().join("garbage.db");
        std::fs::write(
            &file,
            "this is no database, and long enough to look at ".repeat(100),
        )
        .unwrap();
        let said = Store::open(&format!("sqlite://{}", file.display()))
            .await
            .unwrap_err();
        unavailable(said, "damaged or is not a database");
        let said = Store::open("sqlite:///nowhere/at/all/x.db")
            .await
            .unwrap_err();
        unavailable(said, "/nowhere/at/all/x.db");
    });
}

#[test]
fn a_url_that_names_nothing_known_says_what_would_and_keeps_the_password() {
    run(Engine::Sqlite, async |_| {
        for url in [
            "mysql://root:geheim@db/x",
            "sqlite::memory:",
            "sqlite://",
            "",
            "/var/lib/x.db",
            "postgres://u:geheim@[/x",
        ] {
            let said = Store::open(url).await.unwrap_err();
            assert_eq!(said.kind, ErrorKind::Invalid, "{url}");
            assert!(said.message.contains("sqlite:///path/to/file.db"), "{said}");
            assert!(!format!("{said:?}").contains("geheim"), "{said:?}");
        }
        let nobody_listens = soon(Store::open("postgres://u:geheim@127.0.0.1:9/x"))
            .await
            .unwrap_err();
        assert_eq!(nobody_listens.kind, ErrorKind::Unavailable);
        assert!(!format!("{nobody_listens:?}").contains("geheim"));
    });
}

#[test]
fn the_database_file_is_its_owners_only() {
    run(Engine::Sqlite, async |world: World| {
        use std::os::unix::fs::PermissionsExt;
        for file in ["bellwether.db", "bellwether.db-wal"] {
            let mode = std::fs::metadata(world.folder().unwrap().join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{file}");
        }
    });
}

#[test]
fn a_lost_connection_is_replaced() {
    run(Engine::Postgres, async |world: World| {
        add(&world.store, "ada").await.unwrap();
        let mut tx = world.store.begin().await.unwrap();
        tx.insert_user(&user("lost"), "h").await.unwrap();
        world
            .raw("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            .await;
        assert_eq!(tx.commit().await.unwrap_err().kind, ErrorKind::Unavailable);
        soon(add(&world.store, "ben")).await.unwrap();
        assert_eq!(world.store.users().await.unwrap().len(), 2);
    });
}

#[test]
fn measurements_that_cannot_be_used_are_set_aside() {
    run(Engine::Sqlite, async |world: World| {
        let file = world.folder().unwrap().join("metrics.db");
        let key = SeriesKey {
            entity: "vm",
            id: uuid::Uuid::from_u128(1),
            signal: "cpu",
        };
        let now = |s: i64| Timestamp::from_seconds(1_790_000_000 + s);
        let aside = || {
            std::fs::read_dir(world.folder().unwrap())
                .unwrap()
                .filter(|e| {
                    let name = e.as_ref().unwrap().file_name().into_string().unwrap();
                    name.contains("set-aside") && !name.ends_with("-wal") && !name.ends_with("-shm")
                })
                .count()
        };
        let count = async |history: &History| {
            history.range(&[key], now(0), now(1000), 10).await.unwrap()[0]
                .points
                .len()
        };

        std::fs::write(&file, "garbage ".repeat(10_000)).unwrap();
        let history = History::open(&world.url).await.unwrap();
        assert_eq!(aside(), 1);
        for s in 0..50 {
            history.append(now(s * 10), &[(key, 1.0)]).await.unwrap();
        }
        assert_eq!(count(&history).await, 50);
        history.close().await;

        // Truncated.
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let history = History::open(&world.url).await.unwrap();
        history.append(now(500), &[(key, 1.0)]).await.unwrap();
        assert_eq!((aside(), count(&history).await), (2, 1));
        history.close().await;

        // Deleted while many write: it is begun anew once, and what they write is in it.
        let history = History::open(&world.url).await.unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
        let writes: Vec<_> = (0..8)
            .map(|s| {
                let history = history.clone();
                tokio::spawn(async move { history.append(now(600 + s * 10), &[(key, 1.0)]).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
        assert_eq!((aside(), count(&history).await), (2, 8));
        history.close().await;

        // Of a newer version.
        use sqlx::{Connection, Executor};
        let mut connection =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display()))
                .await
                .unwrap();
        connection
            .execute("INSERT INTO metrics_upgrades (number, name, checksum) VALUES (99, 'x', 'x')")
            .await
            .unwrap();
        connection.close().await.unwrap();
        let history = History::open(&world.url).await.unwrap();
        assert_eq!((aside(), count(&history).await), (3, 0));
        history.append(now(500), &[(key, 1.0)]).await.unwrap();
        history.close().await;

        // Deleted.
        std::fs::remove_file(&file).unwrap();
        let history = History::open(&world.url).await.unwrap();
        history.append(now(500), &[(key, 1.0)]).await.unwrap();
        assert_eq!((aside(), count(&history).await), (3, 1));
        // Deleted while in use: at the latest the next sample begins anew.
        std::fs::remove_file(&file).unwrap();
        history.append(now(510), &[(key, 1.0)]).await.unwrap();
        assert!(file.exists());
        assert_eq!(count(&history).await, 1);
        history.close().await;
    });
}

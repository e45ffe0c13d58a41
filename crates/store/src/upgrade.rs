//! Forward upgrades of the schema: numbered, named files, each applied once, in a transaction, with its checksum kept.
//!
//! The files are one text for both databases, in which these words are replaced:
//!
//! | word | SQLite | PostgreSQL | why |
//! |---|---|---|---|
//! | `{INT}` | `INTEGER` | `BIGINT` | STRICT tables know no BIGINT; both hold 64 bits |
//! | `{REAL}` | `REAL` | `DOUBLE PRECISION` | both hold 64 bits |
//! | `{TEXT}` | `TEXT` | `TEXT COLLATE "C"` | sorted and compared by bytes whatever the server's locale is |
//! | `{UUID}` | `BLOB` | `UUID` | 16 bytes, sorted alike in both |
//! | `{BYTES}` | `BLOB` | `BYTEA` | |
//! | `{BOOL}` | `INTEGER` | `BOOLEAN` | |
//! | `{STRICT}` | `STRICT` | | SQLite would take any value into any column |
//!
//! A file that was applied is never edited: the checksum says so. There is no way back but a backup. While replicas of an
//! older version may run (PostgreSQL), an upgrade only adds; what it makes superfluous goes one release later.

use crate::{
    db::Db,
    sql::{On, sql},
    tx::{Tx, Waiting},
};
use bellwether_model::{Error, Result};
use sha2::{Digest, Sha256};

/// One upgrade.
pub(crate) struct Upgrade {
    /// Counts from 1 without gaps.
    pub(crate) number: i64,
    /// The file's name without number and ending.
    pub(crate) name: &'static str,
    /// The text with its words not yet replaced.
    pub(crate) text: &'static str,
}

/// A set of tables with upgrades of its own, and the statements on the table that remembers them.
pub(crate) struct Schema {
    upgrades: &'static [Upgrade],
    create: &'static str,
    found_in_sqlite: &'static str,
    found_in_postgres: &'static str,
    list: &'static str,
    record: &'static str,
}

macro_rules! schema {
    ($table:literal, $upgrades:expr) => {
        Schema {
            upgrades: $upgrades,
            create: concat!("CREATE TABLE IF NOT EXISTS ", $table, " (number {INT} NOT NULL PRIMARY KEY, name {TEXT} NOT NULL, checksum {TEXT} NOT NULL) {STRICT}"),
            found_in_sqlite: concat!("SELECT COUNT(*) AS found FROM sqlite_schema WHERE type = 'table' AND name = '", $table, "'"),
            found_in_postgres: concat!("SELECT COUNT(*) AS found FROM pg_class WHERE oid = to_regclass('", $table, "')"),
            list: concat!("SELECT number, name, checksum FROM ", $table, " ORDER BY number"),
            record: concat!("INSERT INTO ", $table, " (number, name, checksum) VALUES ($1, $2, $3)"),
        }
    };
}

/// The main database.
pub(crate) const STORE: Schema = schema!(
    "upgrades",
    &[
        Upgrade {
            number: 1,
            name: "begin",
            text: include_str!("../upgrades/0001_begin.sql"),
        },
        Upgrade {
            number: 2,
            name: "count_changes_of_vms",
            text: include_str!("../upgrades/0002_count_changes_of_vms.sql"),
        },
        Upgrade {
            number: 3,
            name: "find_migrations_by_end_and_way",
            text: include_str!("../upgrades/0003_find_migrations_by_end_and_way.sql"),
        },
        Upgrade {
            number: 4,
            name: "say_which_images_are_verified",
            text: include_str!("../upgrades/0004_say_which_images_are_verified.sql"),
        },
        Upgrade {
            number: 5,
            name: "know_machines_by_uuid",
            text: include_str!("../upgrades/0005_know_machines_by_uuid.sql"),
        },
        Upgrade {
            number: 6,
            name: "count_changes_of_records",
            text: include_str!("../upgrades/0006_count_changes_of_records.sql"),
        },
        Upgrade {
            number: 7,
            name: "find_and_count_jobs",
            text: include_str!("../upgrades/0007_find_and_count_jobs.sql"),
        },
        Upgrade {
            number: 8,
            name: "count_changes_of_migrations",
            text: include_str!("../upgrades/0008_count_changes_of_migrations.sql"),
        },
        Upgrade {
            number: 9,
            name: "remember_incidents",
            text: include_str!("../upgrades/0009_remember_incidents.sql"),
        },
        Upgrade {
            number: 10,
            name: "keep_forecasts",
            text: include_str!("../upgrades/0010_keep_forecasts.sql"),
        },
        Upgrade {
            number: 11,
            name: "move_by_policy",
            text: include_str!("../upgrades/0011_move_by_policy.sql"),
        },
        Upgrade {
            number: 12,
            name: "keep_plans",
            text: include_str!("../upgrades/0012_keep_plans.sql"),
        },
    ]
);

/// The measurements: a SQLite file of their own, or beside the main tables on PostgreSQL.
pub(crate) const METRICS: Schema = schema!(
    "metrics_upgrades",
    &[Upgrade {
        number: 1,
        name: "begin",
        text: include_str!("../upgrades/metrics/0001_begin.sql"),
    }]
);

/// Why a database could not be brought to this version.
pub(crate) enum Failure {
    /// It is of a newer or an altered version: it must not be touched.
    Refused(Error),
    /// Something else.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) | Failure::Failed(error) => error,
        }
    }
}

/// Replaces the words for one of the databases.
pub(crate) fn words(text: &str, sqlite: bool) -> String {
    let words: [(&str, &str, &str); 7] = [
        ("{INT}", "INTEGER", "BIGINT"),
        ("{REAL}", "REAL", "DOUBLE PRECISION"),
        ("{TEXT}", "TEXT", "TEXT COLLATE \"C\""),
        ("{UUID}", "BLOB", "UUID"),
        ("{BYTES}", "BLOB", "BYTEA"),
        ("{BOOL}", "INTEGER", "BOOLEAN"),
        ("{STRICT}", "STRICT", ""),
    ];
    let mut out = without_comments(text);
    for (word, in_sqlite, in_postgres) in words {
        out = out.replace(word, if sqlite { in_sqlite } else { in_postgres });
    }
    out
}

fn without_comments(text: &str) -> String {
    let statements = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    statements.collect::<Vec<_>>().join("\n")
}

/// SHA-256 of the text; a comment may be mended later.
fn checksum(text: &str) -> String {
    Sha256::digest(without_comments(text).as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What the database has of an upgrade: number, name, checksum.
type Applied = (i64, String, String);

/// What is to do next, given what was applied; refuses a database this version must not touch.
fn next<'a>(upgrades: &'a [Upgrade], applied: &[Applied]) -> Result<Option<&'a Upgrade>> {
    let newest = upgrades.last().map_or(0, |u| u.number);
    if let Some((number, name, _)) = applied.iter().find(|(number, ..)| *number > newest) {
        return Err(Error::unavailable(format!(
            "The database was made by a newer version of Bellwether: it has upgrade {number} ({name}), this version knows \
             up to {newest}. Run the newer version, or restore a backup from before the upgrade."
        )));
    }
    for upgrade in upgrades {
        match applied
            .iter()
            .find(|(number, ..)| *number == upgrade.number)
        {
            None => return Ok(Some(upgrade)),
            Some((_, _, sum)) if *sum != checksum(upgrade.text) => {
                return Err(Error::unavailable(format!(
                    "The database's upgrade {} ({}) differs from the one this version knows. It was made by an \
                     unreleased or altered version and can't be used by this one.",
                    upgrade.number, upgrade.name
                )));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// Brings the tables to this version. Two processes may do so at once: each upgrade is decided and applied under the one
/// writer's lock.
pub(crate) async fn run(db: &Db, schema: &Schema) -> Result<(), Failure> {
    // A database that needs nothing is not written to, so that a read-only one can still be served.
    let found = sql(match db {
        Db::Sqlite { .. } => schema.found_in_sqlite,
        Db::Postgres { .. } => schema.found_in_postgres,
    })
    .one(On::Write(db))
    .await?;
    if found.get::<i64>("found")? > 0 {
        let applied = applied(schema, On::Write(db)).await?;
        if next(schema.upgrades, &applied)
            .map_err(Failure::Refused)?
            .is_none()
        {
            return Ok(());
        }
    }
    loop {
        let mut tx = Tx::begin(db, Waiting::ForAnUpgrade).await?;
        let sqlite = matches!(db, Db::Sqlite { .. });
        tx.script(words(schema.create, sqlite)).await?;
        let applied = applied(schema, On::Tx(&mut tx)).await?;
        let Some(upgrade) = next(schema.upgrades, &applied).map_err(Failure::Refused)? else {
            return Ok(());
        };
        tracing::info!(
            number = upgrade.number,
            name = upgrade.name,
            "upgrading the database"
        );
        tx.script(words(upgrade.text, sqlite)).await?;
        sql(schema.record)
            .bind(upgrade.number)
            .bind(upgrade.name)
            .bind(checksum(upgrade.text))
            .run(On::Tx(&mut tx))
            .await?;
        tx.commit().await?;
    }
}

async fn applied(schema: &Schema, on: On<'_>) -> Result<Vec<Applied>> {
    sql(schema.list)
        .list(on, |row| {
            Ok((row.get("number")?, row.get("name")?, row.get("checksum")?))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::AssertSqlSafe;

    fn one(number: i64) -> Upgrade {
        Upgrade {
            number,
            name: "x",
            text: "SELECT 1;",
        }
    }

    #[test]
    fn every_word_is_known_and_numbers_have_no_gaps() {
        for schema in [STORE, METRICS] {
            for (index, upgrade) in schema.upgrades.iter().enumerate() {
                assert_eq!(upgrade.number, index as i64 + 1);
                for sqlite in [true, false] {
                    let text = words(upgrade.text, sqlite);
                    assert!(!text.contains(['{', '}']), "{}: unknown word", upgrade.name);
                }
            }
        }
    }

    #[test]
    fn every_file_is_applied() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/upgrades");
        for (folder, schema) in [
            (folder.to_owned(), STORE),
            (format!("{folder}/metrics"), METRICS),
        ] {
            let files = std::fs::read_dir(folder).unwrap();
            let mut files: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.ends_with(".sql"))
                .collect();
            files.sort();
            let applied = schema.upgrades.iter();
            let applied =
                applied.map(|upgrade| format!("{:04}_{}.sql", upgrade.number, upgrade.name));
            assert_eq!(files, applied.collect::<Vec<_>>());
        }
    }

    /// Puts a row into every table, whatever it means, and says how many each has then.
    async fn fill(db: &Db) -> Vec<(String, i64)> {
        let Db::Sqlite { write, .. } = db else {
            unreachable!()
        };
        let run = |text: String| sqlx::raw_sql(AssertSqlSafe(text)).execute(write);
        run("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON".into())
            .await
            .unwrap();
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'upgrades'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(write).await.unwrap();
        let mut filled = Vec::new();
        for table in tables {
            let columns: Vec<(String, String)> =
                sqlx::query_as("SELECT name, type FROM pragma_table_info($1)")
                    .bind(&table)
                    .fetch_all(write)
                    .await
                    .unwrap();
            let values = columns.iter().map(|(name, kind)| match kind.as_str() {
                "INTEGER" => "1",
                "REAL" => "1.0",
                "TEXT" => "'x'",
                "BLOB" => "x'00112233445566778899aabbccddeeff'",
                other => panic!("{table}.{name} is of the kind {other}"),
            });
            let values = Vec::from_iter(values).join(", ");
            run(format!("INSERT INTO {table} VALUES ({values})"))
                .await
                .unwrap();
            filled.push((table.clone(), rows(db, &table).await));
        }
        run("PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF".into())
            .await
            .unwrap();
        filled
    }

    async fn rows(db: &Db, table: &str) -> i64 {
        let Db::Sqlite { write, .. } = db else {
            unreachable!()
        };
        let text = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar(text).fetch_one(write).await.unwrap()
    }

    #[tokio::test]
    async fn what_an_older_version_kept_is_there_after_an_upgrade() {
        for older in 1..STORE.upgrades.len() {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("old.db");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let db = Db::sqlite(options, crate::db::Durability::Normal).await;
            let db = db.unwrap();
            let then = Schema {
                upgrades: &STORE.upgrades[..older],
                ..STORE
            };
            run(&db, &then).await.map_err(Error::from).unwrap();
            let filled = fill(&db).await;
            assert!(filled.len() > 15, "{filled:?}");
            let upgraded = run(&db, &STORE).await.map_err(Error::from);
            upgraded.unwrap_or_else(|error| panic!("from version {older}: {error:?}"));
            for (table, before) in filled {
                let after = rows(&db, &table).await;
                assert!(after >= before, "{table} from version {older}: {after}");
            }
            db.close().await;
        }
    }

    #[test]
    fn an_older_version_leaves_a_newer_database_alone() {
        let upgrades = [one(1)];
        let sum = checksum("SELECT 1;");
        let newer = [
            (1, "x".into(), sum.clone()),
            (2, "future".into(), sum.clone()),
        ];
        let said = next(&upgrades, &newer).err().unwrap().message;
        assert!(
            said.contains("newer version") && said.contains("upgrade 2 (future)"),
            "{said}"
        );
        let altered = [(1, "x".into(), "0".into())];
        assert!(
            next(&upgrades, &altered)
                .err()
                .unwrap()
                .message
                .contains("differs")
        );
        assert!(next(&upgrades, &[(1, "x".into(), sum)]).unwrap().is_none());
    }
}

//! What a database's own error means for us: the one place that reads error codes.
//!
//! What a person can act on is told (`Conflict`, `Unavailable`); the rest is a fault of ours with the statement in the
//! log's context. A database's own text never becomes a message: it can hold values.

use bellwether_model::{Error, ErrorKind};
use sqlx::error::DatabaseError;

/// Translates an error of the driver; `doing` (the statement, or words) goes to the log only.
pub(crate) fn of(error: sqlx::Error, doing: &str) -> Error {
    let known = match &error {
        sqlx::Error::Database(inner) => database(inner.as_ref()),
        sqlx::Error::PoolTimedOut => Some(busy()),
        sqlx::Error::PoolClosed => Some(Error::unavailable("The database is closed.")),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Some(Error::unavailable("The database does not answer.")),
        _ => None,
    };
    match known {
        Some(known) => known.with_context(format!("{error}; {doing}")),
        None => Error::internal(format!("{error}; {doing}")),
    }
}

/// Whether somebody else's lock on a SQLite file was in the way.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // The primary code is the low byte of the extended one: SQLITE_BUSY, SQLITE_LOCKED.
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// What a damaged SQLite file is called; the measurements are set aside on it.
pub(crate) const DAMAGED: &str = "The database file is damaged or is not a database.";
/// What a SQLite file that was replaced under us is called; likewise.
pub(crate) const MOVED: &str = "The database file was moved or deleted while it was in use.";

/// Somebody else writes for longer than anybody should.
pub(crate) fn busy() -> Error {
    Error::unavailable(
        "The database is locked: another process or transaction has been writing for seconds. Try again.",
    )
}

fn database(error: &dyn DatabaseError) -> Option<Error> {
    match error.kind() {
        sqlx::error::ErrorKind::UniqueViolation => return Some(taken(&constraint(error))),
        sqlx::error::ErrorKind::ForeignKeyViolation => {
            return Some(Error::conflict(
                "It refers to something that was removed meanwhile, or is still referred to.",
            ));
        }
        _ => {}
    }
    let code = error.code()?;
    match code.parse::<i32>() {
        Ok(code) if !is_postgres(error) => sqlite(code),
        _ => postgres(&code),
    }
}

fn is_postgres(error: &dyn DatabaseError) -> bool {
    error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
}

/// SQLite's primary result codes (the low byte of the extended ones).
fn sqlite(code: i32) -> Option<Error> {
    // SQLITE_READONLY_DBMOVED
    if code == 1032 {
        return Some(Error::unavailable(MOVED));
    }
    Some(match code & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED
        5 | 6 => busy(),
        // SQLITE_READONLY, SQLITE_PERM
        8 | 3 => Error::unavailable("The database is read-only; nothing can be changed."),
        // SQLITE_IOERR, SQLITE_CANTOPEN
        10 | 14 => Error::unavailable("The database file can't be read or written."),
        // SQLITE_FULL
        13 => Error::unavailable("The disk of the database is full; nothing can be changed."),
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => Error::unavailable(DAMAGED),
        _ => return None,
    })
}

/// PostgreSQL's SQLSTATE (appendix A of its manual).
fn postgres(code: &str) -> Option<Error> {
    Some(match code {
        // deadlock_detected, serialization_failure
        "40P01" | "40001" => {
            Error::conflict("Somebody else changed this at the same moment. Try again.")
        }
        // lock_not_available, query_canceled (statement_timeout), idle_in_transaction_session_timeout
        "55P03" | "57014" | "25P03" => busy(),
        // read_only_sql_transaction
        "25006" => Error::unavailable("The database is read-only; nothing can be changed."),
        // disk_full
        "53100" => Error::unavailable("The disk of the database is full; nothing can be changed."),
        // insufficient_privilege
        "42501" => {
            Error::unavailable("The database refuses: its user lacks a right on its own tables.")
        }
        // invalid_password, invalid_authorization_specification, invalid_catalog_name
        "28P01" | "28000" => {
            Error::unavailable("The database refuses the user or the password in its URL.")
        }
        "3D000" => Error::unavailable("The database named in the URL does not exist."),
        // too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now; class 08 connection exceptions
        code if code.starts_with("53") || code.starts_with("57P") || code.starts_with("08") => {
            Error::unavailable("The database does not answer.")
        }
        _ => return None,
    })
}

/// The violated index, named alike for both: `table_column_column`. PostgreSQL reports the index (which the upgrades name
/// so), SQLite `UNIQUE constraint failed: table.column, table.column`.
fn constraint(error: &dyn DatabaseError) -> String {
    if let Some(name) = error.constraint() {
        return name.to_owned();
    }
    let columns = error
        .message()
        .rsplit("failed: ")
        .next()
        .unwrap_or_default();
    let mut name = String::new();
    for column in columns.split(", ") {
        let (table, column) = column.split_once('.').unwrap_or(("", column));
        if name.is_empty() {
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    name
}

/// The words for a value that is taken. Most are found earlier, by name; this is what remains when two were at once.
fn taken(constraint: &str) -> Error {
    let (field, message) = match constraint {
        "users_login_key" => ("login", "this login is taken"),
        "users_mail_key" => ("mail", "another account has this mail address"),
        "hosts_name_key" => ("name", "another host has this name"),
        "storages_name_key" => ("name", "another storage has this name"),
        "networks_name_key" => ("name", "another network has this name"),
        "images_name_key" => ("name", "another image has this name"),
        "requests_owner_name" => ("name", "there is an open request of this name"),
        "vms_owner_name" => ("name", "there is a VM of this name"),
        "addresses_mac" => ("mac", "this Ethernet address is in use"),
        "jobs_vm" => return Error::conflict("Another job is working on this VM."),
        _ => return Error::conflict("Something with this identifier exists already."),
    };
    conflict(field, message)
}

/// A conflict about one field of an input.
pub(crate) fn conflict(field: &str, message: impl Into<String>) -> Error {
    let mut error = Error::field(field, message);
    error.kind = ErrorKind::Conflict;
    error
}

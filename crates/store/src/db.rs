//! Connecting. SQLite: a file, one writer connection and a pool of readers. PostgreSQL: a pool, and a small one beside it
//! for writing transactions, so that those that wait for their turn leave the others theirs.

use crate::fault;
use bellwether_model::{Error, Result};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, SqliteConnection, SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

/// How long a writer waits for another before it gives up with `Unavailable`.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Between two tries to open a file that others open.
const PAUSE: Duration = Duration::from_millis(20);

/// The connections of one database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// SQLite allows one writer at a time; that there is one connection for it makes waiting a queue instead of a race.
    Sqlite {
        /// Read-only connections.
        read: SqlitePool,
        /// Exactly one connection.
        write: SqlitePool,
    },
    /// PostgreSQL.
    Postgres {
        /// Connections for everything but writing transactions.
        pool: PgPool,
        /// Connections for writing transactions, all but one of which wait.
        transactions: PgPool,
    },
}

/// How a SQLite file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A commit is on the disk when it returns: what jobs journal before they act must survive a power cut.
    Full,
    /// A power cut may lose the last commits, never the file: measurements.
    Normal,
}

/// What a URL names.
pub(crate) enum Target {
    /// A SQLite file.
    Sqlite(SqliteConnectOptions),
    /// A PostgreSQL database.
    Postgres(PgConnectOptions),
}

impl Target {
    /// Reads a URL. Nothing of it is repeated in an error but its scheme: it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let accepted = "use sqlite:///path/to/file.db or postgres://user@host/database";
        let wrong = |what: String| Error::field("database", format!("{what}; {accepted}"));
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url)
                    .map_err(|_| wrong("this SQLite URL can't be read".into()))?;
                let file = options.get_filename();
                if file.as_os_str().is_empty() || url.contains(":memory:") {
                    return Err(wrong("a SQLite database needs a file".into()));
                }
                Ok(Self::Sqlite(options))
            }
            "postgres" | "postgresql" => PgConnectOptions::from_str(url)
                .map(Self::Postgres)
                .map_err(|_| wrong("this PostgreSQL URL can't be read".into())),
            other => Err(wrong(format!(
                "'{}' is no kind of database known here",
                bellwether_model::text::shown(other)
            ))),
        }
    }
}

/// Whether the writer's connection can begin another transaction. Where the disk ran full in a COMMIT, SQLite has given the
/// transaction up by itself while the driver still counts it as open: then it is closed, and the next writer gets a new one.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Rolling back what was dropped comes first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

impl Db {
    /// Connects; makes a SQLite file that is not there.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        match Target::parse(url)? {
            Target::Sqlite(options) => Self::sqlite(options, Durability::Full).await,
            Target::Postgres(options) => Self::postgres(options).await,
        }
    }

    /// Opens a SQLite file.
    pub(crate) async fn sqlite(
        options: SqliteConnectOptions,
        durability: Durability,
    ) -> Result<Self> {
        make_private(options.get_filename())?;
        let common = options
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .row_buffer_size(500)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Normal => SqliteSynchronous::Normal,
            })
            // Deleted secrets are overwritten, not left in free pages.
            .pragma(
                "secure_delete",
                if durability == Durability::Full {
                    "ON"
                } else {
                    "OFF"
                },
            );
        // Setting WAL writes to a file that is not in that mode yet, so the writer does it, before any reader connects.
        let began = Instant::now();
        let write = loop {
            let connected = PoolOptions::<sqlx::Sqlite>::new()
                .max_connections(1)
                .test_before_acquire(false)
                .acquire_timeout(PATIENCE)
                .max_lifetime(None)
                .idle_timeout(None)
                .after_release(|connection, _| Box::pin(is_usable(connection)))
                .connect_with(common.clone().journal_mode(SqliteJournalMode::Wal))
                .await;
            match connected {
                // Of several that do so to a new file SQLite turns some away at once: they wait for each other.
                Err(error) if fault::is_busy(&error) && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                connected => {
                    break connected.map_err(|e| fault::of(e, "opening the database file"))?;
                }
            }
        };
        // A file does not hang up: to ask each connection whether it is alive would double what a small read costs.
        let read = PoolOptions::new()
            .max_connections(8)
            .test_before_acquire(false)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .connect_lazy_with(common.create_if_missing(false).pragma("query_only", "ON"));
        Ok(Self::Sqlite { read, write })
    }

    async fn postgres(options: PgConnectOptions) -> Result<Self> {
        let options = options.application_name("bellwether");
        let connections = |most| {
            PoolOptions::new()
            .max_connections(most)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection: &mut PgConnection, _| {
                Box::pin(async move {
                    // A process that stops in the middle of a transaction (SIGSTOP, a hung disk) must not hold the
                    // others for ever: the server ends its session, which rolls back.
                    connection
                        .execute(
                            "SET lock_timeout = '4s'; SET statement_timeout = '30s'; \
                             SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning'",
                        )
                        .await
                        .map(drop)
                })
            })
        };
        let pool = connections(8)
            .connect_with(options.clone())
            .await
            .map_err(|e| fault::of(e, "connecting to PostgreSQL"))?;
        let transactions = connections(4).connect_lazy_with(options);
        Ok(Self::Postgres { pool, transactions })
    }

    /// Whether [`Db::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Db::Sqlite { write, .. } => write.is_closed(),
            Db::Postgres { pool, .. } => pool.is_closed(),
        }
    }

    /// Lets go of every connection, readers first: the writer, last to leave, folds the WAL back into the file.
    pub(crate) async fn close(&self) {
        match self {
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Db::Postgres { pool, transactions } => {
                pool.close().await;
                transactions.close().await;
            }
        }
    }
}

/// Makes the file with access for its owner only, if it is not there: it will hold password hashes.
fn make_private(file: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if file.exists() {
        return Ok(());
    }
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::unavailable(
            format!("The database file {} can't be made: {e}.", file.display()),
        )),
        _ => Ok(()),
    }
}

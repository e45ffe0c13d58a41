//! One statement, either database: the text is written once with `$1` placeholders, arguments are values of a few plain
//! kinds, rows are read by column name into model types. Nothing else in this crate knows which database it talks to
//! (except `db`, which connects, `fault`, which reads error codes, and `upgrade`, which makes tables).
//!
//! What a row holds is not trusted: a word that is no known state, a number out of range or a broken JSON text is an
//! internal error that names the column, never a panic.

use crate::{
    db::Db,
    fault, records,
    tx::{Inner, Tx},
};
use bellwether_model::{
    Day, Error, HostId, ImageId, IncidentId, JobId, Mac, MachineId, MigrationId, NetworkId, PlanId,
    RequestId, Result, StorageId, Timestamp, TokenId, UserId, VmId,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Decode, Postgres, Row as _, Sqlite, Type,
    postgres::{PgArguments, PgRow},
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use std::{net::IpAddr, str::FromStr};
use uuid::Uuid;

/// Where a statement runs.
pub(crate) enum On<'a> {
    /// On a connection of the read pool.
    Read(&'a Db),
    /// On the writer, as a transaction of its own.
    Write(&'a Db),
    /// Inside a transaction.
    Tx(&'a mut Tx),
}

/// An argument; a `None` still has its kind, which PostgreSQL wants to know.
pub(crate) enum Arg {
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(bool),
    Text(Option<String>),
    Bytes(Vec<u8>),
    Uuid(Option<Uuid>),
}

/// A statement with its arguments.
pub(crate) struct Statement {
    sql: &'static str,
    args: Vec<Arg>,
    bad: Option<Error>,
}

/// A statement without arguments yet.
pub(crate) fn sql(sql: &'static str) -> Statement {
    Statement {
        sql,
        args: Vec::new(),
        bad: None,
    }
}

macro_rules! run {
    ($statement:expr, $on:expr, $method:ident, |$outcome:ident| $wrap_sqlite:expr, $wrap_postgres:expr) => {{
        if let Some(bad) = $statement.bad {
            return Err(bad);
        }
        let (text, args) = ($statement.sql, $statement.args);
        match $on {
            On::Read(db) | On::Write(db) if db.is_closed() => Err(Error::unavailable("The database is closed.")),
            On::Read(Db::Sqlite { read: pool, .. }) | On::Write(Db::Sqlite { write: pool, .. }) => sqlite(text, args)
                .$method(pool)
                .await
                .map(|$outcome| $wrap_sqlite)
                .map_err(|e| fault::of(e, text)),
            On::Read(Db::Postgres { pool, .. }) | On::Write(Db::Postgres { pool, .. }) => postgres(text, args)
                .$method(pool)
                .await
                .map(|$outcome| $wrap_postgres)
                .map_err(|e| fault::of(e, text)),
            On::Tx(tx) => {
                tx.changes.extend(records::changed_table(text).and_then(records::counter_of));
                let outcome = match &mut tx.inner {
                    Inner::Sqlite(tx) => sqlite(text, args).$method(&mut **tx).await.map(|$outcome| $wrap_sqlite),
                    Inner::Postgres(tx) => postgres(text, args).$method(&mut **tx).await.map(|$outcome| $wrap_postgres),
                };
                // PostgreSQL gives up a transaction in which a statement failed (and answers a COMMIT of it with a
                // rollback that looks like success); SQLite goes on. So that both behave alike, it is over for both.
                outcome.map_err(|e| {
                    tx.broken = true;
                    fault::of(e, text)
                })
            }
        }
    }};
}

impl Statement {
    /// Adds the next argument.
    pub(crate) fn bind(mut self, arg: impl Into<Arg>) -> Self {
        let arg = arg.into();
        if let Arg::Text(Some(text)) = &arg
            && text.contains('\0')
        {
            // PostgreSQL can't hold it; SQLite could, and then the two would differ.
            self.bad = Some(Error::invalid("Text must not contain the character NUL."));
        }
        self.args.push(arg);
        self
    }
    /// Adds a value as JSON text.
    pub(crate) fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => self.bind(text),
            Err(e) => {
                self.bad = Some(Error::internal(format!("as JSON: {e}")));
                self
            }
        }
    }
    /// Adds a value that may be absent as JSON text.
    pub(crate) fn opt_json(self, value: &Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.json(value),
            None => self.bind(None::<String>),
        }
    }
    /// Adds a size; one that does not fit a database integer is refused.
    pub(crate) fn size(self, value: u64) -> Self {
        self.opt_size(Some(value))
    }
    /// Adds a size that may be absent.
    pub(crate) fn opt_size(mut self, value: Option<u64>) -> Self {
        let value = match value.map(i64::try_from).transpose() {
            Ok(value) => value,
            Err(_) => {
                self.bad = Some(Error::invalid(format!(
                    "{} is too large a number; at most {} can be stored.",
                    value.unwrap_or_default(),
                    i64::MAX
                )));
                None
            }
        };
        self.bind(value)
    }
    /// Adds exactly `N` words for an `IN ($a, …)` list: the last is repeated; an empty list stands for `all`.
    pub(crate) fn words<const N: usize>(
        mut self,
        words: &[&'static str],
        all: [&'static str; N],
    ) -> Self {
        let words = if words.is_empty() { &all[..] } else { words };
        let mut distinct: Vec<&'static str> = Vec::with_capacity(N);
        for word in words {
            if !distinct.contains(word) {
                distinct.push(word);
            }
        }
        for index in 0..N {
            let word = distinct.get(index).or(distinct.last());
            self = self.bind(word.copied().unwrap_or_default());
        }
        self
    }
    /// Runs it; how many rows it changed.
    pub(crate) async fn run(self, on: On<'_>) -> Result<u64> {
        run!(
            self,
            on,
            execute,
            |done| done.rows_affected(),
            done.rows_affected()
        )
    }
    /// The first row, if any.
    pub(crate) async fn optional(self, on: On<'_>) -> Result<Option<Row>> {
        run!(
            self,
            on,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            row.map(Row::Postgres)
        )
    }
    /// The first row; its absence is a fault of ours.
    pub(crate) async fn one(self, on: On<'_>) -> Result<Row> {
        let text = self.sql;
        self.optional(on)
            .await?
            .ok_or_else(|| Error::internal(format!("no row from: {text}")))
    }
    /// All rows.
    pub(crate) async fn all(self, on: On<'_>) -> Result<Vec<Row>> {
        run!(
            self,
            on,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect::<Vec<_>>(),
            rows.into_iter().map(Row::Postgres).collect::<Vec<_>>()
        )
    }
    /// All rows, each made into a `T`.
    pub(crate) async fn list<T>(
        self,
        on: On<'_>,
        from: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.all(on).await?.iter().map(from).collect()
    }
}

fn sqlite<'q>(text: &'static str, args: Vec<Arg>) -> Query<'q, Sqlite, SqliteArguments> {
    args.into_iter()
        .fold(sqlx::query(text), |query, arg| match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Real(value) => query.bind(value),
            Arg::Bool(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
            Arg::Uuid(value) => query.bind(value),
        })
}

fn postgres<'q>(text: &'static str, args: Vec<Arg>) -> Query<'q, Postgres, PgArguments> {
    args.into_iter()
        .fold(sqlx::query(text), |query, arg| match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Real(value) => query.bind(value),
            Arg::Bool(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
            Arg::Uuid(value) => query.bind(value),
        })
}

/// A row of either database.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The column as one of the plain kinds: i64, f64, bool, String, Vec<u8>, Uuid, or an option of one.
    pub(crate) fn get<T>(&self, column: &str) -> Result<T>
    where
        T: for<'r> Decode<'r, Sqlite>
            + Type<Sqlite>
            + for<'r> Decode<'r, Postgres>
            + Type<Postgres>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
        .map_err(|e| Error::internal(format!("column {column}: {e}")))
    }
    /// An identifier.
    pub(crate) fn id<T: From<Uuid>>(&self, column: &str) -> Result<T> {
        self.get::<Uuid>(column).map(T::from)
    }
    /// An identifier that may be absent.
    pub(crate) fn opt_id<T: From<Uuid>>(&self, column: &str) -> Result<Option<T>> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::from))
    }
    /// A moment.
    pub(crate) fn at(&self, column: &str) -> Result<Timestamp> {
        self.get(column).map(Timestamp)
    }
    /// A moment that may be absent.
    pub(crate) fn opt_at(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }
    /// A number that fits the wanted unsigned type.
    pub(crate) fn size<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        let value = self.get::<i64>(column)?;
        T::try_from(value).map_err(|_| broken(column, &value.to_string()))
    }
    /// Such a number that may be absent.
    pub(crate) fn opt_size<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>> {
        self.get::<Option<i64>>(column)?
            .map(|value| T::try_from(value).map_err(|_| broken(column, &value.to_string())))
            .transpose()
    }
    /// Something written by its `Display`: a day, an address.
    pub(crate) fn parsed<T: FromStr>(&self, column: &str) -> Result<T> {
        let text = self.get::<String>(column)?;
        text.parse().map_err(|_| broken(column, &text))
    }
    /// Such a thing that may be absent.
    pub(crate) fn opt_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>> {
        self.get::<Option<String>>(column)?
            .map(|text| text.parse().map_err(|_| broken(column, &text)))
            .transpose()
    }
    /// A word of an enum, by its serde name.
    pub(crate) fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        word(column, &self.get::<String>(column)?)
    }
    /// Such a word that may be absent.
    pub(crate) fn opt_word<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        self.get::<Option<String>>(column)?
            .map(|text| word(column, &text))
            .transpose()
    }
    /// JSON text.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        from_json(column, &self.get::<String>(column)?)
    }
    /// JSON text that may be absent.
    pub(crate) fn opt_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        self.get::<Option<String>>(column)?
            .map(|text| from_json(column, &text))
            .transpose()
    }
}

fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::internal(format!("column {column} is not the JSON expected: {e}")))
}

fn word<T: DeserializeOwned>(column: &str, text: &str) -> Result<T> {
    let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(text);
    T::deserialize(word).map_err(|e| {
        Error::internal(format!(
            "column {column} holds '{}': {e}",
            bellwether_model::text::shown(text)
        ))
    })
}

fn broken(column: &str, text: &str) -> Error {
    Error::internal(format!(
        "column {column} holds '{}', which it can't",
        bellwether_model::text::shown(text)
    ))
}

macro_rules! arg {
    ($kind:ident: $($from:ty => |$value:ident| $into:expr),+ $(,)?) => {$(
        impl From<$from> for Arg { fn from($value: $from) -> Self { Self::$kind(Some($into)) } }
        impl From<Option<$from>> for Arg { fn from(value: Option<$from>) -> Self { Self::$kind(value.map(|$value| $into)) } }
    )+};
}

arg!(Int: i64 => |v| v, u32 => |v| i64::from(v), u16 => |v| i64::from(v), Timestamp => |v| v.0);
arg!(Real: f64 => |v| v);
arg!(Text: &str => |v| v.to_owned(), String => |v| v, &String => |v| v.clone(), IpAddr => |v| v.to_string(),
    Mac => |v| v.to_string(), Day => |v| v.to_string());
arg!(Uuid: Uuid => |v| v, UserId => |v| v.0, TokenId => |v| v.0, RequestId => |v| v.0, VmId => |v| v.0, HostId => |v| v.0, MachineId => |v| v.0,
    StorageId => |v| v.0, NetworkId => |v| v.0, ImageId => |v| v.0, JobId => |v| v.0, MigrationId => |v| v.0,
    IncidentId => |v| v.0, PlanId => |v| v.0);

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

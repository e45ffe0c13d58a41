//! Who did what; append-only. A line and the live event it causes (topic `audit`, for admins) share their number.

use crate::{
    Store, Tx,
    events::NewEvent,
    limit,
    sql::{Row, sql},
};
use bellwether_model::{Result, Timestamp, UserId, audit::AuditLine};

/// A line to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: Timestamp,
    /// Who; none for the system itself.
    pub actor: Option<UserId>,
    /// The actor's login at the time, or "system".
    pub actor_login: String,
    /// What: `request.approve`, `vm.delete`, …
    pub action: String,
    /// About what kind of thing.
    pub about: String,
    /// Its identifier.
    pub about_id: String,
    /// In words; never a secret.
    pub text: String,
}

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// About this: kind and identifier.
    pub about: Option<(String, String)>,
    /// By this person.
    pub actor: Option<UserId>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Older than the line of this number.
    pub before: Option<i64>,
    /// At most so many; 0 counts as 1.
    pub limit: u32,
}

fn from_row(row: &Row) -> Result<AuditLine> {
    Ok(AuditLine {
        seq: row.get("seq")?,
        at: row.at("at")?,
        actor: row.opt_id("actor")?,
        actor_login: row.get("actor_login")?,
        action: row.get("action")?,
        about: row.get("about")?,
        about_id: row.get("about_id")?,
        text: row.get("text")?,
    })
}

macro_rules! selecting {
    ($which:literal) => {
        concat!(
            "SELECT seq, at, actor, actor_login, action, about, about_id, text FROM audit WHERE ",
            $which,
            " AND ($4 IS NULL OR seq < $4) AND ($5 IS NULL OR at >= $5) ORDER BY seq DESC LIMIT $6"
        )
    };
}

impl Store {
    /// The lines that fit, newest first.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditLine>> {
        let (about, about_id) = query.about.unzip();
        // A database finds the lines about one thing by their index only where that is all the text allows.
        let text = match (&about, query.actor) {
            (Some(_), _) => {
                selecting!("about = $1 AND about_id = $2 AND ($3 IS NULL OR actor = $3)")
            }
            (None, Some(_)) => selecting!("$1 IS NULL AND $2 IS NULL AND actor = $3"),
            (None, None) => selecting!("$1 IS NULL AND $2 IS NULL AND $3 IS NULL"),
        };
        sql(text)
            .bind(about)
            .bind(about_id)
            .bind(query.actor)
            .bind(query.before)
            .bind(query.since)
            .bind(limit(query.limit))
            .list(self.on(), from_row)
            .await
    }
}

impl Tx {
    /// Writes a line and tells admins' pages. Its number.
    pub async fn audit(&mut self, line: NewAudit) -> Result<i64> {
        let seq = self
            .emit(NewEvent {
                at: line.at,
                topic: "audit".into(),
                id: line.about_id.clone(),
                owner: None,
                public: false,
            })
            .await?;
        sql(
            "INSERT INTO audit (seq, at, actor, actor_login, action, about, about_id, text) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(seq)
        .bind(line.at)
        .bind(line.actor)
        .bind(line.actor_login)
        .bind(line.action)
        .bind(line.about)
        .bind(line.about_id)
        .bind(line.text)
        .run(self.on())
        .await?;
        Ok(seq)
    }
}

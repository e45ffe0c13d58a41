//! Incidents: what alerts found.

use crate::{
    Store, Tx, limit,
    people::found,
    sql::{On, Row, Statement, sql},
};
use bellwether_model::{
    Error, IncidentId, Result, Timestamp,
    alert::{AlertKey, Incident, Rule},
};
use uuid::Uuid;

macro_rules! columns {
    () => {
        "id, rule, about, subject, part, name, owner, text, opened_at, resolved_at, ending, silenced_until, told"
    };
}

macro_rules! fits {
    () => {
        "($1 IS NULL OR rule = $1) AND ($2 IS NULL OR subject = $2) AND (NOT $3 OR resolved_at IS NULL) \
         AND (NOT $4 OR resolved_at IS NOT NULL)"
    };
}

/// Which incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Of this rule.
    pub rule: Option<Rule>,
    /// About this thing.
    pub subject: Option<Uuid>,
    /// Only those that are open (true), or over (false).
    pub open: Option<bool>,
    /// So many of the newest are passed over.
    pub skip: u32,
    /// At most so many; 0 counts as 1.
    pub limit: u32,
}

fn from_row(row: &Row) -> Result<Incident> {
    Ok(Incident {
        id: row.id("id")?,
        key: AlertKey {
            rule: row.word("rule")?,
            about: row.word("about")?,
            id: row.get("subject")?,
            part: row.get("part")?,
        },
        name: row.get("name")?,
        owner: row.opt_id("owner")?,
        text: row.get("text")?,
        opened_at: row.at("opened_at")?,
        resolved_at: row.opt_at("resolved_at")?,
        ending: row.get("ending")?,
        silenced_until: row.opt_at("silenced_until")?,
        told: row.get("told")?,
    })
}

/// Those that are open, oldest first.
pub(crate) async fn open(on: On<'_>) -> Result<Vec<Incident>> {
    sql(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE resolved_at IS NULL ORDER BY opened_at, id"
    ))
    .list(on, from_row)
    .await
}

async fn by_id(on: On<'_>, id: IncidentId) -> Result<Incident> {
    let found = sql(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE id = $1"
    ))
    .bind(id)
    .optional(on)
    .await?;
    from_row(&found.ok_or_else(|| Error::not_found("alert"))?)
}

/// `text` ends in [`fits`].
fn fitting(text: &'static str, query: &IncidentQuery) -> Statement {
    sql(text)
        .bind(query.rule.map(Rule::as_str))
        .bind(query.subject)
        .bind(query.open == Some(true))
        .bind(query.open == Some(false))
}

impl Store {
    /// The incident.
    pub async fn incident(&self, id: IncidentId) -> Result<Incident> {
        by_id(self.on(), id).await
    }

    /// The incidents that fit, newest first.
    pub async fn incidents(&self, query: IncidentQuery) -> Result<Vec<Incident>> {
        let text = concat!(
            "SELECT ",
            columns!(),
            " FROM incidents WHERE ",
            fits!(),
            " ORDER BY opened_at DESC, id DESC LIMIT $5 OFFSET $6"
        );
        fitting(text, &query)
            .bind(limit(query.limit))
            .bind(i64::from(query.skip))
            .list(self.on(), from_row)
            .await
    }

    /// How many incidents fit, whatever is passed over.
    pub async fn count_incidents(&self, query: &IncidentQuery) -> Result<u64> {
        let text = concat!("SELECT COUNT(*) AS number FROM incidents WHERE ", fits!());
        fitting(text, query).one(self.on()).await?.size("number")
    }
}

impl Tx {
    /// The incidents that are open, oldest first, with this transaction's changes.
    pub async fn open_incidents(&mut self) -> Result<Vec<Incident>> {
        open(self.on()).await
    }

    /// The incident, with this transaction's changes.
    pub async fn incident(&mut self, id: IncidentId) -> Result<Incident> {
        by_id(self.on(), id).await
    }

    /// Keeps a new incident, silent for as long as the last one of the same rule and thing was to be. `Conflict` where one
    /// of the same rule and thing is open; the transaction is over then.
    pub async fn open_incident(&mut self, incident: &Incident) -> Result<()> {
        let silenced: Option<i64> = sql(
            "SELECT MAX(silenced_until) AS until FROM incidents WHERE rule = $1 AND about = $2 AND subject = $3 AND part = $4",
        )
        .bind(incident.key.rule.as_str())
        .bind(incident.key.about.as_str())
        .bind(incident.key.id)
        .bind(&incident.key.part)
        .one(self.on())
        .await?
        .get("until")?;
        let silenced = silenced.map(Timestamp).max(incident.silenced_until);
        let silenced = silenced.filter(|until| incident.opened_at < *until);
        sql(concat!(
            "INSERT INTO incidents (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        ))
        .bind(incident.id)
        .bind(incident.key.rule.as_str())
        .bind(incident.key.about.as_str())
        .bind(incident.key.id)
        .bind(&incident.key.part)
        .bind(&incident.name)
        .bind(incident.owner)
        .bind(&incident.text)
        .bind(incident.opened_at)
        .bind(incident.resolved_at)
        .bind(incident.ending.clone())
        .bind(silenced)
        .bind(incident.told)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes what became of an incident: how and when it ended, whether it was told.
    pub async fn update_incident(&mut self, incident: &Incident) -> Result<()> {
        let changed =
            sql("UPDATE incidents SET resolved_at = $2, ending = $3, told = $4 WHERE id = $1")
                .bind(incident.id)
                .bind(incident.resolved_at)
                .bind(incident.ending.clone())
                .bind(incident.told)
                .run(self.on())
                .await?;
        found(changed, "alert")
    }

    /// Silences every incident of this rule and thing until then, past ones too, since the next takes it from them; none
    /// for no longer.
    pub async fn silence(&mut self, key: &AlertKey, until: Option<Timestamp>) -> Result<()> {
        sql(
            "UPDATE incidents SET silenced_until = $5 WHERE rule = $1 AND about = $2 AND subject = $3 AND part = $4",
        )
        .bind(key.rule.as_str())
        .bind(key.about.as_str())
        .bind(key.id)
        .bind(&key.part)
        .bind(until)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Forgets the incidents that ended before `before`, with their notices.
    pub async fn prune_incidents(&mut self, before: Timestamp) -> Result<()> {
        sql("DELETE FROM incidents WHERE resolved_at < $1")
            .bind(before)
            .run(self.on())
            .await?;
        sql("DELETE FROM notices WHERE incident NOT IN (SELECT id FROM incidents)")
            .run(self.on())
            .await
            .map(drop)
    }
}

//! Notices: what is to be told of incidents, to whom, and what became of it. They are made in the transaction that opens or
//! ends the incident, so that none is lost; who sends some holds them for a while, so that two processes do not both.

use crate::{
    Store, Tx,
    sql::{Row, sql},
};
use bellwether_model::{
    IncidentId, Result, Timestamp,
    alert::{Delivery, News},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Incidents of a statement.
const TOGETHER: usize = 20;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Of what.
    pub incident: IncidentId,
    /// That it was found, or is over.
    pub news: News,
    /// Whom: a name that the configuration gives.
    pub target: String,
    /// When it came up.
    pub made_at: Timestamp,
}

/// Something to be told, and what became of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Identifier.
    pub id: Uuid,
    /// Of what.
    pub incident: IncidentId,
    /// That it was found, or is over.
    pub news: News,
    /// Whom.
    pub target: String,
    /// Where it stands.
    pub delivery: Delivery,
    /// When it came up.
    pub made_at: Timestamp,
    /// When it was taken, refused or given up.
    pub ended_at: Option<Timestamp>,
    /// What is in its way, or was.
    pub trouble: Option<String>,
}

/// How many notices for somebody ended so, or wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeTally {
    /// Whom.
    pub target: String,
    /// What became of them.
    pub delivery: Delivery,
    /// How many.
    pub count: u64,
}

macro_rules! columns {
    () => {
        "id, incident, news, target, delivery, made_at, ended_at, trouble"
    };
}

fn from_row(row: &Row) -> Result<Notice> {
    Ok(Notice {
        id: row.get("id")?,
        incident: row.id("incident")?,
        news: row.word("news")?,
        target: row.get("target")?,
        delivery: row.word("delivery")?,
        made_at: row.at("made_at")?,
        ended_at: row.opt_at("ended_at")?,
        trouble: row.get("trouble")?,
    })
}

impl Store {
    /// Every notice of an incident, in the order they came up.
    pub async fn notices(&self, incident: IncidentId) -> Result<Vec<Notice>> {
        let mut of_it = self.notices_of(&[incident]).await?;
        Ok(of_it.remove(&incident).unwrap_or_default())
    }

    /// The notices of each of these incidents, in the order they came up; who has none is not in it.
    pub async fn notices_of(
        &self,
        incidents: &[IncidentId],
    ) -> Result<BTreeMap<IncidentId, Vec<Notice>>> {
        let mut all: BTreeMap<IncidentId, Vec<Notice>> = BTreeMap::new();
        for some in incidents.chunks(TOGETHER) {
            let mut statement = sql(concat!(
                "SELECT ",
                columns!(),
                " FROM notices WHERE incident IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
                 $18, $19, $20) ORDER BY made_at, news, target"
            ));
            for place in 0..TOGETHER {
                // The last is repeated.
                statement = statement.bind(some.get(place).or(some.last()).copied());
            }
            for notice in statement.list(self.on(), from_row).await? {
                all.entry(notice.incident).or_default().push(notice);
            }
        }
        Ok(all)
    }

    /// Whether a notice for `target` waits, held by somebody or not.
    pub async fn notice_waits(&self, target: &str) -> Result<bool> {
        let found =
            sql("SELECT id FROM notices WHERE target = $1 AND delivery = 'waiting' LIMIT 1")
                .bind(target)
                .optional(self.on())
                .await?;
        Ok(found.is_some())
    }

    /// How many notices there are, by whom they are for and what became of them; those of incidents that are kept.
    pub async fn notice_tallies(&self) -> Result<Vec<NoticeTally>> {
        sql(
            "SELECT target, delivery, COUNT(*) AS count FROM notices GROUP BY target, delivery ORDER BY target, delivery",
        )
        .list(self.on(), |row| {
            Ok(NoticeTally {
                target: row.get("target")?,
                delivery: row.word("delivery")?,
                count: row.size("count")?,
            })
        })
        .await
    }
}

impl Tx {
    /// Keeps something to be told; again for the same incident, news and target it stays as it is.
    pub async fn add_notice(&mut self, notice: &NewNotice) -> Result<()> {
        sql(concat!(
            "INSERT INTO notices (",
            columns!(),
            ", holder, held_until) VALUES ($1, $2, $3, $4, 'waiting', $5, NULL, NULL, '', 0) \
             ON CONFLICT (incident, news, target) DO NOTHING"
        ))
        .bind(Uuid::now_v7())
        .bind(notice.incident)
        .bind(notice.news.as_str())
        .bind(&notice.target)
        .bind(notice.made_at)
        .run(self.on())
        .await
        .map(drop)
    }

    /// The oldest notices for `target` that wait and that nobody holds, `most` at most; from now on `holder` does, until
    /// then.
    pub async fn hold_notices(
        &mut self,
        target: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<Notice>> {
        let held = sql(
            "UPDATE notices SET holder = $2, held_until = $4 WHERE id IN (SELECT id FROM notices WHERE target = $1 \
             AND delivery = 'waiting' AND (held_until <= $3 OR holder = $2) ORDER BY made_at, id LIMIT $5)",
        )
        .bind(target)
        .bind(holder)
        .bind(now)
        .bind(until)
        .bind(most)
        .run(self.on())
        .await?;
        if held == 0 {
            return Ok(Vec::new());
        }
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM notices WHERE target = $1 AND delivery = 'waiting' AND holder = $2 AND held_until = $3 ORDER BY made_at, id"
        ))
        .bind(target)
        .bind(holder)
        .bind(until)
        .list(self.on(), from_row)
        .await
    }

    /// Writes what became of a notice; one that waits on is held by nobody.
    pub async fn end_notice(
        &mut self,
        id: Uuid,
        delivery: Delivery,
        trouble: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let ended = (delivery != Delivery::Waiting).then_some(now);
        sql(
            "UPDATE notices SET delivery = $2, trouble = $3, ended_at = $4, held_until = 0 WHERE id = $1",
        )
        .bind(id)
        .bind(delivery.as_str())
        .bind(trouble)
        .bind(ended)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Gives up the notices that came up before `before` and still wait; how many.
    pub async fn drop_notices(&mut self, before: Timestamp, now: Timestamp) -> Result<u64> {
        sql(
            "UPDATE notices SET delivery = 'dropped', ended_at = $2 WHERE delivery = 'waiting' AND made_at < $1",
        )
        .bind(before)
        .bind(now)
        .run(self.on())
        .await
    }
}

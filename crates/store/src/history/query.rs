//! Reading series over a range: blocks from the database, the rest from memory, rolled up to the step asked for.

use super::{
    History, Inner, Point, Series, SeriesKey, settle,
    tiers::{self, AS_TAKEN, Roll, Tier},
};
use crate::{
    db::Db,
    sql::{On, sql},
};
use bellwether_model::{Result, Timestamp};

/// Starts of blocks per statement.
const STARTS: usize = 16;

impl History {
    /// The points of each series in `from..to`, one per `step_s` seconds, in the order asked; a series nobody measured has
    /// none. Up to 10 s samples are given as they were taken. Where the samples asked for are no longer kept that finely,
    /// points are further apart: with samples every 10 s no answer has more than 18,000 a series, whatever is asked. A point
    /// is stamped with the beginning of its span, so the first may lie before `from`.
    pub async fn range(
        &self,
        keys: &[SeriesKey],
        from: Timestamp,
        to: Timestamp,
        step_s: u32,
    ) -> Result<Vec<Series>> {
        let step = i64::from(step_s).max(1);
        // Not measured yet, and before anything could be: asking for it costs nothing.
        let (from, to) = (from.seconds().max(0), to.seconds().min(i64::from(u32::MAX)));
        let db = self.inner.db();
        self.inner.refresh(&db).await?;
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let points = match self.inner.id(key) {
                Some(id) if from < to => self.inner.points(&db, id, from, to, step).await?,
                _ => Vec::new(),
            };
            all.push(Series { key: *key, points });
        }
        Ok(all)
    }
}

impl Inner {
    async fn points(&self, db: &Db, id: u32, from: i64, to: i64, step: i64) -> Result<Vec<Point>> {
        let (newest, closed) = {
            let open = self.open();
            (open.newest, open.closed)
        };
        let tier = tiers::choose(step, from, newest);
        let span = step.max(tier.step);
        let as_taken = tier.step == 0 && step <= AS_TAKEN;
        let from = if as_taken {
            from
        } else {
            from.div_euclid(span) * span
        };
        let mut rolls = blocks(db, tier, id, from, to.min(closed)).await?;
        rolls.retain(|roll| roll.time >= from && roll.time < to.min(closed));
        let late_too = if tier.step == 0 {
            from
        } else {
            from.max(closed)
        };
        let recent = self.open().samples(id, late_too, to);
        let rolls = tiers::merge(rolls, &recent);
        let rolls = if as_taken {
            rolls
        } else {
            tiers::roll_up(rolls, span)
        };
        Ok(rolls
            .into_iter()
            .map(|roll| {
                (
                    Timestamp::from_seconds(roll.time),
                    roll.average,
                    roll.lowest,
                    roll.highest,
                )
            })
            .collect())
    }
}

/// What a series' blocks of one tier hold around `from..until`, in order.
async fn blocks(db: &Db, tier: Tier, id: u32, from: i64, until: i64) -> Result<Vec<Roll>> {
    let mut out = Vec::new();
    // A block that is not kept any more need not be asked for.
    let oldest = from.max(until - tier.keep - 2 * tier.span);
    let starts: Vec<i64> = (0..)
        .map(|n| tier.block_of(oldest) + n * tier.span)
        .take_while(|start| *start < until)
        .collect();
    for starts in starts.chunks(STARTS) {
        let mut statement = sql(
            "SELECT start, data FROM metrics_blocks WHERE tier = $1 AND series = $2 AND start IN \
             ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ORDER BY start",
        )
        .bind(tier.step)
        .bind(id);
        for index in 0..STARTS {
            let start = starts.get(index).or(starts.last()).copied();
            statement = statement.bind(start.unwrap_or_default());
        }
        let rows = statement
            .list(On::Read(db), |row| {
                Ok((row.get::<i64>("start")?, row.get::<Vec<u8>>("data")?))
            })
            .await?;
        for (start, data) in rows {
            out.extend(settle::read(tier, start, id, &data));
        }
    }
    Ok(out)
}

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
use std::collections::{BTreeSet, HashMap};

/// Starts of blocks per statement.
const STARTS: usize = 16;

/// Series per statement: what a page draws of one thing.
const SERIES: usize = 8;

impl History {
    /// Seconds between the points one gets who asks for `step_s` from `from` on: more, where it is no longer kept that finely.
    pub fn step(&self, from: Timestamp, step_s: u32) -> u32 {
        let step = i64::from(step_s).max(1);
        let newest = self.inner.open().newest;
        let (tier, _) = tiers::choose(step, from.seconds().max(0), newest, self.inner.kept());
        step_s.max(u32::try_from(tier.step).unwrap_or(u32::MAX))
    }

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
        let follow = self.inner.refresh(&db);
        self.inner.followed.get(follow).await?;
        let ids: Vec<Option<u32>> = keys.iter().map(|key| self.inner.id(key)).collect();
        let measured: BTreeSet<u32> = ids.iter().copied().flatten().collect();
        let measured = Vec::from_iter(measured);
        let begun = self.inner.begun();
        let points = if from < to {
            match self.inner.points(&db, &measured, from, to, step).await {
                Ok(points) => points,
                Err(error) => {
                    // What can't be read is not there; the next is kept in a file that can.
                    self.inner.begin_anew_if_broken(begun, error).await?;
                    HashMap::new()
                }
            }
        } else {
            HashMap::new()
        };
        let series = keys.iter().zip(ids).map(|(key, id)| Series {
            key: *key,
            points: id
                .and_then(|id| points.get(&id))
                .cloned()
                .unwrap_or_default(),
        });
        Ok(series.collect())
    }
}

impl Inner {
    /// The points of each of the series.
    async fn points(
        &self,
        db: &Db,
        ids: &[u32],
        from: i64,
        to: i64,
        step: i64,
    ) -> Result<HashMap<u32, Vec<Point>>> {
        // Both from one moment: what is closed between the two reads is in neither.
        let kept = self.kept();
        let ((tier, keep), closed, from, recent) = {
            let open = self.open();
            let (tier, keep) = tiers::choose(step, from, open.newest, kept);
            let from = if as_taken(tier, step) {
                from
            } else {
                let span = step.max(tier.step);
                from.div_euclid(span) * span
            };
            let late_too = if tier.step == 0 {
                from
            } else {
                from.max(open.closed)
            };
            let samples = |id: &u32| (*id, open.samples(*id, late_too, to));
            let recent: Vec<(u32, Vec<Roll>)> = ids.iter().map(samples).collect();
            ((tier, keep), open.closed, from, recent)
        };
        let until = to.min(closed);
        let mut stored = blocks(db, (tier, keep), ids, from, until).await?;
        let points = recent.into_iter().map(|(id, recent)| {
            let mut rolls = stored.remove(&id).unwrap_or_default();
            rolls.retain(|roll| roll.time >= from && roll.time < until);
            let rolls = tiers::merge(rolls, &recent);
            let rolls = if as_taken(tier, step) {
                rolls
            } else {
                tiers::roll_up(rolls, step.max(tier.step))
            };
            let point = |roll: Roll| {
                (
                    Timestamp::from_seconds(roll.time),
                    roll.average,
                    roll.lowest,
                    roll.highest,
                )
            };
            (id, rolls.into_iter().map(point).collect())
        });
        Ok(points.collect())
    }
}

/// Whether samples are given as they were taken.
fn as_taken(tier: Tier, step: i64) -> bool {
    tier.step == 0 && step <= AS_TAKEN
}

/// What the series' blocks of one tier hold around `from..until`, in order.
async fn blocks(
    db: &Db,
    (tier, keep): (Tier, i64),
    ids: &[u32],
    from: i64,
    until: i64,
) -> Result<HashMap<u32, Vec<Roll>>> {
    let mut out: HashMap<u32, Vec<Roll>> = HashMap::new();
    // A block that is not kept any more need not be asked for.
    let oldest = from.max(until - keep - 2 * tier.span);
    let starts: Vec<i64> = (0..)
        .map(|n| tier.block_of(oldest) + n * tier.span)
        .take_while(|start| *start < until)
        .collect();
    for starts in starts.chunks(STARTS) {
        for ids in ids.chunks(SERIES) {
            let mut statement = sql(
                "SELECT series, start, data FROM metrics_blocks WHERE tier = $1 AND start IN ($2, $3, $4, $5, $6, $7, $8, $9, \
                 $10, $11, $12, $13, $14, $15, $16, $17) AND series IN ($18, $19, $20, $21, $22, $23, $24, $25) ORDER BY start",
            )
            .bind(tier.step);
            for start in filled::<_, STARTS>(starts) {
                statement = statement.bind(start);
            }
            for id in filled::<_, SERIES>(ids) {
                statement = statement.bind(id);
            }
            let rows = statement
                .list(On::Read(db), |row| {
                    let data: Vec<u8> = row.get("data")?;
                    Ok((row.size::<u32>("series")?, row.get::<i64>("start")?, data))
                })
                .await?;
            for (id, start, data) in rows {
                let read = settle::read(tier, start, id, &data);
                out.entry(id).or_default().extend(read);
            }
        }
    }
    Ok(out)
}

/// `N` values for an `IN ($a, …)` list: the last of them is repeated.
fn filled<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    std::array::from_fn(|n| values.get(n).or(values.last()).copied().unwrap_or_default())
}

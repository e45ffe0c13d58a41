//! Closing the journal into blocks, hour by hour, and removing what is older than its tier keeps.
//!
//! Safe to repeat and to die in: blocks are merged, not replaced, and the journal's lines are deleted last.

use super::{
    Inner,
    block::Block,
    tiers::{HOUR, Kept, Roll, TIERS, Tier, from_block, merge, roll_up, to_block},
};
use crate::{
    db::Db,
    sql::{On, sql},
    tx::{Tx, Waiting},
};
use bellwether_model::{Error, Result};
use std::collections::BTreeMap;

/// Seconds after an hour's end before it is closed: hosts that answer late still get their sample in.
const GRACE: i64 = 30;
/// Series per transaction: other writers wait for at most one of these.
const CHUNK: usize = 200;
/// Blocks removed per transaction.
const PRUNE: i64 = 5_000;

/// Samples before this second can be closed at `now`.
pub(crate) fn closable(now: i64) -> i64 {
    (now - GRACE).div_euclid(HOUR) * HOUR
}

/// Closes every hour that is over at `now`, then removes what is too old.
pub(crate) async fn settle(inner: &Inner, now: i64) -> Result<()> {
    let db = inner.db();
    inner.refresh(&db).await?;
    let until = closable(now);
    let (due, seq) = {
        let open = inner.open();
        (open.due(until), open.seq)
    };
    for ids in due.chunks(CHUNK) {
        let samples: Vec<(u32, Vec<Roll>)> = {
            let open = inner.open();
            ids.iter()
                .map(|id| (*id, open.samples(*id, 0, until)))
                .collect()
        };
        close(&db, samples).await?;
    }
    let mut tx = Tx::begin(&db, Waiting::Briefly).await?;
    sql("DELETE FROM metrics_journal WHERE at < $1 AND seq <= $2")
        .bind(until)
        .bind(seq)
        .run(tx.on())
        .await?;
    set_state(&mut tx, "closed", until).await?;
    set_state(&mut tx, "seq", seq).await?;
    tx.commit().await?;
    // Memory is read anew from what is left of the journal: seconds' worth.
    inner.refresh(&db).await?;
    prune(&db, now, inner.kept()).await
}

async fn set_state(tx: &mut Tx, name: &str, value: i64) -> Result<()> {
    sql("UPDATE metrics_state SET value = $2 WHERE name = $1")
        .bind(name)
        .bind(value)
        .run(tx.on())
        .await
        .map(drop)
}

/// Blocks to write: by tier and start, the series' points.
type Work = BTreeMap<(i64, i64), Vec<(u32, Vec<Roll>)>>;

/// Merges samples of some series (in order of id) into their blocks of every tier.
async fn close(db: &Db, samples: Vec<(u32, Vec<Roll>)>) -> Result<()> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Ok(());
    };
    let (first, last) = (i64::from(first.0), i64::from(last.0));
    // As taken first: what rolls up is the whole hour, with what an earlier closing put there.
    let mut hours: Work = BTreeMap::new();
    for (id, rolls) in samples {
        for hour in rolls.chunk_by(|a, b| TIERS[0].block_of(a.time) == TIERS[0].block_of(b.time)) {
            let start = TIERS[0].block_of(hour.first().map_or(0, |r| r.time));
            hours
                .entry((0, start))
                .or_default()
                .push((id, hour.to_vec()));
        }
    }
    let mut existing = Vec::new();
    for (_, start) in hours.keys() {
        for tier in TIERS {
            let key = (tier.step, tier.block_of(*start));
            if !existing.iter().any(|(known, _)| *known == key) {
                existing.push((key, blocks(db, tier, key.1, first, last).await?));
            }
        }
    }
    let written = tokio::task::spawn_blocking(move || encode(hours, existing))
        .await
        .map_err(|e| Error::internal(format!("closing blocks: {e}")))??;
    let mut tx = Tx::begin(db, Waiting::Briefly).await?;
    for (tier, start, id, data) in written {
        sql(
            "INSERT INTO metrics_blocks (tier, start, series, data) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tier, start, series) DO UPDATE SET data = excluded.data",
        )
        .bind(tier)
        .bind(start)
        .bind(id)
        .bind(data)
        .run(tx.on())
        .await?;
    }
    tx.commit().await
}

/// A block to write: tier, start, series, bytes.
type Written = (i64, i64, u32, Vec<u8>);
/// By tier and start: each series' bytes.
type Existing = Vec<((i64, i64), BTreeMap<u32, Vec<u8>>)>;

fn encode(hours: Work, existing: Existing) -> Result<Vec<Written>> {
    let mut existing: BTreeMap<(i64, i64), BTreeMap<u32, Vec<u8>>> = existing.into_iter().collect();
    let mut changed: BTreeMap<(i64, i64, u32), Vec<Roll>> = BTreeMap::new();
    let mut old = |tier: Tier, start: i64, id: u32| {
        let bytes = existing
            .get_mut(&(tier.step, start))
            .and_then(|ids| ids.remove(&id));
        bytes.map_or_else(Vec::new, |bytes| read(tier, start, id, &bytes))
    };
    for ((_, hour), series) in hours {
        for (id, rolls) in series {
            let whole = merge(old(TIERS[0], hour, id), &rolls);
            for tier in &TIERS[1..] {
                let start = tier.block_of(hour);
                let points = changed
                    .remove(&(tier.step, start, id))
                    .unwrap_or_else(|| old(*tier, start, id));
                changed.insert(
                    (tier.step, start, id),
                    merge(points, &roll_up(whole.iter().copied(), tier.step)),
                );
            }
            changed.insert((0, hour, id), whole);
        }
    }
    changed
        .into_iter()
        .map(|((step, start, id), rolls)| {
            let tier = TIERS
                .into_iter()
                .find(|tier| tier.step == step)
                .unwrap_or(TIERS[0]);
            let bytes = to_block(tier, start, &rolls)
                .encode()
                .map_err(|e| Error::internal(format!("a block: {e}")))?;
            Ok((step, start, id, bytes))
        })
        .collect()
}

/// A block's points; one that can't be read counts as empty, loudly.
pub(crate) fn read(tier: Tier, start: i64, id: u32, bytes: &[u8]) -> Vec<Roll> {
    match Block::decode(bytes) {
        Ok(block) => from_block(tier, start, &block),
        Err(e) => {
            tracing::error!(
                series = id,
                tier = tier.step,
                start,
                "measurements are unreadable and left out: {e}"
            );
            Vec::new()
        }
    }
}

/// The blocks of one tier and start for series in a range of ids.
async fn blocks(
    db: &Db,
    tier: Tier,
    start: i64,
    first: i64,
    last: i64,
) -> Result<BTreeMap<u32, Vec<u8>>> {
    let rows = sql("SELECT series, data FROM metrics_blocks WHERE tier = $1 AND start = $2 AND series >= $3 AND series <= $4")
        .bind(tier.step)
        .bind(start)
        .bind(first)
        .bind(last)
        .list(On::Read(db), |row| Ok((row.size::<u32>("series")?, row.get::<Vec<u8>>("data")?)))
        .await?;
    Ok(rows.into_iter().collect())
}

/// Removes blocks older than their tier keeps, counted from a horizon that follows the clock but at most two hours per
/// closing: a clock that for a moment is years ahead must not cost the years.
async fn prune(db: &Db, now: i64, kept: Kept) -> Result<()> {
    let before: i64 = sql("SELECT value FROM metrics_state WHERE name = 'horizon'")
        .one(On::Read(db))
        .await?
        .get("value")?;
    let horizon = if before == 0 {
        now
    } else {
        now.min(before + 2 * HOUR)
    };
    let mut tx = Tx::begin(db, Waiting::Briefly).await?;
    set_state(&mut tx, "horizon", horizon).await?;
    tx.commit().await?;
    for (tier, keep) in kept.tiers() {
        loop {
            // In pieces, so that other writers get in between: of a large fleet one start alone has hundreds of thousands.
            let removed = sql(
                "DELETE FROM metrics_blocks WHERE tier = $1 AND (start, series) IN (SELECT start, series FROM metrics_blocks \
                 WHERE tier = $1 AND start < $2 ORDER BY start, series LIMIT $3)",
            )
            .bind(tier.step)
            .bind(horizon - keep - tier.span)
            .bind(PRUNE)
            .run(On::Write(db))
            .await?;
            if removed == 0 {
                break;
            }
        }
    }
    Ok(())
}

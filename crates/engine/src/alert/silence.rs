//! Silence: an admin knows, and wants to hear nothing of it for a while.

use crate::{Admin, Engine};
use bellwether_model::{Error, IncidentId, Result, alert::Incident};
use std::time::Duration;

/// The longest silence, minutes: 30 days.
pub const LONGEST_SILENCE: u32 = 43_200;

/// Has nobody told of the incident, nor of the next of the same rule and thing, for so many minutes from now; 0 for no
/// longer. It is shown all the same. What is open and was not told yet is told when the silence is over.
///
/// # Errors
/// `Invalid` for more than [`LONGEST_SILENCE`], `NotFound` for an incident that is not (any more).
pub async fn silence(
    engine: &Engine,
    admin: &Admin,
    id: IncidentId,
    minutes: u32,
) -> Result<Incident> {
    if minutes > LONGEST_SILENCE {
        return Err(Error::field(
            "minutes",
            format!("{minutes} is too long; give at most 43,200 (30 days), or 0 for no silence"),
        ));
    }
    let now = engine.now();
    let until = (minutes > 0).then(|| now.plus(Duration::from_secs(60) * minutes));
    let mut tx = engine.store().begin().await?;
    let incident = tx.incident(id).await?;
    tx.silence(&incident.key, until).await?;
    let what = format!("{}: {}", incident.key.rule.words(), incident.name);
    let (action, text) = match until {
        Some(until) => (
            "alert.silence",
            format!("{what}, silent until {}", until.rfc3339()),
        ),
        None => ("alert.unsilence", format!("{what}, no longer silent")),
    };
    engine
        .audit(&mut tx, Some(admin), action, "alert", id, text)
        .await?;
    engine.emit(&mut tx, "alert", id, None).await?;
    let incident = tx.incident(id).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(incident)
}

//! What was last seen of each host: one value a host, as JSON, replaced as a whole.

use crate::{Store, sql::sql};
use bellwether_model::{Error, Result, observed::HostSeen};

impl Store {
    /// Replaces what was last seen of a host; `NotFound` when it was removed meanwhile. Beside transactions.
    pub async fn save_seen(&self, seen: &HostSeen) -> Result<()> {
        let changed = sql(
            "INSERT INTO seen (host, data) SELECT id, $2 FROM hosts WHERE id = $1 \
             ON CONFLICT (host) DO UPDATE SET data = excluded.data",
        )
        .bind(seen.host)
        .json(seen)
        .run(self.on_writer())
        .await?;
        if changed == 0 {
            return Err(Error::not_found("host"));
        }
        Ok(())
    }

    /// What was last seen, by host. What an older version wrote and this one can't read is left out, and told in the log:
    /// the next sample replaces it.
    pub async fn seen(&self) -> Result<Vec<HostSeen>> {
        let rows = sql("SELECT host, data FROM seen ORDER BY host")
            .all(self.on())
            .await?;
        let mut seen = Vec::with_capacity(rows.len());
        for row in rows {
            match row.json("data") {
                Ok(host) => seen.push(host),
                Err(e) => tracing::warn!(
                    host = %row.get::<uuid::Uuid>("host")?,
                    context = e.context(),
                    "what was last seen of a host can't be read and is left out"
                ),
            }
        }
        Ok(seen)
    }
}

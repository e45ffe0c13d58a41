//! The fleet's generation: guards every reservation.
//!
//! Who reserves reads the generation, gathers the fleet, decides, and advances the generation in the transaction that
//! writes the reservation. Of two who decided on the same fleet the second finds it moved on, and decides anew.

use crate::{Store, Tx, sql::sql};
use bellwether_model::{Error, Result};

impl Store {
    /// The generation now.
    pub async fn fleet_generation(&self) -> Result<i64> {
        sql("SELECT value FROM counters WHERE name = 'fleet'")
            .one(self.on())
            .await?
            .get("value")
    }
}

impl Tx {
    /// Moves the generation on; `Conflict` if it is not `expected`.
    pub async fn advance_generation(&mut self, expected: i64) -> Result<()> {
        let changed =
            sql("UPDATE counters SET value = value + 1 WHERE name = 'fleet' AND value = $1")
                .bind(expected)
                .run(self.on())
                .await?;
        if changed == 0 {
            return Err(Error::conflict(
                "Something else was placed meanwhile; it has to be decided anew.",
            ));
        }
        Ok(())
    }
}

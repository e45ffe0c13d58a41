//! Plans: moves in order.

use crate::{
    Store, Tx, fault, limit,
    people::found,
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, PlanId, Result,
    plan::{Plan, PlanState},
};

fn from_row(row: &Row) -> Result<Plan> {
    let mut plan: Plan = row.json("data")?;
    plan.stopping = row.get("stopping")?;
    Ok(plan)
}

async fn by_id(on: On<'_>, id: PlanId) -> Result<Plan> {
    let found = sql("SELECT data, stopping FROM plans WHERE id = $1")
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("plan"))?)
}

impl Store {
    /// The plan.
    pub async fn plan(&self, id: PlanId) -> Result<Plan> {
        by_id(self.on(), id).await
    }

    /// Plans, newest first, `most` at most.
    pub async fn plans(&self, most: u32) -> Result<Vec<Plan>> {
        sql("SELECT data, stopping FROM plans ORDER BY created_at DESC, id DESC LIMIT $1")
            .bind(limit(most))
            .list(self.on(), from_row)
            .await
    }

    /// Plans whose moves are being made, oldest first.
    pub async fn running_plans(&self) -> Result<Vec<Plan>> {
        sql("SELECT data, stopping FROM plans WHERE state = 'running' ORDER BY created_at, id")
            .list(self.on(), from_row)
            .await
    }
}

impl Tx {
    /// The plan, with this transaction's changes.
    pub async fn plan(&mut self, id: PlanId) -> Result<Plan> {
        by_id(self.on(), id).await
    }

    /// Keeps a new plan; `Conflict` where one about its host is running.
    pub async fn insert_plan(&mut self, plan: &Plan) -> Result<()> {
        let running: u64 =
            sql("SELECT COUNT(*) AS number FROM plans WHERE host = $1 AND state = 'running'")
                .bind(plan.host)
                .one(self.on())
                .await?
                .size("number")?;
        if running > 0 && plan.state == PlanState::Running {
            return Err(fault::conflict(
                "host",
                "moves of a plan about this host are being made; cancel that one first",
            ));
        }
        sql("INSERT INTO plans (id, host, state, created_at, data, stopping) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(plan.id)
            .bind(plan.host)
            .bind(plan.state.as_str())
            .bind(plan.created_at)
            .json(plan)
            .bind(plan.stopping)
            .run(self.on())
            .await
            .map(drop)
    }

    /// Has no more moves of a plan begun; false where it is over.
    pub async fn stop_plan(&mut self, id: PlanId) -> Result<bool> {
        let changed = sql("UPDATE plans SET stopping = TRUE WHERE id = $1 AND state = 'running'")
            .bind(id)
            .run(self.on())
            .await?;
        Ok(changed > 0)
    }

    /// Writes how a plan stands; whether it is to stop stays, see [`Tx::stop_plan`].
    pub async fn update_plan(&mut self, plan: &Plan) -> Result<()> {
        let changed = sql("UPDATE plans SET state = $2, data = $3 WHERE id = $1")
            .bind(plan.id)
            .bind(plan.state.as_str())
            .json(plan)
            .run(self.on())
            .await?;
        found(changed, "plan")
    }
}

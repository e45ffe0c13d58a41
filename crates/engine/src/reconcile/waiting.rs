//! Requests that are approved and have no host yet.

use crate::{Engine, place};
use bellwether_model::{ErrorKind, Result, request::RequestState};
use bellwether_store::RequestQuery;

/// Places what can be placed, oldest first.
pub async fn place(engine: &Engine) -> Result<()> {
    let states = vec![RequestState::Approved, RequestState::WaitingForRoom];
    for request in engine
        .store()
        .requests(RequestQuery {
            states,
            limit: 1000,
            ..RequestQuery::default()
        })
        .await?
    {
        if request.spec.from > engine.today() {
            continue;
        }
        match place::place(engine, request, None).await {
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Unavailable) => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

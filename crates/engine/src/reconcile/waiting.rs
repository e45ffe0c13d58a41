//! Requests that are approved and have no host yet.

use crate::{Engine, place};
use bellwether_model::{
    ErrorKind, Result,
    request::{Request, RequestState},
    states::State,
};
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
        if request.spec.until < engine.today() {
            too_late(engine, request).await?;
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

/// Its period passed while it waited.
async fn too_late(engine: &Engine, mut request: Request) -> Result<()> {
    let before = request.state;
    request.state = before.step(RequestState::Failed)?;
    let waited = request.reason.take().unwrap_or_default();
    let reason = format!(
        "Its period ended on {} before there was room for it. {waited}",
        request.spec.until
    );
    let reason = reason.trim_end().to_owned();
    let text = format!("\"{}\": {reason}", request.spec.name);
    request.reason = Some(reason);
    let mut tx = engine.store().begin().await?;
    tx.update_request(&request, before).await?;
    engine
        .audit(
            &mut tx,
            None,
            "request.not_made",
            "request",
            request.id,
            text,
        )
        .await?;
    engine
        .emit(&mut tx, "request", request.id, Some(request.owner))
        .await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

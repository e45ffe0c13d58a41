//! Requests: a person asks for a VM, and may take the request back.

use crate::{Actor, Engine};
use bellwether_decide::request::{Draft, RequestContext, validate};
use bellwether_model::{
    Error, RequestId, Result,
    request::{Request, RequestState},
    states::State,
};

/// Checks what was typed and records the request; every wrong field is named.
pub async fn submit(engine: &Engine, actor: &Actor, draft: &Draft) -> Result<Request> {
    let (policy, _) = engine.store().policy().await?;
    let images = engine.store().images().await?;
    let context = RequestContext {
        policy: &policy,
        images: &images,
        today: engine.today(),
    };
    let spec = validate(draft, &context).map_err(Error::invalid_fields)?;
    let request = Request {
        id: RequestId::new(),
        owner: actor.user,
        spec,
        state: RequestState::Pending,
        reason: None,
        decided_by: None,
        decided_at: None,
        wanted_host: None,
        wanted_storage: None,
        wanted_network: None,
        vm: None,
        created_at: engine.now(),
    };
    let mut tx = engine.store().begin().await?;
    tx.insert_request(&request).await?;
    let text = format!(
        "\"{}\": {}, {}, {} disk, {} to {}",
        request.spec.name,
        request.spec.vcpus,
        request.spec.memory,
        request.spec.disk,
        request.spec.from,
        request.spec.until
    );
    engine
        .audit(
            &mut tx,
            Some(actor),
            "request.submit",
            "request",
            request.id,
            text,
        )
        .await?;
    engine
        .emit(&mut tx, "request", request.id, Some(actor.user))
        .await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(request)
}

/// Takes back a request that was not granted yet.
pub async fn withdraw(engine: &Engine, actor: &Actor, id: RequestId) -> Result<Request> {
    let mut request = engine.store().request(id).await?;
    actor.may_see(request.owner, "request")?;
    if request.owner != actor.user {
        return Err(Error::forbidden(
            "Only the person who asked can withdraw a request; refuse it instead.",
        ));
    }
    let before = request.state;
    request.state = before.step(RequestState::Withdrawn)?;
    let mut tx = engine.store().begin().await?;
    tx.update_request(&request, before).await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            "request.withdraw",
            "request",
            id,
            format!("\"{}\"", request.spec.name),
        )
        .await?;
    engine
        .emit(&mut tx, "request", id, Some(request.owner))
        .await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(request)
}

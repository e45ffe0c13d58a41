//! Approve: an admin sees what a request would do to the fleet, and decides.

use crate::{
    Admin, Engine, Look,
    place::{self, Approval, Placed},
    request,
};
use bellwether_decide::place::Placement;
use bellwether_model::{
    Error, HostId, NetworkId, RequestId, Result, StorageId,
    image::Image,
    people::User,
    request::{Request, RequestState},
    states::State,
    text::shown,
};
use std::sync::Arc;

/// What an admin decides on.
#[derive(Debug)]
pub struct Consideration {
    /// The request.
    pub request: Request,
    /// Who asks.
    pub owner: User,
    /// The operating system asked for.
    pub image: Image,
    /// The fleet and the policy it was judged by.
    pub look: Arc<Look>,
    /// Where it would go, and why not elsewhere.
    pub placement: Placement,
}

/// An admin's own choice of place; what is `None` is left to the placement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    /// The host.
    pub host: Option<HostId>,
    /// The storage.
    pub storage: Option<StorageId>,
    /// The network.
    pub network: Option<NetworkId>,
    /// The choice is for this moment only: it is what the admin was shown, and is not kept. Should the VM have to be placed
    /// anew later, any place will do.
    pub once: bool,
}

/// What approving the request would do, from what was last observed.
pub async fn consider(engine: &Engine, _admin: &Admin, id: RequestId) -> Result<Consideration> {
    let request = engine.store().request(id).await?;
    let gathered = place::gather(engine).await?;
    let records = &gathered.look.records;
    let owner = records.user(request.owner).cloned();
    let owner = owner.ok_or_else(|| Error::not_found("user"))?;
    let image = records.image(request.spec.image).cloned();
    let image = image.ok_or_else(|| Error::not_found("image"))?;
    let ask = place::ask_of(engine, &request, &image).await?;
    let placement = bellwether_decide::place::place(gathered.fleet(), &ask, gathered.policy());
    Ok(Consideration {
        request,
        owner,
        image,
        look: gathered.look,
        placement,
    })
}

/// Approves a pending request, or tries a failed one again. Where no host has room it waits for room; a host the admin
/// chose, or was shown, must fit at once.
pub async fn approve(
    engine: &Engine,
    admin: &Admin,
    id: RequestId,
    choice: Choice,
) -> Result<Placed> {
    let mut request = engine.store().request(id).await?;
    let before = request.state;
    request.state = match before {
        RequestState::WaitingForRoom => RequestState::WaitingForRoom,
        other => other.step(RequestState::Approved)?,
    };
    if before == RequestState::Approved {
        return Err(Error::conflict("The request is approved already."));
    }
    if request.spec.until < engine.today() {
        return Err(Error::conflict(format!(
            "The period ended on {}; ask for a new one.",
            request.spec.until
        )));
    }
    request.decided_by = Some(admin.user);
    request.decided_at = Some(engine.now());
    request.reason = None;
    let kept = if choice.once {
        Choice::default()
    } else {
        choice
    };
    (
        request.wanted_host,
        request.wanted_storage,
        request.wanted_network,
    ) = (kept.host, kept.storage, kept.network);
    if let Some(host) = choice.host {
        engine
            .store()
            .host(host)
            .await
            .map_err(|_| Error::field("host", "there is no such host"))?;
    }
    let approval = Approval {
        admin,
        before,
        choice,
    };
    place::place(engine, request, Some(&approval)).await
}

/// Refuses a request, with a reason the person will read.
pub async fn refuse(
    engine: &Engine,
    admin: &Admin,
    id: RequestId,
    reason: &str,
) -> Result<Request> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if !(1..=2000).contains(&length)
        || reason
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(Error::field(
            "reason",
            format!(
                "'{}' is no reason; say why in 1 to 2,000 characters, so that the person can ask better",
                shown(reason)
            ),
        ));
    }
    let mut request = engine.store().request(id).await?;
    let before = request.state;
    request.state = before.step(RequestState::Refused)?;
    if before == RequestState::Refused {
        return Err(Error::conflict("The request is refused already."));
    }
    request.reason = Some(reason.into());
    request.decided_by = Some(admin.user);
    request.decided_at = Some(engine.now());
    let mut tx = engine.store().begin().await?;
    if before == RequestState::Placed {
        request::give_back(engine, &mut tx, &mut request, "The request was refused.").await?;
    }
    tx.update_request(&request, before).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "request.refuse",
            "request",
            id,
            format!("\"{}\": {reason}", request.spec.name),
        )
        .await?;
    engine
        .emit(&mut tx, "request", id, Some(request.owner))
        .await?;
    tx.commit().await?;
    engine.tell().await;
    engine.inner.fleet_changed.notify_waiters();
    Ok(request)
}

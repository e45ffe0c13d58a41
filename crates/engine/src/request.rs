//! Requests: a person asks for a VM, and may take the request back.

use crate::{Actor, Engine};
use bellwether_decide::request::{Draft, RequestContext, validate};
use bellwether_model::{
    Day, Error, RequestId, Result,
    job::JobState,
    request::{Request, RequestState},
    states::State,
    vm::VmState,
};
use bellwether_store::Tx;

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

/// Whether the request can still be taken back or refused: nothing was made for it. One that is placed for a period to
/// come is made on its first day.
pub fn is_open(request: &Request, today: Day) -> bool {
    match request.state {
        RequestState::Pending | RequestState::WaitingForRoom | RequestState::Failed => true,
        RequestState::Placed => request.spec.from > today,
        _ => false,
    }
}

/// Gives back what is reserved for a placed request, in the transaction that closes it. Fails with `Conflict` where the
/// VM is being made already.
pub(crate) async fn give_back(
    engine: &Engine,
    tx: &mut Tx,
    request: &mut Request,
    why: &str,
) -> Result<()> {
    let Some(id) = request.vm.take() else {
        return Ok(());
    };
    let open = engine.store().open_jobs().await?;
    let mut vm = tx.vm(id).await?;
    let its = open.iter().filter(|job| job.subject.vm == Some(id));
    for mut job in its.cloned() {
        if job.state != JobState::Queued {
            return Err(Error::conflict(
                "The VM is being made already; cancel that job, or delete the VM once it is there.",
            ));
        }
        job.state = job.state.step(JobState::Undone)?;
        job.error = Some(why.into());
        job.ended_at = Some(engine.now());
        // Refused where a runner claims it in between.
        tx.update_job(&job).await?;
        engine.emit(tx, "job", job.id, job.owner).await?;
    }
    vm.state = vm.state.step(VmState::Gone)?;
    vm.note = Some(why.into());
    tx.update_vm(&mut vm).await?;
    tx.release_address(id, engine.now()).await?;
    engine.emit(tx, "vm", id, Some(vm.owner)).await
}

/// Takes back a request for which nothing was made yet.
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
    if before == RequestState::Withdrawn {
        return Err(Error::conflict("The request is withdrawn already."));
    }
    let mut tx = engine.store().begin().await?;
    if before == RequestState::Placed {
        give_back(engine, &mut tx, &mut request, "The request was withdrawn.").await?;
    }
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
    engine.inner.fleet_changed.notify_waiters();
    Ok(request)
}

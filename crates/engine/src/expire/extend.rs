//! Extending a lease.

use crate::{Actor, Engine, again, place, provision};
use bellwether_decide::{expire::may_extend, place::room_to_stay};
use bellwether_model::{
    Day, Error, Refusal, Result, VmId,
    vm::{Vm, VmState, WantedPower},
};

/// Extends the lease to `until`. An owner may within the policy and as long as the added days have room beside what is
/// promised on its host by then; an admin always, and the audit log says what was short.
pub async fn extend(engine: &Engine, actor: &Actor, id: VmId, until: Day) -> Result<Vm> {
    again::when_overtaken(|| once(engine, actor, id, until)).await
}

async fn once(engine: &Engine, actor: &Actor, id: VmId, until: Day) -> Result<Vm> {
    let mut vm = engine.store().vm(id).await?;
    actor.may_see(vm.owner, "VM")?;
    let gathered = place::gather(engine).await?;
    let (policy, fleet) = (gathered.policy(), gathered.fleet());
    may_extend(&vm, until, engine.today(), policy, actor.is_admin())?;
    // One that is off by intent holds no room: it is looked for when it is started.
    let short = match vm.holds_memory() {
        true => room_to_stay(fleet, &vm, until, policy)
            .err()
            .unwrap_or_default(),
        false => Vec::new(),
    };
    if !short.is_empty() && !actor.is_admin() {
        let host_name = fleet
            .host(vm.host)
            .map_or_else(|| "its host".into(), |host| host.name.clone());
        let message = format!(
            "{host_name} has no room for it until {until}: {}. Ask an administrator to move it or to extend it.",
            short.join("; ")
        );
        let refusal = Refusal {
            host: vm.host,
            host_name,
            reasons: short,
        };
        return Err(Error::no_capacity(message, vec![refusal]));
    }
    let mut text = format!("\"{}\": {} → {until}", vm.name, vm.lease_until);
    if !short.is_empty() {
        text = format!("{text}, although its host is short of {}", short.join("; "));
    }
    vm.lease_until = until;
    if vm.state == VmState::Ended && until >= engine.today() {
        vm.state = VmState::ShutOff;
        vm.note = None;
    }
    let ended = |note: &String| note.starts_with(super::ENDED);
    if vm.wanted == WantedPower::Off && vm.note.as_ref().is_some_and(ended) {
        // Told to shut down because of its end, and not yet off: it is to go on, or to come back if its guest heeded.
        vm.wanted = WantedPower::On;
        vm.note = None;
    }
    let mut tx = engine.store().begin().await?;
    if vm.holds_memory() {
        // Nobody may have been promised the added days in between.
        tx.advance_generation(gathered.generation).await?;
    }
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, Some(actor), "lease.extend", "vm", id, text)
        .await?;
    engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    write_to_host(engine, &vm).await;
    Ok(vm)
}

/// The lease also stands in libvirt's metadata. A host that is away gets it when the VM is next defined.
async fn write_to_host(engine: &Engine, vm: &Vm) {
    let written = async {
        let owner = engine.store().user(vm.owner).await?.login;
        let request = vm.request.map(|id| id.to_string()).unwrap_or_default();
        let host = engine.host(vm.host)?;
        let job = host
            .describe(vm.id.0)
            .await?
            .ownership
            .map(|ownership| ownership.job)
            .unwrap_or_default();
        host.set_ownership(
            vm.id.0,
            &provision::ownership(vm, &owner, &request, &job),
            &vm.purpose,
        )
        .await?;
        Ok::<_, Error>(())
    };
    if let Err(error) = written.await {
        tracing::info!(vm = %vm.id, %error, "the new lease is not yet in libvirt's metadata");
    }
}

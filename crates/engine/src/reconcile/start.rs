//! Starting what is wanted on, never a second time: every host that could run it is asked first.

use super::{follow, gather::leftover};
use crate::{
    Actor, Engine, place,
    power::{self, PowerAction},
};
use bellwether_decide::{
    place as room,
    reconcile::{Answer, Leftover, could_run, may_start},
};
use bellwether_model::{
    Error, Result, VmId,
    job::Job,
    observed::PowerState,
    storage::StorageKind,
    vm::{Vm, VmState, WantedPower},
};

/// Fails unless every other host that could run the VM says, now, that it does not. Hosts declared off are not asked.
pub(crate) async fn nobody_runs(engine: &Engine, vm: &Vm) -> Result<()> {
    let store = engine.store();
    let leftovers: Vec<Leftover> = store.tombstones().await?.iter().map(leftover).collect();
    let hosts = could_run(
        vm,
        &store.hosts().await?,
        &store.storages().await?,
        &engine.observed(),
        &leftovers,
    );
    let asked = hosts.iter().map(async |id| {
        let said = match engine.host(*id) {
            Ok(host) => host.power(vm.id.0).await.ok(),
            Err(_) => None,
        };
        let answer = match said {
            Some(Some(power)) => Answer::Shows(power),
            Some(None) => Answer::NotThere,
            None => Answer::Silent,
        };
        (*id, answer)
    });
    let answers = futures::future::join_all(asked).await;
    let Err((against, answer)) = may_start(&answers) else {
        return Ok(());
    };
    let name = store.host(against).await?.name;
    Err(match answer {
        Answer::Shows(power) => Error::conflict(format!(
            "\"{}\" is {} on {name}; a VM never runs twice.",
            vm.name,
            power.as_str()
        )),
        _ => Error::unavailable(format!(
            "\"{}\" is not started while {name} does not answer: it could be running there. If {name} is off, an administrator can declare it so.",
            vm.name
        )),
    })
}

/// Wanted on, and off on its host.
pub(super) async fn start(engine: &Engine, id: VmId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    let power = engine.host(vm.host)?.power(id.0).await?;
    let Some(power @ (PowerState::ShutOff | PowerState::Crashed)) = power else {
        return Ok(());
    };
    if vm.state != VmState::ShutOff {
        let note =
            (power == PowerState::Crashed).then(|| "Its guest or emulator crashed.".to_owned());
        vm = follow::write(engine, vm, VmState::ShutOff, note, None).await?;
    }
    if vm.wanted == WantedPower::Off {
        return Ok(());
    }
    if let Err(error) = nobody_runs(engine, &vm).await {
        if vm.note.as_ref() != Some(&error.message) {
            let (state, note) = (vm.state, Some(error.message.clone()));
            follow::write(engine, vm, state, note, None).await?;
        }
        return Err(error);
    }
    let job = power::job(engine, &vm, PowerAction::Start, None)?;
    let mut tx = engine.store().begin().await?;
    tx.insert_job(&job).await?;
    let text = format!("\"{}\", which should run and did not", vm.name);
    engine
        .audit(&mut tx, None, "vm.start", "vm", id, text)
        .await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(())
}

/// Wanted on, and its host is declared off.
pub(super) async fn start_elsewhere(engine: &Engine, id: VmId) -> Result<()> {
    let vm = engine.store().vm(id).await?;
    if vm.wanted == WantedPower::Off || vm.state != VmState::ShutOff {
        return Ok(());
    }
    elsewhere(engine, vm, None).await.map(drop)
}

/// Binds a VM whose host is declared off to another host of its shared storage, and makes the job that starts it there.
/// What the old host may still know of it is removed when that host is back.
pub(crate) async fn elsewhere(engine: &Engine, mut vm: Vm, by: Option<&Actor>) -> Result<Job> {
    let old = engine.store().host(vm.host).await?;
    if engine.store().storage(vm.storage).await?.kind == StorageKind::Local {
        return Err(Error::conflict(format!(
            "Its host {} is declared off and its disk is there; it can be started when the host is back.",
            old.name
        )));
    }
    nobody_runs(engine, &vm).await?;
    let gathered = place::gather(engine).await?;
    let to = room::elsewhere(gathered.fleet(), &vm, gathered.policy()).map_err(|refusals| {
        let short: Vec<String> = refusals
            .iter()
            .map(|refusal| format!("{}: {}", refusal.host_name, refusal.reasons.join(", ")))
            .collect();
        let message = format!(
            "No other host can take \"{}\" now. {}.",
            vm.name,
            short.join("; ")
        );
        Error::no_capacity(message, refusals)
    })?;
    let new = engine.store().host(to).await?;
    vm.host = to;
    vm.wanted = WantedPower::On;
    vm.note = Some(format!(
        "Its host {} was declared off; it is being started on {}.",
        old.name, new.name
    ));
    let job = power::job(engine, &vm, PowerAction::Start, by)?;
    let mut tx = engine.store().begin().await?;
    tx.advance_generation(gathered.generation).await?;
    tx.insert_job(&job).await?;
    tx.update_vm(&mut vm).await?;
    tx.add_tombstone(vm.id, job.id, old.id, engine.now())
        .await?;
    tx.delete_tombstone(vm.id, to).await?;
    let text = format!(
        "\"{}\" from {}, which is declared off, on {}",
        vm.name, old.name, new.name
    );
    engine
        .audit(&mut tx, by, "vm.start_elsewhere", "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(job)
}

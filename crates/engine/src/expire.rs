//! Lease ends: what ends soon is shown; at the end the VM is shut down gracefully, forced off if it does not heed, and
//! kept. Within the policy its owner extends the lease, an admin always. When to do what is decided in
//! [`bellwether_decide::expire`].

mod extend;

pub use extend::extend;

use crate::{
    Engine,
    power::{self, PowerAction},
    reconcile,
};
use bellwether_decide::expire::{Action, Standing, action, standing};
use bellwether_model::{
    ErrorKind, Result, Timestamp,
    host::{HostHealth, HostMode},
    job::JobState,
    observed::{Observed, PowerState},
    policy::Policy,
    states::State,
    time::day_of,
    vm::{Vm, VmState, WantedPower},
};
use bellwether_store::{AuditQuery, JobQuery};

/// The audit log's word for a warning.
const WARNED: &str = "lease.warn";
/// How the note of a VM begins whose lease has ended.
const ENDED: &str = "Its lease ended on ";
/// Lines and jobs of one VM that are looked through.
const LOOKED_AT: u32 = 200;

/// Warns of and ends the leases that end. Safe to run at any time. Trouble with one VM does not spare the others.
pub async fn run(engine: &Engine) -> Result<()> {
    let records = engine.store().records().await?;
    let observed = engine.observed();
    let held = reconcile::held(engine).await?;
    let mut outcome = Ok(());
    for vm in records.vms.iter() {
        if held.contains(&vm.id) {
            continue;
        }
        match one(engine, &observed, vm, &records.policy).await {
            // Another job holds it, or somebody changed it meanwhile: the next run sees.
            Err(error) if error.kind != ErrorKind::Conflict => outcome = outcome.and(Err(error)),
            _ => {}
        }
    }
    outcome
}

async fn one(engine: &Engine, observed: &Observed, vm: &Vm, policy: &Policy) -> Result<()> {
    let today = engine.today();
    let (asked_at, warned) = match standing(vm, today, policy) {
        Standing::EndsSoon { .. } => (None, warned(engine, vm).await?),
        Standing::Over { .. } => (asked_at(engine, vm).await?, true),
        _ => return Ok(()),
    };
    let power = power_of(engine, observed, vm).await?;
    match action(vm, power, asked_at, warned, today, engine.now(), policy) {
        Action::Nothing | Action::WaitUntil(_) => Ok(()),
        Action::Warn { days_left } => warn(engine, vm, days_left).await,
        Action::AskShutdown => stop(engine, vm.clone(), PowerAction::Shutdown).await,
        Action::ForceOff => stop(engine, vm.clone(), PowerAction::ForceOff).await,
        // A record that does not yet follow its host ends when it does.
        Action::End if vm.state == VmState::ShutOff => set_ended(engine, vm.clone()).await,
        Action::End => Ok(()),
    }
}

/// What its host shows now; off where the host is declared off; none where it does not answer.
async fn power_of(engine: &Engine, observed: &Observed, vm: &Vm) -> Result<Option<PowerState>> {
    let seen = observed
        .hosts
        .get(&vm.host)
        .filter(|seen| seen.health == HostHealth::Ready)
        .and_then(|seen| seen.vm(vm.id.0))
        .map(|seen| seen.power);
    let declared_off = engine.store().host(vm.host).await?.mode == HostMode::DeclaredOff;
    Ok(seen.or(declared_off.then_some(PowerState::ShutOff)))
}

/// Whether this end was warned of.
async fn warned(engine: &Engine, vm: &Vm) -> Result<bool> {
    let about = Some(("vm".into(), vm.id.to_string()));
    let lines = engine
        .store()
        .audit(AuditQuery {
            about,
            limit: LOOKED_AT,
            ..AuditQuery::default()
        })
        .await?;
    let end = vm.lease_until.to_string();
    Ok(lines
        .iter()
        .any(|line| line.action == WARNED && line.text.contains(&end)))
}

/// When the guest was told to shut down because of this end, if it has not heeded: an ask that was heeded is spent, one
/// that never reached the guest does not count, and neither does one for an end that was put off since.
async fn asked_at(engine: &Engine, vm: &Vm) -> Result<Option<Timestamp>> {
    let jobs = engine
        .store()
        .jobs(JobQuery {
            vm: Some(vm.id),
            limit: 1,
            ..JobQuery::default()
        })
        .await?;
    Ok(jobs
        .first()
        .filter(|job| {
            let stops = match power::action_of(job) {
                Some(PowerAction::Shutdown) => power::was_told(job),
                // It was not heeded before; that its power could not be taken does not undo that.
                Some(PowerAction::ForceOff) => true,
                _ => false,
            };
            let this_end = day_of(job.created_at, engine.zone()) > vm.lease_until;
            stops && this_end && job.created_by.is_none() && job.state == JobState::Failed
        })
        .map(|job| job.created_at))
}

async fn warn(engine: &Engine, vm: &Vm, days_left: u32) -> Result<()> {
    let left = match days_left {
        0 => "today is its last day".to_owned(),
        // As pages count: the last day is one of them.
        days => format!("{} days are left", u64::from(days) + 1),
    };
    let text = format!("\"{}\" ends on {}; {left}", vm.name, vm.lease_until);
    let mut tx = engine.store().begin().await?;
    engine
        .audit(&mut tx, None, WARNED, "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

async fn stop(engine: &Engine, mut vm: Vm, action: PowerAction) -> Result<()> {
    let job = power::job(engine, &vm, action, None)?;
    vm.wanted = WantedPower::Off;
    vm.note = Some(format!("{ENDED}{}.", vm.lease_until));
    let doing = match action {
        PowerAction::Shutdown => "shutting down",
        _ => "forced off",
    };
    let text = format!("\"{}\": {doing}", vm.name);
    let mut tx = engine.store().begin().await?;
    tx.insert_job(&job).await?;
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, None, "lease.end", "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(())
}

async fn set_ended(engine: &Engine, mut vm: Vm) -> Result<()> {
    vm.state = vm.state.step(VmState::Ended)?;
    vm.wanted = WantedPower::Off;
    vm.note = Some(format!(
        "{ENDED}{}. Its disk is kept; extend the lease to use it again.",
        vm.lease_until
    ));
    let text = format!("\"{}\" is off and kept", vm.name);
    let mut tx = engine.store().begin().await?;
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, None, "lease.ended", "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    engine.inner.fleet_changed.notify_waiters();
    Ok(())
}

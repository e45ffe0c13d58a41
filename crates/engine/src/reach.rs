//! Reach: whether a VM's guest was seen to have its address since it was started, where its host can know (by agent, DHCP
//! lease or ARP). What nobody can know stays unknown; no page asks a host.

use crate::{Engine, Live, reconcile};
use bellwether_decide::reach;
use bellwether_model::{
    Error, Result, VmId,
    observed::Reach,
    vm::{Vm, VmState},
};
use futures::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Hosts are asked about so many VMs at once.
const AT_ONCE: usize = 8;
/// An answer that takes longer is none.
const DEADLINE: Duration = Duration::from_secs(5);
/// Asked in each of so many rounds after it was started, for as long as it is not reached; from then on, and once it is,
/// in one of so many.
const ROUNDS: u32 = 30;

/// What is known of each VM that runs.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<VmId, Known>>);

#[derive(Clone, Copy)]
struct Known {
    reach: Reach,
    rounds: u32,
}

impl Board {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<VmId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// It begins anew: what was known is not of this start.
    pub fn forget(&self, vm: VmId) {
        self.lock().remove(&vm);
    }
}

impl Engine {
    /// Whether the VM's guest was seen to have its address since it was started.
    pub fn reach(&self, vm: VmId) -> Reach {
        let board = self.inner.reach.lock();
        board.get(&vm).map_or(Reach::Unknown, |known| known.reach)
    }
}

/// Asks about those that run and of which it is time to ask.
pub async fn run(engine: &Engine) -> Result<()> {
    let held = reconcile::held(engine).await?;
    let records = engine.store().records().await?;
    let runs = |vm: &Vm| vm.state == VmState::Running && !held.contains(&vm.id);
    let due: Vec<Vm> = {
        let mut board = engine.inner.reach.lock();
        board.retain(|id, _| records.vm(*id).is_some_and(runs));
        let mut is_due = |vm: &Vm| {
            let known = board.entry(vm.id).or_insert(Known {
                reach: Reach::Unknown,
                rounds: 0,
            });
            known.rounds = known.rounds.saturating_add(1);
            known.rounds <= ROUNDS && known.reach != Reach::Yes
                || known.rounds.is_multiple_of(ROUNDS)
        };
        let due = records.vms.iter().filter(|vm| runs(vm) && is_due(vm));
        due.cloned().collect()
    };
    let asked: Vec<_> = due.into_iter().map(|vm| one(engine.clone(), vm)).collect();
    futures::stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
    Ok(())
}

async fn one(engine: Engine, vm: Vm) {
    let asked = async {
        let addresses = engine.host(vm.host)?.addresses(vm.id.0).await?;
        Ok::<_, Error>(addresses)
    };
    // A host that does not say leaves what was known.
    let Ok(Ok(addresses)) = tokio::time::timeout(DEADLINE, asked).await else {
        return;
    };
    let reach = reach::reach(vm.address, &addresses);
    let changed = {
        let mut board = engine.inner.reach.lock();
        // Forgotten meanwhile: it was started again.
        let Some(known) = board.get_mut(&vm.id) else {
            return;
        };
        let changed = known.reach != reach;
        known.reach = reach;
        changed
    };
    if changed {
        // No listener is fine.
        let _ = engine.inner.live.send(Live::Sampled(vm.host));
    }
}

//! What a move that copies the disk needs on the target, and the removal of what is left where the VM is not.

use super::work::Data;
use crate::{
    images,
    jobs::{Halt, Run},
    provision,
};
use bellwether_decide::migrate::waits_for;
use bellwether_model::{Error, HostId};
use std::time::Duration;

/// How long a move waits before it looks again whether it is its turn.
const TURN: Duration = Duration::from_secs(3);

/// Waits for its turn, then makes base image, overlay and seed on the target, where the disk is copied too.
pub(super) async fn prepare(run: &mut Run, data: &Data) -> Result<(), Halt> {
    its_turn(run, data).await?;
    if !data.copy_disk {
        return Ok(());
    }
    let engine = run.engine.clone();
    let vm = engine.store().vm(data.vm).await?;
    let image = engine.store().image(vm.image).await?;
    images::bring(run, &image, vm.storage, data.target).await?;
    let (from, to) = (
        provision::pool_of(&engine, &vm, data.source).await?,
        provision::pool_of(&engine, &vm, data.target).await?,
    );
    let target = run.host(data.target).await?;
    target
        .create_volume(&to, &provision::overlay(&vm, &image))
        .await?;
    if image.cloud_init {
        // A read-only seed does not travel with the disks: it is put there first.
        let source = run.host(data.source).await?;
        let seed = source
            .read_volume(&from, &vm.seed_volume(), crate::seed::SEED_BYTES)
            .await?;
        target.delete_volume(&to, &vm.seed_volume()).await?;
        let length = seed.len() as u64;
        target
            .upload(
                &to,
                &vm.seed_volume(),
                "raw",
                length,
                Box::pin(std::io::Cursor::new(seed)),
                Box::new(|_| {}),
            )
            .await?;
    }
    Ok(())
}

/// Has the job come back later while its hosts take part in as many moves as they should.
async fn its_turn(run: &Run, data: &Data) -> Result<(), Halt> {
    let store = run.engine.store();
    let this = store.migration(data.migration).await?;
    let moves = store.recent_migrations(run.now()).await?;
    let Some(host) = waits_for(&this, &moves) else {
        return Ok(());
    };
    let name = store.host(host).await?.name;
    Err(Halt::Again(
        TURN,
        Error::conflict(format!(
            "Waiting for its turn: {name} takes part in as many moves as it should at once."
        )),
    ))
}

/// Removes what there is of the VM on a host where it is not: copies of its disk, where they were made. A host that is
/// away or still knows the VM gets a tombstone, by which reconcile does it.
pub(super) async fn clear(run: &mut Run, data: &Data, host: HostId) -> Result<(), Halt> {
    let there = match run.host(host).await {
        Ok(there) => there,
        Err(Halt::Again(..)) => return run.leave_tombstone(data.vm, host).await,
        Err(halt) => return Err(halt),
    };
    let cleared = async {
        if there.power(data.vm.0).await?.is_some() {
            return Ok(false);
        }
        if data.copy_disk {
            let engine = &run.engine;
            let vm = engine.store().vm(data.vm).await?;
            let pool = provision::pool_of(engine, &vm, host).await?;
            for volume in [vm.disk_volume(), vm.seed_volume()] {
                there.delete_volume(&pool, &volume).await?;
            }
        }
        Ok::<bool, Halt>(true)
    };
    match cleared.await {
        Ok(true) => Ok(()),
        Ok(false) | Err(Halt::Again(..)) => run.leave_tombstone(data.vm, host).await,
        Err(halt) => Err(halt),
    }
}

//! Reads that were overtaken: an act that was decided on a VM or fleet that changed in between is decided anew.

use bellwether_model::{ErrorKind, Result};
use std::{future::Future, time::Duration};

/// How often an act is decided anew before the conflict is told.
const TRIES: u32 = 4;

/// Runs `act`, again where it was overtaken. A conflict that stands (another job holds the VM) is the same each time and
/// is answered in the end.
pub(crate) async fn when_overtaken<T, F: Future<Output = Result<T>>>(
    act: impl Fn() -> F,
) -> Result<T> {
    let mut tries = 1;
    loop {
        match act().await {
            Err(error) if error.kind == ErrorKind::Conflict && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(10) * tries).await;
                tries += 1;
            }
            other => return other,
        }
    }
}

//! How much of its memory a VM writes: the emulator looks at some pages twice, a while apart.

use crate::{
    ffi::{Failure, Params},
    host::{LibvirtHost, QUICK, find},
    migration::running,
};
use bellwether_hypervisor::Result;
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

/// How often it is looked whether a measurement is over whose time is, and how long lies between two looks.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// Measures for so many seconds.
pub(crate) async fn measure(host: &LibvirtHost, vm: Uuid, seconds: u32) -> Result<Option<u64>> {
    let seconds = seconds.clamp(1, 60);
    let began = host
        .change("measuring what it writes", QUICK, move |session| {
            let Some(domain) = find(&session.connect, vm)? else {
                return Ok(false);
            };
            if domain.state()? != virt_sys::VIR_DOMAIN_RUNNING || running(&domain)?.is_some() {
                return Ok(false);
            }
            match domain.start_dirty_rate(seconds) {
                Ok(()) => Ok(true),
                // An emulator too old for it, or one that measures or moves already.
                Err(failure) if can_not_measure(&failure) => Ok(false),
                Err(failure) => Err(failure.into()),
            }
        })
        .await?;
    if !began {
        return Ok(None);
    }
    sleep(Duration::from_secs(seconds.into())).await;
    for _ in 0..LOOKS {
        sleep(PAUSE).await;
        let found = host
            .read("asking what it wrote", QUICK, move |session| {
                let Some(domain) = find(&session.connect, vm)? else {
                    return Ok(Measuring::Ended);
                };
                let stats = domain.stats(virt_sys::VIR_DOMAIN_STATS_DIRTYRATE)?;
                Ok(measured(&stats, seconds))
            })
            .await?;
        match found {
            Measuring::Yet => {}
            Measuring::Wrote(bytes) => return Ok(Some(bytes)),
            Measuring::Ended => return Ok(None),
        }
    }
    Ok(None)
}

/// How a measurement stands.
#[derive(Debug, PartialEq, Eq)]
enum Measuring {
    Yet,
    Wrote(u64),
    Ended,
}

/// The emulator gives whole MiB a second.
fn measured(stats: &Params, seconds: u32) -> Measuring {
    let number = |name: &str| stats.number(name);
    match number("dirtyrate.calc_status") {
        Some(status) if status == u64::from(virt_sys::VIR_DOMAIN_DIRTYRATE_MEASURING) => {
            Measuring::Yet
        }
        Some(status) if status == u64::from(virt_sys::VIR_DOMAIN_DIRTYRATE_MEASURED) => {
            // Another's measurement, over another time, would be taken for ours.
            let ours =
                number("dirtyrate.calc_period").is_none_or(|period| period == u64::from(seconds));
            match number("dirtyrate.megabytes_per_second").filter(|_| ours) {
                Some(rate) => Measuring::Wrote(rate.saturating_mul(u64::from(seconds)) << 20),
                None => Measuring::Ended,
            }
        }
        _ => Measuring::Ended,
    }
}

fn can_not_measure(failure: &Failure) -> bool {
    matches!(
        failure.code,
        virt_sys::VIR_ERR_OPERATION_INVALID
            | virt_sys::VIR_ERR_OPERATION_UNSUPPORTED
            | virt_sys::VIR_ERR_CONFIG_UNSUPPORTED
            | virt_sys::VIR_ERR_NO_SUPPORT
            | virt_sys::VIR_ERR_ARGUMENT_UNSUPPORTED
            | virt_sys::VIR_ERR_OPERATION_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::Value;

    #[test]
    fn what_was_written_is_a_rate_by_its_time() {
        let stats = |status: i32, rate: i64| {
            Params::from([
                ("dirtyrate.calc_status", Value::Signed(status.into())),
                ("dirtyrate.calc_period", Value::Signed(10)),
                ("dirtyrate.megabytes_per_second", Value::Signed(rate)),
            ])
        };
        assert_eq!(measured(&stats(2, 3), 10), Measuring::Wrote(30 << 20));
        assert_eq!(measured(&stats(1, 0), 10), Measuring::Yet);
        assert_eq!(measured(&stats(0, 0), 10), Measuring::Ended);
        assert_eq!(
            measured(&stats(2, 3), 1),
            Measuring::Ended,
            "of another time"
        );
    }
}

//! What moves are expected to take, on a simulated fleet.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    forecast,
    migrate::{self, Target},
};
use bellwether_hypervisor::sim::SimSpec;
use bellwether_model::{
    VmId,
    job::JobState,
    migration::{Convergence, Forecast},
    storage::StorageKind,
};
use common::{PATIENCE, Site, points::once};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What a move to the first target will take; a VM that was made a moment ago may not have been seen to run yet.
async fn foretold(site: &Site, vm: VmId) -> Forecast {
    let until = Instant::now() + PATIENCE;
    loop {
        let choices = migrate::consider(&site.engine, &site.admin, vm, None)
            .await
            .unwrap();
        if let Some(chosen) = choices.targets[0].chosen.clone() {
            return chosen.forecast;
        }
        assert!(
            Instant::now() < until,
            "it can't go anywhere: {:?}",
            choices.targets
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_forecast_and_the_next_one_better() {
    let spec = SimSpec {
        link_mib_s: 250,
        ..SimSpec::new("foretold", 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("mover").await;
    site.fleet
        .set_guest(vm.id.0, |guest| guest.dirty_mib_s = 40.0);
    let first = foretold(&site, vm.id).await;
    let basis = first.basis.join(" ");
    assert!(basis.contains("not measured yet"), "{basis}");
    assert!(basis.contains("No move was made yet"), "{basis}");
    assert!(first.total_ms.high > first.total_ms.low * 2.0, "{first:?}");

    // Who looks where it could go has it measured.
    let until = Instant::now() + PATIENCE;
    while !foretold(&site, vm.id)
        .await
        .basis
        .join(" ")
        .contains("within ten")
    {
        assert!(Instant::now() < until, "it was never measured");
        sleep(Duration::from_millis(200)).await;
    }
    for _ in 0..2 {
        let (job, _) = site.moves(vm.id, Target::Best).await;
        let job = site.ends(job.id).await;
        assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        let (job, _) = site.moves(vm.id, Target::Best).await;
        assert_eq!(site.ends(job.id).await.state, JobState::Done);
    }
    let last = site.last_migration(vm.id).await;
    let forecast = last.forecast.clone().unwrap();
    let took = last.total_ms.unwrap() as f64;
    let off = (forecast.total_ms.middle - took).abs() / took;
    assert!(off < 0.15, "{forecast:?} {last:?}");
    assert_eq!(forecast.convergence, Convergence::Converges);
    assert!(
        forecast.basis.join(" ").contains("by one move"),
        "{forecast:?}"
    );

    let hindsight = forecast::hindsight(&site.engine, &site.admin)
        .await
        .unwrap();
    assert_eq!(hindsight.moves.len(), 4);
    assert_eq!(hindsight.accuracy.moves, 4);
    assert!(hindsight.accuracy.downtime_near.is_some());
    once(&site, vm.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_writes_too_much_is_known_before_the_move() {
    let spec = SimSpec {
        link_mib_s: 100,
        ..SimSpec::new("toomuch", 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("busy").await;
    site.fleet
        .set_guest(vm.id.0, |guest| guest.dirty_mib_s = 4_000.0);
    let until = Instant::now() + PATIENCE;
    while foretold(&site, vm.id).await.convergence == Convergence::Converges {
        assert!(Instant::now() < until, "it was never measured");
        sleep(Duration::from_millis(200)).await;
    }
}

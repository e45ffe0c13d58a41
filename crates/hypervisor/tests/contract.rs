//! The simulated fleet passes the contract, case by case, and is left as it was found.

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use bellwether_hypervisor::{
    Host,
    contract::{ContractSubject, failures, run},
    sim::{SimFleet, SimSpec},
};
use bellwether_model::network::Carrier;
use std::{net::IpAddr, sync::Arc, time::Duration};

struct Simulated {
    fleet: SimFleet,
    with_image: bool,
}

#[async_trait]
impl ContractSubject for Simulated {
    fn host(&self) -> Arc<dyn Host> {
        Arc::new(self.fleet.host("host01"))
    }
    fn other(&self) -> Option<Arc<dyn Host>> {
        Some(Arc::new(self.fleet.host("host02")))
    }
    fn peer_uri(&self) -> String {
        self.fleet.uri("host02")
    }
    fn back_uri(&self) -> String {
        self.fleet.uri("host01")
    }
    fn dead_uri(&self) -> String {
        self.fleet.uri("host99")
    }
    fn shared_pool(&self) -> String {
        "shared".into()
    }
    fn local_pool(&self) -> Option<String> {
        Some("local".into())
    }
    fn carrier(&self) -> Carrier {
        Carrier::Bridge("br0".into())
    }
    fn image(&self) -> Option<(String, Arc<Vec<u8>>)> {
        self.with_image
            .then(|| ("raw".to_string(), Arc::new(vec![7; 300_000])))
    }
    fn seed(&self, address: &str) -> Option<Vec<u8>> {
        self.with_image.then(|| address.as_bytes().to_vec())
    }
    fn guest_address(&self) -> Option<IpAddr> {
        Some([10, 0, 0, 7].into())
    }
    fn guest_obeys(&self) -> bool {
        true
    }
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulated_fleet_passes_every_case() {
    for (kvm, with_image) in [(true, true), (false, false)] {
        let fleet = SimFleet::new(SimSpec {
            kvm,
            ..SimSpec::new("contract", 2)
        });
        let simulated = Simulated {
            fleet: fleet.clone(),
            with_image,
        };
        let subject: Arc<dyn ContractSubject> = Arc::new(simulated);
        let verdicts = run(&subject).await;
        assert_eq!(failures(&verdicts), Vec::<String>::new());
        let passed = verdicts
            .iter()
            .filter(|(_, verdict)| *verdict == bellwether_hypervisor::contract::Verdict::Passed)
            .count();
        assert_eq!(
            passed,
            verdicts.len(),
            "the simulation can do all: {verdicts:?}"
        );
        assert_eq!(fleet.check(), Vec::<String>::new());
        assert_eq!(fleet.unused_volumes(), Vec::<String>::new());
    }
}

//! The contract every implementation passes: a list of named cases, each run and reported apart. The simulated fleet
//! passes them always, a real host in the lab.
//!
//! A case makes what it needs under names of its own and removes it again, also when it fails; cases may run on a host
//! that has other VMs. Nothing here depends on how long something takes, except that it must happen within
//! [`ContractSubject::patience`].

mod console;
mod context;
mod inventory;
mod moves;
mod ownership;
mod power;
mod volumes;

pub use context::{Context, Failure, Outcome};

use crate::Host;
use async_trait::async_trait;
use bellwether_model::network::Carrier;
use std::{fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

/// What is put to the test, and what the cases may count on.
#[async_trait]
pub trait ContractSubject: Send + Sync {
    /// The host.
    fn host(&self) -> Arc<dyn Host>;
    /// Another host to which VMs can move; none where migration is not possible.
    fn other(&self) -> Option<Arc<dyn Host>>;
    /// The URI by which `host` reaches `other`.
    fn peer_uri(&self) -> String;
    /// The URI by which `other` reaches `host`.
    fn back_uri(&self) -> String;
    /// A peer's URI of the same kind behind which nothing answers (and soon says so).
    fn dead_uri(&self) -> String;
    /// A pool of that name which `host`, and `other` if there is one, see as one.
    fn shared_pool(&self) -> String;
    /// A pool of that name and path on both which is each host's own; none to leave disk copies out.
    fn local_pool(&self) -> Option<String>;
    /// What VMs are plugged into, on both.
    fn carrier(&self) -> Carrier;
    /// An image to start from: format and file; none for empty disks, where nothing boots.
    fn image(&self) -> Option<(String, Arc<Vec<u8>>)>;
    /// Another volume that a guest needs to come up (a seed), for the address it shall have; none for no seed.
    fn seed(&self, address: &str) -> Option<Vec<u8>>;
    /// The address a guest is given that boots, where the host then comes to know it.
    fn guest_address(&self) -> Option<IpAddr>;
    /// Whether its guests shut down when asked.
    fn guest_obeys(&self) -> bool;
    /// How long to wait for what takes its time (a boot, a shutdown, an event).
    fn patience(&self) -> Duration;
}

/// What a case needs beyond a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Host,
    /// Another host to move to.
    Other,
    /// A local pool on both hosts.
    LocalPools,
    /// A guest that obeys.
    ObedientGuest,
    /// A guest whose address becomes known.
    GuestAddress,
}

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name says what must hold.
    pub name: &'static str,
    /// What it needs.
    pub needs: Needs,
    run: for<'a> fn(&'a Context) -> Running<'a>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! cases {
    ($($needs:ident: $part:ident::$name:ident,)+) => {
        vec![$(Case {
            name: concat!(stringify!($part), "::", stringify!($name)),
            needs: Needs::$needs,
            run: |context| Box::pin($part::$name(context)),
        }),+]
    };
}

/// Every case, from the simple to the involved.
pub fn cases() -> Vec<Case> {
    cases![
        Host: inventory::facts_are_plausible,
        Host: inventory::places_name_pools_and_carriers,
        Host: inventory::a_sample_holds_running_and_stopped_vms,
        Host: inventory::a_cheap_look_leaves_out_what_is_dear,
        Host: inventory::power_states_hold_every_vm,
        Host: inventory::a_host_runs_its_own_baseline,
        Host: inventory::events_tell_of_a_start,
        Host: power::defining_twice_is_fine,
        Host: power::a_name_or_uuid_of_another_is_refused,
        Host: power::a_definition_that_makes_no_sense_is_refused,
        Host: power::starting_and_stopping_twice_is_fine,
        Host: power::a_running_vm_is_not_undefined,
        Host: power::a_plain_machine_starts_too,
        Host: power::what_an_off_vm_cannot_do,
        Host: power::an_unknown_vm_is_said_to_be_unknown,
        ObedientGuest: power::an_obedient_guest_shuts_down,
        Host: ownership::survives_hostile_text,
        Host: ownership::can_be_rewritten_running_and_off,
        Host: volumes::creating_twice_is_fine_and_differently_is_not,
        Host: volumes::an_overlay_names_its_backing,
        Host: volumes::unknown_pools_and_volumes,
        Host: volumes::an_upload_arrives_and_tells_how_far_it_is,
        Host: volumes::a_short_upload_leaves_nothing,
        Other: volumes::a_shared_pool_is_one,
        Host: console::a_screen_has_a_port_and_takes_a_password,
        GuestAddress: console::the_address_becomes_known,
        Host: moves::what_it_writes_is_told,
        Other: moves::there_and_back,
        Other: moves::outlives_its_caller,
        Other: moves::can_be_cancelled,
        Other: moves::can_be_steered,
        Other: moves::goes_on_before_its_memory_is_there,
        Other: moves::to_a_dead_peer_stays,
        Other: moves::to_itself_stays,
        LocalPools: moves::with_its_disk,
    ]
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// The subject has not what it needs.
    Skipped,
    /// It does not hold, and why.
    Failed(String),
}

impl Case {
    /// Runs the case and cleans up after it.
    pub async fn run(&self, subject: &Arc<dyn ContractSubject>) -> Verdict {
        let has = match self.needs {
            Needs::Host => true,
            Needs::Other => subject.other().is_some(),
            Needs::LocalPools => subject.other().is_some() && subject.local_pool().is_some(),
            Needs::ObedientGuest => subject.guest_obeys(),
            Needs::GuestAddress => subject.guest_address().is_some(),
        };
        if !has {
            return Verdict::Skipped;
        }
        let context = Context::new(subject.clone());
        let outcome = (self.run)(&context).await;
        let left = context.clean().await;
        match (outcome, left) {
            (Ok(()), Ok(())) => Verdict::Passed,
            (Err(failure), _) => Verdict::Failed(failure.0),
            (Ok(()), Err(failure)) => Verdict::Failed(format!("cleaning up: {}", failure.0)),
        }
    }
}

/// Runs every case, one after the other.
pub async fn run(subject: &Arc<dyn ContractSubject>) -> Vec<(&'static str, Verdict)> {
    let mut verdicts = Vec::new();
    for case in cases() {
        verdicts.push((case.name, case.run(subject).await));
    }
    verdicts
}

/// The failed ones, a line each; empty is good.
pub fn failures(verdicts: &[(&'static str, Verdict)]) -> Vec<String> {
    verdicts
        .iter()
        .filter_map(|(name, verdict)| match verdict {
            Verdict::Failed(why) => Some(format!("{name}: {why}")),
            _ => None,
        })
        .collect()
}

//! The fleet as one look at what is recorded and what was last seen: what pages draw and decisions are made on.
//!
//! A look is kept until one of the two changes, so that a hundred pages drawn in the same moment cost one.

use crate::{Engine, monitor, networks};
use bellwether_decide::{
    fleet::{Fleet, FleetHost, Moving, Room, Sources},
    monitor::{Twice, live_twice, mark_moves},
};
use bellwether_model::{
    Day, HostId, MiB, NetworkId, Result, Timestamp, Vcpus,
    migration::{Migration, MigrationOutcome},
    observed::Observed,
};
use bellwether_store::Records;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Addresses that rested long enough are found free at most so much later; giving one out looks anew.
const ADDRESSES_AGE: Duration = Duration::from_secs(10);

/// Everything at one moment.
#[derive(Debug)]
pub struct Look {
    /// What is recorded.
    pub records: Arc<Records>,
    /// What was last seen, with the moves known that explain it.
    pub observed: Arc<Observed>,
    /// Room, storages and networks, as decisions are made on.
    pub fleet: Fleet,
    /// What is promised today on each host, and the most that may be.
    pub rooms: BTreeMap<HostId, Room>,
    /// Addresses of each network still free.
    pub free_addresses: BTreeMap<NetworkId, u64>,
    /// VMs that live on more than one host.
    pub twice: Vec<Twice>,
}

impl Look {
    /// What is promised today on the host; nothing where it is not known.
    pub fn room(&self, host: HostId) -> Room {
        self.rooms.get(&host).copied().unwrap_or_default()
    }
    /// Whether some host, were it empty, could carry a VM of this size; so too while no host is known yet.
    pub fn could_carry(&self, vcpus: Vcpus, memory: MiB) -> bool {
        let could = |host: &FleetHost| {
            let room = self.room(host.id);
            vcpus.0 <= host.widest() && vcpus <= room.vcpus_limit && memory <= room.memory_limit
        };
        self.fleet.hosts.is_empty() || self.fleet.hosts.iter().any(could)
    }
    /// Addresses of the network still free; none where it is not known.
    pub fn free(&self, network: NetworkId) -> u64 {
        self.free_addresses.get(&network).copied().unwrap_or(0)
    }
}

/// What a look was made from.
struct From {
    records: Arc<Records>,
    observed: Arc<Observed>,
    moves: Vec<Migration>,
    today: Day,
    /// Steps of [`ADDRESSES_AGE`].
    when: u128,
}

impl From {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.records, &other.records)
            && Arc::ptr_eq(&self.observed, &other.observed)
            && self.moves == other.moves
            && (self.today, self.when) == (other.today, other.when)
    }
}

/// The last look of an engine.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(From, Arc<Look>)>>);

impl Engine {
    /// The fleet as of now, or of a moment later; asks no host.
    pub async fn look(&self) -> Result<Arc<Look>> {
        let mut from = self.sources().await?;
        // Who comes while another makes a look waits for that one's.
        let mut kept = self.inner.look.0.lock().await;
        for again in [false, true] {
            if again {
                // What was read before the wait may be older than what is kept.
                from = self.sources().await?;
            }
            if let Some((made_from, look)) = &*kept
                && made_from.is(&from)
            {
                return Ok(look.clone());
            }
        }
        let look = Arc::new(self.make_look(&from));
        *kept = Some((from, look.clone()));
        Ok(look)
    }

    /// What was last seen, with the moves known that explain it; asks no host.
    pub async fn sights(&self) -> Result<Arc<Observed>> {
        Ok(self.look().await?.observed.clone())
    }

    async fn sources(&self) -> Result<From> {
        // A host seen longer ago counts as silent, and what it showed is not held against another's sight.
        let since = self.now().minus(monitor::silent_after(self));
        let (records, moves) = tokio::try_join!(
            self.store().records(),
            self.store().recent_migrations(since)
        )?;
        let now = self.now();
        Ok(From {
            records,
            moves,
            // After the moves: what was seen before one began is not of it, and what ends meanwhile is marked.
            observed: self.observed(),
            today: self.today(),
            when: now.since(Timestamp(0)).as_millis() / ADDRESSES_AGE.as_millis(),
        })
    }

    fn make_look(&self, from: &From) -> Look {
        let records = &from.records;
        let mut observed = from.observed.clone();
        if !from.moves.is_empty() {
            mark_moves(Arc::make_mut(&mut observed), &from.moves);
        }
        let under_way = from.moves.iter();
        let moving: Vec<Moving> = under_way
            .filter(|migration| migration.outcome == MigrationOutcome::Running)
            .map(|migration| Moving {
                vm: migration.vm,
                target: migration.target,
            })
            .collect();
        let free_addresses: BTreeMap<_, _> = records
            .networks
            .iter()
            .map(|network| {
                let held = records.addresses.get(&network.id).map(Vec::as_slice);
                let held = held.unwrap_or_default();
                let free = networks::free_of(network, held, &records.policy, self.now());
                (network.id, free)
            })
            .collect();
        let fleet = Fleet::new(&Sources {
            hosts: &records.hosts,
            observed: &from.observed,
            vms: &records.vms,
            storages: &records.storages,
            networks: &records.networks,
            free_addresses: &free_addresses,
            moving: &moving,
            today: from.today,
        });
        let rooms = fleet.hosts.iter();
        let rooms = rooms.map(|host| (host.id, host.room_on(fleet.today, &records.policy, None)));
        Look {
            rooms: rooms.collect(),
            records: records.clone(),
            twice: live_twice(&observed),
            observed,
            fleet,
            free_addresses,
        }
    }
}

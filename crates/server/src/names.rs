//! What things are called, for answers that name other things.

use bellwether_api::Names;
use bellwether_engine::Engine;
use bellwether_model::{HostId, ImageId, NetworkId, Result, StorageId, UserId, VmId};
use bellwether_store::Records;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Names as they were when it was loaded.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    records: Arc<Records>,
    /// VMs that are gone.
    gone: HashMap<VmId, String>,
}

impl Directory {
    /// All there is but VMs that are gone: those are many, and are added by [`Directory::with_vms`].
    pub async fn load(engine: &Engine) -> Result<Self> {
        Ok(Self::of(engine.store().records().await?))
    }

    /// The names in these records.
    pub fn of(records: Arc<Records>) -> Self {
        Self {
            records,
            gone: HashMap::new(),
        }
    }

    /// Looks these VMs up too, wherever they are gone.
    pub async fn with_vms(mut self, engine: &Engine, ids: Vec<VmId>) -> Result<Self> {
        let gone: BTreeSet<VmId> = ids
            .into_iter()
            .filter(|id| self.records.vm(*id).is_none())
            .collect();
        let gone: Vec<VmId> = gone.into_iter().collect();
        self.gone.extend(engine.store().vm_names(&gone).await?);
        Ok(self)
    }

    fn name(&self, id: uuid::Uuid) -> Option<String> {
        self.records.name(id).map(str::to_string)
    }
}

impl Names for Directory {
    fn user(&self, id: UserId) -> Option<String> {
        self.name(id.0)
    }
    fn host(&self, id: HostId) -> Option<String> {
        self.name(id.0)
    }
    fn image(&self, id: ImageId) -> Option<String> {
        self.name(id.0)
    }
    fn storage(&self, id: StorageId) -> Option<String> {
        self.name(id.0)
    }
    fn network(&self, id: NetworkId) -> Option<String> {
        self.name(id.0)
    }
    fn vm(&self, id: VmId) -> Option<String> {
        let here = self.records.vm(id).map(|vm| vm.name.clone());
        here.or_else(|| self.gone.get(&id).cloned())
    }
}

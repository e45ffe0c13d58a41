//! What things are called, for answers that name other things.

use bellwether_api::Names;
use bellwether_engine::Engine;
use bellwether_model::{ErrorKind, HostId, ImageId, NetworkId, Result, StorageId, UserId, VmId};
use std::collections::HashMap;

/// Names as they were when it was loaded.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: HashMap<UserId, String>,
    hosts: HashMap<HostId, String>,
    images: HashMap<ImageId, String>,
    storages: HashMap<StorageId, String>,
    networks: HashMap<NetworkId, String>,
    vms: HashMap<VmId, String>,
}

impl Directory {
    /// People, hosts, images, storages and networks; VMs are many and are added by [`Directory::with_vms`].
    pub async fn load(engine: &Engine) -> Result<Self> {
        let store = engine.store();
        let (users, hosts, images, storages, networks) = tokio::try_join!(
            store.users(),
            store.hosts(),
            store.images(),
            store.storages(),
            store.networks()
        )?;
        Ok(Self {
            users: users
                .into_iter()
                .map(|user| (user.id, user.login))
                .collect(),
            hosts: hosts.into_iter().map(|host| (host.id, host.name)).collect(),
            images: images
                .into_iter()
                .map(|image| (image.id, image.name))
                .collect(),
            storages: storages
                .into_iter()
                .map(|storage| (storage.id, storage.name))
                .collect(),
            networks: networks
                .into_iter()
                .map(|network| (network.id, network.name))
                .collect(),
            vms: HashMap::new(),
        })
    }

    /// Looks these VMs up too.
    pub async fn with_vms(mut self, engine: &Engine, ids: Vec<VmId>) -> Result<Self> {
        for id in ids {
            if self.vms.contains_key(&id) {
                continue;
            }
            match engine.store().vm(id).await {
                Ok(vm) => {
                    self.vms.insert(id, vm.name);
                }
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }
}

impl Names for Directory {
    fn user(&self, id: UserId) -> Option<String> {
        self.users.get(&id).cloned()
    }
    fn host(&self, id: HostId) -> Option<String> {
        self.hosts.get(&id).cloned()
    }
    fn image(&self, id: ImageId) -> Option<String> {
        self.images.get(&id).cloned()
    }
    fn storage(&self, id: StorageId) -> Option<String> {
        self.storages.get(&id).cloned()
    }
    fn network(&self, id: NetworkId) -> Option<String> {
        self.networks.get(&id).cloned()
    }
    fn vm(&self, id: VmId) -> Option<String> {
        self.vms.get(&id).cloned()
    }
}

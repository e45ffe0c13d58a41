//! Addresses and MACs that VMs hold.

use crate::world::{Ground, World, at, commit};
use bellwether_model::{ErrorKind, Mac, Result, VmId};
use bellwether_store::Store;
use std::net::IpAddr;

crate::cases!(addresses_and_macs_are_held_by_one_and_rest_after,);

async fn hold(
    store: &Store,
    network: bellwether_model::NetworkId,
    address: &str,
    mac: Mac,
    vm: VmId,
) -> Result<()> {
    let address: IpAddr = address.parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    let done = tx.hold_address(network, address, mac, vm).await;
    commit(tx, done).await
}

async fn addresses_and_macs_are_held_by_one_and_rest_after(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let network = ground.network.id;
    let (a, b) = (VmId::random(), VmId::random());
    let mac = |n| Mac::local([0, 0, n]);
    hold(&store, network, "10.7.0.10", mac(1), a).await.unwrap();
    hold(&store, network, "10.7.0.10", mac(1), a).await.unwrap();
    let taken = hold(&store, network, "10.7.0.10", mac(2), b)
        .await
        .unwrap_err();
    assert_eq!(
        (taken.kind, taken.fields[0].field.as_str()),
        (ErrorKind::Conflict, "address")
    );
    let taken = hold(&store, network, "10.7.0.9", mac(1), b)
        .await
        .unwrap_err();
    assert_eq!(
        (taken.kind, taken.fields[0].field.as_str()),
        (ErrorKind::Conflict, "mac")
    );
    hold(&store, network, "10.7.0.9", mac(2), b).await.unwrap();

    let mut tx = store.begin().await.unwrap();
    tx.release_address(a, at(50)).await.unwrap();
    tx.release_address(VmId::random(), at(50)).await.unwrap();
    assert_eq!(tx.addresses(network).await.unwrap().len(), 2);
    tx.commit().await.unwrap();
    let listed = store.addresses(network).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|h| (h.address.to_string(), h.mac, h.vm, h.released_at))
            .collect::<Vec<_>>(),
        [
            ("10.7.0.9".into(), mac(2), Some(b), None),
            ("10.7.0.10".into(), mac(1), None, Some(at(50)))
        ],
        "in numeric order, the released one with its moment"
    );
    hold(&store, network, "10.7.0.10", mac(1), b).await.unwrap();
    assert_eq!(store.addresses(network).await.unwrap()[1].vm, Some(b));

    // Eight at once for one address: one gets it.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 10..18 {
        let store = store.clone();
        tasks.spawn(async move {
            hold(&store, network, "10.7.0.77", mac(n), VmId::random())
                .await
                .is_ok()
        });
    }
    assert_eq!(
        tasks.join_all().await.into_iter().filter(|ok| *ok).count(),
        1
    );
}

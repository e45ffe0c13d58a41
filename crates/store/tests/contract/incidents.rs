//! What alerts found, who is told, and how storages fill.

use crate::world::{World, at};
use bellwether_model::{
    ErrorKind, HostId, IncidentId, StorageId, UserId,
    alert::{About, AlertKey, Delivery, Incident, News, Rule},
};
use bellwether_store::{IncidentQuery, NewNotice, NoticeTally};

crate::cases!(
    of_one_rule_and_thing_one_incident_is_open,
    a_silence_lasts_over_incidents,
    each_notice_is_held_by_one_and_sent_once,
    uses_of_storages_are_kept_in_their_order,
);

fn incident(host: HostId, second: i64) -> Incident {
    Incident {
        id: IncidentId::new(),
        key: AlertKey::new(Rule::HostCpu, About::Host, host).part("x"),
        name: "host1".into(),
        owner: Some(UserId::new()),
        text: "busy".into(),
        opened_at: at(second),
        resolved_at: None,
        ending: None,
        silenced_until: None,
        told: false,
    }
}

fn all() -> IncidentQuery {
    IncidentQuery {
        limit: 10,
        ..IncidentQuery::default()
    }
}

async fn of_one_rule_and_thing_one_incident_is_open(world: World) {
    let store = world.store;
    let host = HostId::new();
    assert!(store.open_incidents().await.unwrap().is_empty());
    let mut first = incident(host, 1);
    let mut tx = store.begin().await.unwrap();
    tx.open_incident(&first).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.open_incidents().await.unwrap()[..], [first.clone()]);
    let mut tx = store.begin().await.unwrap();
    let again = tx.open_incident(&incident(host, 2)).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict);
    tx.rollback().await.unwrap();
    first.resolved_at = Some(at(3));
    first.ending = Some("It is calm.".into());
    first.told = true;
    let next = incident(host, 4);
    let mut tx = store.begin().await.unwrap();
    tx.update_incident(&first).await.unwrap();
    tx.open_incident(&next).await.unwrap();
    let open = tx.open_incidents().await.unwrap();
    assert_eq!(open, std::slice::from_ref(&next));
    let missing = tx.update_incident(&incident(host, 1)).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    tx.commit().await.unwrap();
    assert_eq!(store.incident(first.id).await.unwrap(), first);
    assert_eq!(
        store.incidents(all()).await.unwrap(),
        [next.clone(), first.clone()]
    );
    for (query, expected) in [
        (
            IncidentQuery {
                open: Some(false),
                ..all()
            },
            vec![first.clone()],
        ),
        (
            IncidentQuery {
                open: Some(true),
                ..all()
            },
            vec![next.clone()],
        ),
        (
            IncidentQuery {
                rule: Some(Rule::HostStale),
                ..all()
            },
            vec![],
        ),
        (
            IncidentQuery {
                subject: Some(host.0),
                skip: 1,
                ..all()
            },
            vec![first.clone()],
        ),
    ] {
        let counted = store.count_incidents(&query).await.unwrap();
        assert_eq!(counted, expected.len() as u64 + u64::from(query.skip));
        assert_eq!(store.incidents(query).await.unwrap(), expected);
    }
    let mut tx = store.begin().await.unwrap();
    tx.prune_incidents(at(4)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.incidents(all()).await.unwrap(), [next]);
}

async fn a_silence_lasts_over_incidents(world: World) {
    let store = world.store;
    let host = HostId::new();
    let mut first = incident(host, 1);
    let mut tx = store.begin().await.unwrap();
    tx.open_incident(&first).await.unwrap();
    tx.silence(&first.key, Some(at(100))).await.unwrap();
    first.resolved_at = Some(at(2));
    tx.update_incident(&first).await.unwrap();
    let second = incident(host, 50);
    tx.open_incident(&second).await.unwrap();
    let mut second = tx.incident(second.id).await.unwrap();
    assert_eq!(second.silenced_until, Some(at(100)));
    assert!(second.is_silent(at(99)) && !second.is_silent(at(100)));
    second.resolved_at = Some(at(60));
    tx.update_incident(&second).await.unwrap();
    tx.silence(&first.key, None).await.unwrap();
    let third = incident(host, 70);
    tx.open_incident(&third).await.unwrap();
    assert_eq!(
        tx.incident(third.id).await.unwrap().silenced_until,
        None,
        "taken back"
    );
    tx.commit().await.unwrap();
}

async fn each_notice_is_held_by_one_and_sent_once(world: World) {
    let store = world.store;
    let found = incident(HostId::new(), 1);
    let notice = |news, target: &str| NewNotice {
        incident: found.id,
        news,
        target: target.into(),
        made_at: at(1),
    };
    let mut tx = store.begin().await.unwrap();
    tx.open_incident(&found).await.unwrap();
    for target in ["mail", "mail", "hook"] {
        tx.add_notice(&notice(News::Opened, target)).await.unwrap();
    }
    let held = tx.hold_notices("mail", "a", at(2), at(10), 9).await;
    let held = held.unwrap();
    assert_eq!(held.len(), 1);
    let other = tx.hold_notices("mail", "b", at(3), at(11), 9).await;
    assert_eq!(other.unwrap(), []);
    tx.commit().await.unwrap();
    // Who held it died.
    let mut tx = store.begin().await.unwrap();
    let taken = tx.hold_notices("mail", "b", at(10), at(20), 9).await;
    assert_eq!(taken.unwrap(), held);
    tx.end_notice(held[0].id, Delivery::Waiting, Some("busy"), at(11))
        .await
        .unwrap();
    let again = tx.hold_notices("mail", "a", at(12), at(30), 9).await;
    assert_eq!(again.unwrap()[0].trouble.as_deref(), Some("busy"));
    tx.end_notice(held[0].id, Delivery::Sent, None, at(13))
        .await
        .unwrap();
    tx.add_notice(&notice(News::Opened, "mail")).await.unwrap();
    let none = tx.hold_notices("mail", "a", at(99), at(100), 9).await;
    assert_eq!(none.unwrap(), [], "it was sent");
    assert_eq!(tx.drop_notices(at(2), at(14)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let told = store.notices(found.id).await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|notice| (notice.target.as_str(), notice.delivery, notice.ended_at))
        .collect();
    let expected = [
        ("hook", Delivery::Dropped, Some(at(14))),
        ("mail", Delivery::Sent, Some(at(13))),
    ];
    assert_eq!(told, expected);
    let tally = |target: &str, delivery| NoticeTally {
        target: target.into(),
        delivery,
        count: 1,
    };
    assert_eq!(
        store.notice_tallies().await.unwrap(),
        [
            tally("hook", Delivery::Dropped),
            tally("mail", Delivery::Sent)
        ]
    );
}

async fn uses_of_storages_are_kept_in_their_order(world: World) {
    let store = world.store;
    let storage = StorageId::new();
    let mut tx = store.begin().await.unwrap();
    for (part, second, used) in [("", 2, 20), ("", 1, 10), ("h", 1, 5), ("h", 1, 6)] {
        tx.add_pool_use(storage, part, at(second), used)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let uses = store.pool_uses(at(0)).await.unwrap();
    assert_eq!(uses[&(storage, String::new())], [(at(1), 10), (at(2), 20)]);
    assert_eq!(uses[&(storage, "h".into())], [(at(1), 5)]);
    let mut tx = store.begin().await.unwrap();
    tx.prune_pool_uses(at(2)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.pool_uses(at(0)).await.unwrap().len(), 1);
}

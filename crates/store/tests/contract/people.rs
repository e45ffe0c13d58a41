//! Accounts, tokens, policy, audit, live events.

use crate::world::{World, at, user};
use bellwether_model::{
    ErrorKind, TokenId, UserId,
    people::{AccountState, Role, Token, TokenKind},
    policy::Policy,
};
use bellwether_store::{AuditQuery, NewAudit, NewEvent};

crate::cases!(
    accounts_round_trip_and_are_unique_whatever_the_case,
    only_active_admins_count,
    tokens_end_by_time_by_word_and_with_the_account,
    policy_keeps_every_version_and_refuses_the_late,
    audit_is_newest_first_and_filtered,
    text_arrives_as_it_was_sent,
);

async fn accounts_round_trip_and_are_unique_whatever_the_case(world: World) {
    let store = world.store;
    let (ada, ben) = (user("ada"), user("ben"));
    let mut tx = store.begin().await.unwrap();
    tx.insert_user(&ada, "hash of ada").await.unwrap();
    tx.insert_user(&ben, "hash of ben").await.unwrap();

    let mut same_login = user("ADA");
    same_login.mail = "other@example.org".into();
    let said = tx.insert_user(&same_login, "h").await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Conflict);
    assert_eq!(said.fields[0].field, "login");
    assert!(said.message.contains("'ADA' is taken"), "{said}");

    let mut same_mail = user("cleo");
    same_mail.mail = "Ben@Example.ORG".into();
    let said = tx.insert_user(&same_mail, "h").await.unwrap_err();
    assert_eq!(
        (said.kind, said.fields[0].field.as_str()),
        (ErrorKind::Conflict, "mail")
    );
    // A refusal worded by the store leaves the transaction usable, on both engines.
    tx.set_password_hash(ben.id, "new").await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(store.user(ada.id).await.unwrap(), ada);
    assert_eq!(store.user_by_login("aDa").await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user_by_login("a%").await.unwrap(), None);
    assert_eq!(store.users().await.unwrap(), [ada.clone(), ben.clone()]);
    assert_eq!(store.password_hash(ben.id).await.unwrap(), "new");
    assert_eq!(
        store.user(UserId::new()).await.unwrap_err().kind,
        ErrorKind::NotFound
    );

    let mut tx = store.begin().await.unwrap();
    let mut renamed = ben.clone();
    renamed.mail = "ADA@example.org".into();
    assert_eq!(
        tx.update_user(&renamed).await.unwrap_err().fields[0].field,
        "mail"
    );
    renamed.mail = "BEN@example.org".into();
    renamed.state = AccountState::Disabled;
    tx.update_user(&renamed).await.unwrap();
    assert_eq!(
        tx.update_user(&user("nobody")).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    tx.commit().await.unwrap();
    assert_eq!(store.user(ben.id).await.unwrap(), renamed);
}

async fn only_active_admins_count(world: World) {
    let store = world.store;
    let mut tx = store.begin().await.unwrap();
    for (login, role, state) in [
        ("a", Role::Admin, AccountState::Active),
        ("b", Role::Admin, AccountState::Disabled),
        ("c", Role::User, AccountState::Active),
    ] {
        let mut someone = user(login);
        (someone.role, someone.state) = (role, state);
        tx.insert_user(&someone, "h").await.unwrap();
    }
    assert_eq!(tx.active_admins().await.unwrap(), 1);
    assert_eq!(
        store.active_admins().await.unwrap(),
        0,
        "nothing is visible before the commit"
    );
    tx.commit().await.unwrap();
    assert_eq!(store.active_admins().await.unwrap(), 1);
}

async fn tokens_end_by_time_by_word_and_with_the_account(world: World) {
    let store = world.store;
    let mut ada = user("ada");
    let token = |kind, name: &str, ends| Token {
        id: TokenId::new(),
        user: ada.id,
        kind,
        name: name.into(),
        created_at: at(0),
        used_at: at(0),
        expires_at: at(ends),
    };
    let session = token(TokenKind::Session, "", 100);
    let other = token(TokenKind::Session, "", 50);
    let api = token(TokenKind::Api, "ci", 1000);
    let mut tx = store.begin().await.unwrap();
    tx.insert_user(&ada, "h").await.unwrap();
    tx.insert_token(&session, &[1; 32]).await.unwrap();
    tx.insert_token(&other, &[2; 32]).await.unwrap();
    tx.insert_token(&api, &[3; 32]).await.unwrap();
    tx.commit().await.unwrap();

    let found = store.token_by_secret(&[1; 32], at(99)).await.unwrap();
    assert_eq!(found, Some((session.clone(), ada.clone())));
    assert_eq!(
        store.token_by_secret(&[1; 32], at(100)).await.unwrap(),
        None
    );
    assert_eq!(store.token_by_secret(&[9; 32], at(0)).await.unwrap(), None);
    assert_eq!(store.tokens(ada.id).await.unwrap().len(), 3);

    let mut tx = store.begin().await.unwrap();
    tx.touch_token(session.id, at(90), at(190)).await.unwrap();
    assert!(
        !tx.delete_token(UserId::new(), api.id).await.unwrap(),
        "somebody else's"
    );
    tx.delete_tokens(ada.id, Some(TokenKind::Session), Some(session.id))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let left: Vec<_> = store
        .tokens(ada.id)
        .await
        .unwrap()
        .iter()
        .map(|t| (t.id, t.expires_at))
        .collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&(session.id, at(190))) && left.contains(&(api.id, at(1000))));

    let mut tx = store.begin().await.unwrap();
    tx.prune_tokens(at(500)).await.unwrap();
    ada.state = AccountState::Disabled;
    tx.update_user(&ada).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        store.token_by_secret(&[3; 32], at(500)).await.unwrap(),
        None,
        "disabled"
    );
    assert_eq!(store.tokens(ada.id).await.unwrap().len(), 1);
    let mut tx = store.begin().await.unwrap();
    tx.delete_tokens(ada.id, None, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.tokens(ada.id).await.unwrap(), []);
}

async fn policy_keeps_every_version_and_refuses_the_late(world: World) {
    let store = world.store;
    assert_eq!(store.policy().await.unwrap(), (Policy::default(), 0));
    let mut policy = Policy {
        cpu_overcommit: 2.5,
        ..Policy::default()
    };
    let mut tx = store.begin().await.unwrap();
    tx.set_policy(&policy, 0, None, at(1)).await.unwrap();
    tx.commit().await.unwrap();
    policy.warn_days = 3;
    let mut tx = store.begin().await.unwrap();
    let late = tx.set_policy(&policy, 0, None, at(2)).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    tx.set_policy(&policy, 1, Some(UserId::new()), at(2))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.policy().await.unwrap(), (policy, 2));
}

async fn audit_is_newest_first_and_filtered(world: World) {
    let store = world.store;
    let ada = UserId::new();
    let line = |action: &str, about_id: &str, actor| NewAudit {
        at: at(5),
        actor,
        actor_login: if actor.is_some() { "ada" } else { "system" }.into(),
        action: action.into(),
        about: "vm".into(),
        about_id: about_id.into(),
        text: format!("{action} of {about_id}"),
    };
    let mut tx = store.begin().await.unwrap();
    for (action, id, actor) in [
        ("vm.start", "v1", Some(ada)),
        ("vm.stop", "v2", None),
        ("vm.stop", "v1", None),
        ("vm.delete", "v1", Some(ada)),
    ] {
        tx.audit(line(action, id, actor)).await.unwrap();
    }
    tx.emit(NewEvent {
        at: at(5),
        topic: "vm".into(),
        id: "v1".into(),
        owner: Some(ada),
        public: false,
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let of = |query: AuditQuery| {
        let store = store.clone();
        async move {
            store
                .audit(query)
                .await
                .unwrap()
                .into_iter()
                .map(|l| l.action)
                .collect::<Vec<_>>()
        }
    };
    let all = AuditQuery {
        limit: 10,
        ..AuditQuery::default()
    };
    assert_eq!(
        of(all.clone()).await,
        ["vm.delete", "vm.stop", "vm.stop", "vm.start"]
    );
    let about = Some(("vm".into(), "v1".into()));
    assert_eq!(
        of(AuditQuery {
            about,
            ..all.clone()
        })
        .await,
        ["vm.delete", "vm.stop", "vm.start"]
    );
    assert_eq!(
        of(AuditQuery {
            actor: Some(ada),
            ..all.clone()
        })
        .await,
        ["vm.delete", "vm.start"]
    );
    let newest = store
        .audit(AuditQuery {
            limit: 1,
            ..all.clone()
        })
        .await
        .unwrap();
    let older = of(AuditQuery {
        before: Some(newest[0].seq),
        ..all.clone()
    })
    .await;
    assert_eq!(older, ["vm.stop", "vm.stop", "vm.start"]);

    // A line's number is that of the event that tells of it.
    let events = store.events_after(0, 100).await.unwrap();
    assert_eq!(events.len(), 5);
    let told = events.iter().find(|e| e.seq == newest[0].seq).unwrap();
    assert_eq!(
        (told.topic.as_str(), told.id.as_str(), told.public),
        ("audit", "v1", false)
    );
    assert_eq!(events[4].owner, Some(ada));
    assert_eq!(store.last_event().await.unwrap(), events[4].seq);
    assert_eq!(
        store.events_after(events[3].seq, 100).await.unwrap(),
        events[4..]
    );
    let mut tx = store.begin().await.unwrap();
    tx.prune_events(at(6)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.events_after(0, 100).await.unwrap(), []);
    assert_eq!(
        store.last_event().await.unwrap(),
        events[4].seq,
        "numbers are not used again"
    );
}

async fn text_arrives_as_it_was_sent(world: World) {
    let store = world.store;
    for (index, name) in [
        "O'Brien \"x\" <b>",
        "データ\n\ttab",
        "ﷺ𝔘 e\u{301}",
        "' OR 1=1; --",
        &"x".repeat(10_000),
        " ",
        "$1 ?1 :a %_",
    ]
    .into_iter()
    .enumerate()
    {
        let mut someone = user(&format!("u{index}"));
        someone.full_name = name.into();
        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&someone, "h").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.user(someone.id).await.unwrap().full_name, name);
    }
    let mut nul = user("nul");
    nul.full_name = "a\0b".into();
    let mut tx = store.begin().await.unwrap();
    let said = tx.insert_user(&nul, "h").await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Invalid);
}

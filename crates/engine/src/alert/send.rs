//! Senders: each of those who are told has one, which sends what waits for it, several notices together.

use super::{OWNER, Target, Way, words};
use crate::{
    Engine,
    export::{http::Attempt, pause::Pause},
};
use bellwether_model::{
    Result, UserId,
    alert::{Delivery, Incident},
    people::AccountState,
};
use bellwether_store::Notice;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use words::Item;

/// Notices sent together at most.
const TOGETHER: u32 = 50;
/// What another process left is found at the latest after this long.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Starts a sender for each of those who are told.
pub(crate) fn spawn_all(engine: &Engine, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    let spawn = |target: &Arc<Target>| {
        let (engine, target, stop) = (engine.clone(), target.clone(), stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(send_all(&engine, &target)).await;
        })
    };
    engine.inner.alerts.targets.iter().map(spawn).collect()
}

/// Sends for ever.
async fn send_all(engine: &Engine, target: &Target) {
    let mut pause = Pause::default();
    loop {
        match round(engine, target).await {
            Ok(None) => {
                pause.reset();
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = target.wanted.notified() => {}
                }
            }
            Ok(Some(Attempt::Taken)) => {
                target.well();
                pause.reset();
            }
            Ok(Some(Attempt::Refused(why))) => {
                target.trouble(&why);
                pause.reset();
            }
            Ok(Some(Attempt::Later(why, asked))) => {
                target.trouble(&why);
                pause.rest_at_least(asked).await;
            }
            Err(error) => {
                tracing::warn!(to = target.name, %error, context = error.context(), "notices can't be read or written");
                pause.rest().await;
            }
        }
    }
}

/// Owners in a row who could not be told before it is taken for the mail server's trouble.
const LATER_OWNERS: u32 = 5;

/// Sends what waits, together; none where nothing does. Who is killed in between is followed by one that sends it again,
/// once the hold is over.
async fn round(engine: &Engine, target: &Target) -> Result<Option<Attempt>> {
    if !engine.store().notice_waits(&target.name).await? {
        return Ok(None);
    }
    let now = engine.now();
    let settings = engine.settings();
    let until = now.plus(settings.job_lease);
    let mut tx = engine.store().begin().await?;
    let notices = tx
        .hold_notices(&target.name, &settings.holder, now, until, TOGETHER)
        .await?;
    tx.commit().await?;
    if notices.is_empty() {
        return Ok(None);
    }
    let mut worst = Attempt::Taken;
    let mut later = 0;
    // One owner's full mailbox is nothing to the others; where nobody gets anything it is the server.
    let enough = match target.way {
        Way::Owner(_) => LATER_OWNERS,
        _ => 1,
    };
    for items in groups(engine, target, notices).await? {
        let sent = send(engine, target, &items).await?;
        write(engine, &items, &sent).await?;
        later = match sent {
            Attempt::Later(..) => later + 1,
            _ => 0,
        };
        if !matches!(sent, Attempt::Taken) {
            worst = sent;
        }
        if later >= enough {
            break;
        }
    }
    Ok(Some(worst))
}

/// What is told together: everything, but to owners each what is theirs.
async fn groups(engine: &Engine, target: &Target, notices: Vec<Notice>) -> Result<Vec<Vec<Item>>> {
    let mut groups: BTreeMap<Option<UserId>, Vec<Item>> = BTreeMap::new();
    for notice in notices {
        let incident: Incident = engine.store().incident(notice.incident).await?;
        let owner = incident.owner.filter(|_| target.name == OWNER);
        let group = groups.entry(owner).or_default();
        group.push(Item { notice, incident });
    }
    Ok(groups.into_values().collect())
}

async fn send(engine: &Engine, target: &Target, items: &[Item]) -> Result<Attempt> {
    let body = || words::body(items, engine.zone());
    Ok(match &target.way {
        Way::Mail(mailer, to) => mailer.send(to, &words::subject(items), body()).await,
        Way::Owner(mailer) => match owner(engine, items).await? {
            Some(to) => mailer.send(&to, &words::subject(items), body()).await,
            None => Attempt::Refused("the owner has left, or may not sign in".into()),
        },
        Way::Webhook(hook) => {
            let records = engine.store().records().await?;
            let json = serde_json::to_vec(&words::json(items, &records));
            hook.send(json.map_err(bellwether_model::Error::internal)?)
                .await
        }
    })
}

/// The mail address of whose these are.
async fn owner(engine: &Engine, items: &[Item]) -> Result<Option<String>> {
    let records = engine.store().records().await?;
    let owner = items.first().and_then(|item| item.incident.owner);
    let owner = owner.and_then(|owner| records.user(owner));
    let owner = owner.filter(|user| user.state == AccountState::Active);
    Ok(owner.map(|user| user.mail.clone()))
}

async fn write(engine: &Engine, items: &[Item], sent: &Attempt) -> Result<()> {
    let (delivery, trouble) = match sent {
        Attempt::Taken => (Delivery::Sent, None),
        Attempt::Refused(why) => (Delivery::Refused, Some(why.as_str())),
        Attempt::Later(why, _) => (Delivery::Waiting, Some(why.as_str())),
    };
    let now = engine.now();
    let mut tx = engine.store().begin().await?;
    for item in items {
        tx.end_notice(item.notice.id, delivery, trouble, now)
            .await?;
    }
    tx.commit().await
}

//! Ownership and description travel with the VM, whatever people wrote.

use super::context::{Context, Outcome, ensure};
use crate::{Host, Ownership};
use uuid::Uuid;

const HOSTILE: &[&str] = &[
    "plain",
    "a \"quoted\" & 'apostrophed' <tag attr=\"x\">]]></tag>",
    "Büro – データ – שלום – 🐏",
    "two\nlines\tand a tab",
    "<!-- no comment --> &amp; &#10; %s {} $(id) `id`",
    "-- '; DROP TABLE vms;",
];

fn hostile(round: usize) -> Ownership {
    let text = |offset: usize| HOSTILE[(round + offset) % HOSTILE.len()].to_string();
    Ownership {
        owner: text(0),
        request: text(1),
        lease_from: text(2),
        lease_until: text(3),
        name: text(4),
        image: text(5),
        address: text(6),
        job: text(7),
    }
}

async fn carries(host: &dyn Host, vm: Uuid, ownership: &Ownership, description: &str) -> Outcome {
    let seen = host.describe(vm).await?;
    ensure!(
        seen.ownership.as_ref() == Some(ownership),
        "ownership came back as {:?}, was {ownership:?}",
        seen.ownership
    );
    ensure!(
        seen.description == description,
        "the description came back as {:?}, was {description:?}",
        seen.description
    );
    Ok(())
}

pub(super) async fn survives_hostile_text(context: &Context) -> Outcome {
    let host = context.host();
    let mut definition = context.defined().await?;
    for (round, text) in HOSTILE.iter().enumerate() {
        definition.title = text.replace(['\n', '\t'], " ");
        definition.description = (*text).into();
        definition.ownership = hostile(round);
        host.define(&definition).await?;
        carries(&*host, definition.uuid, &definition.ownership, text).await?;
    }
    Ok(())
}

pub(super) async fn can_be_rewritten_running_and_off(context: &Context) -> Outcome {
    let host = context.host();
    let vm = context.running().await?.uuid;
    host.set_ownership(vm, &hostile(1), HOSTILE[1]).await?;
    carries(&*host, vm, &hostile(1), HOSTILE[1]).await?;
    host.force_off(vm).await?;
    carries(&*host, vm, &hostile(1), HOSTILE[1]).await?;
    host.set_ownership(vm, &hostile(2), HOSTILE[3]).await?;
    host.start(vm).await?;
    carries(&*host, vm, &hostile(2), HOSTILE[3]).await
}

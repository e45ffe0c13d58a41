//! Live events: what pages listen to.
//!
//! What changes seldom goes through the events table (it has a sequence, survives a restart and reaches other
//! replicas); samples are told in this process only, for they come every few seconds anyway.

use crate::Engine;
use bellwether_model::{HostId, Result, UserId};
use bellwether_store::{Event, NewEvent, Tx};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Live {
    /// A host was sampled.
    Sampled(HostId),
    /// A stored event.
    Event(Event),
}

impl Engine {
    /// Writes an event about `topic`/`id` in the transaction; listeners hear of it after the commit, when
    /// [`Engine::tell`] is called (or at the next poll of the table).
    pub(crate) async fn emit(
        &self,
        tx: &mut Tx,
        topic: &str,
        id: impl ToString,
        owner: Option<UserId>,
    ) -> Result<()> {
        tx.emit(NewEvent {
            at: self.now(),
            topic: topic.into(),
            id: id.to_string(),
            owner,
            public: false,
        })
        .await?;
        Ok(())
    }
    /// Passes newly committed events on to this process's listeners.
    pub(crate) async fn tell(&self) {
        let mut last = self.inner.last_event.lock().await;
        // Lists may be long after an outage; a listener that lags re-reads its page anyway.
        while let Ok(events) = self.store().events_after(*last, 200).await {
            let Some(newest) = events.last().map(|event| event.seq) else {
                break;
            };
            *last = newest;
            for event in events {
                // No listener is fine.
                let _ = self.inner.live.send(Live::Event(event));
            }
        }
    }
}

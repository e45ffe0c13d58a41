//! Alerts: what somebody should know of is found, kept, shown and told.
//!
//! On the sampling period everything is looked at as it was last seen ([`run`]); [`bellwether_decide::alert`] says what is
//! new and what is over. An incident and the notices of it are written in one transaction, so that neither is without the
//! other. Each of those who are told has a sender of its own ([`send`]) that nobody waits for: it tries until the notice
//! is taken, refused for good, or a day old. A notice that was under way when the process died is sent again by the next:
//! at least once, and told apart by its identifier.

mod evaluate;
mod mail;
mod marks;
mod send;
mod silence;
mod webhook;
mod words;

pub use evaluate::run;
pub use mail::is_mail_address;
pub use silence::{LONGEST_SILENCE, silence};

pub(crate) use marks::check_policy;
pub(crate) use send::spawn_all;

use crate::{Engine, export::Credentials};
use bellwether_decide::alert::{Progress, Standing};
use bellwether_model::{
    Result, Timestamp,
    alert::{Incident, Rule},
};
use bellwether_store::{PoolUses, Tx};
use secrecy::SecretString;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// What is over is forgotten after so long.
const KEEP: Duration = Duration::from_secs(90 * 86_400);
/// What could not be told for so long is no news.
const NEWS: Duration = Duration::from_secs(86_400);

/// Who is told.
#[derive(Clone, Debug, Default)]
pub struct Tell {
    /// By mail.
    pub mail: Option<ToMail>,
    /// By a request to a server.
    pub webhooks: Vec<ToWebhook>,
}

/// How mail is sent, and to whom beside the owners of what it is about.
#[derive(Clone, Debug)]
pub struct ToMail {
    /// The mail server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// PEM file of an authority that is trusted beside the machine's own.
    pub ca_file: Option<std::path::PathBuf>,
    /// Name and password, where it wants some.
    pub credentials: Option<(String, SecretString)>,
    /// Whom it is from.
    pub from: String,
    /// Those who are told of everything.
    pub to: Vec<String>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// By STARTTLS; without it nothing is sent.
    #[default]
    StartTls,
    /// From the first byte.
    Tls,
}

/// A server that takes alerts as JSON.
#[derive(Clone, Debug)]
pub struct ToWebhook {
    /// What it is called, here and in what is shown: its address may be a secret.
    pub name: String,
    /// Its address.
    pub url: SecretString,
    /// How it is told who we are.
    pub credentials: Credentials,
    /// What requests are signed with.
    pub signing_key: Option<SecretString>,
}

/// Somebody who is told.
#[derive(Debug)]
enum Way {
    /// This address, of everything.
    Mail(Arc<mail::Mailer>, String),
    /// The owner of what it is about.
    Owner(Arc<mail::Mailer>),
    /// A server.
    Webhook(webhook::Hook),
}

/// Somebody who is told, with how that goes.
#[derive(Debug)]
struct Target {
    /// What it is called in the database and in what is shown.
    name: String,
    way: Way,
    trouble: Mutex<Option<String>>,
    /// Wakes its sender.
    wanted: Notify,
}

/// The owner of what an incident is about, as a target.
pub const OWNER: &str = "owner";

/// Who is told, and how that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// `mail` with the address, `owner`, or `webhook` with its name.
    pub name: String,
    /// What is in the way.
    pub trouble: Option<String>,
}

/// What the task keeps from one run to the next.
#[derive(Debug, Default)]
struct Board {
    /// When it ran first in this process.
    began: Option<tokio::time::Instant>,
    standing: Standing,
    progress: Progress,
    /// How storages filled, and when that was last noted.
    used: Option<(Timestamp, PoolUses)>,
}

/// Everything about alerts that lasts.
#[derive(Debug)]
pub(crate) struct Alerts {
    board: tokio::sync::Mutex<Board>,
    targets: Vec<Arc<Target>>,
}

impl Alerts {
    pub fn new(tell: &Tell) -> Self {
        let target = |name: String, way| {
            Arc::new(Target {
                name,
                way,
                trouble: Mutex::default(),
                wanted: Notify::new(),
            })
        };
        let mut targets = Vec::new();
        if let Some(to) = &tell.mail {
            let mailer = Arc::new(mail::Mailer::new(to.clone()));
            for address in &to.to {
                let way = Way::Mail(mailer.clone(), address.clone());
                targets.push(target(format!("mail {address}"), way));
            }
            targets.push(target(OWNER.into(), Way::Owner(mailer)));
        }
        for hook in &tell.webhooks {
            let way = Way::Webhook(webhook::Hook::new(hook.clone()));
            targets.push(target(format!("webhook {}", hook.name), way));
        }
        Self {
            board: tokio::sync::Mutex::default(),
            targets,
        }
    }

    pub fn status(&self) -> Vec<TargetStatus> {
        let status = |target: &Arc<Target>| TargetStatus {
            name: target.name.clone(),
            trouble: target.lock().clone(),
        };
        self.targets.iter().map(status).collect()
    }

    /// The names of those who are told of this.
    fn of(&self, incident: &Incident) -> impl Iterator<Item = &str> {
        let owner = incident.owner.is_some() && tells_owner(incident.key.rule);
        let fits = move |target: &&Arc<Target>| owner || !matches!(target.way, Way::Owner(_));
        let targets = self.targets.iter().filter(fits);
        targets.map(|target| target.name.as_str())
    }

    fn wake(&self) {
        for target in &self.targets {
            target.wanted.notify_one();
        }
    }
}

impl Target {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Notes what is wrong; logged when that begins, or is another.
    fn trouble(&self, trouble: &str) {
        let mut known = self.lock();
        if known.as_deref() != Some(trouble) {
            tracing::warn!(to = self.name, "telling of alerts: {trouble}");
            *known = Some(trouble.to_owned());
        }
    }
    /// Notes that it goes well.
    fn well(&self) {
        if self.lock().take().is_some() {
            tracing::info!(to = self.name, "telling of alerts goes well again");
        }
    }
}

/// Whether the owner is told beside the administrators: of what they can do something about.
fn tells_owner(rule: Rule) -> bool {
    rule == Rule::LeaseEnding
}

/// Forgets what is over for long, and gives up what could not be told.
pub(crate) async fn prune(engine: &Engine, tx: &mut Tx) -> Result<()> {
    let now = engine.now();
    let dropped = tx.drop_notices(now.minus(NEWS), now).await?;
    if dropped > 0 {
        tracing::warn!(
            dropped,
            "notices of alerts could not be delivered for a day and are given up"
        );
    }
    tx.prune_incidents(now.minus(KEEP)).await
}

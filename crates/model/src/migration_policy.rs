//! Migration policy: what a move may cost the guest and the fleet, as an intent. Which flags and limits keep it is found
//! out for each move; see `bellwether_decide::migrate`.

use serde::{Deserialize, Serialize};

/// What is done once a move can't be kept to its policy any more: it is out of time, or gets nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastResort {
    /// It is given up; the VM stays where it is.
    GiveUp,
    /// It is finished with a longer pause than the policy promises.
    LongerPause,
    /// The guest goes on at the target at once, and its memory follows.
    PostCopy,
}

impl LastResort {
    /// All of them, gentlest first.
    pub const ALL: [Self; 3] = [Self::GiveUp, Self::LongerPause, Self::PostCopy];
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GiveUp => "give_up",
            Self::LongerPause => "longer_pause",
            Self::PostCopy => "post_copy",
        }
    }
}

/// What a move may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrationPolicy {
    /// By which it is chosen; unique, whatever the case.
    pub name: String,
    /// VMs with one of these labels move by it, unless another one was chosen for them.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The guest stands still for so many milliseconds at most.
    pub longest_pause_ms: u32,
    /// It is over after so many seconds; none where it may take as long as it takes.
    pub finish_within_seconds: Option<u32>,
    /// The guest may be held back so that copying gets ahead of it.
    pub may_throttle: bool,
    /// The guest may go on at the target before all of its memory is there. Where a host or the link between them fails
    /// meanwhile the guest is lost, and starts anew from its disk.
    pub may_post_copy: bool,
    /// Memory may be compressed on a thin link, which costs CPU on both hosts.
    pub may_compress: bool,
    /// Percent of the link it may take.
    pub link_share_percent: u8,
    /// What is done where it can't be kept.
    pub last_resort: LastResort,
}

/// All policies for moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MigrationPolicies {
    /// The name of the one for VMs for which none was chosen.
    pub usual: String,
    /// All of them; of several that fit a VM's labels the first is taken.
    pub named: Vec<MigrationPolicy>,
}

impl Default for MigrationPolicy {
    /// Careful: a pause nobody notices, the guest held back only where there is no other way, given up rather than more.
    fn default() -> Self {
        Self {
            name: "careful".into(),
            labels: Vec::new(),
            longest_pause_ms: 300,
            finish_within_seconds: None,
            may_throttle: true,
            may_post_copy: false,
            may_compress: true,
            link_share_percent: 100,
            last_resort: LastResort::GiveUp,
        }
    }
}

impl Default for MigrationPolicies {
    fn default() -> Self {
        let careful = MigrationPolicy::default();
        let named = vec![
            careful.clone(),
            MigrationPolicy {
                name: "never slow the guest".into(),
                may_throttle: false,
                may_compress: false,
                ..careful.clone()
            },
            MigrationPolicy {
                name: "off this host now".into(),
                longest_pause_ms: 2_000,
                finish_within_seconds: Some(600),
                last_resort: LastResort::LongerPause,
                ..careful.clone()
            },
            MigrationPolicy {
                name: "huge VM".into(),
                longest_pause_ms: 1_500,
                ..careful.clone()
            },
        ];
        Self {
            usual: careful.name,
            named,
        }
    }
}

impl MigrationPolicies {
    /// The one of this name, whatever the case.
    pub fn named(&self, name: &str) -> Option<&MigrationPolicy> {
        let name = name.to_lowercase();
        let mut all = self.named.iter();
        all.find(|policy| policy.name.to_lowercase() == name)
    }

    /// The one by which a VM moves: `chosen` for it, else the first with one of its labels, else the usual one. One that
    /// was removed since it was chosen counts as not chosen.
    pub fn of(&self, chosen: Option<&str>, labels: &[String]) -> MigrationPolicy {
        let labelled = || {
            let mut all = self.named.iter();
            all.find(|policy| policy.labels.iter().any(|label| labels.contains(label)))
        };
        chosen
            .and_then(|name| self.named(name))
            .or_else(labelled)
            .or_else(|| self.named(&self.usual))
            .cloned()
            .unwrap_or_default()
    }
}

/// How a VM is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mechanism {
    /// QEMU holds the guest back where it writes faster than is copied (auto-converge).
    pub throttle: bool,
    /// The guest may be switched to the target before all of its memory is there.
    pub post_copy: bool,
    /// Connections over which memory travels at once (multifd); none for one.
    pub connections: Option<u8>,
    /// Pages sent again are sent as what changed in them (XBZRLE).
    pub compress: bool,
    /// Memory and disks travel encrypted.
    pub encrypt: Encrypt,
    /// Bytes a second it takes of the link at most; none for as much as there is.
    pub bandwidth: Option<u64>,
    /// Milliseconds for which the guest may be stopped for copying; with handing over it stands still for as long as its
    /// policy says.
    pub pause_limit_ms: u32,
    /// What was picked and why, in one sentence.
    pub why: String,
}

/// Whether what travels is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encrypt {
    /// Where both hosts have certificates for it.
    #[default]
    WherePossible,
    /// It is, or the move is refused.
    Always,
}

/// Something that happened on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Milliseconds since the migration was asked for.
    pub at_ms: u64,
    /// In words.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_chosen_by_name_then_by_label_then_the_usual_one() {
        let mut policies = MigrationPolicies::default();
        policies.named[3].labels = vec!["database".into()];
        let of = |chosen: Option<&str>, labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|label| (*label).into()).collect();
            policies.of(chosen, &labels).name
        };
        assert_eq!(of(None, &[]), "careful");
        assert_eq!(of(None, &["web", "database"]), "huge VM");
        assert_eq!(
            of(Some("OFF this host now"), &["database"]),
            "off this host now"
        );
        assert_eq!(of(Some("removed since"), &["database"]), "huge VM");
        policies.usual = "gone".into();
        assert_eq!(policies.of(None, &[]).name, "careful");
    }
}

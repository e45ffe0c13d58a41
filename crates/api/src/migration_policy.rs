//! What moves may cost: policies, and how one move is done by its policy.

use bellwether_model::migration_policy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

words! {
    /// What is done once a move can't be kept to its policy any more: it is out of time, or gets nowhere.
    LastResort from migration_policy::LastResort {
        /// It is given up; the VM stays where it is.
        GiveUp = "give_up",
        /// It is finished with a longer pause than the policy promises.
        LongerPause = "longer_pause",
        /// The guest goes on at the target at once, and its memory follows.
        PostCopy = "post_copy",
    }
}

words! {
    /// Whether what travels is encrypted.
    Encrypt from migration_policy::Encrypt {
        /// Where both hosts have certificates for it.
        WherePossible = "where_possible",
        /// It is, or the move is refused.
        Always = "always",
    }
}

/// What a move may cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationPolicy {
    /// By which it is chosen; unique, whatever the case.
    pub name: String,
    /// VMs with one of these labels move by it, unless another one was chosen for them.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The guest stands still for so many milliseconds at most.
    pub longest_pause_ms: u32,
    /// It is over after so many seconds; absent where it may take as long as it takes.
    #[serde(default)]
    pub finish_within_seconds: Option<u32>,
    /// The guest may be held back so that copying gets ahead of it.
    pub may_throttle: bool,
    /// The guest may go on at the target before all of its memory is there; where a host or the link fails meanwhile it is
    /// lost, and starts anew from its disk.
    pub may_post_copy: bool,
    /// Memory may be compressed on a thin link, which costs CPU on both hosts.
    pub may_compress: bool,
    /// Per cent of the link it may take.
    pub link_share_percent: u8,
    /// What is done where it can't be kept.
    pub last_resort: LastResort,
}

/// All policies for moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationPolicies {
    /// The name of the one for VMs for which none was chosen.
    pub usual: String,
    /// All of them; of several that fit a VM's labels the first is taken.
    pub named: Vec<MigrationPolicy>,
}

/// Between the wire and the inside, field by field.
macro_rules! same {
    ($from:ty => $to:ty) => {
        impl From<&$from> for $to {
            fn from(from: &$from) -> Self {
                Self {
                    name: from.name.clone(),
                    labels: from.labels.clone(),
                    longest_pause_ms: from.longest_pause_ms,
                    finish_within_seconds: from.finish_within_seconds,
                    may_throttle: from.may_throttle,
                    may_post_copy: from.may_post_copy,
                    may_compress: from.may_compress,
                    link_share_percent: from.link_share_percent,
                    last_resort: from.last_resort.into(),
                }
            }
        }
    };
}

same!(migration_policy::MigrationPolicy => MigrationPolicy);
same!(MigrationPolicy => migration_policy::MigrationPolicy);

impl From<&migration_policy::MigrationPolicies> for MigrationPolicies {
    fn from(policies: &migration_policy::MigrationPolicies) -> Self {
        Self {
            usual: policies.usual.clone(),
            named: policies.named.iter().map(Into::into).collect(),
        }
    }
}

impl From<&MigrationPolicies> for migration_policy::MigrationPolicies {
    fn from(policies: &MigrationPolicies) -> Self {
        Self {
            usual: policies.usual.clone(),
            named: policies.named.iter().map(Into::into).collect(),
        }
    }
}

/// How a VM is moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mechanism {
    /// What was picked and why, in one sentence.
    pub why: String,
    /// QEMU holds the guest back where it writes faster than is copied.
    pub throttle: bool,
    /// The guest may be switched to the target before all of its memory is there.
    pub post_copy: bool,
    /// Connections over which memory travels at once; absent for one.
    pub connections: Option<u8>,
    /// Pages sent again are sent as what changed in them.
    pub compress: bool,
    /// Whether what travels is encrypted.
    pub encrypt: Encrypt,
    /// Bytes a second it takes of the link at most; absent for as much as there is.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// Milliseconds for which the guest may be stopped for copying.
    pub pause_limit_ms: u32,
}

impl From<&migration_policy::Mechanism> for Mechanism {
    fn from(mechanism: &migration_policy::Mechanism) -> Self {
        Self {
            why: mechanism.why.clone(),
            throttle: mechanism.throttle,
            post_copy: mechanism.post_copy,
            connections: mechanism.connections,
            compress: mechanism.compress,
            encrypt: mechanism.encrypt.into(),
            bandwidth_bytes_per_second: mechanism.bandwidth,
            pause_limit_ms: mechanism.pause_limit_ms,
        }
    }
}

/// Something that happened on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Phase {
    /// Milliseconds since the migration was asked for.
    pub at_ms: u64,
    /// In words.
    pub what: String,
}

impl From<&migration_policy::Phase> for Phase {
    fn from(phase: &migration_policy::Phase) -> Self {
        Self {
            at_ms: phase.at_ms,
            what: phase.what.clone(),
        }
    }
}

/// By what a VM's policy for moves is chosen; replaces what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MovesByInput {
    /// The name of a policy; absent for the one its labels choose, or the usual one.
    #[serde(default)]
    pub policy: Option<String>,
    /// Words by which policies choose it.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What is changed of a move that is under way; what is absent stays as it is, 0 takes a limit away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsInput {
    /// The longest pause, milliseconds.
    #[serde(default)]
    pub longest_pause_ms: Option<u32>,
    /// When it is to be over, seconds from its beginning; 0 for no end.
    #[serde(default)]
    pub finish_within_seconds: Option<u32>,
    /// MiB a second it may take of the link; 0 for all there is.
    #[serde(default)]
    pub bandwidth_mib_per_second: Option<u64>,
}

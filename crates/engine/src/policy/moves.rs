//! What can't be of policies for moves; of two settings that contradict each other both are named.

use super::{Need, judge};
use bellwether_model::{
    Result,
    migration_policy::{LastResort, MigrationPolicies, MigrationPolicy},
};

/// Policies there may be at most.
const MOST: usize = 50;
const LONGEST_NAME: usize = 63;
const MOST_LABELS: usize = 20;

pub(super) fn check(policies: &MigrationPolicies, need: &mut Need<'_>) {
    need(
        (1..=MOST).contains(&policies.named.len()),
        "migration.named",
        "keep 1 to 50 policies for moves",
    );
    let names: Vec<String> = policies
        .named
        .iter()
        .map(|policy| policy.name.to_lowercase())
        .collect();
    need(
        policies.named(&policies.usual).is_some(),
        "migration.usual",
        "name one of the policies",
    );
    for (at, policy) in policies.named.iter().enumerate() {
        let prefix = format!("migration.named.{at}.");
        let twice = names.iter().filter(|name| **name == names[at]).count() > 1;
        need(
            !twice,
            &format!("{prefix}name"),
            "another policy has this name; give each its own",
        );
        rules(policy, &mut |good, field, message| {
            need(good, &format!("{prefix}{field}"), message);
        });
    }
}

/// Refuses one that makes no sense; the fields are called as in [`MigrationPolicy`].
pub(crate) fn check_one(policy: &MigrationPolicy) -> Result<()> {
    judge(|need| rules(policy, need))
}

fn rules(policy: &MigrationPolicy, need: &mut Need<'_>) {
    let name = policy.name.trim();
    need(
        !name.is_empty()
            && name.chars().count() <= LONGEST_NAME
            && !name.chars().any(char::is_control)
            && name == policy.name,
        "name",
        "give 1 to 63 characters, with no space at either end",
    );
    need(
        (10..=60_000).contains(&policy.longest_pause_ms),
        "longest_pause_ms",
        "give 10 to 60,000 milliseconds",
    );
    need(
        policy
            .finish_within_seconds
            .is_none_or(|most| (1..=604_800).contains(&most)),
        "finish_within_seconds",
        "give 1 to 604,800 seconds (7 days), or nothing for no end",
    );
    need(
        (1..=100).contains(&policy.link_share_percent),
        "link_share_percent",
        "give 1 to 100 per cent",
    );
    need(
        policy.labels.len() <= MOST_LABELS
            && policy
                .labels
                .iter()
                .all(|label| (1..=LONGEST_NAME).contains(&label.chars().count())),
        "labels",
        "give at most 20 labels of 1 to 63 characters",
    );
    let in_time = policy
        .finish_within_seconds
        .is_none_or(|most| u64::from(most) * 1_000 > u64::from(policy.longest_pause_ms));
    need(
        in_time,
        "finish_within_seconds",
        "this contradicts longest_pause_ms: a move takes longer than its pause; allow more time, or a shorter pause",
    );
    need(
        policy.may_post_copy || policy.last_resort != LastResort::PostCopy,
        "last_resort",
        "this contradicts may_post_copy: allow post-copy, or choose another last resort",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut MigrationPolicies)) -> Vec<String> {
        let mut policies = MigrationPolicies::default();
        change(&mut policies);
        let judged = judge(|need| check(&policies, need));
        judged.err().map_or(Vec::new(), |error| {
            let fields = error.fields.into_iter();
            fields
                .map(|field| format!("{}: {}", field.field, field.message))
                .collect()
        })
    }

    #[test]
    fn settings_that_contradict_each_other_are_both_named() {
        assert_eq!(wrong(|_| {}), Vec::<String>::new());
        let said = wrong(|policies| policies.named[1].last_resort = LastResort::PostCopy);
        assert!(
            said[0].starts_with("migration.named.1.last_resort: this contradicts may_post_copy"),
            "{said:?}"
        );
        let said = wrong(|policies| {
            policies.named[0].longest_pause_ms = 2_000;
            policies.named[0].finish_within_seconds = Some(2);
        });
        assert!(said[0].contains("contradicts longest_pause_ms"), "{said:?}");
        let said = wrong(|policies| policies.usual = "gone".into());
        assert_eq!(said, ["migration.usual: name one of the policies"]);
        let said = wrong(|policies| policies.named[1].name = "CAREFUL".into());
        assert_eq!(said.len(), 2, "{said:?}");
        let said = wrong(|policies| policies.named[0].link_share_percent = 0);
        assert!(said[0].contains("1 to 100"), "{said:?}");
        assert!(!wrong(|policies| policies.named.clear()).is_empty());
    }
}

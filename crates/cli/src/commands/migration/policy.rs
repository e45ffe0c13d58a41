//! Policies for moves: what each may cost.

use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
    text::{or_dash, words, yes},
};
use bellwether_api::{
    migration_policy::{MigrationPolicies, MigrationPolicy},
    policy::Policy,
};
use clap::Subcommand;
use clap_complete::ArgValueCompleter;
use serde_json::{Map, Value};

/// What to do with policies for moves.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether migration policy list
  bellwether migration policy set \"huge VM\" longest_pause_ms=2000 labels=database,cache
  bellwether migration policy set nightly finish_within_seconds=3600 last_resort=longer_pause
  bellwether migration policy usual careful")]
pub enum Command {
    /// All of them
    List,
    /// Change one, or make one like the usual one (admins)
    Set {
        /// Its name
        #[arg(add = ArgValueCompleter::new(complete::migration_policies))]
        name: String,
        /// KEY=VALUE: longest_pause_ms, finish_within_seconds (none for no end), may_throttle, may_post_copy, may_compress,
        /// link_share_percent, last_resort (give_up, longer_pause, post_copy), labels (with commas between), name
        #[arg(required = true, value_name = "KEY=VALUE")]
        values: Vec<String>,
    },
    /// Remove one; VMs for which it was chosen move by their labels' or the usual one from then on (admins)
    Remove {
        /// Its name
        #[arg(add = ArgValueCompleter::new(complete::migration_policies))]
        name: String,
    },
    /// Say which one holds where none was chosen (admins)
    Usual {
        /// Its name
        #[arg(add = ArgValueCompleter::new(complete::migration_policies))]
        name: String,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    let now = cx.client.policy().await?;
    let mut policy: Policy = now.value.clone();
    let policies = &mut policy.migration;
    match command {
        Command::List => return cx.answer(&now, |policy| table(cx, &policy.migration)),
        Command::Set { name, values } => set(policies, &name, &values)?,
        Command::Remove { name } => {
            let at = place(policies, &name).ok_or_else(|| unknown(policies, &name))?;
            policies.named.remove(at);
        }
        Command::Usual { name } => {
            let at = place(policies, &name).ok_or_else(|| unknown(policies, &name))?;
            policies.usual = policies.named[at].name.clone();
        }
    }
    let answer = cx.client.set_policy(&policy).await?;
    cx.answer(&answer, |policy| table(cx, &policy.migration))
}

fn place(policies: &MigrationPolicies, name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let mut all = policies.named.iter();
    all.position(|policy| policy.name.to_lowercase() == name)
}

fn unknown(policies: &MigrationPolicies, name: &str) -> Fault {
    let names: Vec<String> = policies
        .named
        .iter()
        .map(|policy| format!("'{}'", policy.name))
        .collect();
    Fault::usage(format!(
        "There is no policy '{name}' for moves; there are {}.",
        names.join(", ")
    ))
}

fn set(policies: &mut MigrationPolicies, name: &str, values: &[String]) -> Outcome<()> {
    let at = match place(policies, name) {
        Some(at) => at,
        None => {
            let usual = place(policies, &policies.usual).ok_or_else(|| unknown(policies, name))?;
            let new = MigrationPolicy {
                name: name.into(),
                labels: Vec::new(),
                ..policies.named[usual].clone()
            };
            policies.named.push(new);
            policies.named.len() - 1
        }
    };
    let was_usual = policies.named[at].name == policies.usual;
    policies.named[at] = changed(&policies.named[at], values)?;
    if was_usual {
        policies.usual = policies.named[at].name.clone();
    }
    Ok(())
}

fn changed(now: &MigrationPolicy, values: &[String]) -> Outcome<MigrationPolicy> {
    let mut fields = match serde_json::to_value(now) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    for pair in values {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Fault::usage(format!("'{pair}' is not KEY=VALUE.")));
        };
        if !fields.contains_key(key) {
            let keys: Vec<&String> = fields.keys().collect();
            return Err(Fault::usage(format!(
                "A policy for moves has no '{key}'; it has {}.",
                keys.iter()
                    .map(|key| key.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        let new = match key {
            "name" | "last_resort" => Value::String(value.into()),
            "labels" => value
                .split(',')
                .map(str::trim)
                .filter(|label| !label.is_empty())
                .map(|label| Value::String(label.into()))
                .collect(),
            _ if matches!(value, "" | "none") => Value::Null,
            _ => serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into())),
        };
        fields.insert(key.into(), new);
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|e| Fault::usage(format!("That is no policy for moves: {e}.")))
}

fn table(cx: &Context, policies: &MigrationPolicies) -> String {
    let mut table = cx.table([
        "NAME",
        "USUAL",
        "PAUSE",
        "OVER WITHIN",
        "THROTTLE",
        "POST-COPY",
        "COMPRESS",
        "LINK",
        "LAST RESORT",
        "LABELS",
    ]);
    for policy in &policies.named {
        table.row([
            policy.name.clone(),
            yes(policy.name == policies.usual),
            format!("{} ms", policy.longest_pause_ms),
            or_dash(policy.finish_within_seconds, |most| format!("{most} s")),
            yes(policy.may_throttle),
            yes(policy.may_post_copy),
            yes(policy.may_compress),
            format!("{} %", policy.link_share_percent),
            words(policy.last_resort),
            policy.labels.join(", "),
        ]);
    }
    table.show("No policies for moves.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::migration_policy;

    #[test]
    fn one_is_changed_or_made() {
        let mut all: MigrationPolicies = (&migration_policy::MigrationPolicies::default()).into();
        let mut put = |name: &str, pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).into()).collect();
            set(&mut all, name, &pairs).map(|()| all.clone())
        };
        let changed = put("HUGE vm", &["longest_pause_ms=2000", "labels=a, b"]).unwrap();
        assert_eq!(changed.named[3].longest_pause_ms, 2_000);
        assert_eq!(changed.named[3].labels, ["a", "b"]);
        let made = put("nightly", &["finish_within_seconds=60"]).unwrap();
        assert_eq!(made.named[4].finish_within_seconds, Some(60));
        let again = put("nightly", &["finish_within_seconds=none"]).unwrap();
        assert_eq!(again.named[4].finish_within_seconds, None);
        let renamed = put("careful", &["name=gentle"]).unwrap();
        assert_eq!(renamed.usual, "gentle");
        for (wrong, why) in [
            ("longest_pause_ms", "KEY=VALUE"),
            ("colour=red", "longest_pause_ms"),
            ("longest_pause_ms=-1", "no policy for moves"),
            ("last_resort=pray", "no policy for moves"),
        ] {
            let said = put("gentle", &[wrong]).unwrap_err().message;
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}

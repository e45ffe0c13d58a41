//! The policy.

use crate::{
    context::Context,
    exit::{Fault, Outcome},
};
use bellwether_api::policy::Policy;
use clap::Subcommand;
use serde_json::{Map, Value};

/// What to do with the policy.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Examples:\n  bellwether policy show\n  bellwether policy set max_lease_days=180 cpu_overcommit=3.5 users_may_extend=false"
)]
pub enum Command {
    /// Every value
    Show,
    /// Change values (admins); somebody else's change in between is refused, not overwritten
    Set {
        /// KEY=VALUE, as `policy show` names them
        #[arg(required = true, value_name = "KEY=VALUE")]
        values: Vec<String>,
    },
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    let answer = match command {
        Command::Show => cx.client.policy().await?,
        Command::Set { values } => {
            let now = cx.client.policy().await?;
            let changed = changed(&now.value, &values)?;
            cx.client.set_policy(&changed).await?
        }
    };
    cx.answer(&answer, |policy| {
        let mut sheet = cx.sheet();
        for (key, value) in fields(policy) {
            sheet.line(&key, value.to_string());
        }
        sheet.show()
    })
}

fn fields(policy: &Policy) -> Map<String, Value> {
    match serde_json::to_value(policy) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn changed(now: &Policy, values: &[String]) -> Outcome<Policy> {
    let mut fields = fields(now);
    for pair in values {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Fault::usage(format!("'{pair}' is not KEY=VALUE.")));
        };
        let settable: Vec<String> = fields.keys().filter(|k| *k != "version").cloned().collect();
        let Some(field) = fields.get_mut(key).filter(|_| key != "version") else {
            return Err(Fault::usage(format!(
                "There is no policy value '{key}'; they are: {}.",
                settable.join(", ")
            )));
        };
        let new: Value =
            serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        let fits = match field {
            Value::Bool(_) => new.is_boolean(),
            Value::Number(n) if n.is_f64() => new.is_number(),
            Value::Number(_) => new.is_u64(),
            _ => true,
        };
        if !fits {
            let wanted = match field {
                Value::Bool(_) => "true or false",
                Value::Number(n) if n.is_f64() => "a number",
                _ => "a whole number, zero or more",
            };
            return Err(Fault::usage(format!(
                "{key} must be {wanted}, not '{value}'."
            )));
        }
        *field = new;
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|e| Fault::usage(format!("The server can't be told this: {e}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::policy;

    #[test]
    fn values_are_checked_before_they_are_sent() {
        let now = Policy::new(&policy::Policy::default(), 7);
        let set = |pair: &str| changed(&now, &[pair.into()]);
        assert_eq!(set("max_lease_days=180").unwrap().max_lease_days, 180);
        assert_eq!(set("cpu_overcommit=3").unwrap().cpu_overcommit, 3.0);
        assert!(!set("users_may_extend=false").unwrap().users_may_extend);
        for (wrong, why) in [
            ("max_lease_days", "KEY=VALUE"),
            ("version=8", "no policy value"),
            ("colour=red", "max_vcpus"),
            ("max_vcpus=-1", "whole number"),
            ("users_may_extend=no", "true or false"),
            ("max_vcpus=99999999999", "can't be told"),
        ] {
            let said = set(wrong).unwrap_err().message;
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}

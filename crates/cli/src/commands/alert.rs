//! Alerts: what somebody should know, and silence.

use crate::{
    context::Context,
    exit::{Fault, Outcome},
    text::words,
};
use bellwether_api::alert::{Alert, AlertQuery, AlertRule, AlertTold, SilenceInput};
use clap::Subcommand;
use std::str::FromStr;
use uuid::Uuid;

/// What to do with alerts.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Examples:\n  bellwether alert list --open\n  bellwether alert silence 01a22f7a-742a-717e-8cb0-32ddcccdff52 --for 8h"
)]
pub enum Command {
    /// Alerts, newest first
    List {
        /// Only those that are open
        #[arg(long)]
        open: bool,
        /// Only of this rule
        #[arg(long, value_parser = AlertRule::from_str)]
        rule: Option<AlertRule>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One alert, with who was told
    Show {
        /// Identifier
        alert: Uuid,
    },
    /// Have nobody told of it, nor of the next of the same rule and thing, for a while
    Silence {
        /// Identifier
        alert: Uuid,
        /// For how long: 30m, 8h, 7d
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = minutes)]
        minutes: u32,
        /// No longer: tell of it again
        #[arg(long, conflicts_with = "minutes")]
        end: bool,
    },
}

/// Minutes in `30m`, `8h`, `7d`.
fn minutes(text: &str) -> Result<u32, String> {
    let wrong = || format!("'{text}' is no time; write it like 30m, 8h or 7d");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let each = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 1_440,
        _ => return Err(wrong()),
    };
    number.checked_mul(each).ok_or_else(wrong)
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List { open, rule, limit } => {
            let query = AlertQuery {
                open: open.then_some(true),
                rule: rule.map(|rule| rule.to_string()),
                ..AlertQuery::default()
            };
            let answer = cx.client.alerts(&query, limit).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table(["FOUND", "RULE", "ABOUT", "STATE", "WHAT", "ID"]);
                for alert in &list.items {
                    table.row([
                        alert.opened_at.to_string(),
                        words(alert.rule),
                        alert.subject.name.clone(),
                        state(alert),
                        alert.text.clone(),
                        alert.id.to_string(),
                    ]);
                }
                table.show("No alerts.")
            })
        }
        Command::Show { alert } => {
            let answer = cx.client.alert(alert).await?;
            cx.answer(&answer, |told| show(cx, told))
        }
        Command::Silence {
            alert,
            minutes,
            end,
        } => {
            if minutes == 0 && !end {
                return Err(Fault::usage("Silence for no time is none; --end ends it."));
            }
            let input = SilenceInput {
                minutes: if end { 0 } else { minutes },
            };
            let answer = cx.client.silence_alert(alert, &input).await?;
            cx.answer(&answer, |alert| match alert.silenced_until {
                Some(until) => format!("Nobody is told of it until {until}.\n"),
                None => "It is told again.\n".into(),
            })
        }
    }
}

fn state(alert: &Alert) -> String {
    match (alert.resolved_at, alert.silenced_until) {
        (Some(_), _) => "over".into(),
        (None, Some(until)) => format!("{}, silent until {until}", alert.severity),
        (None, None) => alert.severity.to_string(),
    }
}

fn show(cx: &Context, told: &AlertTold) -> String {
    let alert = &told.alert;
    let mut sheet = cx.sheet();
    sheet
        .line("Alert", alert.id.to_string())
        .line("Rule", words(alert.rule))
        .line("About", format!("{} {}", alert.about, alert.subject.name))
        .maybe(
            "Owner",
            alert.owner.as_ref().map(|owner| owner.name.as_str()),
        )
        .line("State", state(alert))
        .line("What", &alert.text)
        .line("Found", alert.opened_at.to_string())
        .maybe("Over", alert.resolved_at.map(|at| at.to_string()))
        .maybe("How", alert.ending.as_deref());
    for notice in &told.notices {
        let trouble = notice.trouble.as_deref();
        let trouble = trouble.map_or(String::new(), |trouble| format!(": {trouble}"));
        let text = format!(
            "{} ({}) {}{trouble}",
            notice.target, notice.news, notice.delivery
        );
        sheet.line("Told", text);
    }
    sheet.show()
}

#[cfg(test)]
mod tests {
    use super::minutes;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(minutes("30m"), Ok(30));
        assert_eq!(minutes("8h"), Ok(480));
        assert_eq!(minutes("7d"), Ok(10_080));
        for wrong in ["", "7", "h", "-1h", "1w", "9999999999d", "4000000d"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}

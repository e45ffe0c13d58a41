//! Alerts: what is open, and how telling of them goes.

use super::{Exposed, Kind, Sink};
use bellwether_model::alert::Rule;
use std::fmt;

pub(super) fn give(exposed: &Exposed, sink: &mut dyn Sink) -> fmt::Result {
    let help = "Alerts that are open, by rule.";
    sink.family(Kind::Gauge, "bellwether_alerts", help, &mut |to| {
        for rule in Rule::ALL {
            let open = exposed.open.iter();
            let open = open.filter(|incident| incident.key.rule == *rule).count();
            let labels = [
                ("rule", rule.as_str()),
                ("severity", rule.severity().as_str()),
            ];
            to.sample(&labels, open as f64)?;
        }
        Ok(())
    })?;
    let help = "Whether who is to be told of alerts took the last notice.";
    sink.family(Kind::Gauge, "bellwether_alert_target_up", help, &mut |to| {
        for target in &exposed.told {
            let up = u8::from(target.trouble.is_none());
            to.sample(&[("target", &target.name)], f64::from(up))?;
        }
        Ok(())
    })?;
    let help = "Notices of alerts that are kept, by whom they are for and what became of them.";
    sink.family(Kind::Gauge, "bellwether_alert_notices", help, &mut |to| {
        for tally in &exposed.notices {
            let labels = [
                ("target", tally.target.as_str()),
                ("delivery", tally.delivery.as_str()),
            ];
            to.sample(&labels, tally.count as f64)?;
        }
        Ok(())
    })
}

//! What the story leaves: a line a step while it goes on, and `quickstart.json` at the end.

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

/// The report as JSON; its fields are a format others read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether every step came to its end.
    pub ok: bool,
    /// The steps taken, in order; the one that failed is the last before `clean`.
    pub steps: Vec<StepReport>,
    /// Seconds the release build took.
    pub build_s: Option<f64>,
    /// Seconds from nothing to all hosts of the lab answering.
    pub lab_up_s: Option<f64>,
    /// Seconds from the admin's word to the VM seen running.
    pub approve_to_running_s: Option<f64>,
    /// Seconds from the admin's word to the guest answering on the network.
    pub approve_to_guest_up_s: Option<f64>,
    /// The live migration.
    pub migration: Option<MigrationFigures>,
    /// Whether guests ran under KVM, or were emulated.
    pub kvm: Option<bool>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Whether it came to its end.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
}

/// The live migration, as libvirt measured it and as an open connection felt it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationFigures {
    /// Milliseconds from start to finish; libvirt's figure.
    pub total_ms: Option<u64>,
    /// Milliseconds the guest stood still; libvirt's figure.
    pub downtime_ms: Option<u64>,
    /// Whether the connection lived through it and every echo came back.
    pub tcp_alive: bool,
    /// Longest time between two echoes, where one was sent every 10 ms.
    pub longest_gap_ms: f64,
    /// Echoes that came back.
    pub echoes: u64,
}

impl Report {
    /// Where everything was done before.
    pub(super) fn nothing_to_do() -> Self {
        Self {
            ok: true,
            ..Self::default()
        }
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Tells each step as it happens, and takes its time.
pub(super) struct Teller {
    pub report: Report,
    live: bool,
    broken: bool,
    /// The step that was begun and has not ended.
    under_way: Option<(String, Instant)>,
}

impl Teller {
    pub fn new(earlier: &[(String, f64)]) -> Self {
        let mut teller = Self {
            report: Report::default(),
            live: std::io::stdout().is_terminal(),
            broken: false,
            under_way: None,
        };
        for (name, seconds) in earlier {
            teller.took(name, true, *seconds);
        }
        teller
    }

    /// Takes a step: what it gives comes with a few words on what was done, for people.
    pub async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> anyhow::Result<T> {
        if self.live {
            print!("  … {name}");
            let _ = std::io::stdout().flush();
        }
        let start = Instant::now();
        self.under_way = Some((name.to_owned(), start));
        let result = work.await;
        self.under_way = None;
        let seconds = start.elapsed().as_secs_f64();
        self.took(name, result.is_ok(), seconds);
        let (mark, words) = match &result {
            Ok((_, words)) => ('✓', words.clone()),
            Err(error) => ('✗', format!("{error:#}")),
        };
        let again = if self.live { "\r" } else { "" };
        println!("{again}  {mark} {name:<9} {seconds:>6.1} s  {words}");
        result
            .map(|(value, _)| value)
            .with_context(|| format!("step {name}"))
    }

    /// The story can't go on.
    pub fn broke(&mut self, error: &anyhow::Error) {
        if let Some((name, start)) = self.under_way.take() {
            self.took(&name, false, start.elapsed().as_secs_f64());
            println!("\n  ✗ {name}: {error:#}");
        } else if !self.report.steps.iter().any(|step| !step.ok) {
            // Broken off between steps.
            println!("\n  ✗ {error:#}");
        }
        self.broken = true;
    }

    fn took(&mut self, name: &str, ok: bool, seconds: f64) {
        let seconds = rounded(seconds);
        match name {
            "build" => self.report.build_s = Some(seconds),
            "lab" => self.report.lab_up_s = ok.then_some(seconds),
            _ => {}
        }
        self.report.steps.push(StepReport {
            name: name.to_owned(),
            ok,
            seconds,
        });
    }

    /// Prints the figures and gives the report.
    pub fn finish(self) -> Report {
        let mut report = self.report;
        report.ok = !self.broken && report.steps.iter().all(|step| step.ok);
        report.print();
        report
    }
}

impl Report {
    fn print(&self) {
        let mut figures: Vec<(&str, String)> = Vec::new();
        let seconds = |value: f64| format!("{value:.2} s");
        figures.extend(
            self.approve_to_running_s
                .map(|s| ("approved → running", seconds(s))),
        );
        figures.extend(
            self.approve_to_guest_up_s
                .map(|s| ("approved → guest answers", seconds(s))),
        );
        if let Some(moved) = &self.migration {
            let ms = |value: Option<u64>| {
                value.map_or("not measured".to_owned(), |ms| format!("{ms} ms"))
            };
            figures.push(("live migration", ms(moved.total_ms)));
            figures.push(("  guest stood still", ms(moved.downtime_ms)));
            let alive = if moved.tcp_alive {
                "stayed open"
            } else {
                "BROKE"
            };
            figures.push((
                "  TCP connection",
                format!(
                    "{alive}: {} echoes, longest gap {:.0} ms",
                    moved.echoes, moved.longest_gap_ms
                ),
            ));
        }
        if figures.is_empty() {
            return;
        }
        println!();
        for (name, figure) in figures {
            println!("  {name:<26}{figure}");
        }
        if self.kvm == Some(false) {
            println!("  (no KVM here: guests are emulated, which is slower)");
        }
    }
}

/// To the millisecond.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_keeps_its_format() {
        let report = Report {
            ok: true,
            steps: vec![StepReport {
                name: "lab".into(),
                ok: true,
                seconds: 1.5,
            }],
            migration: Some(MigrationFigures {
                total_ms: Some(800),
                downtime_ms: None,
                tcp_alive: true,
                longest_gap_ms: 61.2,
                echoes: 400,
            }),
            kvm: Some(false),
            ..Report::default()
        };
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "ok": true, "steps": [{"name": "lab", "ok": true, "seconds": 1.5}],
                "build_s": null, "lab_up_s": null, "approve_to_running_s": null, "approve_to_guest_up_s": null,
                "migration": {"total_ms": 800, "downtime_ms": null, "tcp_alive": true, "longest_gap_ms": 61.2, "echoes": 400},
                "kvm": false
            })
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_step_that_fails_makes_the_report_fail() {
        let mut teller = Teller::new(&[("build".to_owned(), 12.0)]);
        let failed: anyhow::Result<()> = teller.step("lab", async { anyhow::bail!("no") }).await;
        assert_eq!(format!("{:#}", failed.unwrap_err()), "step lab: no");
        let report = teller.finish();
        assert!(!report.ok);
        assert_eq!(report.build_s, Some(12.0));
        assert_eq!(report.lab_up_s, None);
        assert_eq!(report.steps.len(), 2);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_step_that_is_interrupted_is_in_the_report() {
        let mut teller = Teller::new(&[]);
        let endless = std::future::pending::<anyhow::Result<((), String)>>();
        tokio::select! {
            biased;
            _ = teller.step("boot", endless) => {}
            () = std::future::ready(()) => {}
        }
        teller.broke(&anyhow::anyhow!("told to end"));
        let report = teller.finish();
        let steps: Vec<_> = report
            .steps
            .iter()
            .map(|step| (&*step.name, step.ok))
            .collect();
        assert_eq!(steps, [("boot", false)]);
        assert!(!report.ok);
    }
}

//! Waiting for a job, with progress on standard error.

use crate::{
    context::Context,
    exit::{Exit, Fault, Outcome},
    text::{bytes, clean, millis, words},
};
use bellwether_api::{
    client::Answer,
    job::{Job, JobState, Progress},
};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use uuid::Uuid;

/// Whether to wait.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Wait {
    /// Return as soon as the job is accepted, instead of waiting for its end
    #[arg(long)]
    pub no_wait: bool,
}

/// Finishes a command that started a job: waits for its end unless told not to, and says `done` when it went well.
/// `accepted` is the server's answer, printed where nobody waits.
pub async fn finish(cx: &Context, wait: Wait, job: Uuid, accepted: &str, done: &str) -> Outcome {
    if wait.no_wait {
        return if cx.json {
            cx.raw(accepted)
        } else {
            cx.say(&format!(
                "Started. Follow it with: bellwether job watch {job}"
            ))
        };
    }
    let job = follow(cx, job, false).await?;
    settled(&job)?;
    if cx.json {
        cx.raw(&job.text)
    } else {
        cx.say(done)
    }
}

/// Follows a job to its end; with `lines`, a line of figures at every look.
pub async fn follow(cx: &Context, id: Uuid, lines: bool) -> Outcome<Answer<Job>> {
    let mut meter = Meter::new(lines);
    let waiting = cx.client.wait_for_job(id, |job| meter.look(job));
    let ended = tokio::select! {
        ended = waiting => ended,
        _ = tokio::signal::ctrl_c() => {
            drop(meter);
            eprintln!("The job goes on. Follow it with: bellwether job watch {id}");
            std::process::exit(130);
        }
    };
    drop(meter);
    Ok(ended?)
}

/// The job's end as success or failure.
pub fn settled(job: &Job) -> Outcome {
    let why = job
        .error
        .as_deref()
        .map(|e| format!(": {e}"))
        .unwrap_or_default();
    let end = match job.state {
        JobState::Done => return Ok(()),
        JobState::Undone => "was undone, as if it had not been",
        JobState::NeedsPerson => "needs a person",
        _ => "failed",
    };
    let advice = format!("Its journal: bellwether job show {}", job.id);
    Err(Fault::new(
        Exit::Failed,
        format!("The {} job {end}{why}", words(job.kind)),
    )
    .with_details(vec![advice]))
}

/// Progress on standard error: one line that changes on a terminal, else a line for each new step.
struct Meter {
    terminal: bool,
    lines: bool,
    last: String,
}

impl Meter {
    fn new(lines: bool) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            lines,
            last: String::new(),
        }
    }

    fn look(&mut self, job: &Job) {
        if !job.state.is_open() {
            return;
        }
        let doing = clean(&job.progress.doing);
        let doing = if doing.is_empty() {
            words(job.state)
        } else {
            doing
        };
        let figures = figures(&job.progress);
        let full = if figures.is_empty() {
            doing.clone()
        } else {
            format!("{doing}: {figures}")
        };
        let mut stderr = io::stderr().lock();
        // A terminal that went away must not end the work.
        let _ = if self.terminal && !self.lines {
            write!(stderr, "\r\u{1b}[2K{full}").and_then(|()| stderr.flush())
        } else {
            let line = if self.lines { full } else { doing };
            if line == self.last {
                return;
            }
            self.last = line;
            writeln!(stderr, "{}", self.last)
        };
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.terminal && !self.lines {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}

fn figures(progress: &Progress) -> String {
    let mut parts = Vec::new();
    if let Some(share) = progress.share {
        parts.push(format!("{:.0} %", share * 100.0));
    }
    if let Some(m) = &progress.migration {
        parts.push(format!(
            "{} of {}, {} left",
            bytes(m.done_bytes as f64),
            bytes(m.total_bytes as f64),
            bytes(m.remaining_bytes as f64)
        ));
        parts.push(format!("{}/s", bytes(m.rate_bytes_per_second as f64)));
        if let Some(dirty) = m.dirty_bytes_per_second {
            parts.push(format!("{}/s dirtied", bytes(dirty as f64)));
        }
        parts.push(format!("round {}", m.rounds));
        if let Some(left) = m.left_ms {
            parts.push(format!("about {} to go", millis(left)));
        }
    } else if let Some(done) = progress.done_bytes {
        parts.push(match progress.total_bytes {
            Some(total) => format!("{} of {}", bytes(done as f64), bytes(total as f64)),
            None => bytes(done as f64),
        });
    }
    parts.join(", ")
}

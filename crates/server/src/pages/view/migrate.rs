//! Moving a machine live: choosing where, watching, the outcome; and the list of moves.

use super::{Badge, Form, Frame, List, Reading, forecast::Foretold, form::Choice};
use askama::Template;

/// One line of the pre-flight.
pub struct CheckLine {
    /// Verdict.
    pub badge: Badge,
    /// In words.
    pub text: String,
}

/// A host it could move to.
pub struct Target {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Possible.
    pub possible: bool,
    /// The first possible one.
    pub best: bool,
    /// In a sentence: why this rank.
    pub reason: String,
    /// Pre-flight.
    pub checks: Vec<CheckLine>,
    /// Checks that are not plainly fine, in number.
    pub remarks: String,
    /// What it would take.
    pub forecast: Option<Foretold>,
    /// What other ways would take: name, whole time, pause.
    pub others: Vec<(&'static str, String, String)>,
}

/// Choosing where to.
#[derive(Template)]
#[template(path = "migrate.html")]
pub struct Migrate {
    /// Frame.
    pub frame: Frame,
    /// The VM's identifier.
    pub id: String,
    /// The VM's name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Where it is.
    pub source: String,
    /// Memory and disk in words.
    pub size: String,
    /// Hosts, best first.
    pub targets: Vec<Target>,
    /// Any possible.
    pub any: bool,
    /// The policy by which it would move.
    pub policy: String,
    /// All policies, to look at another one.
    pub policies: Vec<Choice>,
    /// What is chosen for the machine: its policy and its labels.
    pub moves_by: Form,
    /// The same policies, and none.
    pub own: Vec<Choice>,
    /// What went wrong.
    pub form: Form,
}

/// One move.
#[derive(Template)]
#[template(path = "migration.html")]
pub struct MigrationPage {
    /// Frame.
    pub frame: Frame,
    /// The VM's name.
    pub vm: String,
    /// The VM's page.
    pub vm_href: String,
    /// From.
    pub source: String,
    /// To.
    pub target: String,
    /// Outcome.
    pub badge: Badge,
    /// Why it failed, or what is being done.
    pub reason: Option<String>,
    /// Under way.
    pub running: bool,
    /// The job's page and whether it can be cancelled.
    pub job: Option<(String, bool)>,
    /// 0–100.
    pub percent: Option<u32>,
    /// What it is doing.
    pub doing: String,
    /// What it was expected to take.
    pub forecast: Option<Foretold>,
    /// Figures: label, value, words under it.
    pub figures: Vec<(&'static str, Reading, String)>,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// What happened: how long after it was asked for, and what.
    pub phases: Vec<(String, String)>,
    /// Its limits, while they can be changed.
    pub limits: Option<Form>,
    /// Its page.
    pub href: String,
}

/// A move in the list.
pub struct MigrationRow {
    /// Its page.
    pub href: String,
    /// The VM.
    pub vm: String,
    /// The VM's page.
    pub vm_href: String,
    /// From.
    pub source: String,
    /// To.
    pub target: String,
    /// Outcome.
    pub badge: Badge,
    /// Why it failed.
    pub reason: Option<String>,
    /// When.
    pub when: String,
    /// Total time.
    pub total: String,
    /// Downtime.
    pub downtime: String,
    /// Bytes.
    pub bytes: String,
}

/// Moves.
#[derive(Template)]
#[template(path = "migrations.html")]
pub struct Migrations {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// Outcomes to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<MigrationRow>,
}

/// A job in the list.
pub struct JobRow {
    /// Its page.
    pub href: String,
    /// What it does, to what.
    pub what: String,
    /// State.
    pub badge: Badge,
    /// What it is at, or why it ended so.
    pub doing: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub when: String,
    /// How long.
    pub took: String,
}

/// Jobs.
#[derive(Template)]
#[template(path = "jobs.html")]
pub struct Jobs {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<JobRow>,
    /// The tasks that run for ever: name, last run, trouble.
    pub tasks: Vec<(String, String, Option<String>)>,
}

/// A line of a job's journal.
pub struct JournalRow {
    /// When.
    pub when: String,
    /// did, failed, …
    pub event: &'static str,
    /// Colour role.
    pub tone: &'static str,
    /// Step.
    pub step: String,
    /// In words.
    pub text: String,
}

/// One job.
#[derive(Template)]
#[template(path = "job.html")]
pub struct JobPage {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// What it does, to what.
    pub what: String,
    /// State.
    pub badge: Badge,
    /// What it is at.
    pub doing: String,
    /// 0–100.
    pub percent: Option<u32>,
    /// Why it ended so.
    pub error: Option<String>,
    /// Not ended.
    pub open: bool,
    /// May be cancelled.
    pub may_cancel: bool,
    /// It waits for a person, and who looks can have it try again.
    pub may_retry: bool,
    /// What it is about: word and page.
    pub about: Vec<(String, String)>,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// Journal.
    pub journal: Vec<JournalRow>,
}

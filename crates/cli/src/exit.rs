//! How the program ends: the exit codes, and telling a failure to a person or a program.

use crate::text::clean;
use bellwether_api::{Problem, client::Failure, problem::ProblemCode};
use serde_json::json;

/// Exit codes; documented in `bellwether --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// What was typed is not acceptable.
    Usage = 2,
    /// The server refused: a conflict, no room, too much.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// Not signed in, or not allowed.
    Denied = 5,
    /// The server does not answer, or not now.
    Unavailable = 6,
}

/// A failure on its way to the person.
#[derive(Debug)]
pub struct Fault {
    /// How to exit.
    pub exit: Exit,
    /// One or two sentences.
    pub message: String,
    /// Lines of detail: fields, hosts, candidates.
    pub details: Vec<String>,
    /// The server's problem document as it came.
    document: Option<String>,
}

/// Shorthand in the commands.
pub type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            details: Vec::new(),
            document: None,
        }
    }
    /// Something typed that can't be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
    /// The same with lines of detail.
    #[must_use]
    pub fn with_details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// Tells it on standard error: as a problem document for programs, in words for people.
    pub fn tell(&self, as_json: bool) {
        if as_json {
            let document = self.document.clone().unwrap_or_else(|| {
                json!({
                    "type": "urn:bellwether:problem:client", "title": "The command failed",
                    "detail": self.message, "code": "client", "details": self.details,
                })
                .to_string()
            });
            eprintln!("{document}");
            return;
        }
        eprintln!("error: {}", clean(&self.message));
        for line in &self.details {
            eprintln!("  {}", clean(line));
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem, document) => Self {
                document: Some(document),
                ..of_problem(&problem)
            },
            Failure::Unreachable(message) => Self::new(Exit::Unavailable, message),
            Failure::Answer(message) => Self::new(Exit::Failed, message),
            Failure::Settings(message) | Failure::Input(message) => Self::usage(message),
        }
    }
}

fn of_problem(problem: &Problem) -> Fault {
    let exit = match problem.code {
        ProblemCode::Invalid => Exit::Usage,
        ProblemCode::Unauthenticated | ProblemCode::Forbidden => Exit::Denied,
        ProblemCode::NotFound => Exit::NotFound,
        ProblemCode::Conflict | ProblemCode::OverQuota | ProblemCode::NoCapacity => Exit::Refused,
        ProblemCode::TooMany | ProblemCode::Unavailable => Exit::Unavailable,
        ProblemCode::Internal => Exit::Failed,
    };
    let mut details: Vec<String> = Vec::new();
    for refusal in &problem.refusals {
        details.push(format!(
            "{}: {}",
            refusal.host_name,
            refusal.reasons.join("; ")
        ));
    }
    // The sentence repeats the fields; as lines they read better.
    let message = if problem.errors.is_empty() {
        problem.detail.clone()
    } else {
        details.extend(
            problem
                .errors
                .iter()
                .map(|e| format!("{}: {}", e.field, e.message)),
        );
        format!("{}.", problem.title)
    };
    if problem.code == ProblemCode::Unauthenticated {
        details.push("Log in with: bellwether login".into());
    }
    if let (ProblemCode::Internal, Some(id)) = (problem.code, &problem.request_id) {
        details.push(format!(
            "An administrator finds it in the server's log as request {id}."
        ));
    }
    Fault::new(exit, message).with_details(details)
}

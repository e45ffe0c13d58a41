//! What moves may cost.

use super::{Form, Frame, form::Choice};
use askama::Template;

/// A policy in the list.
pub struct PolicyRow {
    /// Its form.
    pub href: String,
    /// Its name.
    pub name: String,
    /// Holds where none was chosen.
    pub usual: bool,
    /// The longest pause.
    pub pause: String,
    /// When it is over.
    pub within: String,
    /// What it may do.
    pub may: String,
    /// What it takes of the link.
    pub share: String,
    /// The last resort.
    pub resort: &'static str,
    /// Labels it is chosen by.
    pub labels: String,
}

/// The policies, and the form of one.
#[derive(Template)]
#[template(path = "move_policies.html")]
pub struct MovePolicies {
    /// Frame.
    pub frame: Frame,
    /// All of them.
    pub rows: Vec<PolicyRow>,
    /// The one in the form, as it is called now.
    pub was: String,
    /// It is not the last one, nor the usual one.
    pub may_remove: bool,
    /// What may be the last resort.
    pub resorts: Vec<Choice>,
    /// The one in the form.
    pub form: Form,
    /// Version they are of.
    pub version: i64,
}

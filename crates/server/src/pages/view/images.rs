//! Images: what there is, the catalogue, one, adding one.

use super::{Badge, Form, Frame, List, form::Choice, machines::Happened};
use askama::Template;

/// An image.
pub struct ImageRow {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// State.
    pub badge: Badge,
    /// Nobody but its source says that it is what it claims to be.
    pub unverified: bool,
    /// Why it failed.
    pub reason: Option<String>,
    /// Size of the file.
    pub size: String,
    /// Needs.
    pub needs: String,
    /// Where it comes from.
    pub origin: String,
    /// Being fetched: in words and 0–100.
    pub progress: Option<(String, Option<u32>)>,
}

/// An entry of the catalogue not yet taken.
pub struct Entry {
    /// Key.
    pub key: String,
    /// Name.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// Its needs.
    pub needs: String,
    /// Where it comes from (host name).
    pub origin: String,
}

/// Images.
#[derive(Template)]
#[template(path = "images.html")]
pub struct Images {
    /// Frame.
    pub frame: Frame,
    /// Administrators add and remove.
    pub admin: bool,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Images.
    pub rows: Vec<ImageRow>,
    /// One is being fetched.
    pub fetching: bool,
    /// Catalogue.
    pub catalogue: Vec<Entry>,
    /// What went wrong with taking one from the catalogue.
    pub act: Form,
}

/// One image.
#[derive(Template)]
#[template(path = "image.html")]
pub struct ImagePage {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// State.
    pub badge: Badge,
    /// Nobody but its source says that it is what it claims to be.
    pub unverified: bool,
    /// Administrators may more.
    pub admin: bool,
    /// Why it failed.
    pub reason: Option<String>,
    /// Being fetched: in words and 0–100.
    pub progress: Option<(String, Option<u32>)>,
    /// It is being fetched.
    pub fetching: bool,
    /// May be tried again.
    pub may_retry: bool,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// What went wrong with trying it again.
    pub act: Form,
    /// Removing it.
    pub remove: Form,
    /// What happened.
    pub history: Vec<Happened>,
}

/// Adding one by URL, or by a file that is uploaded.
#[derive(Template)]
#[template(path = "image_new.html")]
pub struct NewImagePage {
    /// Frame.
    pub frame: Frame,
    /// By a file.
    pub upload: bool,
    /// Largest file that is taken, GiB.
    pub largest: u64,
    /// What was typed.
    pub form: Form,
}

impl NewImagePage {
    /// Kinds of virtual hardware.
    pub fn devices(&self) -> Vec<Choice> {
        vec![
            Choice::new("virtio", "virtio: every current Linux"),
            Choice::new(
                "plain",
                "plain: SATA and e1000e, for Windows and bare installers",
            ),
        ]
    }
}

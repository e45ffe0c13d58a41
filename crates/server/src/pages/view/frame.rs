//! What surrounds every page: navigation, who is signed in, colours, running jobs, the last act's word.

use super::assets;

/// Colours a person chose; the system's otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// From the cookie; anything unknown is the system's.
    pub fn from_cookie(text: Option<&str>) -> Self {
        match text {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        }
    }
    /// The attribute on the page's root, none for the system's.
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }
    /// Whether this is the choice named so in the form.
    pub fn is(&self, value: &str) -> bool {
        self.attribute().unwrap_or("system") == value
    }
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Who {
    /// Login.
    pub login: String,
    /// Name.
    pub full_name: String,
    /// Whether the administrator's pages are theirs.
    pub admin: bool,
}

/// A running job in the strip under the head.
#[derive(Clone, Debug)]
pub struct StripJob {
    /// Its page.
    pub href: String,
    /// What it does, to what.
    pub text: String,
    /// What it is at.
    pub doing: String,
}

/// The frame of a page.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Title, also the page's heading in most cases.
    pub title: String,
    /// The address of the navigation entry this page belongs to.
    pub section: &'static str,
    /// Who is signed in.
    pub who: Option<Who>,
    /// Colours.
    pub theme: Theme,
    /// This page's own path and query, to come back to.
    pub path: String,
    /// Requests that wait for a decision.
    pub inbox: u32,
    /// Alerts that are open.
    pub alerts: u32,
    /// Accounts that wait to be let in.
    pub accounts: u32,
    /// Jobs that run, of this person or all.
    pub jobs: Vec<StripJob>,
    /// What the last act did.
    pub said: Option<String>,
    /// Why the last act was refused.
    pub refused: Option<String>,
    /// A wider column on the pages without the rail.
    pub wide: bool,
}

/// A heading of the navigation with its entries.
pub struct NavGroup {
    /// Heading; empty for the first.
    pub name: &'static str,
    /// Entries.
    pub items: Vec<NavItem>,
}

/// An entry of the navigation.
pub struct NavItem {
    /// Address.
    pub href: &'static str,
    /// Word.
    pub label: &'static str,
    /// How many things wait there.
    pub count: u32,
    /// Whether this page belongs to it.
    pub here: bool,
}

impl Frame {
    /// How many things wait for this person in all.
    pub fn waiting(&self) -> u32 {
        let waiting = self.inbox.saturating_add(self.accounts);
        waiting.saturating_add(self.alerts)
    }
    /// The navigation of this person.
    pub fn nav(&self) -> Vec<NavGroup> {
        let item = |href, label| NavItem {
            href,
            label,
            count: match href {
                "/inbox" => self.inbox,
                "/people" => self.accounts,
                "/alerts" => self.alerts,
                _ => 0,
            },
            here: self.section == href,
        };
        let mine = NavGroup {
            name: "",
            items: vec![
                item("/machines", "My machines"),
                item("/requests", "Requests"),
            ],
        };
        if !self.who.as_ref().is_some_and(|who| who.admin) {
            let mut mine = mine;
            mine.items.push(item("/images", "Images"));
            return vec![mine];
        }
        vec![
            NavGroup {
                name: "",
                items: vec![
                    item("/inbox", "Inbox"),
                    item("/alerts", "Alerts"),
                    item("/fleet", "Fleet"),
                    item("/vms", "All machines"),
                    item("/migrations", "Migrations"),
                    item("/jobs", "Jobs"),
                ],
            },
            NavGroup {
                name: "What it stands on",
                items: vec![
                    item("/hosts", "Hosts"),
                    item("/storages", "Storages"),
                    item("/networks", "Networks"),
                    item("/images", "Images"),
                ],
            },
            NavGroup {
                name: "Who and how",
                items: vec![
                    item("/people", "People"),
                    item("/policy", "Policy"),
                    item("/audit", "Audit"),
                ],
            },
            NavGroup {
                name: "Mine",
                ..mine
            },
        ]
    }
    /// The choices of colours: value and word.
    pub fn themes(&self) -> [(&'static str, &'static str); 3] {
        [("system", "Auto"), ("light", "Light"), ("dark", "Dark")]
    }
    /// Address of an embedded file.
    pub fn asset(&self, path: &str) -> String {
        assets::href(path)
    }
    /// Style sheets, in order.
    pub fn sheets(&self) -> Vec<&'static str> {
        let mut sheets = vec![
            "css/tokens.css",
            "css/base.css",
            "css/frame.css",
            "css/parts.css",
            "css/figures.css",
        ];
        if assets::has_libraries() {
            sheets.insert(0, "vendor/uplot.css");
        }
        sheets
    }
    /// Modules; those that need a library only where it is there.
    pub fn scripts(&self) -> Vec<&'static str> {
        let mut scripts = vec!["js/page.js"];
        if assets::has_libraries() {
            scripts.extend(["js/live.js", "js/graph.js"]);
        }
        scripts
    }
    /// "2 jobs are running".
    pub fn jobs_words(&self) -> String {
        match self.jobs.len() {
            1 => "One job is running".into(),
            n => format!("{n} jobs are running"),
        }
    }
}

//! What a dashboard is made of, before it is anybody's format.

/// Where the numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Prometheus, or what speaks its language.
    Prometheus,
    /// Graphite, by classic paths.
    Graphite,
}

impl Source {
    /// Grafana's word for it, and that of folders.
    pub fn word(self) -> &'static str {
        match self {
            Source::Prometheus => "prometheus",
            Source::Graphite => "graphite",
        }
    }
}

/// A dashboard.
#[derive(Debug)]
pub(super) struct Dashboard {
    /// Its word in file names and addresses.
    pub slug: &'static str,
    pub title: &'static str,
    /// Which questions it answers.
    pub description: &'static str,
    /// What is chosen above it.
    pub variables: Vec<Variable>,
    pub rows: Vec<Row>,
}

/// Something that is chosen above a dashboard.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub name: &'static str,
    pub label: &'static str,
    /// Prometheus's query for what there is to choose; none where it is not chosen there.
    pub prometheus: Option<&'static str>,
    /// Takes a text to show and a value from an answer of Prometheus's.
    pub prometheus_regex: &'static str,
    /// The same of Graphite.
    pub graphite: Option<&'static str>,
    /// Many may be chosen at once, or all.
    pub many: bool,
}

/// Panels below a heading.
#[derive(Debug)]
pub(super) struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

/// How a panel draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines over time.
    Lines,
    /// Areas on top of each other.
    Stacked,
    /// The last value, large.
    Number,
    /// The last value of each as a bar.
    Bars,
    /// A line of coloured cells for each: the hot and the empty one are seen at once.
    Cells,
}

/// What the numbers of a panel count, once queries have turned them into base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Cores,
    Bytes,
    BytesPerSecond,
    PerSecond,
    Seconds,
    Count,
    /// 0 to 1, drawn as 0 to 100 %.
    Share,
}

/// One panel.
#[derive(Debug)]
pub(super) struct Panel {
    pub title: String,
    /// What it means, and what to do about it, as sentences.
    pub description: String,
    pub kind: Kind,
    pub unit: Shown,
    /// Of the 24 columns of a page.
    pub width: u32,
    /// It shows what is looked at every third sample only: rates need a longer span, and gaps are no gaps.
    pub slow: bool,
    pub targets: Vec<Target>,
}

/// One query, in both languages.
#[derive(Debug)]
pub(super) struct Target {
    pub prometheus: String,
    /// How Prometheus's series are called; Graphite's get their names in the query.
    pub legend: &'static str,
    pub graphite: String,
}

impl Panel {
    /// A panel of usual width.
    pub fn new(kind: Kind, unit: Shown, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: String::new(),
            kind,
            unit,
            width: if kind == Kind::Number { 4 } else { 12 },
            slow: false,
            targets: Vec::new(),
        }
    }
    pub fn about(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
    pub fn wide(self, width: u32) -> Self {
        Self { width, ..self }
    }
    pub fn slow(self) -> Self {
        Self { slow: true, ..self }
    }
    pub fn with(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }
}

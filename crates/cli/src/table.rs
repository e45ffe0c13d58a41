//! Tables and sheets as people read them; everything in them is made harmless for the terminal.

use crate::text::clean;
use comfy_table::{Attribute, Cell, Color, ContentArrangement};

/// What the terminal can and may show.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colours.
    pub colour: bool,
    /// Fit tables to the terminal's width.
    pub fit: bool,
}

/// A table with a header.
pub struct Table {
    inner: comfy_table::Table,
    style: Style,
}

impl Table {
    /// An empty table.
    pub fn new<const N: usize>(style: Style, header: [&str; N]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(comfy_table::presets::NOTHING);
        inner.set_content_arrangement(if style.fit {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        if style.colour {
            inner.enforce_styling();
        } else if !style.fit {
            inner.force_no_tty();
        }
        inner.set_header(header.map(|title| {
            let cell = Cell::new(title);
            if style.colour {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        }));
        Self { inner, style }
    }

    /// One more row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) -> &mut Self {
        let style = self.style;
        self.inner
            .add_row(cells.map(|text| cell(&clean(&text), style)));
        self
    }

    /// As text, without a newline at the end; `empty` where there are no rows.
    pub fn show(&self, empty: &str) -> String {
        if self.inner.is_empty() {
            return empty.into();
        }
        let lines: Vec<String> = self
            .inner
            .lines()
            .map(|line| {
                line.strip_prefix(' ')
                    .unwrap_or(&line)
                    .trim_end()
                    .to_owned()
            })
            .collect();
        lines.join("\n")
    }
}

/// A cell; a state is coloured by what it means: red needs a person.
fn cell(text: &str, style: Style) -> Cell {
    let cell = Cell::new(text);
    if !style.colour {
        return cell;
    }
    match tone(text) {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}

fn tone(text: &str) -> Option<Color> {
    Some(match text {
        "failed" | "needs person" | "host unreachable" | "unreachable" | "crashed" | "fail" => {
            Color::Red
        }
        "stale" | "paused" | "waiting for room" | "pending" | "waiting" | "warn" | "undoing"
        | "connecting" | "maintenance" => Color::Yellow,
        "running" | "ready" | "active" | "fulfilled" | "completed" | "done" | "pass" => {
            Color::Green
        }
        _ => return None,
    })
}

/// Names and values of one thing, one a line.
pub struct Sheet {
    lines: Vec<(String, String)>,
    style: Style,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(style: Style) -> Self {
        Self {
            lines: Vec::new(),
            style,
        }
    }

    /// One more line.
    pub fn line(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.lines.push((name.into(), value.into()));
        self
    }

    /// One more line, where there is a value.
    pub fn maybe(&mut self, name: &str, value: Option<impl Into<String>>) -> &mut Self {
        if let Some(value) = value {
            self.line(name, value);
        }
        self
    }

    /// As text, without a newline at the end.
    pub fn show(&self) -> String {
        let width = self
            .lines
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|(name, value)| {
                let pad = " ".repeat(width - name.chars().count());
                // Lines of a text a person wrote stay lines; nothing else of it reaches the terminal raw.
                let value: Vec<String> = value.lines().map(clean).collect();
                let value = value.join(&format!("\n{}", " ".repeat(width + 2)));
                if self.style.colour {
                    format!("\u{1b}[1m{name}\u{1b}[0m{pad}  {value}")
                } else {
                    format!("{name}{pad}  {value}")
                }
            })
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.join("\n")
    }
}

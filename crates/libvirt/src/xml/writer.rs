//! A small XML writer: every text is escaped, every element closed, and a character XML 1.0 can't hold is an error rather
//! than dropped.

use std::fmt::Write as _;

/// A text holds a character that XML 1.0 forbids (even escaped).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} holds the character U+{:04X}, which can't be written to libvirt", u32::from(*.character))]
pub(crate) struct Forbidden {
    /// Element or attribute.
    pub place: String,
    /// The character.
    pub character: char,
}

/// Writes one document into a string. The first forbidden character is kept and reported by [`Writer::finish`].
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: String,
    open: Vec<Open>,
    forbidden: Option<Forbidden>,
}

/// An element that is not closed yet.
#[derive(Debug)]
struct Open {
    name: String,
    /// Its start tag is still open for attributes.
    in_tag: bool,
    /// It holds text, so that no white space may be added.
    has_text: bool,
}

impl Writer {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }
    /// Writes an element with what `inside` writes into it. Names are ours, never a person's.
    pub fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.start(name);
        inside(self);
        self.end();
        self
    }
    /// Writes an element that holds only text.
    pub fn text_element(&mut self, name: &str, text: impl std::fmt::Display) -> &mut Self {
        self.element(name, |w| {
            w.text(&text.to_string());
        })
    }
    /// Writes an attribute of the element whose tag is open.
    pub fn attribute(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        debug_assert!(self.open.last().is_some_and(|open| open.in_tag));
        let value = value.to_string();
        let _ = write!(self.out, " {name}=\"");
        self.escaped(&value, true, name);
        self.out.push('"');
        self
    }
    /// Writes text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        let place = self.open.last_mut().map_or_else(String::new, |open| {
            open.has_text = true;
            open.name.clone()
        });
        self.escaped(text, false, &place);
        self
    }
    /// The document.
    pub fn finish(self) -> Result<String, Forbidden> {
        debug_assert!(self.open.is_empty());
        match self.forbidden {
            Some(forbidden) => Err(forbidden),
            None => Ok(self.out),
        }
    }

    pub(super) fn start(&mut self, name: &str) {
        self.close_tag();
        self.new_line();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(Open {
            name: name.to_owned(),
            in_tag: true,
            has_text: false,
        });
    }
    pub(super) fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.in_tag {
            self.out.push_str("/>");
            return;
        }
        if !open.has_text {
            self.new_line();
        }
        let _ = write!(self.out, "</{}>", open.name);
    }
    fn close_tag(&mut self) {
        if let Some(open) = self.open.last_mut()
            && open.in_tag
        {
            open.in_tag = false;
            self.out.push('>');
        }
    }
    /// A new line and two spaces a level, unless inside text, where white space would count.
    fn new_line(&mut self) {
        if self.out.is_empty() || self.open.iter().any(|open| open.has_text) {
            return;
        }
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.open.len()));
    }
    fn escaped(&mut self, text: &str, attribute: bool, place: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if attribute => self.out.push_str("&quot;"),
                // A reader turns a bare carriage return into a line feed, and white space in attributes into spaces.
                '\r' => self.out.push_str("&#13;"),
                '\n' if attribute => self.out.push_str("&#10;"),
                '\t' if attribute => self.out.push_str("&#9;"),
                c if allowed(c) => self.out.push(c),
                c => {
                    self.forbidden.get_or_insert(Forbidden {
                        place: place.to_owned(),
                        character: c,
                    });
                }
            }
        }
    }
}

/// Whether XML 1.0 can hold the character (production 2, `Char`).
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> Result<String, Forbidden> {
        let mut w = Writer::new();
        w.element("a", |w| {
            w.attribute("b", text);
            w.text_element("c", text);
        });
        w.finish()
    }

    #[test]
    fn forbidden_characters_are_named() {
        let said = written("a\u{1}b").unwrap_err().to_string();
        assert_eq!(
            said,
            "b holds the character U+0001, which can't be written to libvirt"
        );
        assert!(written("\u{ffff}").is_err());
        assert!(written("\0").is_err());
    }

    #[test]
    fn nests_and_indents_but_never_inside_text() {
        let mut w = Writer::new();
        w.element("a", |w| {
            w.element("b", |_| ());
            w.text_element("c", "x & y");
        });
        assert_eq!(w.finish().unwrap(), "<a>\n  <b/>\n  <c>x &amp; y</c>\n</a>");
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in any::<String>()) {
            let kept: String = text.chars().filter(|c| allowed(*c)).collect();
            prop_assert_eq!(written(&text).is_ok(), kept == text);
            let xml = written(&kept).unwrap();
            let read = roxmltree::Document::parse(&xml).unwrap();
            prop_assert_eq!(read.root_element().attribute("b"), Some(kept.as_str()));
            let inner = super::super::child(read.root_element(), "c").unwrap();
            prop_assert_eq!(super::super::text(inner), kept);
        }
    }
}

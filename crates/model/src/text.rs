//! Small functions on text that comes from people.

/// Control characters, line and paragraph separators, marks that turn the direction of writing around, and what has no
/// width: two names that look alike must be alike.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text as it may stand in a message: hidden characters made visible, cut after 60 characters.
pub fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(60)
        .map(|c| if is_hidden(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// Lower-case ASCII letters, digits and single hyphens, at most `most` long; never empty: `vm` where nothing is left.
/// The form of host names (RFC 1123) and libvirt names.
pub fn slug(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= most {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() {
        "vm".into()
    } else {
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_host_names() {
        for (text, expect) in [
            ("Web Server #1", "web-server-1"),
            ("<script>", "script"),
            ("サーバー", "vm"),
            ("a/b\n c", "a-b-c"),
            ("--", "vm"),
            ("x".repeat(100).as_str(), &"x".repeat(40)),
        ] {
            assert_eq!(slug(text, 40), expect);
        }
    }

    #[test]
    fn shown_hides_controls_and_cuts() {
        assert_eq!(shown("a\nb\u{202e}c"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(shown(&"y".repeat(61)).chars().count(), 61);
    }
}

//! Takes Rust text apart into code, comments and string literals: just enough to look for words in the right one.

/// A Rust file taken apart. `code` keeps the lines of the text, so that line numbers stay true.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts {
    /// The text with comments and the insides of literals blanked out.
    pub code: String,
    /// String literals: the line they start in, and their insides as written.
    pub strings: Vec<(usize, String)>,
}

/// Takes a file apart.
pub(crate) fn parts(text: &str) -> Parts {
    let mut parts = Parts::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let line = parts.code.matches('\n').count() + 1;
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            blank(&mut parts.code, &rest[..length]);
            length
        } else if rest.starts_with("/*") {
            let length = block_comment(rest);
            blank(&mut parts.code, &rest[..length]);
            length
        } else if let Some((inside, length)) = string(rest, parts.code.chars().last()) {
            parts.strings.push((line, rest[inside].to_owned()));
            blank(&mut parts.code, &rest[..length]);
            length
        } else if let Some(length) = character(rest) {
            blank(&mut parts.code, &rest[..length]);
            length
        } else {
            parts.code.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    parts
}

/// Keeps the lines, drops the rest.
fn blank(code: &mut String, text: &str) {
    code.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// Length of the block comment `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Where the insides of the string literal are that `text` starts with, and how long it is in all.
fn string(text: &str, before: Option<char>) -> Option<(std::ops::Range<usize>, usize)> {
    let in_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = if in_a_word {
        ""
    } else {
        ["br", "cr", "r", "b", "c"]
            .into_iter()
            .find(|prefix| text.starts_with(prefix))
            .unwrap_or("")
    };
    let body = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if body.as_bytes().get(hashes) == Some(&b'"') {
            let start = prefix.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = text[start..]
                .find(&end)
                .map_or(text.len(), |length| start + length);
            return Some((start..inside, (inside + end.len()).min(text.len())));
        }
    }
    if !body.starts_with('"') || prefix.ends_with('r') {
        return None;
    }
    let start = prefix.len() + 1;
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((start..start + at, start + at + 1)),
            _ => {}
        }
    }
    Some((start..text.len(), text.len()))
}

/// Length of the character literal `text` starts with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let end = inside
            .char_indices()
            .skip(2)
            .find(|(_, c)| *c == '\'')
            .map(|(at, _)| at)?;
        return Some(1 + end + 1);
    }
    inside[first.len_utf8()..]
        .starts_with('\'')
        .then_some(first.len_utf8() + 2)
}

/// Lines of `code` on which `word` stands as a word of its own; a `word` may hold `::`, `!` or `(`.
pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_open = word.ends_with(|c| !part_of_word(c));
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().last();
                let after = line[at + word.len()..].chars().next();
                !before.is_some_and(part_of_word) && (ends_open || !after.is_some_and(part_of_word))
            })
        })
        .map(|(index, _)| index + 1)
        .collect()
}

/// The code before the file's own tests.
pub(crate) fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod ")
        .map_or(code, |start| &code[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_literals_are_no_code() {
        let text = "let a = 'x'; // unsafe\nlet b: &'a str = \"unsafe \\\" {\"; /* unsafe /* x */ */ real();\n\
                    let c = r#\"un\"safe\"#; let d = '\\''; let e = br\"x\"; last();";
        let parts = parts(text);
        assert_eq!(lines_with(&parts.code, "unsafe"), Vec::<usize>::new());
        assert_eq!(lines_with(&parts.code, "real("), [2]);
        assert_eq!(lines_with(&parts.code, "last("), [3]);
        assert_eq!(
            parts.strings,
            [
                (2, "unsafe \\\" {".to_owned()),
                (3, "un\"safe".to_owned()),
                (3, "x".to_owned())
            ]
        );
    }

    #[test]
    fn only_whole_words_count() {
        assert_eq!(
            lines_with("unsafe_code\nan_unsafe\nunsafe {", "unsafe"),
            [3]
        );
        assert_eq!(lines_with("x.now()\nTimestamp::now()", "::now("), [0; 0]);
        assert_eq!(lines_with("Timestamp::now()", "Timestamp::now("), [1]);
    }

    #[test]
    fn own_tests_are_cut_off() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests { b }"), "a\n");
    }
}

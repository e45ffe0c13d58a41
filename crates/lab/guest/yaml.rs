//! The part of YAML that NoCloud seeds are written in: block mappings and sequences, flow mappings and sequences (so all
//! of JSON), plain and quoted scalars, literal blocks (`|`), comments. No anchors, tags, folded blocks or several documents.

/// A value. Every scalar is text: whoever reads it knows what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A scalar.
    Text(String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping, in the order written.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A scalar's text, unless it is empty or null.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !matches!(text.as_str(), "" | "null" | "~") => Some(text),
            _ => None,
        }
    }

    /// The text under `key`.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// Whether the scalar under `key` says yes.
    pub fn is_true(&self, key: &str) -> bool {
        matches!(self.text_at(key), Some("true" | "True" | "yes" | "on"))
    }

    /// The members of a sequence; a lone value counts as a sequence of itself.
    pub fn items(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            Self::Text(text) if text.is_empty() => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// The members of the sequence under `key`; none when there is none.
    pub fn items_at(&self, key: &str) -> &[Value] {
        self.get(key).map_or(&[], Value::items)
    }
}

/// Reads one document. What cannot be understood is named with its line.
pub fn parse(source: &str) -> Result<Value, String> {
    let mut parser = Parser {
        lines: source
            .lines()
            .enumerate()
            .map(|(index, text)| Line::new(index + 1, text))
            .collect(),
        at: 0,
    };
    parser.skip_blank();
    let Some(indent) = parser.indent() else {
        return Ok(Value::Text(String::new()));
    };
    let value = parser.block(indent)?;
    parser.skip_blank();
    match parser.lines.get(parser.at) {
        Some(line) => Err(format!("line {}: unexpected {:?}", line.number, line.text)),
        None => Ok(value),
    }
}

struct Line {
    number: usize,
    indent: usize,
    text: String,
    raw: String,
}

impl Line {
    fn new(number: usize, raw: &str) -> Self {
        let text = without_comment(raw).trim().to_owned();
        let indent = raw.len() - raw.trim_start_matches(' ').len();
        Self {
            number,
            indent,
            text,
            raw: raw.to_owned(),
        }
    }

    fn blank(&self) -> bool {
        self.text.is_empty() || self.text == "---"
    }
}

/// A `#` begins a comment at the line's start or after a blank, outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '#') if before == ' ' => return &line[..at],
            (Some(open), close) if open == close && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

struct Parser {
    lines: Vec<Line>,
    at: usize,
}

impl Parser {
    fn skip_blank(&mut self) {
        while self.lines.get(self.at).is_some_and(Line::blank) {
            self.at += 1;
        }
    }

    fn indent(&self) -> Option<usize> {
        self.lines.get(self.at).map(|line| line.indent)
    }

    /// A value whose first line stands at `indent`.
    fn block(&mut self, indent: usize) -> Result<Value, String> {
        let line = &self.lines[self.at];
        if line.text == "-" || line.text.starts_with("- ") {
            self.sequence(indent)
        } else if line.text.starts_with(['{', '[']) || split_key(&line.text).is_none() {
            let text = self.joined(indent);
            scalar_or_flow(&text)
        } else {
            self.mapping(indent)
        }
    }

    /// A flow value may run over several lines: all that are indented no less.
    fn joined(&mut self, indent: usize) -> String {
        let mut text = String::new();
        while let Some(line) = self.lines.get(self.at).filter(|line| {
            line.blank() || line.indent >= indent || line.text.starts_with([']', '}'])
        }) {
            text.push_str(&line.text);
            text.push(' ');
            self.at += 1;
        }
        text.trim().to_owned()
    }

    fn sequence(&mut self, indent: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            let Some(line) = self.lines.get_mut(self.at) else {
                break;
            };
            if line.indent != indent || !(line.text == "-" || line.text.starts_with("- ")) {
                break;
            }
            let rest = line.text[1..].trim_start().to_owned();
            if rest.is_empty() {
                self.at += 1;
                items.push(self.nested(indent)?);
            } else {
                // What follows the dash is a value that stands where it stands: `- a: 1` opens a mapping there.
                line.indent += line.text.len() - rest.len();
                line.text = rest;
                let inner = line.indent;
                items.push(self.block(inner)?);
            }
        }
        Ok(Value::List(items))
    }

    fn mapping(&mut self, indent: usize) -> Result<Value, String> {
        let mut entries = Vec::new();
        loop {
            self.skip_blank();
            let Some(line) = self.lines.get(self.at).filter(|line| line.indent == indent) else {
                break;
            };
            let number = line.number;
            let Some((key, rest)) = split_key(&line.text) else {
                return Err(format!(
                    "line {number}: expected `key: value`, found {:?}",
                    line.text
                ));
            };
            let (key, rest) = (unquote(key)?, rest.to_owned());
            self.at += 1;
            let value = if rest.is_empty() {
                self.nested(indent)?
            } else if rest == "|" || rest == "|-" {
                Value::Text(self.literal(indent))
            } else if rest.starts_with(['{', '[']) {
                let mut text = rest;
                if !balanced(&text) {
                    text.push(' ');
                    text.push_str(&self.joined(indent + 1));
                }
                scalar_or_flow(&text).map_err(|error| format!("line {number}: {error}"))?
            } else {
                scalar_or_flow(&rest).map_err(|error| format!("line {number}: {error}"))?
            };
            entries.push((key, value));
        }
        Ok(Value::Map(entries))
    }

    /// What stands below a key or a lone dash: deeper, or a sequence at the key's own indent, or nothing.
    fn nested(&mut self, indent: usize) -> Result<Value, String> {
        self.skip_blank();
        match self.lines.get(self.at) {
            Some(line)
                if line.indent > indent || line.indent == indent && line.text.starts_with("- ") =>
            {
                self.block(line.indent)
            }
            _ => Ok(Value::Text(String::new())),
        }
    }

    fn literal(&mut self, indent: usize) -> String {
        let mut taken = Vec::new();
        while let Some(line) = self
            .lines
            .get(self.at)
            .filter(|line| line.raw.trim().is_empty() || line.indent > indent)
        {
            taken.push(line.raw.clone());
            self.at += 1;
        }
        let margin = taken
            .iter()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        taken
            .iter()
            .map(|line| line.get(margin..).unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
            .trim_end()
            .to_owned()
    }
}

/// `key: rest`, where the colon is outside quotes and followed by a blank or the line's end.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') if at == 0 => quote = Some(c),
            (None, ':') if text[at + 1..].is_empty() || text[at + 1..].starts_with(' ') => {
                return Some((text[..at].trim(), text[at + 1..].trim()));
            }
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn balanced(text: &str) -> bool {
    let count = |chars: &[char]| text.matches(chars).count();
    count(&['[', '{']) == count(&[']', '}'])
}

fn scalar_or_flow(text: &str) -> Result<Value, String> {
    if !text.starts_with(['{', '[']) {
        return unquote(text).map(Value::Text);
    }
    let mut flow = Flow { rest: text };
    let value = flow.value()?;
    match flow.rest.trim() {
        "" => Ok(value),
        left => Err(format!("unexpected {left:?} after a value")),
    }
}

fn unquote(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !text.starts_with(['"', '\'']) {
        return Ok(text.to_owned());
    }
    let mut flow = Flow { rest: text };
    let value = flow.quoted()?;
    if flow.rest.trim().is_empty() {
        Ok(value)
    } else {
        Err(format!("unexpected {:?} after a quoted value", flow.rest))
    }
}

/// Flow style, which is JSON and a little more.
struct Flow<'a> {
    rest: &'a str,
}

impl Flow<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.peek() {
            Some('{') => self.map(),
            Some('[') => self.list(),
            Some('"' | '\'') => self.quoted().map(Value::Text),
            _ => Ok(Value::Text(self.plain(&[',', ']', '}']))),
        }
    }

    fn plain(&mut self, ends: &[char]) -> String {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text.trim().to_owned()
    }

    fn list(&mut self) -> Result<Value, String> {
        self.take('[');
        let mut items = Vec::new();
        while !self.take(']') {
            if self.peek().is_none() {
                return Err("a '[' has no ']'".into());
            }
            items.push(self.value()?);
            if !self.take(',') && self.peek() != Some(']') {
                return Err(format!("expected ',' or ']' before {:?}", self.rest));
            }
        }
        Ok(Value::List(items))
    }

    fn map(&mut self) -> Result<Value, String> {
        self.take('{');
        let mut entries = Vec::new();
        while !self.take('}') {
            let key = match self.peek() {
                None => return Err("a '{' has no '}'".into()),
                Some('"' | '\'') => self.quoted()?,
                Some(_) => self.plain(&[':', ',', '}']),
            };
            if !self.take(':') {
                return Err(format!("expected ':' after {key:?}"));
            }
            entries.push((key, self.value()?));
            if !self.take(',') && self.peek() != Some('}') {
                return Err(format!("expected ',' or '}}' before {:?}", self.rest));
            }
        }
        Ok(Value::Map(entries))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let quote = chars.next().map_or('"', |(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote && quote == '\'' && self.rest[at + 1..].starts_with('\'') => {
                    chars.next();
                    text.push('\'');
                }
                _ if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' if quote == '"' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('u') => {
                        let digits: String =
                            chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16)
                            .map_err(|_| format!("bad escape \\u{digits}"))?;
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    Some(other) => text.push(other),
                    None => break,
                },
                _ => text.push(c),
            }
        }
        Err("a quoted value has no end".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_and_json_say_the_same() {
        let block = parse("#cloud-config\nusers:\n  - name: ann # the first\n    ssh_authorized_keys:\n    - ssh-ed25519 AAAA ann@home\n  - default\nchpasswd: { expire: false }\n").unwrap();
        let json = parse(r#"{"users": [{"name": "ann", "ssh_authorized_keys": ["ssh-ed25519 AAAA ann@home"]}, "default"], "chpasswd": {"expire": false}}"#).unwrap();
        assert_eq!(block, json);
        assert_eq!(block.items_at("users")[0].text_at("name"), Some("ann"));
    }

    #[test]
    fn json_over_several_lines_is_read() {
        let value = parse(
            "#cloud-config\n{\n  \"hostname\": \"vm-1\",\n  \"list\": [\n    1,\n    2\n  ]\n}\n",
        )
        .unwrap();
        assert_eq!(value.text_at("hostname"), Some("vm-1"));
        assert_eq!(value.items_at("list").len(), 2);
    }

    #[test]
    fn quotes_comments_and_literals() {
        let value = parse("a: 'it''s # not a comment'\nb: \"x\\\"y\\u00e9\"\nc: |\n  one\n    two # kept\n\nd: http://x/#y\n").unwrap();
        assert_eq!(value.text_at("a"), Some("it's # not a comment"));
        assert_eq!(value.text_at("b"), Some("x\"yé"));
        assert_eq!(value.text_at("c"), Some("one\n  two # kept"));
        assert_eq!(value.text_at("d"), Some("http://x/#y"));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        assert!(parse("a: 1\nb: [1, 2\n").unwrap_err().contains("line 2"));
        assert!(parse("a: 1\nnonsense\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn addresses_with_colons_and_empty_values_survive() {
        let value = parse("mac: 52:54:00:aa:bb:cc\nempty:\nlist: []\n").unwrap();
        assert_eq!(value.text_at("mac"), Some("52:54:00:aa:bb:cc"));
        assert_eq!(value.text_at("empty"), None);
        assert!(value.items_at("list").is_empty());
    }
}

//! The spec's text as a tree of places: where every key and every value stands. Values themselves
//! come from serde_yaml; what this build does not read of YAML (anchors, tags, duplicate keys,
//! several documents, deep nesting) is refused here, so that serde_yaml never sees it.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScanError, Span, StrInput};

use super::finding::{Finding, Mark};
use super::text::Text;

/// How deep values may be nested. The deepest that the language asks for is seven.
const MAX_DEPTH: usize = 32;

/// How many values a spec may hold.
const MAX_NODES: usize = 10_000;

/// A value's place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The value itself; of a list or mapping only its start.
    pub(super) mark: Mark,
    /// What to point at when the value as a whole is wrong: its key, or its first line.
    pub(super) head: Mark,
    /// Whether any of it came from a variable, and must not be repeated in a message.
    pub(super) from_variable: bool,
    /// The places inside.
    pub(super) inner: Inner,
}

/// The places inside a value.
#[derive(Clone, Debug)]
pub(super) enum Inner {
    /// None: text, a number, a word, or nothing.
    Scalar,
    /// Of a list.
    List(Vec<Node>),
    /// Of a mapping, by key.
    Map(Vec<(Key, Node)>),
}

/// A key as written, and its place.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) mark: Mark,
}

impl Node {
    /// The place of the field `key`, or this one's when there is no such field.
    pub(super) fn field(&self, key: &str) -> &Node {
        self.get(key).unwrap_or(self)
    }

    /// The place of the field `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Inner::Map(entries) = &self.inner else { return None };
        entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The place of item `index`, or this one's when there is no such item.
    pub(super) fn item(&self, index: usize) -> &Node {
        match &self.inner {
            Inner::List(items) => items.get(index).unwrap_or(self),
            _ => self,
        }
    }

    /// The places of the keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let entries = if let Inner::Map(entries) = &self.inner { entries.as_slice() } else { &[] };
        entries.iter().map(|(key, _)| key)
    }

    /// The place of the value, unless it is a list, a mapping or nothing: then its head.
    pub(super) fn value(&self) -> Mark {
        match self.inner {
            Inner::Scalar if self.mark.end > self.mark.start => self.mark,
            _ => self.head,
        }
    }
}

/// Reads the places of `text`.
///
/// # Errors
/// Everything that is not the YAML that a spec may be made of.
pub(super) fn read(text: &Text<'_>) -> Result<Node, Vec<Finding>> {
    let parser = Parser::new_from_str(text.content);
    let mut reader = Reader { text, parser, near: Near::default(), findings: Vec::new(), nodes: 0, open: Vec::new() };
    match reader.document() {
        Ok(node) if reader.findings.is_empty() => Ok(node),
        Ok(_) => Err(reader.findings),
        Err(last) => {
            reader.findings.push(last);
            Err(reader.findings)
        }
    }
}

struct Reader<'t> {
    text: &'t Text<'t>,
    parser: Parser<'t, StrInput<'t>>,
    near: Near,
    findings: Vec<Finding>,
    nodes: usize,
    /// Where the lists and mappings that are being read start.
    open: Vec<Mark>,
}

/// The last marker that was looked up: the next is near it, and a long line is walked once.
#[derive(Clone, Copy, Default)]
struct Near {
    line: usize,
    column: usize,
    byte: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Finding> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, _) => {
                    let empty = Finding::new(Mark::default(), "the file holds no spec");
                    return Err(empty.help("`tidegate schema` says what one holds"));
                }
                (event, span) => {
                    let root = self.node(&event, span, 0, None)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    /// Reads to the end, where no second document may be.
    fn end(&mut self) -> Result<(), Finding> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => {
                    let wrong = Finding::new(self.mark(span), "a second document starts here");
                    return Err(wrong.help("a file holds one spec; move the second to a file of its own"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Finding> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: &Event<'t>, span: Span, depth: usize, key: Option<Mark>) -> Result<Node, Finding> {
        let mark = self.mark(span);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(Finding::new(mark, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        if self.nodes > MAX_NODES {
            return Err(Finding::new(mark, format!("more than {MAX_NODES} values")).help("is this the file you meant?"));
        }
        self.refuse_extras(event, mark);
        self.open.push(mark);
        let inner = match event {
            Event::SequenceStart(..) => Inner::List(self.list(depth)?),
            Event::MappingStart(..) => Inner::Map(self.map(depth)?),
            _ => Inner::Scalar,
        };
        self.open.pop();
        let first = match &inner {
            Inner::Map(entries) => entries.first().map(|(key, _)| key.mark),
            Inner::List(items) => items.first().map(|item| item.head),
            Inner::Scalar => None,
        };
        Ok(Node { mark, head: key.or(first).unwrap_or(mark), from_variable: false, inner })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Finding> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(&event, span, depth + 1, None)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Finding> {
        let mut entries = Vec::new();
        let mut seen: HashMap<String, Mark> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(entries);
            }
            let text = if let Event::Scalar(text, ..) = &event { Some(text.to_string()) } else { None };
            let place = self.node(&event, span, depth + 1, None)?;
            let (event, span) = self.next()?;
            let node = self.node(&event, span, depth + 1, Some(place.head))?;
            let Some(text) = text else {
                self.findings.push(Finding::new(place.head, "a key is a word, not a list or a mapping"));
                continue;
            };
            if let Some(first) = seen.get(&text) {
                let twice = Finding::new(place.mark, format!("`{}` is set twice", text.escape_debug()));
                self.findings.push(twice.help("keep one of the two").note(*first, "first set here"));
            }
            seen.entry(text.clone()).or_insert(place.mark);
            entries.push((Key { text, mark: place.mark }, node));
        }
    }

    /// Anchors, aliases and tags: legal YAML that a spec does without.
    fn refuse_extras(&mut self, event: &Event<'_>, mark: Mark) {
        let (anchor, tag) = match event {
            Event::Alias(_) => {
                let alias = Finding::new(mark, "a spec has no aliases");
                self.findings.push(alias.help("write the value out where it is used"));
                return;
            }
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => return,
        };
        let before = |sign: char| {
            let line = self.text.start_of(self.text.line_of(mark.start));
            let at = self.text.content[line..mark.start].rfind(sign).map_or(mark.start, |at| line + at);
            let word = self.text.content[at..].split([' ', '\n', '\r']).next().unwrap_or_default();
            Mark::new(at, at + word.len())
        };
        if anchor > 0 {
            let finding = Finding::new(before('&'), "a spec has no anchors");
            self.findings.push(finding.help("write the value out where it is used"));
        }
        if tag {
            let finding = Finding::new(before('!'), "a spec has no tags");
            self.findings.push(finding.help("put the value in quotes if it starts with `!`"));
        }
    }

    fn mark(&mut self, span: Span) -> Mark {
        let (start, end) = (self.byte(span.start), self.byte(span.end));
        let shown = self.text.content.get(start..end).unwrap_or_default().trim_end();
        Mark::new(start, start + closing_quote(shown).unwrap_or(shown.len()))
    }

    fn byte(&mut self, marker: Marker) -> usize {
        let (line, column) = (marker.line().saturating_sub(1), marker.col());
        if self.near.line != line || self.near.column > column {
            self.near = Near { line, column: 0, byte: self.text.start_of(line) };
        }
        let rest = self.text.content[self.near.byte..].chars();
        let walked: usize = rest.take(column - self.near.column).map(char::len_utf8).sum();
        self.near = Near { line, column, byte: self.near.byte + walked };
        self.near.byte
    }

    /// What the parser did not understand, in words; a tab in the indentation explains most.
    fn syntax(&mut self, error: &ScanError) -> Finding {
        let at = self.byte(*error.marker());
        let line = self.text.line_of(at.min(self.text.content.len()));
        for line in [line, line.saturating_sub(1)] {
            let shown = self.text.line(line);
            let indent = shown.len() - shown.trim_start().len();
            if let Some(tab) = shown[..indent].find('\t') {
                let at = self.text.start_of(line) + tab;
                return Finding::new(Mark::new(at, at + 1), "a tab in the indentation").help("indent with spaces");
            }
        }
        let shown = self.text.line(line);
        if let Some(dollar) = shown.find("${").filter(|dollar| shown[..*dollar].contains(['{', '['])) {
            let at = self.text.start_of(line) + dollar;
            let length = shown[dollar..].find('}').map_or(2, |end| end + 1);
            let finding = Finding::new(Mark::new(at, at + length), "a bare `${` inside brackets");
            return finding.help("put it in quotes: `\"${VAR}\"`");
        }
        let (wrong, help) = in_words(error.info());
        let is_bracket = |mark: &&Mark| self.text.content[mark.start..].starts_with(['{', '[']);
        if error.info().contains("',' or")
            && let Some(open) = self.open.iter().rev().find(is_bracket)
        {
            return Finding::new(Mark::new(open.start, open.start + 1), wrong).help(help);
        }
        let mark = Mark::new(at, at + self.text.content[at..].chars().next().map_or(0, char::len_utf8));
        Finding::new(mark, wrong).help(help)
    }
}

/// Where the quoted text that `shown` starts with ends: the parser counts a comment after it in.
fn closing_quote(shown: &str) -> Option<usize> {
    let quote = shown.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut bytes = shown.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' && quote == b'"' {
            bytes.next();
        } else if byte == quote {
            let doubled = quote == b'\'' && bytes.next_if(|(_, next)| *next == quote).is_some();
            if !doubled {
                return Some(at + 1);
            }
        }
    }
    None
}

fn in_words(info: &str) -> (String, &'static str) {
    let holds = |part| info.contains(part);
    let quote = "text that holds `: ` or ` #`, or starts with a sign, goes in quotes";
    let (wrong, help) = match () {
        () if holds("mapping values are not allowed") || holds("illegal placement of ':'") => {
            ("a `:` that cannot be here", "start a new line for the next field, and put text that holds `: ` in quotes")
        }
        () if holds("quoted scalar") && !holds("escape") && !holds("Unicode") && !holds("hexadecimal") => {
            ("a quoted text that is not closed", "close it with the sign that it starts with")
        }
        () if holds("unexpected end of stream") || holds("unexpected eof") => {
            ("the file ends inside a quoted text or a bracket", "close what was opened")
        }
        () if holds("',' or") => {
            ("a bracket that is not closed, or lacks a comma", "write `{ a: 1, b: 2 }` or `[a, b]`")
        }
        () if holds("expected key") || holds("'-' indicator") || holds("simple key") || holds("indentation") => (
            "a line that does not fit the lines above it",
            "fields of one mapping start in the same column, as `name: value`",
        ),
        () if holds("recursion limit") => ("nested too deep", "a spec is nested about seven levels deep"),
        () if holds("escape") => {
            ("a `\\` that starts no known escape", "use single quotes to keep backslashes as they are")
        }
        () if holds("block sequence entries") => ("a list item that cannot be here", "start the list on a new line"),
        () => return (format!("not YAML: {}", info.escape_debug()), quote),
    };
    (wrong.to_owned(), help)
}

//! What is wrong with a spec, where, and what would be right; and how that is shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::finding::{Finding, Mark};
use super::text::Text;
use crate::domain::code::Code;

/// How many problems are kept; the rest are counted.
const MAX_KEPT: usize = 100;

/// The longest line that is shown, in bytes.
const MAX_LINE: usize = 1000;

/// The columns that lines are cut to: no fewer, however narrow the terminal, and no more where nothing bounds them.
const WIDTHS: (usize, usize) = (40, 140);

/// The most lines between a problem and its note that are shown in one snippet.
const MAX_APART: usize = 2000;

/// A place in the spec's text, counted from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecPlace {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// How many characters from there on the same line.
    pub length: usize,
}

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of problem it is.
    pub code: Code,
    /// Where.
    pub place: SpecPlace,
    /// What is wrong, in one line.
    pub wrong: String,
    /// What would be right.
    pub help: Option<String>,
    /// A second place that has to do with it, and what is there.
    pub note: Option<(SpecPlace, String)>,
    mark: Mark,
    note_mark: Mark,
}

/// Everything that is wrong with a spec, in the order of the text; never empty.
#[derive(Clone, Debug)]
pub struct Problems {
    path: String,
    content: String,
    kept: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    pub(super) fn new(path: &str, text: &Text<'_>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.mark);
        let left_out = findings.len().saturating_sub(MAX_KEPT);
        let content = masked(text.content, &findings);
        let kept = findings.into_iter().take(MAX_KEPT).map(|finding| placed(text, finding)).collect();
        Self { path: path.to_owned(), content, kept, left_out }
    }

    /// The spec's path, as it was given.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The problems, first in the text first; at most a hundred.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.kept.iter()
    }

    /// How many there are, with those beyond the first hundred.
    pub fn count(&self) -> usize {
        self.kept.len() + self.left_out
    }

    /// All of them as text for a terminal `width` columns wide: each with its line, a marker under
    /// what is wrong, and what would be right.
    pub fn render(&self, color: bool, width: usize) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width.clamp(WIDTHS.0, WIDTHS.1));
        let text = Text::of(&self.content);
        let path = self.path.escape_debug().to_string();
        let shown = self.kept.iter().map(|problem| renderer.render(&[group(&text, &path, problem)]));
        let mut shown: Vec<String> = shown.collect();
        if self.left_out > 0 {
            shown.push(format!("and {} more problems", self.left_out));
        }
        shown.join("\n\n") + "\n"
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// One line for each problem: `web.yaml:3:12: 101 is not a share`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.escape_debug();
        for (index, problem) in self.kept.iter().enumerate() {
            let SpecPlace { line, column, .. } = problem.place;
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}{path}:{line}:{column}: {}", problem.wrong)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn placed(text: &Text<'_>, finding: Finding) -> Problem {
    let mark = on_one_line(text, finding.mark);
    let note_mark = finding.note.as_ref().map_or(mark, |(mark, _)| on_one_line(text, *mark));
    let note = finding.note.map(|(_, said)| (place(text, note_mark), said));
    let code = finding.code.unwrap_or(Code::SpecShape);
    Problem { code, place: place(text, mark), wrong: finding.wrong, help: finding.help, note, mark, note_mark }
}

/// The text with asterisks in place of every secret, each byte at its place.
fn masked(content: &str, findings: &[Finding]) -> String {
    let mut text = content.to_owned();
    for Finding { mark, .. } in findings.iter().filter(|finding| finding.is_secret) {
        let (start, end) = (floor(content, mark.start), floor(content, mark.end));
        let hidden = content[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' });
        text.replace_range(start..end, &hidden.collect::<String>());
    }
    text
}

/// The part of `mark` that is on its first line and within the text.
fn on_one_line(text: &Text<'_>, mark: Mark) -> Mark {
    let start = floor(text.content, mark.start);
    let line = text.line_of(start);
    let end = text.start_of(line) + text.line(line).len();
    Mark::new(start, floor(text.content, mark.end).min(end))
}

/// The last character boundary at or before byte `at`.
fn floor(content: &str, at: usize) -> usize {
    (0..=at.min(content.len())).rev().find(|at| content.is_char_boundary(*at)).unwrap_or_default()
}

fn place(text: &Text<'_>, mark: Mark) -> SpecPlace {
    let line = text.line_of(mark.start);
    let before = Mark::new(text.start_of(line), mark.start);
    let column = text.slice(before).chars().count() + 1;
    SpecPlace { line: line + 1, column, length: text.slice(mark).chars().count() }
}

fn group<'a>(text: &Text<'a>, path: &'a str, problem: &'a Problem) -> Group<'a> {
    let title = Level::ERROR.primary_title(problem.wrong.as_str()).id(problem.code.to_string());
    let group = if let Some(snippet) = snippet(text, path, problem) {
        title.element(snippet)
    } else {
        let SpecPlace { line, column, .. } = problem.place;
        title.element(Origin::path(path).line(line).char_column(column))
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The lines that a problem is about, or `None` when they are too long to show.
fn snippet<'a>(
    text: &Text<'a>,
    path: &'a str,
    problem: &'a Problem,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let line = problem.place.line - 1;
    let noted = problem.note.as_ref().map_or(line, |(place, _)| place.line - 1);
    let (first, last) = (line.min(noted), line.max(noted));
    let too_long = text.content.is_empty() || last - first > MAX_APART;
    if too_long || [line, noted].iter().any(|line| text.line(*line).len() > MAX_LINE) {
        return None;
    }
    let offset = text.start_of(first);
    let end = text.start_of(last) + text.line(last).len();
    let within = |mark: Mark| -> Range<usize> { mark.start - offset..mark.end - offset };
    let source = &text.content[offset..end];
    let snippet = Snippet::source(source).line_start(first + 1).path(path);
    let snippet = snippet.annotation(AnnotationKind::Primary.span(within(problem.mark)));
    Some(match &problem.note {
        Some((_, said)) => {
            snippet.annotation(AnnotationKind::Context.span(within(problem.note_mark)).label(said.as_str()))
        }
        None => snippet,
    })
}

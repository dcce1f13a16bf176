//! How the log of a pipeline folds: each step is a section, in the words of whoever shows the log.
//!
//! Sections are never nested, and how a rollout ends stands outside of them. Nothing moves the cursor: what GitLab
//! wants between its section's mark and title is read by GitLab and shown by no terminal.

use std::fmt::Write as _;

use super::github::harmless;
use crate::domain::clock::Timestamp;
use crate::machine::Notice;

/// Whose words mark a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Markup {
    /// Nobody's: lines, and nothing else.
    #[default]
    Plain,
    /// GitHub Actions': `::group::`, and `::endgroup::`.
    Github,
    /// GitLab's: `section_start`, and `section_end`.
    Gitlab,
    /// Buildkite's: `---`, or `+++` for one that is shown open; the next one ends it.
    Buildkite,
}

/// Puts a rollout's lines into sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Fold {
    markup: Markup,
    /// Counts the sections; GitLab calls each by a name of its own.
    count: usize,
    is_open: bool,
}

impl Fold {
    pub(super) fn new(markup: Markup) -> Self {
        Self { markup, ..Self::default() }
    }

    /// A notice's lines with what ends or begins a section before them.
    pub(super) fn around(&mut self, at: Timestamp, notice: &Notice, lines: &str) -> String {
        match notice {
            Notice::StepStarted(_) => self.begin(at, lines, false),
            Notice::Retreating { .. } => self.begin(at, lines, true),
            Notice::Finished(_) | Notice::HandedOver { .. } => {
                let end = self.end(at);
                let head = if self.markup == Markup::Buildkite { "+++ " } else { "" };
                format!("{end}{head}{}", self.inside(lines))
            }
            _ => self.inside(lines),
        }
    }

    /// Lines that stay in the section that is open.
    pub(super) fn inside(&self, lines: &str) -> String {
        if self.markup == Markup::Github { harmless(lines) } else { lines.to_owned() }
    }

    /// A new section; the last of the lines is its title.
    fn begin(&mut self, at: Timestamp, lines: &str, wide_open: bool) -> String {
        if self.markup == Markup::Plain {
            return lines.to_owned();
        }
        let mut text = self.end(at);
        self.count += 1;
        self.is_open = true;
        let whole = lines.trim_end_matches('\n');
        let (before, title) = whole.rsplit_once('\n').map_or(("", whole), |(before, title)| (before, title));
        if !before.is_empty() {
            text.push_str(&self.inside(&format!("{before}\n")));
        }
        match self.markup {
            Markup::Plain => {}
            Markup::Github => text.push_str(&super::github::group(title)),
            Markup::Gitlab => {
                let (second, count) = (at.as_millis() / 1000, self.count);
                let _ = writeln!(text, "\u{1b}[0Ksection_start:{second}:tidegate_{count}\r\u{1b}[0K{title}");
            }
            Markup::Buildkite => {
                let _ = writeln!(text, "{} {title}", if wide_open { "+++" } else { "---" });
            }
        }
        text
    }

    /// The end of the open section, if one is.
    fn end(&mut self, at: Timestamp) -> String {
        if !std::mem::take(&mut self.is_open) {
            return String::new();
        }
        match self.markup {
            Markup::Plain | Markup::Buildkite => String::new(),
            Markup::Github => "::endgroup::\n".to_owned(),
            Markup::Gitlab => {
                let (second, count) = (at.as_millis() / 1000, self.count);
                format!("\u{1b}[0Ksection_end:{second}:tidegate_{count}\r\u{1b}[0K\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{FINE, Page, all, at, plan, story};
    use super::super::{Lines, Style};
    use super::*;

    fn told(markup: Markup, notices: &[(Timestamp, Notice)]) -> String {
        let page = Page::default();
        let style = Style { width: usize::MAX, ..FINE };
        let mut lines = Lines::new(Box::new(page.clone()), style, None).folded(markup);
        for (at, notice) in notices {
            lines.write(*at, notice, &plan());
        }
        page.text()
    }

    /// The first letters of each line, as far as they say what kind of line it is.
    fn outline(text: &str) -> Vec<&str> {
        text.lines().map(|line| line.get(..9).unwrap_or(line)).filter(|line| !line.starts_with("14:")).collect()
    }

    #[test]
    fn github_shows_a_group_for_each_step_and_the_end_outside() {
        let text = told(Markup::Github, &story());
        let group = ["::group::", "::endgrou"];
        assert_eq!(outline(&text), [group, group, group, group].concat(), "{text}");
        assert!(text.contains("::group::14:05:30 ● step 4 of 9: shift 25%25 to the candidate\n"), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.starts_with("14:12:34 ↩ rolled back: ")), "{text}");
    }

    #[test]
    fn gitlab_names_each_section_and_ends_it_by_its_name() {
        let text = told(Markup::Gitlab, &story());
        for n in 1..=4 {
            assert_eq!(text.matches(&format!(":tidegate_{n}\r\u{1b}[0K")).count(), 2, "{text}");
        }
        assert!(text.contains("\u{1b}[0Ksection_start:1795442709:tidegate_1\r\u{1b}[0K14:05:09 ● step 2"), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.starts_with("14:12:34 ↩ rolled back: ")), "{text}");
    }

    #[test]
    fn buildkite_has_the_steps_folded_and_trouble_open() {
        let text = told(Markup::Buildkite, &story());
        let marks: Vec<&str> =
            text.lines().filter_map(|line| line.get(..3)).filter(|mark| !mark.starts_with('1')).collect();
        assert_eq!(marks, ["---", "---", "---", "+++", "+++"], "{text}");
    }

    #[test]
    fn a_plain_log_has_its_lines_and_nothing_more() {
        let page = Page::default();
        let mut lines = Lines::new(Box::new(page.clone()), Style { width: usize::MAX, ..FINE }, None);
        for (at, notice) in story() {
            lines.write(at, &notice, &plan());
        }
        assert_eq!(told(Markup::Plain, &story()), page.text());
    }

    #[test]
    fn nothing_foreign_steers_a_log() {
        let notices: Vec<_> = all().into_iter().map(|notice| (at(0), notice)).collect();
        for markup in [Markup::Plain, Markup::Github, Markup::Buildkite] {
            let text = told(markup, &notices);
            assert!(!text.contains(['\u{1b}', '\r', '\u{202e}', '\u{200b}']), "{markup:?}: {text}");
        }
        // GitLab's own marks are the only ones there.
        let marks = told(Markup::Gitlab, &notices).matches('\u{1b}').count();
        assert_eq!(marks, 2 * told(Markup::Gitlab, &notices).matches(":tidegate_").count());
    }
}

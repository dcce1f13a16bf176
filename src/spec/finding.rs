//! A problem while the text is still being read: what is wrong, and which stretch of the text it is about.

use crate::domain::code::Code;

/// A stretch of the text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Mark {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A problem while the text is still being read.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) wrong: String,
    pub(super) help: Option<String>,
    pub(super) note: Option<(Mark, String)>,
    pub(super) code: Option<Code>,
    pub(super) is_secret: bool,
}

/// Says what findings are about that do not say it yet.
pub(super) fn about(findings: &mut [Finding], code: Code) {
    for finding in findings {
        finding.code.get_or_insert(code);
    }
}

impl Finding {
    /// Something that is wrong at `mark`.
    pub(super) fn new(mark: Mark, wrong: impl Into<String>) -> Self {
        Self { mark, wrong: wrong.into(), help: None, note: None, code: None, is_secret: false }
    }

    /// What stands there must not be seen: it is shown as asterisks.
    pub(super) fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Says what would be right.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at a second place that has to do with it.
    pub(super) fn note(mut self, mark: Mark, text: impl Into<String>) -> Self {
        self.note = Some((mark, text.into()));
        self
    }
}

//! A rollout on one page that needs nothing beside it, as HTML and as Markdown: how it ended and why, first; then
//! the traffic, what both slots answered, the gates, the steps, and what people said.
//!
//! It is a fold over the journal, so a page of a rollout that runs, or of a damaged journal, goes as far as the journal does.

mod chart;
mod content;
mod figures;
mod html;
mod markdown;
mod story;
#[cfg(test)]
mod tests;

pub use story::Story;

use super::Why;
use crate::domain::clock::Timestamp;

/// The longest Markdown page, in bytes: GitHub takes 65,536 characters of a comment, and 1 MiB of a job's summary.
pub const MARKDOWN_BYTES: usize = 60_000;

/// Where a journal comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Where the spec was read from.
    pub spec: &'a str,
    /// SHA-256 of the spec as it was read, in hex, where the journal has it.
    pub digest: Option<&'a str>,
    /// The version of the program that began the journal.
    pub program: &'a str,
    /// When it was begun.
    pub begun: Timestamp,
}

/// All that a page is told from.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The present state, and who drives it.
    pub why: Why<'a>,
    /// Where the journal comes from.
    pub origin: Origin<'a>,
    /// What is in the journal.
    pub story: &'a Story,
    /// The exit code, and what it means, once the rollout is over.
    pub exit: Option<(u8, &'a str)>,
    /// What is wrong with the journal, a line each.
    pub flaws: &'a [String],
}

impl Page<'_> {
    /// The page as HTML: one file, with no script, and nothing that is fetched.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// The page as GitHub's Markdown, at most [`MARKDOWN_BYTES`] long; what is left out is said.
    pub fn markdown(&self) -> String {
        markdown::page(self)
    }

    /// What it came to, in half a line.
    /// What is released where, in a few words.
    fn subject(&self) -> String {
        let status = self.why.status;
        format!("{}: {}, {}", status.plan.name, status.about().release(), status.plan.target.cluster)
    }

    fn title(&self) -> String {
        self.why.status.line()
    }
}

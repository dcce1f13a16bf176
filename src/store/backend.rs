//! What a backend of the store can do: documents with compare-and-swap, files that are written once, and journals.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::error::StoreError;

/// An answer that a backend is still working on.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Which body of a document was read. Opaque: only the backend that made it knows what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub(super) String);

impl Version {
    /// The version that a backend calls so.
    pub fn new(name: String) -> Self {
        Self(name)
    }

    /// What the backend that made it calls it.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub body: Vec<u8>,
    /// Which body that is.
    pub version: Version,
}

/// What became of a compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The document says what was written.
    Done(Version),
    /// Somebody else wrote it since it was read.
    Taken,
}

/// What became of a line for a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the journal, durably.
    Done,
    /// Another line is in its place.
    Taken,
}

/// A place on a journal: between two lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalPlace {
    /// How many lines come before.
    pub lines: u64,
    /// How many bytes those are.
    pub bytes: u64,
}

/// Where a store lives. Keys are paths of name characters, dots and slashes. Every write is durable when it is
/// answered, and every call ends within a bound of its own.
pub trait Backend: Send + Sync + fmt::Debug {
    /// What people call it: a folder, or a bucket's URL.
    fn place(&self) -> String;

    /// Reads a document.
    fn document<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Document>>;

    /// Writes a document if it still is as it was read; `None` means that there was none. Each body must
    /// be unlike all before it: an answer that was lost is made good by reading the document back.
    fn swap<'a>(&'a self, key: &'a str, body: Vec<u8>, over: Option<&'a Version>) -> Pending<'a, Swapped>;

    /// Writes a file under a key that nobody else uses.
    fn put<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Pending<'a, ()>;

    /// Reads a file.
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>>;

    /// Removes a file, if it is there.
    fn remove<'a>(&'a self, key: &'a str) -> Pending<'a, ()>;

    /// The names of what is directly in a folder, sorted.
    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>>;

    /// Writes a line, its newline included, at a place of a journal, where there must be none, or this very line:
    /// that is a write of ours whose answer was lost. `after` is how the line before ends: a folder, which anybody can
    /// remove or edit, sees that it is there. Objects of a bucket are not looked at again.
    fn append<'a>(
        &'a self,
        recorded: &'a str,
        at: JournalPlace,
        after: &'a [u8],
        line: Vec<u8>,
    ) -> Pending<'a, Appended>;

    /// Reads a journal's first line.
    fn first_line<'a>(&'a self, recorded: &'a str) -> Pending<'a, Option<Vec<u8>>>;

    /// Reads a journal from a place to its end, as one text. What comes after a line that is missing is a part of it, so
    /// that a hole is no end.
    fn lines<'a>(&'a self, recorded: &'a str, from: JournalPlace) -> Pending<'a, Vec<u8>>;

    /// Cuts a damaged journal at a place. All of it is kept beside.
    fn cut<'a>(&'a self, recorded: &'a str, at: JournalPlace) -> Pending<'a, ()>;

    /// Whether a journal was ever cut.
    fn is_cut<'a>(&'a self, recorded: &'a str) -> Pending<'a, bool>;

    /// The wall time that should pass between two looks for news.
    fn between_looks(&self) -> Duration;
}

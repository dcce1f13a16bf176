//! Where tapes, claims and words live: a folder that every process of one person shares.
//!
//! ```text
//! rollouts/<id>/tape.jsonl      the journal's file
//! rollouts/<id>/words/          what other processes left for the runner
//! locks/<hash>.lock             who drives a listener rule or an ECS service
//! ```
//! What a tape says is the journal's business: nothing here opens one.

mod claim;
#[cfg(test)]
mod tests;
mod words;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

pub use claim::{Claim, ClaimError, Held, Holder};
pub use words::{Told, WaitingWord, Words};

use crate::name::RolloutId;

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no such rollout.
    #[error("no rollout is called `{}`", .0.escape_debug())]
    Unknown(String),
    /// Several rollouts could be meant.
    #[error("`{text}` could be {}", ids(candidates))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// What it could be.
        candidates: Vec<RolloutId>,
    },
}

impl StoreError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn ids(candidates: &[RolloutId]) -> String {
    candidates.iter().map(RolloutId::as_str).collect::<Vec<_>>().join(" or ")
}

/// The store in a local folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One rollout in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutEntry {
    /// Its id.
    pub id: RolloutId,
    /// Its folder.
    pub path: PathBuf,
}

impl RolloutEntry {
    /// Its tape.
    pub fn tape(&self) -> PathBuf {
        self.path.join("tape.jsonl")
    }

    /// The rollout's name and when it started, as they stand in its id.
    fn parts(&self) -> Option<(&str, &str)> {
        let (rest, _salt) = self.id.as_str().rsplit_once('-')?;
        let (day, _) = rest.rsplit_once('-')?;
        let (name, _) = day.rsplit_once('-')?;
        Some((name, &rest[name.len() + 1..]))
    }

    /// The rollout's name; the whole id when it is not made as ids are.
    pub fn name(&self) -> &str {
        self.parts().map_or(self.id.as_str(), |(name, _)| name)
    }
}

impl Store {
    /// The store at `root`. Folders that are missing are made, readable by nobody else.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(root: PathBuf) -> Result<Self, StoreError> {
        for folder in [root.join("rollouts"), root.join("locks")] {
            make_folder(&folder)?;
        }
        Ok(Self { root })
    }

    /// Makes room for a rollout.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self, id: &RolloutId) -> Result<RolloutEntry, StoreError> {
        let entry = self.entry(id);
        make_folder(&entry.path.join(words::FOLDER))?;
        Ok(entry)
    }

    /// Where a rollout is, whether or not there is one.
    fn entry(&self, id: &RolloutId) -> RolloutEntry {
        RolloutEntry { id: id.clone(), path: self.root.join("rollouts").join(id.as_str()) }
    }

    /// All rollouts, newest first.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn list(&self) -> Result<Vec<RolloutEntry>, StoreError> {
        let folder = self.root.join("rollouts");
        let mut entries = Vec::new();
        for found in fs::read_dir(&folder).map_err(StoreError::io("read", &folder))? {
            let found = found.map_err(StoreError::io("read", &folder))?;
            let id = found.file_name().to_str().and_then(|name| RolloutId::parse(name).ok());
            if let Some(id) = id.filter(|_| found.path().is_dir()) {
                entries.push(self.entry(&id));
            }
        }
        let started = |entry: &RolloutEntry| entry.parts().map(|(_, started)| started.to_owned());
        entries.sort_by(|a, b| (started(b), &b.id).cmp(&(started(a), &a.id)));
        Ok(entries)
    }

    /// The rollout that `text` means: its id; or its name, and then the newest that `unfinished` says yes
    /// to, else the newest; or the beginning of its id.
    ///
    /// # Errors
    /// When there is none or several, or the file system refuses.
    pub fn find(&self, text: &str, unfinished: impl Fn(&RolloutEntry) -> bool) -> Result<RolloutEntry, StoreError> {
        let mut entries = self.list()?;
        if let Some(exact) = entries.iter().position(|entry| entry.id.as_str() == text) {
            return Ok(entries.swap_remove(exact));
        }
        let named: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].name() == text).collect();
        let best = named.iter().find(|at| unfinished(&entries[**at])).or(named.first());
        if let Some(best) = best {
            return Ok(entries.swap_remove(*best));
        }
        entries.retain(|entry| !text.is_empty() && entry.id.as_str().starts_with(text));
        match entries.len() {
            0 => Err(StoreError::Unknown(text.to_owned())),
            1 => Ok(entries.swap_remove(0)),
            _ => {
                let candidates = entries.into_iter().map(|entry| entry.id).collect();
                Err(StoreError::Ambiguous { text: text.to_owned(), candidates })
            }
        }
    }
}

/// Makes a folder that nobody else can read, with those above it.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("make", path))
}

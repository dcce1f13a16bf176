//! Where journals, leases and words live: a folder that every process of one person shares, or an S3 bucket that
//! everybody with credentials does.
//!
//! [`backend`] is the little that either can do; `folder` and [`bucket`] say where everything is. What a journal
//! says is the journal's business: nothing here knows an event.

pub mod backend;
pub mod bucket;
mod control;
mod error;
mod folder;
mod lease;
mod process;
mod prove;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use error::{LeaseError, StoreError};
pub use lease::{Claim, Lease, Sighted, Standing, this_owner};
pub use requests::{LeftRequest, Requests, WaitingRequest};

use crate::domain::name::RolloutId;
use backend::{Appended, Backend, JournalPlace};
use folder::Folder;

/// Where rollouts are.
const ROLLOUTS: &str = "rollouts";

fn rollout_key(id: &RolloutId) -> String {
    format!("{ROLLOUTS}/{id}")
}

/// A store, wherever it lives.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    /// Whose leases these are, if they are a rehearsal's own.
    rehearsal: Option<RolloutId>,
    /// The last line of each journal that is written by this process.
    written: Arc<Mutex<BTreeMap<RolloutId, LastLine>>>,
}

/// How far a journal goes: kept in the lease too, so that a tail which is missing is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLine {
    /// How many lines there are.
    pub lines: u64,
    /// What the last of them ends in, and all before it lead to.
    pub chain: String,
}

impl Store {
    /// The store in a folder, which is made, readable by nobody else, when it is missing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn in_folder(root: PathBuf) -> Result<Self, StoreError> {
        Ok(Self::at(Arc::new(Folder::open(root)?)))
    }

    /// The store in another backend.
    pub fn at(backend: Arc<dyn Backend>) -> Self {
        Self { backend, rehearsal: None, written: Arc::default() }
    }

    /// The same store as a rehearsal uses it: with leases of its own, since each has a lab of its own. No other
    /// rehearsal of the same rule waits for it, however it ended.
    #[must_use]
    pub fn of_rehearsal(&self, id: &RolloutId) -> Self {
        Self { rehearsal: Some(id.clone()), ..self.clone() }
    }

    /// Where the document of a rule or a service is.
    fn document_key(&self, resource: &str) -> String {
        match &self.rehearsal {
            Some(id) => control::key(&format!("{id} {resource}")),
            None => control::key(resource),
        }
    }

    /// What people call it: a folder, or a bucket's URL.
    pub fn place(&self) -> String {
        self.backend.place()
    }

    /// The wall time that should pass between two looks for news.
    pub fn between_looks(&self) -> Duration {
        self.backend.between_looks()
    }

    /// All rollouts, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<RolloutId>, StoreError> {
        let names = self.backend.list(ROLLOUTS).await?;
        let mut ids: Vec<RolloutId> = names.iter().filter_map(|name| RolloutId::parse(name).ok()).collect();
        ids.sort_by(|a, b| (b.started(), b).cmp(&(a.started(), a)));
        Ok(ids)
    }

    /// The rollouts that `text` may mean, newest first: the one with this id; or all of this name; or the one
    /// whose id begins so.
    ///
    /// # Errors
    /// When there is none, when several begin so, or when the store cannot be read.
    pub async fn find(&self, text: &str) -> Result<Vec<RolloutId>, StoreError> {
        let all = self.list().await?;
        if let Some(exact) = all.iter().find(|id| id.as_str() == text) {
            return Ok(vec![exact.clone()]);
        }
        let named: Vec<RolloutId> = all.iter().filter(|id| id.name() == text).cloned().collect();
        if !named.is_empty() {
            return Ok(named);
        }
        let candidates: Vec<RolloutId> =
            all.into_iter().filter(|id| !text.is_empty() && id.as_str().starts_with(text)).collect();
        match candidates.len() {
            0 => Err(StoreError::Unknown(text.to_owned())),
            1 => Ok(candidates),
            _ => Err(StoreError::Ambiguous { text: text.to_owned(), candidates }),
        }
    }

    /// Writes a line at a place of a rollout's journal, where there must be none, after one that ends so.
    ///
    /// # Errors
    /// When the store cannot be written, or the line before is gone; the line may be there all the same.
    pub async fn append(
        &self,
        id: &RolloutId,
        at: JournalPlace,
        after: &[u8],
        line: Vec<u8>,
    ) -> Result<Appended, StoreError> {
        self.backend.append(&rollout_key(id), at, after, line).await
    }

    /// A journal that this process writes goes so far; the next renewal of its lease says so.
    pub fn goes_to(&self, id: &RolloutId, last: LastLine) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), last);
    }

    fn goes(&self, id: &RolloutId) -> Option<LastLine> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Reads the first line of a rollout's journal; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn first_line(&self, id: &RolloutId) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.first_line(&rollout_key(id)).await
    }

    /// Reads a rollout's journal from a place on; empty when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lines(&self, id: &RolloutId, from: JournalPlace) -> Result<Vec<u8>, StoreError> {
        self.backend.lines(&rollout_key(id), from).await
    }

    /// Cuts a damaged journal; all of it is kept beside.
    ///
    /// # Errors
    /// When the store cannot do that; nothing is changed then.
    pub async fn cut(&self, id: &RolloutId, at: JournalPlace) -> Result<(), StoreError> {
        self.backend.cut(&rollout_key(id), at).await
    }

    /// Whether a rollout's journal was ever cut.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_cut(&self, id: &RolloutId) -> Result<bool, StoreError> {
        self.backend.is_cut(&rollout_key(id)).await
    }
}

//! What one process tells a runner in another: one file a word, taken in the order they were left, and
//! removed only once the runner has it on its journal. A word waits for a runner that is not there yet.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, rollout_key};
use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;

/// The folder for words, within a rollout's.
const FOLDER: &str = "words";
/// Where files go that are no words.
const ASIDE: &str = "set-aside";
/// The longest file that is read as a word.
const WORD_BYTES: usize = 64 * 1024;
/// How many words are taken at once; the rest waits for the next time.
const AT_ONCE: usize = 100;

/// A word as it is left for a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The word as it is typed: `pause`.
    pub word: String,
    /// Who says it, as `user@host`.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The words that wait, in the order they were left.
#[derive(Debug, Default)]
pub struct Words {
    /// Those that can be read.
    pub waiting: Vec<WaitingWord>,
    /// Files that were no words, by name and with what is wrong; they are out of the way now.
    pub set_aside: Vec<String>,
}

/// A word that waits. It is taken again until it is [done](Store::word_is_done).
#[derive(Debug, PartialEq)]
pub struct WaitingWord {
    /// What is said.
    pub told: Told,
    key: String,
}

/// A word as it stands in its file.
#[derive(Serialize, Deserialize)]
struct WordFile {
    word: String,
    by: String,
    reason: Option<String>,
    at: u64,
}

impl Store {
    /// Leaves a word for the runner of a rollout, whether or not there is one now. It is durable when
    /// this returns.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn leave_word(&self, id: &RolloutId, told: &Told) -> Result<(), StoreError> {
        let Told { word, by, reason, at } = told.clone();
        let file = WordFile { word, by, reason, at: at.as_millis() };
        let body = serde_json::to_vec(&file).unwrap_or_default();
        let name = format!("{:015}-{:016x}.json", told.at.as_millis(), fastrand::u64(..));
        self.backend.put(&format!("{}/{FOLDER}/{name}", rollout_key(id)), body).await
    }

    /// The words that wait for the runner of a rollout.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn take_words(&self, id: &RolloutId) -> Result<Words, StoreError> {
        let folder = format!("{}/{FOLDER}", rollout_key(id));
        let mut words = Words::default();
        for name in self.backend.list(&folder).await?.into_iter().take(AT_ONCE) {
            let key = format!("{folder}/{name}");
            let Some(text) = self.backend.get(&key).await? else { continue };
            match parse(&text) {
                Ok(told) => words.waiting.push(WaitingWord { told, key }),
                Err(why) => {
                    words.set_aside.push(format!("{}: {why}", name.escape_debug()));
                    self.backend.put(&format!("{}/{ASIDE}/{name}", rollout_key(id)), text).await?;
                    self.backend.remove(&key).await?;
                }
            }
        }
        Ok(words)
    }

    /// Puts a word away: it is in the journal.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn word_is_done(&self, word: &WaitingWord) -> Result<(), StoreError> {
        self.backend.remove(&word.key).await
    }
}

fn parse(text: &[u8]) -> Result<Told, String> {
    if text.len() > WORD_BYTES {
        return Err("it is longer than a word can be".to_owned());
    }
    let WordFile { word, by, reason, at } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(Told { word, by, reason, at: Timestamp::from_millis(at) })
}

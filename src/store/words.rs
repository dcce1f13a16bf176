//! What one process tells a runner in another: one file a word, taken in the order they were left, and put
//! away only once the runner has it on its tape. A word waits for a runner that is not there yet.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, make_folder};
use crate::clock::Timestamp;
use crate::name::RolloutId;

/// The folder for words, within a rollout's.
pub(super) const FOLDER: &str = "words";
/// Where words go that are on the tape.
const TAKEN: &str = "taken";
/// Where files go that are no words.
const ASIDE: &str = "set-aside";
/// The longest file that is read as a word.
const WORD_BYTES: u64 = 64 * 1024;
/// How many words are taken at once; the rest waits for the next time.
const AT_ONCE: usize = 100;

/// A word as it is left for a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The word as it is typed: `rollback`.
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

/// A word that waits. It is taken again until it is [done](WaitingWord::done).
#[derive(Debug)]
pub struct WaitingWord {
    /// What is said.
    pub told: Told,
    path: PathBuf,
}

impl WaitingWord {
    /// Puts the word away: it is on the tape.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn done(self) -> Result<(), StoreError> {
        put_away(&self.path, TAKEN)
    }
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
    /// Leaves a word for the runner of a rollout, whether or not there is one now. It is on the disk when
    /// this returns.
    ///
    /// # Errors
    /// When there is no such rollout, or the file system refuses.
    pub fn leave_word(&self, id: &RolloutId, told: &Told) -> Result<(), StoreError> {
        let entry = self.entry(id);
        if !entry.path.is_dir() {
            return Err(StoreError::Unknown(id.to_string()));
        }
        let folder = entry.path.join(FOLDER);
        make_folder(&folder)?;
        write_word(&folder, told).map_err(StoreError::io("leave a word in", &folder))
    }

    /// The words that wait for the runner of a rollout.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn take_words(&self, id: &RolloutId) -> Result<Words, StoreError> {
        let folder = self.entry(id).path.join(FOLDER);
        let mut words = Words::default();
        for path in waiting(&folder)?.into_iter().take(AT_ONCE) {
            let text = read_file(&path).map_err(StoreError::io("read", &path))?;
            match parse(&text) {
                Ok(told) => words.waiting.push(WaitingWord { told, path }),
                Err(why) => {
                    let name = path.file_name().unwrap_or_default().display().to_string();
                    words.set_aside.push(format!("{}: {why}", name.escape_debug()));
                    put_away(&path, ASIDE)?;
                }
            }
        }
        Ok(words)
    }
}

fn write_word(folder: &Path, told: &Told) -> std::io::Result<()> {
    let Told { word, by, reason, at } = told.clone();
    let text = serde_json::to_vec(&WordFile { word, by, reason, at: at.as_millis() })?;
    let mut file = tempfile::Builder::new().prefix(".").rand_bytes(12).tempfile_in(folder)?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    let random = file.path().file_name().unwrap_or_default().to_string_lossy().replace('.', "");
    let name = format!("{:015}-{random}.json", told.at.as_millis());
    file.persist_noclobber(folder.join(name)).map_err(|refused| refused.error)?;
    File::open(folder)?.sync_all()
}

/// The words' files in the order they were left; half-written ones are hidden and left alone.
fn waiting(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = Vec::new();
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        found => found.map_err(StoreError::io("read", folder))?,
    };
    for file in found {
        let path = file.map_err(StoreError::io("read", folder))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(WORD_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn parse(text: &[u8]) -> Result<Told, serde_json::Error> {
    let WordFile { word, by, reason, at } = serde_json::from_slice(text)?;
    Ok(Told { word, by, reason, at: Timestamp::from_millis(at) })
}

fn put_away(path: &Path, into: &str) -> Result<(), StoreError> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return Ok(());
    };
    make_folder(&folder.join(into))?;
    match fs::rename(path, folder.join(into).join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("put away", path)(error)),
        _ => Ok(()),
    }
}

//! The tape on disk: everything that happened to one rollout, one line each, durable before it counts.
//!
//! A tape is JSON Lines. The first line is the [`Header`], every other a [`Record`]; each carries a hash over
//! itself and the line before. A writer that dies leaves at most one torn line at the end, which is cut off
//! and counts as never written: nothing was done because of it. Damage anywhere else is never repaired: a tape
//! that is needed for the way back goes on from what was written before it, and is kept as it was beside that.

mod chain;
mod record;
#[cfg(test)]
mod samples;
mod tape;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub use record::{FORMAT, Header, Record, Recovery};
pub use tape::{Tape, TapeEnd};

use crate::clock::Timestamp;
use crate::machine::{Event, Machine};
use crate::plan::Plan;
use chain::Chain;

/// Why a tape cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refuses.
    #[error("cannot {doing} the tape {}: {source}", path.display())]
    Io {
        /// What was tried: `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An earlier line could not be written, so no later one may be.
    #[error("the tape {} ends early, because an earlier line could not be written", .0.display())]
    Broken(PathBuf),
    /// A value has no written form.
    #[error("cannot put the event into words: {0}")]
    Unwritable(serde_json::Error),
    /// The program ended before the first line was whole: nothing was done.
    #[error("the tape holds no whole line, so nothing was done")]
    NoHeader,
    /// A line that is not the last is not what was written.
    #[error("line {line} of the tape is damaged: {why}")]
    Damaged {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A line is what was written, and means nothing to this version.
    #[error("line {line} of the tape means nothing to this version: {why}")]
    Strange {
        /// The line, counted from 1.
        line: usize,
        /// What is not understood.
        why: String,
    },
    /// A later version of the program wrote the tape.
    #[error("the tape has format {format}, written by tidegate {program}; this version knows format {FORMAT}")]
    TooNew {
        /// The tape's format.
        format: u32,
        /// The program that wrote it.
        program: String,
        /// What a person needs to take the traffic back.
        recovery: Option<Box<Recovery>>,
    },
}

/// A tape that is being written. One process at a time writes a tape: the claim on the rule sees to that.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    seq: u64,
    length: u64,
    broken: bool,
}

impl Journal {
    /// Begins a tape at `path`, where there must be none. Folders that are missing are made, readable by
    /// nobody else.
    ///
    /// # Errors
    /// When the file exists or the file system refuses.
    pub fn create(path: &Path, header: &Header) -> Result<Self, JournalError> {
        let refused = |source| JournalError::Io { doing: "create", path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(refused)?;
        let mut journal =
            Self { path: path.to_owned(), file, chain: Chain::default(), seq: 0, length: 0, broken: false };
        journal.write_line(&record::encode_header(header).map_err(JournalError::Unwritable)?)?;
        let parents = [Some(folder), folder.parent()];
        for parent in parents.into_iter().flatten().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(refused)?;
        }
        Ok(journal)
    }

    /// Opens a damaged tape for the way back: all of it is kept beside as [`damaged_copy`], and it goes on from
    /// what is whole.
    ///
    /// # Errors
    /// When not even the header can be read, or the file system refuses; nothing is changed then.
    pub fn salvage(path: &Path) -> Result<(Self, Tape), JournalError> {
        let refused = |source| JournalError::Io { doing: "salvage", path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(refused)?;
        let scan = tape::scan(&bytes)?;
        let mut copy = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(refused)?;
        copy.write_all(&bytes).and_then(|()| copy.as_file().sync_all()).map_err(refused)?;
        copy.persist(damaged_copy(path)).map_err(|error| refused(error.error))?;
        let file = OpenOptions::new().write(true).open(path).map_err(refused)?;
        file.set_len(scan.length).and_then(|()| file.sync_all()).map_err(refused)?;
        drop(file);
        Self::open(path)
    }

    /// Opens a tape to write on. A torn tail is cut off first, and [`Tape::end`] says so.
    ///
    /// # Errors
    /// When the tape is damaged, too new, or the file system refuses; nothing is changed then.
    pub fn open(path: &Path) -> Result<(Self, Tape), JournalError> {
        let refused = |source| JournalError::Io { doing: "open", path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(refused)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(refused)?;
        let scan = tape::scan(&bytes)?;
        if let TapeEnd::Damaged { line, why } = scan.tape.end {
            return Err(JournalError::Damaged { line, why });
        }
        if scan.length < bytes.len() as u64 {
            file.set_len(scan.length).and_then(|()| file.sync_all()).map_err(refused)?;
        }
        file.seek(SeekFrom::Start(scan.length)).map_err(refused)?;
        let seq = scan.tape.records.len() as u64 + 1;
        let path = path.to_owned();
        Ok((Self { path, file, chain: scan.chain, seq, length: scan.length, broken: false }, scan.tape))
    }

    /// Writes an event down; it is on the disk when this returns. After one failure every later call
    /// fails: a tape with a hole in it would tell another story than what happened.
    ///
    /// # Errors
    /// When the file system refuses, now or earlier.
    pub fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        let line = record::encode_record(self.seq, at, event).map_err(JournalError::Unwritable);
        self.broken |= line.is_err();
        self.write_line(&line?)
    }

    fn write_line(&mut self, object: &str) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.path.clone()));
        }
        let (line, chain) = self.chain.seal(object);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.broken = true;
            // A torn tail is cut when the tape is opened again, so it does no harm when this fails too.
            let _ = self.file.set_len(self.length);
            return Err(JournalError::Io { doing: "write", path: self.path.clone(), source });
        }
        self.chain = chain;
        self.length += line.len() as u64;
        self.seq += 1;
        Ok(())
    }
}

/// Where a damaged tape is kept as it was, once the way back was taken from what is whole of it.
pub fn damaged_copy(path: &Path) -> PathBuf {
    path.with_extension("damaged.jsonl")
}

/// Reads a tape and changes nothing: as far as it is whole, and [`Tape::end`] says what comes after.
///
/// # Errors
/// When not even the header can be read.
pub fn read(path: &Path) -> Result<Tape, JournalError> {
    let bytes =
        std::fs::read(path).map_err(|source| JournalError::Io { doing: "read", path: path.to_owned(), source })?;
    Ok(tape::scan(&bytes)?.tape)
}

/// The machine that a tape leads to.
pub fn replay(plan: Plan, records: &[Record]) -> Machine {
    let mut machine = Machine::new(plan);
    for record in records {
        let _ = machine.apply(record.at, record.event.clone());
    }
    machine
}

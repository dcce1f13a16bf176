//! The journal: everything that happened to one rollout, one line each, durable before it counts.
//!
//! A journal is JSON Lines. The first line is the [`Header`], every other a [`Record`]; each carries a hash over
//! itself and the line before. A line is written whole or not at all; a torn one at the end, which a file can
//! have that an earlier version wrote, is cut off and counts as never written: nothing was done because of it.
//! Damage is never repaired: a journal that is needed for the way back goes on from what was written before it, and
//! is kept as it was beside that.

mod chain;
mod read;
mod record;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use read::{JournalEnd, Recorded};
pub use record::{FORMAT, Header, Record, Recovery, Saved, Unsealed};

use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;
use crate::machine::{Event, Machine};
use crate::plan::Plan;
use crate::store::backend::{Appended, JournalPlace};
use crate::store::{LastLine, Store, StoreError};
use chain::Chain;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process wrote on, so this one drives the rollout no more.
    #[error("another process writes the journal of {0} now")]
    Taken(RolloutId),
    /// An earlier line could not be written, so no later one may be.
    #[error("the journal of {0} ends early, because an earlier line could not be written")]
    Broken(RolloutId),
    /// A value has no written form.
    #[error("cannot put the event into words: {0}")]
    Unwritable(serde_json::Error),
    /// The program ended before the first line was whole: nothing was done.
    #[error("the journal holds no whole line, so nothing was done")]
    NoHeader,
    /// A line that is not the last is not what was written.
    #[error("line {line} of the journal is damaged: {why}")]
    Damaged {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A line is what was written, and means nothing to this version.
    #[error("line {line} of the journal means nothing to this version: {why}")]
    Strange {
        /// The line, counted from 1.
        line: usize,
        /// What is not understood.
        why: String,
    },
    /// A later version of the program wrote the journal.
    #[error("the journal has format {format}, written by tidegate {program}; this version knows format {FORMAT}")]
    TooNew {
        /// The journal's format.
        format: u32,
        /// The program that wrote it.
        program: String,
        /// What a person needs to take the traffic back.
        recovery: Option<Box<Recovery>>,
    },
}

impl JournalError {
    /// Whether the journal is there and means nothing from its beginning on: see [`StoreError::is_nonsense`].
    pub fn is_nonsense(&self) -> bool {
        match self {
            Self::NoHeader | Self::Damaged { .. } | Self::Strange { .. } | Self::TooNew { .. } => true,
            Self::Store(error) => error.is_nonsense(),
            Self::Taken(_) | Self::Broken(_) | Self::Unwritable(_) => false,
        }
    }
}

/// A journal that is being written. Each line is written where there was none, so of two processes that write one
/// journal the slower finds its place taken, and stops.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    id: RolloutId,
    chain: Chain,
    place: JournalPlace,
    /// A line that the store failed to write, or did not say that it had: only the same can be written next.
    unsure: Option<String>,
    broken: bool,
}

impl Journal {
    /// Begins the journal of a rollout that has none.
    ///
    /// # Errors
    /// When there is one, or the store refuses.
    pub async fn create(store: &Store, header: &Header) -> Result<Self, JournalError> {
        let (store, id) = (store.clone(), header.id.clone());
        let mut journal =
            Self { store, id, chain: Chain::default(), place: JournalPlace::default(), unsure: None, broken: false };
        journal.write_line(&record::encode_header(header).map_err(JournalError::Unwritable)?).await?;
        Ok(journal)
    }

    /// Opens a damaged journal for the way back: all of it is kept beside, and it goes on from what is whole.
    ///
    /// # Errors
    /// When not even the header can be read, or the store refuses; nothing is changed then.
    pub async fn salvage(store: &Store, id: &RolloutId) -> Result<(Self, Recorded), JournalError> {
        let scan = read::scan(&store.lines(id, JournalPlace::default()).await?)?;
        store.cut(id, scan.place()).await?;
        Ok(Self::goes_on(store, id, read::scan(&store.lines(id, JournalPlace::default()).await?)?))
    }

    /// Opens a journal to write on. A torn tail is cut off by the next line, and [`Recorded::end`] says so; one that ends
    /// before the line which the lease names is damaged, unless it was cut for the way back.
    ///
    /// # Errors
    /// When the journal is damaged, too new, or the store refuses; nothing is changed then.
    pub async fn open(store: &Store, id: &RolloutId) -> Result<(Self, Recorded), JournalError> {
        let scan = read::scan(&store.lines(id, JournalPlace::default()).await?)?;
        if let JournalEnd::Damaged { line, why } = scan.recorded.end {
            return Err(JournalError::Damaged { line, why });
        }
        if let Some((line, why)) = misses(store, id, &scan).await {
            return Err(JournalError::Damaged { line, why });
        }
        Ok(Self::goes_on(store, id, scan))
    }

    fn goes_on(store: &Store, id: &RolloutId, scan: read::Scan) -> (Self, Recorded) {
        let place = scan.place();
        let (store, id) = (store.clone(), id.clone());
        let journal = Self { store, id, chain: scan.chain, place, unsure: None, broken: false };
        journal.tells_end();
        (journal, scan.recorded)
    }

    /// Writes an event down; it is durable when this returns. After a failure of the store the same event can be
    /// written again, and nothing else: a journal with a hole in it would tell another story than what happened. A
    /// line that is there already, because its answer was lost, counts as written.
    ///
    /// # Errors
    /// When another process wrote on, or the store refuses, now or earlier.
    pub async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        let line = record::encode_record(self.place.lines, at, event).map_err(JournalError::Unwritable);
        self.broken |= line.is_err();
        self.write_line(&line?).await
    }

    /// Tells the lease how far this goes.
    fn tells_end(&self) {
        let last = LastLine { lines: self.place.lines, chain: self.chain.as_str().to_owned() };
        self.store.goes_to(&self.id, last);
    }

    async fn write_line(&mut self, object: &str) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.id.clone()));
        }
        let (line, chain) = self.chain.seal(object);
        let bytes = line.len() as u64;
        // Until it is known to have worked, the place is not another line's.
        if self.unsure.get_or_insert_with(|| line.clone()) != &line {
            self.broken = true;
            return Err(JournalError::Broken(self.id.clone()));
        }
        if self.store.append(&self.id, self.place, &self.chain.end(), line.into_bytes()).await? == Appended::Taken {
            self.broken = true;
            return Err(JournalError::Taken(self.id.clone()));
        }
        self.unsure = None;
        self.chain = chain;
        self.place = JournalPlace { lines: self.place.lines + 1, bytes: self.place.bytes + bytes };
        self.tells_end();
        Ok(())
    }
}

/// The line that a journal misses at its end, and why it is known to.
async fn misses(store: &Store, id: &RolloutId, scan: &read::Scan) -> Option<(usize, String)> {
    let last = store.last_line(&scan.recorded.header.plan.target.rule, id).await?;
    let lines = scan.place().lines;
    let differs = lines == last.lines && scan.chain.as_str() != last.chain;
    if (lines >= last.lines && !differs) || store.is_cut(id).await.unwrap_or(false) {
        return None;
    }
    let line = usize::try_from(if differs { lines } else { lines + 1 }).unwrap_or(usize::MAX);
    let why =
        if differs { "it is not what the lease says" } else { "it is gone, and the lease says that it was there" };
    Some((line, why.to_owned()))
}

/// Reads a journal and changes nothing: as far as it is whole, and [`Recorded::end`] says what comes after.
///
/// # Errors
/// When not even the header can be read.
pub async fn read(store: &Store, id: &RolloutId) -> Result<Recorded, JournalError> {
    parse(&store.lines(id, JournalPlace::default()).await?)
}

/// Reads only the header of a journal.
///
/// # Errors
/// When it cannot be read.
pub async fn header(store: &Store, id: &RolloutId) -> Result<Header, JournalError> {
    parse(&store.first_line(id).await?.unwrap_or_default()).map(|recorded| recorded.header)
}

/// The rule that a rollout moves, where its journal's first line cannot be read: by the control documents, or by what
/// is left of that line. It is good for nothing but to look at the rule, whose own tags say what is to be done.
pub async fn rule_of(store: &Store, id: &RolloutId) -> Option<String> {
    if let Ok(Some(rule)) = store.rule_of(id).await {
        return Some(rule);
    }
    record::rule_in(&store.first_line(id).await.ok()??)
}

/// Reads a journal from its text.
///
/// # Errors
/// When not even the header can be read.
pub fn parse(text: &[u8]) -> Result<Recorded, JournalError> {
    Ok(read::scan(text)?.recorded)
}

/// A journal that grows: what comes after what was read already.
#[derive(Debug)]
pub struct Tail {
    chain: Chain,
    place: JournalPlace,
    end: JournalEnd,
}

impl Tail {
    /// Reads a journal to its end, and stays there.
    ///
    /// # Errors
    /// When not even the header can be read.
    pub async fn open(store: &Store, id: &RolloutId) -> Result<(Self, Recorded), JournalError> {
        let scan = read::scan(&store.lines(id, JournalPlace::default()).await?)?;
        Ok((Self { place: scan.place(), chain: scan.chain, end: scan.recorded.end.clone() }, scan.recorded))
    }

    /// What was written since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn news(&mut self, store: &Store, id: &RolloutId) -> Result<Vec<Record>, JournalError> {
        let text = store.lines(id, self.place).await?;
        let mut records = Vec::new();
        self.end = read::scan_records(&text, &mut self.chain, &mut self.place, &mut records);
        Ok(records)
    }

    /// How the journal ended when it was last read.
    pub fn end(&self) -> &JournalEnd {
        &self.end
    }
}

/// The machine that a journal leads to.
pub fn replay(plan: Plan, records: &[Record]) -> Machine {
    let mut machine = Machine::new(plan);
    for record in records {
        let _ = machine.apply(record.at, record.event.clone());
    }
    machine
}

//! Reading a journal back: what is whole, where it ends, and why it ends there.

use super::JournalError;
use super::chain::Chain;
use super::record::{self, Header, Record, Unread};
use crate::store::backend::JournalPlace;

/// What is wrong with a line that is not what was sealed.
const WRONG: &str = "its checksum is wrong";

/// A journal as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its first line.
    pub header: Header,
    /// Everything after it that is whole and in order.
    pub records: Vec<Record>,
    /// How it ends.
    pub end: JournalEnd,
}

/// How a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// With a whole line.
    Clean,
    /// Its writer was cut off within the last line, which counts as never written.
    Torn {
        /// Where the last line begins, in bytes.
        at: u64,
        /// How much of it there was.
        bytes: u64,
    },
    /// It goes on after a line that is not what was written. What comes after is not believed: the
    /// rollout can be taken back, but not forward.
    Damaged {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// A journal with what is needed to write on.
pub(super) struct Scan {
    pub(super) recorded: Recorded,
    pub(super) chain: Chain,
    place: JournalPlace,
}

impl Scan {
    /// Where the lines that are whole end.
    pub(super) fn place(&self) -> JournalPlace {
        self.place
    }
}

/// Reads a journal from its bytes; fails only when not even the header can be read.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, JournalError> {
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let (body, mut chain) = match whole(first, &Chain::default()) {
        Some(whole) => whole,
        None if first.len() == bytes.len() => return Err(JournalError::NoHeader),
        None => return Err(JournalError::Damaged { line: 1, why: WRONG.to_owned() }),
    };
    let header = record::decode_header(body).map_err(|unread| refuse(1, unread))?;
    let mut records = Vec::new();
    let mut place = JournalPlace { lines: 1, bytes: first.len() as u64 };
    let end = scan_records(&bytes[first.len()..], &mut chain, &mut place, &mut records);
    Ok(Scan { recorded: Recorded { header, records, end }, chain, place })
}

/// Reads records from the bytes at a place, as far as they are whole, and moves on to where they end.
pub(super) fn scan_records(
    bytes: &[u8],
    chain: &mut Chain,
    place: &mut JournalPlace,
    records: &mut Vec<Record>,
) -> JournalEnd {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(length);
        let number = usize::try_from(place.lines).unwrap_or(usize::MAX).saturating_add(1);
        let damaged = |why: String| JournalEnd::Damaged { line: number, why };
        let Some((body, next)) = whole(line, chain) else {
            let torn = !line.ends_with(b"\n");
            let bytes = line.len() as u64;
            return if torn { JournalEnd::Torn { at: place.bytes, bytes } } else { damaged(WRONG.to_owned()) };
        };
        match record::decode_record(body) {
            Ok(record) if record.seq == place.lines => records.push(record),
            Ok(record) => return damaged(format!("it is number {} and not {}", record.seq, place.lines)),
            Err(unread) => return damaged(refuse(number, unread).to_string()),
        }
        *chain = next;
        *place = JournalPlace { lines: place.lines + 1, bytes: place.bytes + length as u64 };
        rest = after;
    }
    JournalEnd::Clean
}

/// A line with its newline whose hash is right, without the newline.
fn whole<'a>(line: &'a [u8], before: &Chain) -> Option<(&'a [u8], Chain)> {
    let body = line.strip_suffix(b"\n")?;
    before.verify(body).map(|chain| (body, chain))
}

fn refuse(line: usize, unread: Unread) -> JournalError {
    match unread {
        Unread::TooNew { format, program, recovery } => JournalError::TooNew { format, program, recovery },
        Unread::Strange(why) => JournalError::Strange { line, why },
    }
}

//! Reading a tape back: what is whole, where it ends, and why it ends there.

use super::JournalError;
use super::chain::Chain;
use super::record::{self, Header, Record, Unread};

/// A tape as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Tape {
    /// Its first line.
    pub header: Header,
    /// Everything after it that is whole and in order.
    pub records: Vec<Record>,
    /// How it ends.
    pub end: TapeEnd,
}

/// How a tape ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapeEnd {
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

/// A tape with what is needed to write on.
pub(super) struct Scan {
    pub(super) tape: Tape,
    pub(super) chain: Chain,
    /// Bytes of the lines that are whole.
    pub(super) length: u64,
}

/// Reads a tape from its bytes; fails only when not even the header can be read.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, JournalError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let (body, mut chain) = match whole(first, &Chain::default()) {
        Some(whole) => whole,
        None if first.len() == bytes.len() => return Err(JournalError::NoHeader),
        None => return Err(JournalError::Damaged { line: 1, why: "its checksum is wrong".to_owned() }),
    };
    let header = record::decode_header(body).map_err(|unread| refuse(1, unread))?;
    let mut tape = Tape { header, records: Vec::new(), end: TapeEnd::Clean };
    let mut length = first.len();
    for (index, line) in lines.enumerate() {
        let number = index + 2;
        let next = whole(line, &chain);
        let Some((body, after)) = next else {
            tape.end = cut(bytes, length, line.len(), number);
            break;
        };
        match record::decode_record(body) {
            Ok(record) if record.seq == tape.records.len() as u64 + 1 => tape.records.push(record),
            Ok(record) => {
                let why = format!("it is number {} and not {}", record.seq, tape.records.len() + 1);
                tape.end = TapeEnd::Damaged { line: number, why };
                break;
            }
            Err(unread) => {
                tape.end = TapeEnd::Damaged { line: number, why: refuse(number, unread).to_string() };
                break;
            }
        }
        chain = after;
        length += line.len();
    }
    Ok(Scan { tape, chain, length: length as u64 })
}

/// A line with its newline whose hash is right, without the newline.
fn whole<'a>(line: &'a [u8], before: &Chain) -> Option<(&'a [u8], Chain)> {
    let body = line.strip_suffix(b"\n")?;
    before.verify(body).map(|chain| (body, chain))
}

/// What a line that is not whole means: the last is torn, any other is damage.
fn cut(bytes: &[u8], at: usize, length: usize, line: usize) -> TapeEnd {
    if at + length == bytes.len() {
        return TapeEnd::Torn { at: at as u64, bytes: length as u64 };
    }
    TapeEnd::Damaged { line, why: "its checksum is wrong".to_owned() }
}

fn refuse(line: usize, unread: Unread) -> JournalError {
    match unread {
        Unread::TooNew { format, program, recovery } => JournalError::TooNew { format, program, recovery },
        Unread::Strange(why) => JournalError::Strange { line, why },
    }
}

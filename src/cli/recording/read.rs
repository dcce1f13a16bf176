//! A recording as a stream of bins in the order of time, however long it is.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::time::Duration;

use super::line::{Line, Reader, listed};
use super::{LINE_LIMIT, ORDER_WITHIN, Recorded, Wrong};
use crate::domain::clock::{Timestamp, span};
use crate::domain::fleet::Role;
use crate::domain::text::many;

/// What was found beside the counts, and is told.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(in crate::cli) struct Found {
    /// Lines with content.
    pub(in crate::cli) lines: u64,
    /// Lines that came after a later one.
    pub(in crate::cli) out_of_order: u64,
    /// Lines that said another thing of a bin than an earlier one, and where the first was.
    pub(in crate::cli) revised: u64,
    pub(in crate::cli) first_revised: Option<u64>,
    /// Lines that repeated what was said.
    pub(in crate::cli) repeated: u64,
}

impl Found {
    /// What is worth telling.
    pub(in crate::cli) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.out_of_order > 0 {
            notes.push(format!("{} came after a later one, and were sorted", many(self.out_of_order, "line")));
        }
        if let Some(first) = self.first_revised {
            let revised = many(self.revised, "line");
            notes.push(format!(
                "{revised} said another thing of a bin than an earlier one and counted instead, first line {first}"
            ));
        }
        if self.repeated > 0 {
            notes.push(format!("{} said what an earlier one had said", many(self.repeated, "line")));
        }
        notes
    }
}

/// Reads bins, oldest first. Memory holds no more than the bins of [`ORDER_WITHIN`].
pub(in crate::cli) struct Bins<R> {
    source: R,
    span: Duration,
    reader: Reader,
    number: u64,
    first: Option<Timestamp>,
    newest: Timestamp,
    waiting: BTreeMap<Timestamp, Recorded>,
    ended: bool,
    least: [Option<Duration>; 2],
    last: [Option<Timestamp>; 2],
    buffer: Vec<u8>,
    found: Found,
}

impl<R: BufRead> Bins<R> {
    /// Reads `source`, whose bins are `span` long.
    pub(in crate::cli) fn new(source: R, span: Duration) -> Self {
        Self {
            source,
            span,
            reader: Reader::default(),
            number: 0,
            first: None,
            newest: Timestamp::default(),
            waiting: BTreeMap::new(),
            ended: false,
            least: [None; 2],
            last: [None; 2],
            buffer: Vec::new(),
            found: Found::default(),
        }
    }

    /// The times at which a slot counts slow answers, as far as the file has been read.
    pub(in crate::cli) fn marks(&self, role: Role) -> &[f64] {
        self.reader.marks(role).unwrap_or_default()
    }

    /// Says what a slot's times must be, where another file has said so.
    pub(in crate::cli) fn expect(&mut self, role: Role, marks: Vec<f64>) {
        self.reader.expect(role, marks);
    }

    /// Whether a slot has had a line with requests, as far as the file has been read.
    pub(in crate::cli) fn has(&self, role: Role) -> bool {
        self.reader.marks(role).is_some()
    }

    /// What has been found so far.
    pub(in crate::cli) fn found(&self) -> &Found {
        &self.found
    }

    /// The next bin in the order of time; `None` at the end.
    pub(in crate::cli) fn next(&mut self) -> Result<Option<(Timestamp, Recorded)>, Wrong> {
        loop {
            let settled = self.newest.before(Duration::from_secs(ORDER_WITHIN));
            let ripe = self.waiting.first_key_value().is_some_and(|(at, _)| self.ended || *at < settled);
            if ripe {
                let bin = self.waiting.pop_first();
                if let Some((at, bin)) = &bin {
                    self.measure(*at, bin);
                }
                return Ok(bin);
            }
            if self.ended {
                self.check_span()?;
                return Ok(None);
            }
            let number = self.number + 1;
            self.step().map_err(|wrong| Wrong { line: wrong.line.or(Some(number)), ..wrong })?;
        }
    }

    /// Takes in one more line.
    fn step(&mut self) -> Result<(), Wrong> {
        self.buffer.clear();
        let limit = LINE_LIMIT as u64 + 2;
        let read = self.source.by_ref().take(limit).read_until(b'\n', &mut self.buffer);
        read.map_err(|error| Wrong::new(format!("it cannot be read: {error}")))?;
        if self.buffer.is_empty() {
            self.ended = true;
            return self.check_empty();
        }
        self.number += 1;
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = if self.number == 1 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line) } else { line };
        if line.len() > LINE_LIMIT {
            return Err(Wrong::new(format!("the line is longer than {LINE_LIMIT} bytes"))
                .right("one bin of one slot is one line"));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let line = self.reader.read(line)?;
        self.found.lines += 1;
        self.take(line)
    }

    fn check_empty(&self) -> Result<(), Wrong> {
        if self.first.is_some() {
            return Ok(());
        }
        let wrong = Wrong::new("it holds no line")
            .right("`tidegate record` writes one; `tidegate backtest --help` has the format");
        Err(Wrong { line: Some(self.number.max(1)), ..wrong })
    }

    fn take(&mut self, line: Line) -> Result<(), Wrong> {
        let first = *self.first.get_or_insert(line.at);
        let apart = line.at.since(first).max(first.since(line.at));
        if !apart.as_millis().is_multiple_of(self.span.as_millis().max(1)) {
            let what = format!("{} is {} from the first line's {first}", line.at, span(apart));
            return Err(
                Wrong::new(what).right(format!("the spec's feed has bins of {}, one after another", span(self.span)))
            );
        }
        let back = self.newest.since(line.at);
        if back > Duration::from_secs(ORDER_WITHIN) {
            let what = format!("the clock goes back by {}, to {}", span(back), line.at);
            return Err(Wrong::new(what).right("sort the lines by `at`: they may be out of order by an hour"));
        }
        self.found.out_of_order += u64::from(!back.is_zero());
        self.newest = self.newest.max(line.at);
        self.keep(line);
        Ok(())
    }

    fn keep(&mut self, line: Line) {
        let bin = self.waiting.entry(line.at).or_default();
        if line.share.is_some() {
            bin.share = line.share;
        }
        let place = match line.role {
            Role::Stable => &mut bin.stable,
            Role::Candidate => &mut bin.candidate,
        };
        let said = (line.counts.requests > 0.0).then_some(line.counts);
        match place {
            Some(before) if Some(&*before) == said.as_ref() => self.found.repeated += 1,
            Some(_) => {
                self.found.revised += 1;
                self.found.first_revised.get_or_insert(self.number);
                *place = said;
            }
            None => *place = said,
        }
    }

    /// Remembers how close bins of one slot lie to each other.
    fn measure(&mut self, at: Timestamp, bin: &Recorded) {
        for (slot, there) in [bin.stable.is_some(), bin.candidate.is_some()].into_iter().enumerate() {
            if !there {
                continue;
            }
            if let Some(last) = self.last[slot].replace(at) {
                let apart = at.since(last);
                self.least[slot] = Some(self.least[slot].map_or(apart, |least| least.min(apart)));
            }
        }
    }

    /// A file whose bins are all longer than the feed's counts something else than the feed does.
    fn check_span(&self) -> Result<(), Wrong> {
        let Some(least) = self.least.iter().flatten().min().filter(|least| **least > self.span) else { return Ok(()) };
        let what = format!(
            "no two bins are less than {} apart, and the spec's feed has bins of {}",
            span(*least),
            span(self.span)
        );
        Err(Wrong::new(what).right("record bins as long as the feed's, or name the feed the file was recorded from"))
    }

    /// Checks that the candidate's times pair up with the stable slot's, and says whether they are the same.
    pub(in crate::cli) fn pairs(&self) -> Result<bool, Wrong> {
        paired(self.marks(Role::Stable), self.marks(Role::Candidate))
    }
}

/// Checks that the candidate's times pair up with the stable slot's, and says whether they are the same.
pub(super) fn paired(stable: &[f64], candidate: &[f64]) -> Result<bool, Wrong> {
    let paired = stable.len() == candidate.len();
    // A time may belong to no other than the one it is paired with.
    let between = stable.iter().zip(candidate).enumerate().all(|(n, (own, other))| {
        let next = stable.get(n + 1).copied().unwrap_or(f64::INFINITY);
        own <= other && *other < next
    });
    if paired && between {
        return Ok(stable == candidate);
    }
    let what = format!("the stable slot counts at {}, the candidate at {}", listed(stable), listed(candidate));
    Err(Wrong::new(what).right("the same times, or for each of them one a little above it"))
}

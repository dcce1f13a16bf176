//! A series of a suite: what each slot would have counted with all of the traffic, for a judge that chooses shares.
//!
//! The lines are those of a recording, with these differences:
//!
//! | field | what it is |
//! |---|---|
//! | `requests`, `errors_5xx`, `slower_than`, `timed` | counts as if the slot had had all of the traffic |
//! | `load` | may be absent: the slot's share in percent for which the line holds; a bin then has a line for several shares, and what lies between is mixed |
//! | `served` | may be absent: the same by how many requests the slot has had |
//! | `burst` | may be absent: how many of the failures come together, which are kept or dropped together |
//! | `harmed` | may be absent: how many of the requests are expected to be harmed, because the release is bad |
//!
//! The candidate's first line is its first request: when the judge gives it a share, whenever that is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::{Line, Reader};
use super::read::paired;
use super::{LINE_LIMIT, Wrong};
use crate::domain::clock::{Timestamp, span};
use crate::domain::count::{Counts, Past};
use crate::domain::fleet::Role;
use crate::simulate::series::{By, Level, Series, SeriesBin};
use crate::simulate::world::Marks;

/// The most lines of a series.
const LINES_LIMIT: usize = 1_000_000;

/// Reads a series from its lines, whose bins are `span` long; `learn` makes the past of the stable slot's bins, its
/// times, and whether the candidate's lie above them.
pub(in crate::cli) fn read(
    text: &[u8],
    span: Duration,
    learn: impl FnOnce(Vec<(Timestamp, Counts)>, &[f64], bool) -> Past,
) -> Result<Series, Wrong> {
    let mut reader = Reader::of_suite();
    let mut bins: BTreeMap<Timestamp, SeriesBin> = BTreeMap::new();
    let (mut by, mut first, mut exposed) = (None, None, None::<Timestamp>);
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n').take(LINES_LIMIT)) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut take = || {
            if line.len() > LINE_LIMIT {
                return Err(Wrong::new(format!("the line is longer than {LINE_LIMIT} bytes")));
            }
            let line = reader.read(line)?;
            check_place(&line, *first.get_or_insert(line.at), span)?;
            if line.role == Role::Candidate {
                exposed = Some(exposed.map_or(line.at, |at| at.min(line.at)));
            }
            keep(bins.entry(line.at).or_default(), line, &mut by)
        };
        take().map_err(|wrong| Wrong { line: Some(number), ..wrong })?;
    }
    let Some(exposed) = exposed else {
        return Err(Wrong::new("the candidate has no requests in it").right("there is nothing to judge without"));
    };
    let marks = |role| reader.marks(role).unwrap_or_default().to_vec();
    let marks = Marks { stable: marks(Role::Stable), candidate: marks(Role::Candidate) };
    let same = paired(&marks.stable, &marks.candidate)?;
    let mut after = bins.split_off(&exposed);
    let before = bins.into_iter().filter_map(|(at, mut bin)| Some((at, bin.stable.pop()?.counts)));
    let past = learn(before.collect(), &marks.stable, !same);
    let last = after.last_key_value().map_or(exposed, |(at, _)| *at);
    let count = last.since(exposed).as_millis() / span.as_millis().max(1) + 1;
    let count = u32::try_from(count).ok().filter(|count| *count as usize <= LINES_LIMIT);
    let count = count.ok_or_else(|| Wrong::new("its lines lie too far apart").right("sort out other series' lines"))?;
    let bins = (0..count).map(|n| after.remove(&(exposed + span * n)).unwrap_or_default()).collect();
    Ok(Series { past, marks, bins, by: by.unwrap_or_default(), seed: 0 })
}

fn check_place(line: &Line, first: Timestamp, length: Duration) -> Result<(), Wrong> {
    let apart = line.at.since(first).max(first.since(line.at));
    if apart.as_millis().is_multiple_of(length.as_millis().max(1)) {
        return Ok(());
    }
    let what = format!("{} is {} from the first line's {first}", line.at, span(apart));
    Err(Wrong::new(what).right(format!("the spec's gates have bins of {}, one after another", span(length))))
}

fn keep(bin: &mut SeriesBin, line: Line, by: &mut Option<By>) -> Result<(), Wrong> {
    let levels = match line.role {
        Role::Stable => &mut bin.stable,
        Role::Candidate => &mut bin.candidate,
    };
    let at = match line.level {
        Some((kind, _)) if by.is_some_and(|by| by != kind) => {
            return Err(Wrong::new("the series has lines with load and lines with served").right("one of both"));
        }
        Some((kind, at)) => {
            *by = Some(kind);
            at
        }
        None => 0.0,
    };
    let place = levels.partition_point(|level| level.at < at);
    if levels.get(place).is_some_and(|level| level.at == at) {
        let what = format!("the {} slot has another line at {}", line.role, line.at);
        return Err(Wrong::new(what).right("one line for each slot and bin, or lines that differ in load or served"));
    }
    levels.insert(place, Level { at, counts: line.counts, harmed: line.harmed, burst: line.burst });
    Ok(())
}

/// How many requests the candidate is expected to have harmed before a moment, or over the whole series.
pub(in crate::cli) fn harmed_in(text: &[u8], until: Option<Timestamp>) -> Result<f64, Wrong> {
    let mut reader = Reader::of_suite();
    let lines = text.split(|byte| *byte == b'\n').take(LINES_LIMIT).map(<[u8]>::trim_ascii);
    let harmed = |line: &[u8]| {
        let line = reader.read(line)?;
        let counts = line.role == Role::Candidate && until.is_none_or(|until| line.at < until);
        Ok(if counts { line.harmed } else { 0.0 })
    };
    lines.filter(|line| !line.is_empty()).map(harmed).sum()
}

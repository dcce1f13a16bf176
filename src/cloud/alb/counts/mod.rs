//! Counts of the two slots: what is asked of which source, and series of numbers put into bins.
//!
//! One rule for every source. A slot whose requests are absent or zero in a bin is absent from it: no data is
//! not the same as no errors. Where there are requests, absent errors are zero, because sources report them only
//! when they happen; so are absent slow answers where times were taken. Numbers that make no sense are passed on
//! as they are, for the gate to refuse.

mod cloudwatch;
mod prometheus;

use std::collections::BTreeMap;
use std::time::Duration;

use super::AlbDriver;
use super::ask::{Bundle, floor};
use crate::cloud::aws::cloudwatch::Series;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fault::Fault;
use crate::domain::fleet::Role;
use crate::gate::compare::{Feed, Threshold};
use crate::gate::{Check, Gate, Point, Reading};

pub(super) use cloudwatch::Slot;
pub(super) use prometheus::read;

/// From where data matter, and the present moment.
pub(super) type Stretch = (Timestamp, Timestamp);

/// The series that one slot's counts are made of, each oldest first.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Columns {
    pub requests: Vec<Point>,
    /// Failures are the sum of these.
    pub errors: Vec<Vec<Point>>,
    /// Requests that were refused; empty where nobody counts them.
    pub refused: Vec<Point>,
    /// Requests whose time was taken; empty when no times are.
    pub timed: Vec<Point>,
    /// Of those the slow ones, one series a mark.
    pub slower: Vec<Vec<Point>>,
}

impl Columns {
    /// What was counted, by the start of the bin.
    ///
    /// Failures are at most the requests. The load balancer counts a 5XX when it comes and a failed connection
    /// when it fails, each in a minute of its own and connections more than once a request; a server that
    /// extrapolates rounds each count by itself. Slow answers are at most those that were timed.
    pub(super) fn counts(&self) -> BTreeMap<Timestamp, Counts> {
        let bins = self.requests.iter().filter(|point| point.value != 0.0).map(|point| {
            let (at, requests) = (point.at, point.value);
            let errors = self.errors.iter().map(|points| value(points, at)).sum();
            let timed = value(&self.timed, at);
            let slower = self.slower.iter().map(|points| at_most(value(points, at), timed)).collect();
            let refused = at_most(value(&self.refused, at), requests);
            (at, Counts { requests, errors: at_most(errors, requests), refused, timed, slower })
        });
        bins.collect()
    }
}

/// What was counted at `at`; zero when that is absent.
fn value(points: &[Point], at: Timestamp) -> f64 {
    points.binary_search_by_key(&at, |point| point.at).map_or(0.0, |index| points[index].value)
}

/// `part`, or the whole when it exceeds that. What is no number stays none.
fn at_most(part: f64, whole: f64) -> f64 {
    if part > whole { whole } else { part }
}

/// Bins of `span` that begin no earlier than the one `since` lies in and have ended at `now`, oldest first.
fn bins(stable: &Columns, candidate: &Columns, span: Duration, (since, now): Stretch) -> Vec<Bin> {
    let from = floor(since, span);
    let mut bins: BTreeMap<Timestamp, Bin> = BTreeMap::new();
    for (role, columns) in [(Role::Stable, stable), (Role::Candidate, candidate)] {
        for (at, counts) in columns.counts().into_iter().filter(|(at, _)| *at >= from && *at + span <= now) {
            let bin = bins.entry(at).or_insert(Bin { at, stable: None, candidate: None });
            match role {
                Role::Stable => bin.stable = Some(counts),
                Role::Candidate => bin.candidate = Some(counts),
            }
        }
    }
    bins.into_values().collect()
}

/// What is asked once of one feed, for every gate that asks it.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    feed: &'a Feed,
    thresholds: &'a [Threshold],
    /// The gates' places, and whether a gate wants times too.
    places: Vec<(usize, bool)>,
}

/// The questions of the gates that judge counts. A gate that needs no times goes along with one that does.
pub(super) fn questions<'a>(gates: &[&'a Gate]) -> Vec<Question<'a>> {
    let mut questions: Vec<Question<'a>> = Vec::new();
    for (place, gate) in gates.iter().enumerate() {
        let Check::Compare(rule) = &gate.check else { continue };
        let (feed, thresholds) = (&rule.feed, rule.baseline.thresholds.as_slice());
        match questions.iter_mut().find(|known| known.feed == feed && known.thresholds == thresholds) {
            Some(known) => known.places.push((place, true)),
            None => questions.push(Question { feed, thresholds, places: vec![(place, true)] }),
        }
    }
    for (place, gate) in gates.iter().enumerate() {
        let Check::Split(rule) = &gate.check else { continue };
        match questions.iter_mut().find(|known| known.feed == &rule.feed) {
            Some(known) => known.places.push((place, false)),
            None => questions.push(Question { feed: &rule.feed, thresholds: &[], places: vec![(place, false)] }),
        }
    }
    questions
}

impl Question<'_> {
    pub(super) fn span(&self) -> Duration {
        self.feed.span()
    }

    /// Where slow answers of a slot are counted.
    fn marks(&self, role: Role) -> Vec<f64> {
        let mark = |threshold: &Threshold| match role {
            Role::Stable => threshold.stable,
            Role::Candidate => threshold.candidate,
        };
        self.thresholds.iter().map(mark).collect()
    }

    fn slot(&self, driver: &AlbDriver, role: Role) -> Option<Slot> {
        let prefix = format!("c{}_{role}_", self.places.first()?.0);
        let (balancer, place) = (&driver.target.load_balancer_dimension, driver.target.place(role));
        Slot::new(self.feed, prefix, (balancer, place), self.marks(role))
    }

    /// Whether CloudWatch is asked.
    pub(super) fn is_measured(&self) -> bool {
        !matches!(self.feed, Feed::Prometheus(_))
    }

    /// Its part of a call to CloudWatch.
    pub(super) fn queries(&self, driver: &AlbDriver) -> Bundle {
        let slots = [Role::Stable, Role::Candidate].into_iter().filter_map(|role| self.slot(driver, role));
        slots.flat_map(|slot| slot.queries()).collect()
    }

    /// The answer to each gate, from what CloudWatch said.
    pub(super) fn measured(&self, driver: &AlbDriver, series: &Series, stretch: Stretch) -> Vec<(usize, Reading)> {
        let columns = |role| match self.slot(driver, role) {
            Some(slot) => slot.columns(series),
            None => Ok(Columns::default()),
        };
        self.readings(columns(Role::Stable), columns(Role::Candidate), stretch)
    }

    /// The answer to each gate, from the feed's own server.
    pub(super) async fn scraped(&self, driver: &AlbDriver, stretch: Stretch) -> Vec<(usize, Reading)> {
        let Feed::Prometheus(feed) = self.feed else { return Vec::new() };
        let [stable, candidate] =
            [Role::Stable, Role::Candidate].map(|role| (driver.target.place(role), self.marks(role)));
        let (stable, candidate) = tokio::join!(
            read(&driver.http, feed, stable.0, &stable.1, stretch),
            read(&driver.http, feed, candidate.0, &candidate.1, stretch),
        );
        self.readings(stable, candidate, stretch)
    }

    fn readings(
        &self,
        stable: Result<Columns, Fault>,
        candidate: Result<Columns, Fault>,
        stretch: Stretch,
    ) -> Vec<(usize, Reading)> {
        let bins = match (stable, candidate) {
            (Ok(stable), Ok(candidate)) => bins(&stable, &candidate, self.span(), stretch),
            (Err(fault), _) | (_, Err(fault)) => {
                return self.places.iter().map(|(place, _)| (*place, Reading::Unreadable(fault.clone()))).collect();
            }
        };
        self.places.iter().map(|(place, timed)| (*place, reading(&bins, *timed))).collect()
    }
}

/// A gate's answer; one that wants no times is spared them, for the journal's sake.
fn reading(bins: &[Bin], timed: bool) -> Reading {
    let plain = |counts: &Counts| {
        if timed { counts.clone() } else { Counts { timed: 0.0, slower: Vec::new(), ..*counts } }
    };
    let bin = |bin: &Bin| Bin {
        at: bin.at,
        stable: bin.stable.as_ref().map(plain),
        candidate: bin.candidate.as_ref().map(plain),
    };
    Reading::Counts(bins.iter().map(bin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::SplitRule;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn series(points: &[(u64, f64)]) -> Vec<Point> {
        points.iter().map(|(seconds, value)| Point { at: at(*seconds), value: *value }).collect()
    }

    #[test]
    fn a_slot_without_requests_is_absent_and_errors_that_are_absent_are_none() {
        let stable = Columns {
            requests: series(&[(0, 10.0), (60, 0.0), (120, 30.0)]),
            errors: vec![series(&[(60, 5.0)]), series(&[(120, 2.0)])],
            timed: series(&[(0, 9.0), (120, 30.0)]),
            slower: vec![series(&[(120, 1.25)])],
            ..Columns::default()
        };
        let candidate = Columns { requests: series(&[(60, 4.0), (180, 1.0)]), ..Columns::default() };
        let minute = Duration::from_secs(60);
        let bins = bins(&stable, &candidate, minute, (at(30), at(200)));
        let of = |requests, errors, timed, slower: &[f64]| {
            Some(Counts { requests, errors, timed, slower: slower.to_vec(), ..Counts::default() })
        };
        let expected = [
            Bin { at: at(0), stable: of(10.0, 0.0, 9.0, &[0.0]), candidate: None },
            Bin { at: at(60), stable: None, candidate: of(4.0, 0.0, 0.0, &[]) },
            Bin { at: at(120), stable: of(30.0, 2.0, 30.0, &[1.25]), candidate: None },
        ];
        assert_eq!(bins, expected);
    }

    #[test]
    fn there_are_no_more_failures_than_requests_and_what_makes_no_sense_is_passed_on() {
        let columns = Columns {
            requests: series(&[(0, 10.0), (60, 10.0), (120, -1.0), (180, f64::NAN)]),
            errors: vec![series(&[(0, 8.0), (60, f64::NAN)]), series(&[(0, 8.0)])],
            timed: series(&[(0, 10.0)]),
            slower: vec![series(&[(0, 10.1)])],
            ..Columns::default()
        };
        let counts: Vec<Counts> = columns.counts().into_values().collect();
        assert_eq!((counts[0].errors, counts[0].slower[0]), (10.0, 10.0));
        assert!(counts[1].errors.is_nan());
        assert_eq!(counts[2].requests, -1.0);
        assert!(counts[3].requests.is_nan());
    }

    #[test]
    fn gates_on_one_feed_ask_once() {
        let gate = |check| Gate { name: "g".into(), check, watch: false };
        let compare = gate(Check::Compare(Box::default()));
        let split = gate(Check::Split(SplitRule::default()));
        let asked = questions(&[&split, &compare, &split, &compare]);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].places, [(1, true), (3, true), (0, false), (2, false)]);
    }
}

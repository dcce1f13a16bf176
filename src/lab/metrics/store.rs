//! The metric store: series by name and dimensions, one bucket a minute, fifteen hours of them.

use std::collections::{BTreeMap, HashMap};

use super::Series;
use super::bucket::Bucket;
use super::statistic::Statistic;

/// Minutes kept of each series.
const MINUTES_LIMIT: usize = 15 * 60;
/// Series kept; beyond that new ones are dropped.
const SERIES_LIMIT: usize = 20_000;

/// What names a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::lab) struct Key {
    /// The namespace.
    pub namespace: String,
    /// The metric's name.
    pub name: String,
    /// The dimensions, in order of their names.
    pub dimensions: Vec<(String, String)>,
}

impl Key {
    /// Names a series.
    pub(crate) fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Key {
        let mut dimensions: Vec<_> = dimensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        dimensions.sort();
        Key { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }
}

/// A stretch of time that is asked for, in seconds; the end is exclusive.
#[derive(Debug, Clone, Copy)]
pub(in crate::lab) struct Window {
    /// The first second.
    pub start: u64,
    /// The second after the last.
    pub end: u64,
    /// Nothing that was published after this moment can be seen, in milliseconds.
    pub seen_at_ms: u64,
}

/// All series.
#[derive(Debug)]
pub(in crate::lab) struct Store {
    series: HashMap<Key, BTreeMap<u64, Bucket>>,
    publication_delay_ms: u64,
}

impl Store {
    /// An empty store.
    pub(crate) fn new(publication_delay_ms: u64) -> Store {
        Store { series: HashMap::new(), publication_delay_ms }
    }

    /// Adds a value that was seen so often in the minute that holds this second.
    pub(crate) fn add(&mut self, key: &Key, at: u64, value: f64, times: f64) {
        if let Some(bucket) = self.bucket(key, at) {
            bucket.add(value, times);
        }
    }

    /// Adds many values.
    pub(crate) fn add_all(&mut self, key: &Key, at: u64, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        if let Some(bucket) = self.bucket(key, at) {
            for value in values {
                bucket.add(*value, 1.0);
            }
        }
    }

    /// Adds a statistic set: sum, count, least, greatest.
    pub(crate) fn add_set(&mut self, key: &Key, at: u64, set: [f64; 4]) {
        if let Some(bucket) = self.bucket(key, at) {
            bucket.add_set(set[0], set[1], set[2], set[3]);
        }
    }

    fn bucket(&mut self, key: &Key, at: u64) -> Option<&mut Bucket> {
        if !self.series.contains_key(key) {
            if self.series.len() >= SERIES_LIMIT {
                return None;
            }
            self.series.insert(key.clone(), BTreeMap::new());
        }
        let minutes = self.series.get_mut(key)?;
        while minutes.len() > MINUTES_LIMIT {
            minutes.pop_first();
        }
        Some(minutes.entry(at / 60 * 60).or_default())
    }

    /// A statistic of a series, by period.
    pub(crate) fn read(&self, key: &Key, statistic: &Statistic, period: u64, window: Window) -> Series {
        let Some(minutes) = self.series.get(key) else { return Series::new() };
        let is_ours = key.namespace.starts_with("AWS/");
        let delay = if is_ours { 60_000 + self.publication_delay_ms } else { 0 };
        let period = period.max(60);
        let start = window.start / period * period;
        let mut merged: BTreeMap<u64, Bucket> = BTreeMap::new();
        for (minute, bucket) in minutes.range(start..window.end.max(start)) {
            if minute * 1_000 + delay <= window.seen_at_ms {
                merged.entry(minute / period * period).or_default().merge(bucket);
            }
        }
        let value = |(at, bucket): (u64, Bucket)| Some((at, statistic.of(&bucket)?));
        merged.into_iter().filter_map(value).collect()
    }

    /// The names of all series, in order.
    pub(crate) fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = self.series.keys().collect();
        keys.sort();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(period: u64, seen_at_ms: u64, expected: &[(u64, f64)]) {
        let mut store = Store::new(20_000);
        let key = Key::new("AWS/ApplicationELB", "RequestCount", &[("LoadBalancer", "app/a/b")]);
        for minute in 0..4_u64 {
            store.add(&key, minute * 60 + 30, 1.0, 10.0);
        }
        let window = Window { start: 0, end: 600, seen_at_ms };
        let read = store.read(&key, &Statistic::Sum, period, window);
        assert_eq!(read.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_minute_is_seen_after_its_end_and_the_publication_delay() {
        check(60, 79_999, &[]);
        check(60, 80_000, &[(0, 10.0)]);
        check(60, 140_000, &[(0, 10.0), (60, 10.0)]);
    }

    #[test]
    fn longer_periods_add_minutes_up() {
        check(120, 1_000_000, &[(0, 20.0), (120, 20.0)]);
    }
}

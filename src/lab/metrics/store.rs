//! The metric store: series by name and dimensions, fifteen hours of minutes, three of what is finer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Series;
use super::bucket::Bucket;
use super::publication::Publication;
use super::statistic::Statistic;

/// Minutes kept of each series.
const MINUTES_LIMIT: usize = 15 * 60;
/// Data finer than a minute can be read for this long, in seconds, as with CloudWatch.
pub(crate) const FINE_KEPT: u64 = 3 * 3_600;
/// Series kept; beyond that new ones are dropped.
const SERIES_LIMIT: usize = 20_000;
/// What was counted late is seen this much later than the rest of its minute.
const LATE_MS: u64 = 60_000;

/// What names a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
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

/// What becomes of a value that is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is part of its minute.
    Minute,
    /// It is part of its minute, and seen there a minute after the rest.
    Late,
    /// It is part of its second too: high resolution.
    Fine,
}

/// A stretch of time that is asked for, in seconds; the end is exclusive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// The first second.
    pub start: u64,
    /// The second after the last.
    pub end: u64,
    /// Nothing that was published after this moment can be seen, in milliseconds.
    pub seen_at_ms: u64,
}

/// Buckets by the second they start at. Several series may share one.
type Buckets = BTreeMap<u64, Arc<Bucket>>;

/// One series.
#[derive(Debug, Default)]
struct Kept {
    minutes: Buckets,
    late: Buckets,
    seconds: Buckets,
}

/// All series.
#[derive(Debug)]
pub(crate) struct Store {
    series: HashMap<Key, Kept>,
    publication: Publication,
}

impl Store {
    /// An empty store, whose load balancer metrics are always as late.
    #[cfg(test)]
    pub(crate) fn new(publication_delay_ms: u64) -> Store {
        Store::published(Publication::Steady(publication_delay_ms))
    }

    /// An empty store.
    pub(crate) fn published(publication: Publication) -> Store {
        Store { series: HashMap::new(), publication }
    }

    /// Adds a value that was seen so often in the minute that holds this second.
    pub(crate) fn add(&mut self, key: &Key, at: u64, value: f64, times: f64) {
        self.change(key, at, Kind::Minute, |bucket| bucket.add(value, times));
    }

    /// Changes the buckets that hold a second; each is created when it is not there.
    pub(crate) fn change(&mut self, key: &Key, at: u64, kind: Kind, change: impl Fn(&mut Bucket)) {
        let Some(kept) = self.kept(key) else { return };
        let at_place = |buckets: &mut Buckets, at: u64, limit: usize| {
            change(Arc::make_mut(buckets.entry(at).or_default()));
            while buckets.len() > limit {
                buckets.pop_first();
            }
        };
        let minute = at / 60 * 60;
        match kind {
            Kind::Minute => at_place(&mut kept.minutes, minute, MINUTES_LIMIT),
            Kind::Late => at_place(&mut kept.late, minute, MINUTES_LIMIT),
            Kind::Fine => {
                at_place(&mut kept.minutes, minute, MINUTES_LIMIT);
                at_place(&mut kept.seconds, at, FINE_KEPT as usize);
            }
        }
    }

    /// Adds a whole minute or second to a series, in room that series may share.
    pub(crate) fn add_bucket(&mut self, key: &Key, at: u64, kind: Kind, bucket: &Arc<Bucket>) {
        let Some(kept) = self.kept(key) else { return };
        let buckets = match kind {
            Kind::Minute => &mut kept.minutes,
            Kind::Late => &mut kept.late,
            Kind::Fine => &mut kept.seconds,
        };
        match buckets.get_mut(&at) {
            Some(had) => Arc::make_mut(had).merge(bucket),
            None => {
                buckets.insert(at, Arc::clone(bucket));
            }
        }
    }

    fn kept(&mut self, key: &Key) -> Option<&mut Kept> {
        if !self.series.contains_key(key) {
            if self.series.len() >= SERIES_LIMIT {
                return None;
            }
            self.series.insert(key.clone(), Kept::default());
        }
        self.series.get_mut(key)
    }

    /// The length of the periods in which a series can be read when this one is asked for, in seconds:
    /// periods below a minute are for series of high resolution.
    pub(crate) fn period(&self, key: &Key, asked: u64) -> u64 {
        let is_fine = self.series.get(key).is_some_and(|kept| !kept.seconds.is_empty());
        if is_fine { asked.max(1) } else { asked.max(60) }
    }

    /// A statistic of a series, by period.
    pub(crate) fn read(&self, key: &Key, statistic: &Statistic, period: u64, window: Window) -> Series {
        let Some(kept) = self.series.get(key) else { return Series::new() };
        let period = self.period(key, period);
        let mut series = Series::new();
        let mut gathered: Option<(u64, Cow<'_, Bucket>)> = None;
        let mut tell = |told: Option<(u64, Cow<'_, Bucket>)>| {
            series.extend(told.and_then(|(at, bucket)| Some((at, statistic.of(&bucket)?))));
        };
        for (at, bucket) in self.visible(key, kept, period, window) {
            let start = at / period * period;
            match &mut gathered {
                Some((of, all)) if *of == start => all.to_mut().merge(bucket),
                _ => tell(gathered.replace((start, Cow::Borrowed(bucket)))),
            }
        }
        tell(gathered);
        series
    }

    /// The buckets that lie in a window and can be seen, in order.
    fn visible<'a>(&self, key: &Key, kept: &'a Kept, period: u64, window: Window) -> Vec<(u64, &'a Bucket)> {
        let is_ours = key.namespace.starts_with("AWS/");
        let seen = window.seen_at_ms;
        // Of the load balancer's metrics a minute is published whole; others are there as they come.
        let until = |seen: u64| if is_ours { self.publication.until(seen) } else { seen + 60_000 };
        let oldest = if period < 60 { (window.seen_at_ms / 1_000).saturating_sub(FINE_KEPT) } else { 0 };
        let start = (window.start / period * period).max(oldest);
        let within = |buckets: &'a Buckets, until: u64| {
            let found = buckets.range(start..window.end.max(start)).map(|(at, bucket)| (*at, &**bucket));
            found.filter(move |(at, _)| at * 1_000 + 60_000 <= until)
        };
        if period < 60 {
            return within(&kept.seconds, until(seen)).collect();
        }
        let mut all: Vec<_> = within(&kept.minutes, until(seen)).collect();
        if !kept.late.is_empty() {
            all.extend(within(&kept.late, until(seen.saturating_sub(LATE_MS))));
            all.sort_by_key(|(at, _)| *at);
        }
        all
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

    fn read(store: &Store, key: &Key, period: u64, seen_at_ms: u64) -> Vec<(u64, f64)> {
        let window = Window { start: 0, end: 600, seen_at_ms };
        store.read(key, &Statistic::Sum, period, window).into_iter().collect()
    }

    fn check(period: u64, seen_at_ms: u64, expected: &[(u64, f64)]) {
        let mut store = Store::new(20_000);
        let key = Key::new("AWS/ApplicationELB", "RequestCount", &[("LoadBalancer", "app/a/b")]);
        for minute in 0..4_u64 {
            store.add(&key, minute * 60 + 30, 1.0, 10.0);
        }
        assert_eq!(read(&store, &key, period, seen_at_ms), expected);
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

    #[test]
    fn what_is_not_of_high_resolution_is_told_by_the_minute() {
        check(10, 140_000, &[(0, 10.0), (60, 10.0)]);
    }

    #[test]
    fn what_is_counted_late_is_seen_a_minute_after_the_rest() {
        let mut store = Store::new(20_000);
        let key = Key::new("AWS/ApplicationELB", "RequestCount", &[]);
        store.add(&key, 0, 1.0, 9.0);
        store.change(&key, 0, Kind::Late, |bucket| bucket.add(1.0, 1.0));
        store.add(&key, 60, 1.0, 9.0);
        assert_eq!(read(&store, &key, 60, 139_999), [(0, 9.0)]);
        assert_eq!(read(&store, &key, 60, 140_000), [(0, 10.0), (60, 9.0)]);
        assert_eq!(read(&store, &key, 120, 140_000), [(0, 19.0)]);
    }

    #[test]
    fn high_resolution_is_told_by_short_periods_for_three_hours_and_by_minutes_after() {
        let mut store = Store::new(20_000);
        let key = Key::new("Lab/Service", "Requests", &[]);
        for at in [0, 10, 25, 61] {
            store.change(&key, at, Kind::Fine, |bucket| bucket.add(1.0, 1.0));
        }
        assert_eq!(read(&store, &key, 10, 62_000), [(0, 1.0), (10, 1.0), (20, 1.0), (60, 1.0)]);
        assert_eq!(read(&store, &key, 20, 62_000), [(0, 2.0), (20, 1.0), (60, 1.0)]);
        assert_eq!(read(&store, &key, 30, 62_000), [(0, 3.0), (60, 1.0)]);
        assert_eq!(read(&store, &key, 60, 62_000), [(0, 3.0), (60, 1.0)]);
        let later = (FINE_KEPT + 20) * 1_000;
        assert_eq!(read(&store, &key, 10, later), [(20, 1.0), (60, 1.0)]);
        assert_eq!(read(&store, &key, 60, later), [(0, 3.0), (60, 1.0)]);
    }
}

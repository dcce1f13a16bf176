//! What tasks tell of their own requests: high-resolution metrics, and counters for whoever scrapes them.
//!
//! Every ten seconds a task publishes `Requests`, `Errors` and `Latency` in the namespace `Lab/Service`, as
//! it would through the embedded metric format with a storage resolution of one second. The counters have
//! the form of a Prometheus client's, and are scraped every two seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::lock::lock;
use super::metrics::bucket::Bucket;
use super::metrics::store::{Key, Kind, Store};

/// The namespace of what tasks publish.
pub(super) const NAMESPACE: &str = "Lab/Service";
/// Requests and errors are sums, latency is in seconds. Their dimension is `Service`, the service's name.
pub(super) const NAMES: [&str; 3] = ["Requests", "Errors", "Latency"];
/// The seconds that one datum stands for.
pub(super) const BIN: u64 = 10;
/// A datum is published so long after its bin has ended.
const PUBLISHED_AFTER_MS: u64 = 3_000;
/// Counters are scraped this often.
pub(super) const SCRAPE_EVERY_MS: u64 = 2_000;
/// What was scraped is kept for an hour.
const SAMPLES_LIMIT: usize = 3_600_000 / SCRAPE_EVERY_MS as usize;
/// The upper edges of the latency histogram, in seconds, as its `le` labels have them; `+Inf` comes after.
pub(super) const EDGES: [f64; 20] =
    [0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 1.0, 1.5, 2.5, 5.0];

/// What a task's counters hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    /// Requests answered.
    pub requests: u32,
    /// Those answered with a 500.
    pub errors: u32,
    /// Those that took no longer than each of [`EDGES`].
    pub within: [u32; EDGES.len()],
}

impl Counters {
    /// Counts a request.
    pub(super) fn add(&mut self, seconds: f64, is_failed: bool) {
        self.requests += 1;
        self.errors += u32::from(is_failed);
        let from = EDGES.partition_point(|edge| *edge < seconds);
        self.within[from..].iter_mut().for_each(|count| *count += 1);
    }
}

/// Counters as they were at a moment, in lab milliseconds.
pub(super) type Sample = (u64, Counters);

/// What one task tells.
pub(super) struct Teller {
    service: String,
    task: String,
    told: Mutex<TaskFigures>,
}

#[derive(Default)]
struct TaskFigures {
    counters: Counters,
    bins: BTreeMap<u64, Bin>,
    samples: VecDeque<Sample>,
}

/// What a task publishes of one bin.
#[derive(Default)]
struct Bin {
    requests: u64,
    errors: u64,
    times: Bucket,
}

impl Teller {
    /// Tells of a request that was answered.
    pub(crate) fn tell(&self, now_ms: u64, seconds: f64, is_failed: bool) {
        let mut told = lock(&self.told);
        told.counters.add(seconds, is_failed);
        let bin = told.bins.entry(now_ms / 1_000 / BIN * BIN).or_default();
        bin.requests += 1;
        bin.errors += u64::from(is_failed);
        bin.times.add(seconds, 1.0);
    }
}

/// What all tasks tell.
#[derive(Default)]
pub(super) struct Telemetry {
    tellers: Mutex<Vec<Arc<Teller>>>,
    scraped_at: Mutex<u64>,
}

impl Telemetry {
    /// A task that starts to tell.
    pub(crate) fn teller(&self, service: &str, task: &str) -> Arc<Teller> {
        let teller = Teller { service: service.to_owned(), task: task.to_owned(), told: Mutex::default() };
        let teller = Arc::new(teller);
        lock(&self.tellers).push(Arc::clone(&teller));
        teller
    }

    /// Publishes every bin that is over, and scrapes the counters when it is time.
    pub(crate) fn turn(&self, store: &mut Store, now_ms: u64) {
        let mut scraped_at = lock(&self.scraped_at);
        let is_due = now_ms >= *scraped_at + SCRAPE_EVERY_MS;
        if is_due {
            *scraped_at = now_ms / SCRAPE_EVERY_MS * SCRAPE_EVERY_MS;
        }
        lock(&self.tellers).retain(|teller| {
            // Only this list holds a task that has ended.
            let is_running = Arc::strong_count(teller) > 1;
            let mut told = lock(&teller.told);
            while let Some((at, bin)) = told.over(now_ms) {
                publish(store, &teller.service, at, &bin);
            }
            if is_due {
                let counters = told.counters;
                told.samples.extend(is_running.then_some((now_ms, counters)));
                let is_old = |(at, _): &Sample| now_ms > at + SAMPLES_LIMIT as u64 * SCRAPE_EVERY_MS;
                while told.samples.len() > SAMPLES_LIMIT || told.samples.front().is_some_and(is_old) {
                    told.samples.pop_front();
                }
            }
            is_running || !told.bins.is_empty() || !told.samples.is_empty()
        });
    }

    /// Looks at what was scraped of every task: its service, its id, its samples in order.
    pub(crate) fn look(&self, mut at: impl FnMut(&str, &str, &[Sample])) {
        for teller in lock(&self.tellers).iter() {
            at(&teller.service, &teller.task, lock(&teller.told).samples.make_contiguous());
        }
    }
}

impl TaskFigures {
    /// Takes the oldest bin that can be published.
    fn over(&mut self, now_ms: u64) -> Option<(u64, Bin)> {
        let first = self.bins.first_entry()?;
        ((first.key() + BIN) * 1_000 + PUBLISHED_AFTER_MS <= now_ms).then(|| first.remove_entry())
    }
}

fn publish(store: &mut Store, service: &str, at: u64, bin: &Bin) {
    let numbers = [bin.requests as f64, bin.errors as f64];
    for (name, number) in NAMES.iter().zip(numbers.map(Some).into_iter().chain([None])) {
        let key = Key::new(NAMESPACE, name, &[("Service", service)]);
        store.change(&key, at, Kind::Fine, |bucket| match number {
            Some(number) => bucket.add(number, 1.0),
            None => bucket.merge(&bin.times),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::statistic::Statistic;
    use super::super::metrics::store::Window;
    use super::*;

    fn read(store: &Store, name: &str, statistic: &str, now_ms: u64) -> Vec<(u64, f64)> {
        let key = Key::new(NAMESPACE, name, &[("Service", "web-blue")]);
        let statistic = Statistic::parse(statistic).expect("it is a statistic");
        let window = Window { start: 0, end: 100, seen_at_ms: now_ms };
        store.read(&key, &statistic, 10, window).into_iter().collect()
    }

    #[test]
    fn a_bin_is_published_when_it_is_over_by_all_tasks_of_its_service() {
        let (telemetry, mut store) = (Telemetry::default(), Store::new(0));
        let tellers = ["a", "b"].map(|task| telemetry.teller("web-blue", task));
        tellers[0].tell(9_999, 0.1, false);
        tellers[1].tell(5_000, 0.3, true);
        tellers[1].tell(10_000, 0.2, false);
        telemetry.turn(&mut store, 12_999);
        assert_eq!(read(&store, "Requests", "Sum", 13_000), []);
        telemetry.turn(&mut store, 13_000);
        assert_eq!(read(&store, "Requests", "Sum", 13_000), [(0, 2.0)]);
        assert_eq!(read(&store, "Errors", "Sum", 13_000), [(0, 1.0)]);
        assert_eq!(read(&store, "Latency", "TC(0.25:)", 13_000), [(0, 1.0)]);
        telemetry.turn(&mut store, 23_000);
        assert_eq!(read(&store, "Requests", "Sum", 23_000), [(0, 2.0), (10, 1.0)]);
    }

    #[test]
    fn a_task_that_has_ended_publishes_its_last_bin_and_is_forgotten() {
        let (telemetry, mut store) = (Telemetry::default(), Store::new(0));
        let teller = telemetry.teller("web-blue", "a");
        teller.tell(1_000, 0.1, false);
        telemetry.turn(&mut store, 2_000);
        drop(teller);
        telemetry.turn(&mut store, 13_000);
        assert_eq!(read(&store, "Requests", "Sum", 13_000), [(0, 1.0)]);
        let told = || {
            let mut tasks = Vec::new();
            telemetry.look(|_, task, samples| tasks.push((task.to_owned(), samples.len())));
            tasks
        };
        assert_eq!(told(), [("a".to_owned(), 1)]);
        telemetry.turn(&mut store, 3_700_000);
        assert_eq!(told(), []);
    }

    #[test]
    fn counters_count_up_to_each_edge() {
        let mut counters = Counters::default();
        counters.add(0.1, false);
        counters.add(0.101, true);
        counters.add(60.0, false);
        assert_eq!((counters.requests, counters.errors), (3, 1));
        assert_eq!((counters.within[2], counters.within[3], counters.within[4], counters.within[19]), (0, 1, 2, 2));
    }
}

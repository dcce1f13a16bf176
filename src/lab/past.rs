//! The hours before the lab: what its metrics would hold if the serving slot had run as it runs now.

use std::sync::Arc;

use super::account::{Account, dimension, last};
use super::balancer::meter;
use super::chance::{count, normal};
use super::config::LabConfig;
use super::metrics::bucket::Bucket;
use super::metrics::sketch::{Sketch, edge_of, place_of};
use super::metrics::store::{FINE_KEPT, Key, Kind, Store};
use super::telemetry;
use super::usual;

/// What sockets, timers and schedulers of a machine that is not busy add to a request, in seconds: about so
/// much was measured on average, and half of it as its standard deviation. A busy machine adds up to 5 ms to
/// what flows now, and alike to both slots.
pub(super) const OVERHEAD: f64 = 0.002;
/// So many requests in one stretch are drawn one by one; of more it is drawn how many fall into each cell.
const ONE_BY_ONE: f64 = 250.0;
/// The longest past: as much as the store keeps.
pub(super) const LONGEST_SECONDS: u64 = 15 * 3_600;

/// Requests of one stretch of time.
#[derive(Default)]
struct Stretch {
    requests: f64,
    errors: f64,
    times: Bucket,
}

/// The past of the slot that serves, drawn from its end backwards and no further than somebody looks.
pub(super) struct Past {
    series: Option<Series>,
    drawing: Drawing,
    start: u64,
    /// What lies before this second is not drawn yet.
    drawn_from: u64,
    /// What lies before this second was too old to be read by less than a minute when the lab began.
    fine_from: u64,
}

impl Past {
    /// The past of a lab that begins at a moment; none of it is drawn.
    pub(crate) fn new(account: &Account, config: &LabConfig, now_ms: u64) -> Past {
        let (now, span) = (now_ms / 1_000, config.past.as_secs().min(LONGEST_SECONDS));
        Past {
            series: Series::of_serving(account, config).filter(|_| config.rps > 0.0),
            drawing: Drawing::new(config),
            start: now.saturating_sub(span).div_ceil(60) * 60,
            drawn_from: now,
            fine_from: now.saturating_sub(FINE_KEPT),
        }
    }

    /// Draws the past back to a second, as far as there is one.
    pub(crate) fn reach(&mut self, store: &mut Store, from: u64) {
        let Some(series) = &self.series else { return };
        while self.drawn_from > from.max(self.start) {
            let (minute, end) = ((self.drawn_from - 1) / 60 * 60, self.drawn_from);
            self.drawn_from = minute;
            if minute < self.fine_from {
                series.keep_minute(store, minute, self.drawing.stretch((end - minute) as f64));
                continue;
            }
            let mut whole = Stretch::default();
            for bin in (minute..end).step_by(telemetry::BIN as usize) {
                let part = self.drawing.stretch((end.min(bin + telemetry::BIN) - bin) as f64);
                whole.requests += part.requests;
                whole.errors += part.errors;
                whole.times.merge(&part.times);
                series.keep_bin(store, bin, part);
            }
            series.keep_minute(store, minute, whole);
        }
    }
}

/// Draws stretches.
struct Drawing {
    rps: f64,
    errors: f64,
    die: fastrand::Rng,
    first: i32,
    /// The part of all requests that falls into each cell of a sketch, from the first on.
    shares: Vec<f64>,
}

impl Drawing {
    fn new(config: &LabConfig) -> Drawing {
        let (first, last) = (place_of(usual::MEDIAN / 8.0), place_of(usual::MEDIAN * 8.0));
        let within = |place: i32| usual::share_within(edge_of(place) - OVERHEAD);
        let shares = (first..=last).map(|place| within(place + 1) - within(place)).collect();
        let die = fastrand::Rng::with_seed(config.seed ^ 3);
        Drawing { rps: config.rps, errors: config.errors, die, first, shares }
    }

    /// What flowed in so many seconds. Counts of a Poisson process that fall into cells are Poisson counts
    /// themselves, so no request need be drawn by itself.
    fn stretch(&mut self, seconds: f64) -> Stretch {
        let mean = self.rps * seconds;
        let times = if mean <= ONE_BY_ONE {
            let mut times = Bucket::default();
            for _ in 0..count(&mut self.die, mean) as usize {
                let overhead = OVERHEAD * (1.0 + 0.5 * normal(&mut self.die)).max(0.2);
                times.add(usual::time(&mut self.die) + overhead, 1.0);
            }
            times
        } else {
            let cells = self.shares.iter().map(|share| count(&mut self.die, mean * share)).collect();
            Sketch::from_cells(self.first, cells).into()
        };
        let errors = count(&mut self.die, times.count * self.errors).min(times.count);
        Stretch { requests: times.count, errors, times }
    }
}

/// The series of the slot that serves.
struct Series {
    /// Of the load balancer, and of its target group.
    balanced: [Vec<(String, String)>; 2],
    per_target: f64,
    own: Vec<(String, String)>,
}

impl Series {
    fn of_serving(account: &Account, config: &LabConfig) -> Option<Series> {
        let slots = &config.world.slots;
        let serving = usize::from(slots[1].weight > slots[0].weight);
        let (slot, group) = (&slots[serving], account.groups.get(serving)?);
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let balancer = pair("LoadBalancer", dimension(&account.load_balancers.first()?.arn));
        let group = pair("TargetGroup", dimension(&group.arn));
        Some(Series {
            balanced: [vec![balancer.clone()], vec![balancer, group]],
            per_target: 1.0 / f64::from(slot.desired.max(1)),
            own: vec![pair("Service", last(&slot.service).to_owned())],
        })
    }

    fn keep_minute(&self, store: &mut Store, at: u64, stretch: Stretch) {
        let Stretch { requests, errors, times } = stretch;
        if requests <= 0.0 {
            return;
        }
        let times = Arc::new(times);
        let numbers = [requests, requests - errors, errors].map(|times| Arc::new(seen(1.0, times)));
        let names = ["RequestCount", "HTTPCode_Target_2XX_Count", "HTTPCode_Target_5XX_Count"];
        for dimensions in &self.balanced {
            let key = |name: &str| key(meter::NAMESPACE, name, dimensions);
            for (name, number) in names.iter().zip(&numbers).filter(|(_, number)| number.count > 0.0) {
                store.add_bucket(&key(name), at, Kind::Minute, number);
            }
            store.add_bucket(&key("TargetResponseTime"), at, Kind::Minute, &times);
            if dimensions.len() > 1 {
                store.add(&key("RequestCountPerTarget"), at, requests * self.per_target, 1.0);
            }
        }
        self.keep_own(store, at, Kind::Minute, &[seen(requests, 1.0).into(), seen(errors, 1.0).into(), times]);
    }

    fn keep_bin(&self, store: &mut Store, at: u64, stretch: Stretch) {
        let Stretch { requests, errors, times } = stretch;
        if requests > 0.0 {
            let own = [seen(requests, 1.0), seen(errors, 1.0), times].map(Arc::new);
            self.keep_own(store, at, Kind::Fine, &own);
        }
    }

    /// What the tasks themselves would have published.
    fn keep_own(&self, store: &mut Store, at: u64, kind: Kind, buckets: &[Arc<Bucket>; 3]) {
        for (name, bucket) in telemetry::NAMES.iter().zip(buckets) {
            store.add_bucket(&key(telemetry::NAMESPACE, name, &self.own), at, kind, bucket);
        }
    }
}

fn key(namespace: &str, name: &str, dimensions: &[(String, String)]) -> Key {
    Key { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: dimensions.to_vec() }
}

/// A value seen so often.
fn seen(value: f64, times: f64) -> Bucket {
    let mut bucket = Bucket::default();
    if times > 0.0 {
        bucket.add(value, times);
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::super::metrics::statistic::Statistic;
    use super::super::metrics::store::Window;
    use super::*;

    /// Two in the afternoon of some day, and 40 seconds.
    const NOW: u64 = 1_800_021_640;

    struct Lab {
        account: Account,
        past: Past,
        store: Store,
    }

    fn lab(rps: f64) -> Lab {
        let config = LabConfig { rps, errors: 0.01, ..LabConfig::default() };
        let account = Account::seeded(&config, NOW * 1_000);
        Lab { past: Past::new(&account, &config, NOW * 1_000), account, store: Store::new(20_000) }
    }

    impl Lab {
        fn read(&self, name: &str, statistic: &str, period: u64) -> Vec<(u64, f64)> {
            let balancer = dimension(&self.account.load_balancers[0].arn);
            let group = dimension(&self.account.groups[0].arn);
            let own = telemetry::NAMES.contains(&name);
            let key = if own {
                Key::new(telemetry::NAMESPACE, name, &[("Service", "web-blue")])
            } else {
                Key::new(meter::NAMESPACE, name, &[("LoadBalancer", &balancer), ("TargetGroup", &group)])
            };
            let window = Window { start: NOW - 20 * 3_600, end: NOW, seen_at_ms: (NOW + 200) * 1_000 };
            let statistic = Statistic::parse(statistic).expect("it is a statistic");
            self.store.read(&key, &statistic, period, window).into_iter().collect()
        }
    }

    fn mean(values: &[(u64, f64)]) -> f64 {
        values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn every_minute_of_the_past_has_the_rate_the_errors_and_the_times_of_the_tasks() {
        for rps in [3.0, 20.0] {
            let mut lab = lab(rps);
            lab.past.reach(&mut lab.store, 0);
            let requests = lab.read("RequestCount", "Sum", 60);
            assert_eq!((requests.len(), requests[0].0), (720, (NOW - 12 * 3_600).div_ceil(60) * 60), "{rps}");
            assert!((mean(&requests[..719]) / (60.0 * rps) - 1.0).abs() < 0.01);
            assert!((requests[719].1 / (40.0 * rps) - 1.0).abs() < 0.3, "the minute that runs is there in part");
            let spread = requests[..719].iter().map(|(_, n)| (n - 60.0 * rps).powi(2)).sum::<f64>() / 719.0;
            assert!((spread / (60.0 * rps) - 1.0).abs() < 0.2, "the counts are of a Poisson process: {spread}");
            let errors: f64 = lab.read("HTTPCode_Target_5XX_Count", "Sum", 60).iter().map(|(_, n)| n).sum();
            assert!((errors / (720.0 * 60.0 * rps) - 0.01).abs() < 0.001);
            for (seconds, share) in [(0.102, 50.0), (0.2296, 95.0)] {
                let found = mean(&lab.read("TargetResponseTime", &format!("PR(:{seconds})"), 60));
                assert!((found - share).abs() < 0.5, "{found} % of all within {seconds} s");
            }
        }
    }

    #[test]
    fn the_tasks_tell_the_same_as_the_balancer_and_finer_for_three_hours() {
        let mut lab = lab(20.0);
        lab.past.reach(&mut lab.store, 0);
        assert_eq!(lab.read("Requests", "Sum", 60), lab.read("RequestCount", "Sum", 60));
        assert_eq!(lab.read("Latency", "TC(0.2:)", 60), lab.read("TargetResponseTime", "TC(0.2:)", 60));
        let bins = lab.read("Requests", "Sum", 10);
        assert_eq!(bins.len(), 3 * 360 - 20, "those from the last three hours, as seen 200 s later");
        assert_eq!(lab.read("Errors", "Sum", 10).len(), bins.len());
    }

    #[test]
    fn the_past_is_the_same_however_it_is_looked_at_and_what_flows_is_added_to_it() {
        let (mut once, mut often) = (lab(20.0), lab(20.0));
        once.past.reach(&mut once.store, 0);
        (0..50).for_each(|step| often.past.reach(&mut often.store, NOW - step * 1_000));
        assert_eq!(once.read("TargetResponseTime", "p90", 60), often.read("TargetResponseTime", "p90", 60));
        let mut late = lab(20.0);
        let key = Key::new(telemetry::NAMESPACE, "Requests", &[("Service", "web-blue")]);
        late.store.change(&key, NOW, Kind::Fine, |bucket| bucket.add(5.0, 1.0));
        late.past.reach(&mut late.store, 0);
        let (before, after) = (once.read("Requests", "Sum", 60), late.read("Requests", "Sum", 60));
        assert_eq!(before.last().map(|(_, n)| n + 5.0), after.last().map(|(_, n)| *n));
    }

    #[test]
    fn a_lab_without_traffic_or_past_has_none() {
        let mut lab = lab(0.0);
        lab.past.reach(&mut lab.store, 0);
        assert!(lab.store.keys().is_empty());
    }
}

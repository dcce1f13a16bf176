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

/// What sockets, timers and schedulers of a machine that is not busy add to a request, in seconds: so
/// much was measured on average, and about half of it as its standard deviation.
pub(super) const OVERHEAD: f64 = 0.0016;
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

/// Draws stretches of the past.
struct Drawing<'a> {
    config: &'a LabConfig,
    die: fastrand::Rng,
    first: i32,
    /// The part of all requests that falls into each cell of a sketch, from the first on.
    shares: Vec<f64>,
}

/// Fills a store with the past of the slot that serves, up to this moment.
pub(super) fn fill(store: &mut Store, account: &Account, config: &LabConfig, now_ms: u64) {
    let span = config.past.as_secs().min(LONGEST_SECONDS);
    let Some(series) = Series::of_serving(account, config).filter(|_| span > 0 && config.rps > 0.0) else { return };
    let mut drawing = Drawing::new(config);
    let now = now_ms / 1_000;
    let (first, fine_from) = (now.saturating_sub(span).div_ceil(60) * 60, now.saturating_sub(FINE_KEPT));
    for minute in (first..now).step_by(60) {
        let end = now.min(minute + 60);
        if minute < fine_from {
            let whole = drawing.stretch((end - minute) as f64);
            series.keep_minute(store, minute, whole);
            continue;
        }
        let mut whole = Stretch::default();
        for bin in (minute..end).step_by(telemetry::BIN as usize) {
            let part = drawing.stretch((end.min(bin + telemetry::BIN) - bin) as f64);
            whole.requests += part.requests;
            whole.errors += part.errors;
            whole.times.merge(&part.times);
            series.keep_bin(store, bin, part);
        }
        series.keep_minute(store, minute, whole);
    }
}

impl<'a> Drawing<'a> {
    fn new(config: &'a LabConfig) -> Drawing<'a> {
        let (first, last) = (place_of(usual::MEDIAN / 8.0), place_of(usual::MEDIAN * 8.0));
        let within = |place: i32| usual::share_within(edge_of(place) - OVERHEAD);
        let shares = (first..=last).map(|place| within(place + 1) - within(place)).collect();
        Drawing { config, die: fastrand::Rng::with_seed(config.seed ^ 3), first, shares }
    }

    /// What flowed in so many seconds. Counts of a Poisson process that fall into cells are Poisson counts
    /// themselves, so no request need be drawn by itself.
    fn stretch(&mut self, seconds: f64) -> Stretch {
        let mean = self.config.rps * seconds;
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
        let errors = count(&mut self.die, times.count * self.config.errors).min(times.count);
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
                store.set(&key(name), at, Kind::Minute, number);
            }
            store.set(&key("TargetResponseTime"), at, Kind::Minute, &times);
            if dimensions.len() > 1 {
                store.add(&key("RequestCountPerTarget"), at, requests * self.per_target, 1.0);
            }
        }
        self.keep_own(store, at, Kind::Minute, [requests, errors], &times);
    }

    fn keep_bin(&self, store: &mut Store, at: u64, stretch: Stretch) {
        if stretch.requests > 0.0 {
            let Stretch { requests, errors, times } = stretch;
            self.keep_own(store, at, Kind::Fine, [requests, errors], &Arc::new(times));
        }
    }

    /// What the tasks themselves would have published.
    fn keep_own(&self, store: &mut Store, at: u64, kind: Kind, numbers: [f64; 2], times: &Arc<Bucket>) {
        let [requests, errors] = numbers.map(|number| Arc::new(seen(number, 1.0)));
        for (name, bucket) in telemetry::NAMES.iter().zip([&requests, &errors, times]) {
            store.set(&key(telemetry::NAMESPACE, name, &self.own), at, kind, bucket);
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

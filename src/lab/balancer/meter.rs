//! Counts what flowed, by the minute it was answered in, until the metric store takes it.
//!
//! Some of it may be counted late, so that a minute is revised after it was published, as CloudWatch does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::account::dimension;
use crate::metrics::bucket::Bucket;
use crate::metrics::store::{Key, Kind, Store};

/// The namespace of load balancer metrics.
pub(crate) const NAMESPACE: &str = "AWS/ApplicationELB";

/// What one load balancer counts.
#[derive(Default)]
pub(super) struct Meter {
    minutes: Mutex<BTreeMap<(u64, bool), Minute>>,
}

#[derive(Default)]
struct Minute {
    groups: BTreeMap<String, Counts>,
    own: BTreeMap<u16, u64>,
}

#[derive(Default)]
struct Counts {
    requests: u64,
    connection_errors: u64,
    classes: [u64; 6],
    times: Vec<f64>,
    targets: usize,
}

/// One request that a target was chosen for.
pub(super) struct Flowed {
    /// The status of the target's answer; none when it gave none.
    pub status: Option<u16>,
    /// How long the target took, in lab seconds.
    pub time: f64,
    /// Whether no connection could be made.
    pub is_unreachable: bool,
    /// The targets the request could have gone to.
    pub targets: usize,
    /// Whether it is counted a minute late.
    pub is_late: bool,
}

impl Meter {
    /// Counts a request that a target was chosen for.
    pub(crate) fn forwarded(&self, now_ms: u64, group: &str, flowed: &Flowed) {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = &mut minutes.entry((now_ms / 60_000, flowed.is_late)).or_default().groups;
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), Counts::default());
        }
        let Some(counts) = groups.get_mut(group) else { return };
        counts.requests += 1;
        counts.targets = flowed.targets;
        counts.connection_errors += u64::from(flowed.is_unreachable);
        if let Some(status) = flowed.status {
            counts.classes[usize::from(status / 100).min(5)] += 1;
            counts.times.push(flowed.time);
        }
    }

    /// Counts an answer that the load balancer made itself.
    pub(crate) fn answered(&self, now_ms: u64, status: u16) {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        *minutes.entry((now_ms / 60_000, false)).or_default().own.entry(status).or_default() += 1;
    }

    /// Moves everything counted into the store.
    pub(crate) fn flush(&self, balancer: &str, store: &mut Store) {
        let minutes = std::mem::take(&mut *self.minutes.lock().unwrap_or_else(PoisonError::into_inner));
        let balancer = dimension(balancer);
        for ((minute, is_late), counted) in minutes {
            let at = minute * 60;
            let kind = if is_late { Kind::Late } else { Kind::Minute };
            let whole = |name: &str| Key::new(NAMESPACE, name, &[("LoadBalancer", &balancer)]);
            for (group, counts) in &counted.groups {
                let group = dimension(group);
                let part =
                    |name: &str| Key::new(NAMESPACE, name, &[("LoadBalancer", &balancer), ("TargetGroup", &group)]);
                let share = counts.requests as f64 / counts.targets.max(1) as f64;
                store.change(&part("RequestCountPerTarget"), at, kind, |bucket| bucket.add(share, 1.0));
                for key in [&whole as &dyn Fn(&str) -> Key, &part] {
                    put(counts, |name, add| store.change(&key(name), at, kind, add));
                }
            }
            put_own(store, at, &counted.own, &whole);
        }
    }
}

/// Gives each metric of a group's counts, and what is added to its bucket.
fn put(counts: &Counts, mut give: impl FnMut(&str, &dyn Fn(&mut Bucket))) {
    let mut count = |name: &str, times: u64| {
        if times > 0 {
            give(name, &|bucket| bucket.add(1.0, times as f64));
        }
    };
    count("RequestCount", counts.requests);
    count("TargetConnectionErrorCount", counts.connection_errors);
    for class in 2..=5 {
        count(&format!("HTTPCode_Target_{class}XX_Count"), counts.classes[class]);
    }
    if !counts.times.is_empty() {
        give("TargetResponseTime", &|bucket| counts.times.iter().for_each(|time| bucket.add(*time, 1.0)));
    }
}

fn put_own(store: &mut Store, at: u64, own: &BTreeMap<u16, u64>, key: &dyn Fn(&str) -> Key) {
    for (status, times) in own {
        let class = format!("HTTPCode_ELB_{}XX_Count", status / 100);
        store.add(&key(&class), at, 1.0, *times as f64);
        if matches!(status, 500 | 502 | 503 | 504) {
            store.add(&key(&format!("HTTPCode_ELB_{status}_Count")), at, 1.0, *times as f64);
        }
    }
}

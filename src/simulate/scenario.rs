//! What synthetic traffic can be like: everyday trouble that is no fault of the release, and faults that are.

use std::time::Duration;

use super::condition::Condition;

/// What befalls traffic and slots although the release is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing.
    Healthy,
    /// Two minutes, from the fifth on, in which both slots fail 20 % and are half as fast.
    Outage,
    /// Over the first hour traffic grows by half, failures double, both slots get 30 % slower.
    Drift,
    /// The candidate is three times slower in its first minute.
    Cold,
    /// Failures come in bursts, and each slot's speed is off by another 5 % every minute.
    Noisy,
    /// The same, but each slot's speed wanders from minute to minute.
    Wandering,
    /// The candidate is a little worse, well within tolerance: 2 % slower, 0.01 points more failures.
    Benign,
    /// The candidate is as much worse as the compare gate tolerates by default.
    Edge,
    /// The candidate's hosts are by chance slower or faster than the stable slot's: 2 % is usual.
    HostLottery,
}

/// How counts scatter beyond chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    None,
    Minutes,
    Correlated,
}

impl Noise {
    /// The mean number of failures in a burst.
    pub(super) const BURST: f64 = 4.0;
    /// The standard deviation of a slot's speed.
    pub(super) const DEVIATION: f64 = 0.05;

    /// How much of a minute's deviation the next one keeps.
    pub(super) fn persistence(self) -> f64 {
        if self == Noise::Correlated { 0.8 } else { 0.0 }
    }
}

impl Scenario {
    /// All, by the names they have in tables.
    pub const ALL: [(&str, Scenario); 9] = [
        ("healthy", Scenario::Healthy),
        ("blip", Scenario::Outage),
        ("drift", Scenario::Drift),
        ("cold", Scenario::Cold),
        ("noisy", Scenario::Noisy),
        ("noisyAR", Scenario::Wandering),
        ("benign", Scenario::Benign),
        ("edge", Scenario::Edge),
        ("hostlot", Scenario::HostLottery),
    ];

    /// What both slots are like `after` the start of what were `before` it.
    pub(super) fn weather(self, before: Condition, after: Duration) -> Condition {
        let outage = Duration::from_secs(300)..Duration::from_secs(420);
        match self {
            Scenario::Outage if outage.contains(&after) => before.with(0.2, 2.0),
            Scenario::Drift => {
                let part = (after.as_secs_f64() / 3600.0).min(1.0);
                before.with(before.errors * (1.0 + part), 1.0 + 0.3 * part)
            }
            _ => before,
        }
    }

    /// By what factor there are more requests `after` the start.
    pub(super) fn traffic(self, after: Duration) -> f64 {
        match self {
            Scenario::Drift => 1.0 + 0.5 * (after.as_secs_f64() / 3600.0).min(1.0),
            _ => 1.0,
        }
    }

    /// What a candidate that has been `warm` so long is like when a slot is like `both`.
    pub(super) fn candidate(self, both: Condition, warm: Duration) -> Condition {
        match self {
            Scenario::Cold if warm < Duration::from_secs(60) => both.with(both.errors, 3.0),
            Scenario::Benign => both.with(both.errors * 1.1, 1.02),
            Scenario::Edge => both.with(both.errors * 1.1 + 0.0003, 1.03),
            _ => both,
        }
    }

    pub(super) fn noise(self) -> Noise {
        match self {
            Scenario::Noisy => Noise::Minutes,
            Scenario::Wandering => Noise::Correlated,
            _ => Noise::None,
        }
    }

    /// The standard deviation of the candidate's luck with its hosts.
    pub(super) fn luck(self) -> f64 {
        if self == Scenario::HostLottery { 0.02 } else { 0.0 }
    }
}

/// What is wrong with the candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The share of its requests that fail, where it is more than the stable slot's: 0.01.
    pub errors: f64,
    /// By how much it is slower: 0.25 is 25 %.
    pub slower: f64,
    /// How long it takes to grow to that, from the start on.
    pub grows: Duration,
}

impl Fault {
    /// Nothing is wrong.
    pub const NONE: Fault = Fault::errors(0.0);

    /// All that are measured, by the names they have in tables.
    pub const ALL: [(&str, Fault); 8] = [
        ("err0.5", Fault::errors(0.005)),
        ("err1", Fault::errors(0.01)),
        ("err5", Fault::errors(0.05)),
        ("err50", Fault::errors(0.5)),
        ("lat10", Fault::slower(0.1)),
        ("lat25", Fault::slower(0.25)),
        ("lat100", Fault::slower(1.0)),
        ("gradual", Fault { grows: Duration::from_secs(1800), ..Fault::errors(0.051) }),
    ];

    /// This share of the candidate's requests fails.
    pub const fn errors(share: f64) -> Self {
        Self { errors: share, slower: 0.0, grows: Duration::ZERO }
    }

    /// The candidate is slower by this part.
    pub const fn slower(by: f64) -> Self {
        Self { errors: 0.0, slower: by, grows: Duration::ZERO }
    }

    /// What a candidate that is `good` otherwise is like `after` the start; `usual` is the share of
    /// requests that fail when nothing is wrong.
    pub(super) fn worsen(self, good: Condition, usual: f64, after: Duration) -> Condition {
        let part = if self.grows.is_zero() { 1.0 } else { after.div_duration_f64(self.grows).min(1.0) };
        let more = part * (self.errors - usual).max(0.0);
        good.with((good.errors + more).min(1.0), 1.0 + part * self.slower)
    }
}

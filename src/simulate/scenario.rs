//! What synthetic traffic can be like: everyday trouble that is no fault of the release, and faults that are.

use std::time::Duration;

use super::condition::{Apart, Condition};

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
    /// The candidate is twice as slow for its first two minutes.
    Warming,
    /// It is 1.3 times as slow for its first five minutes.
    WarmingLong,
    /// It is twice as slow at first; what is too much shrinks to a third in 90 seconds.
    WarmingSlowly,
    /// It is twice as slow at first, and less so with each of its first 4,000 requests.
    WarmingByUse,
    /// Each slot is the slower the more of the traffic it has: by 20 % with all of it.
    Load,
    /// As noisy as in `Noisy`, but the past was five times calmer.
    QuietNight,
    /// The past was twice calmer.
    CalmNight,
    /// Each slot's speed is off by another 3 % every minute, the candidate's by 9 %.
    OwnNoise,
    /// Few hosts, which differ: the candidate's are by chance slower or faster, 4 % is usual.
    FewHosts,
    /// For five minutes from the sixth on a zone fails 5 % and is three times slower: a third of the stable slot's
    /// answers, and half of the candidate's.
    Brownout,
}

/// How counts scatter beyond chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// The standard deviation of a slot's speed from minute to minute; none when it is zero.
    pub(super) deviation: f64,
    /// How much of a minute's deviation the next one keeps.
    pub(super) persistence: f64,
    /// The mean number of failures in a burst.
    pub(super) burst: f64,
}

impl Noise {
    const NONE: Noise = Noise { deviation: 0.0, persistence: 0.0, burst: 1.0 };
    const MINUTES: Noise = Noise { deviation: 0.05, persistence: 0.0, burst: 4.0 };

    /// The same, so many times calmer.
    fn calmer(self, times: f64) -> Self {
        Self { deviation: self.deviation / times, burst: 1.0 + (self.burst - 1.0) / times, ..self }
    }
}

impl Scenario {
    /// All, by the names they have in tables.
    pub const ALL: [(&str, Scenario); 19] = [
        ("healthy", Scenario::Healthy),
        ("blip", Scenario::Outage),
        ("drift", Scenario::Drift),
        ("cold", Scenario::Cold),
        ("noisy", Scenario::Noisy),
        ("noisyAR", Scenario::Wandering),
        ("benign", Scenario::Benign),
        ("edge", Scenario::Edge),
        ("hostlot", Scenario::HostLottery),
        ("warm2m", Scenario::Warming),
        ("warm5m", Scenario::WarmingLong),
        ("warmexp", Scenario::WarmingSlowly),
        ("warm4k", Scenario::WarmingByUse),
        ("load", Scenario::Load),
        ("quiet5x", Scenario::QuietNight),
        ("quiet2x", Scenario::CalmNight),
        ("own3x", Scenario::OwnNoise),
        ("hosts4", Scenario::FewHosts),
        ("brownout", Scenario::Brownout),
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

    /// What a candidate that has been `warm` so long, and has `served` so many requests, is like when a slot is
    /// like `both`.
    pub(super) fn candidate(self, both: Condition, warm: Duration, served: f64) -> Condition {
        let until = |minutes: u64, factor: f64| if warm.as_secs() < 60 * minutes { factor } else { 1.0 };
        let slower = match self {
            Scenario::Cold => until(1, 3.0),
            Scenario::Warming => until(2, 2.0),
            Scenario::WarmingLong => until(5, 1.3),
            Scenario::WarmingSlowly => 1.0 + (-warm.as_secs_f64() / 90.0).exp(),
            Scenario::WarmingByUse => 1.0 + (1.0 - served / 4000.0).max(0.0),
            Scenario::Benign => return both.with(both.errors * 1.1, 1.02),
            Scenario::Edge => return both.with(both.errors * 1.1 + 0.0003, 1.03),
            _ => 1.0,
        };
        both.with(both.errors, slower)
    }

    /// What a slot with this `share` of the traffic is like beside an idle one, `after` the start, where `zone` is the
    /// part of it that lies in the zone which will be in trouble.
    pub(super) fn placed(self, slot: Condition, share: f64, zone: f64, after: Duration) -> Condition {
        let brownout = Duration::from_secs(360)..Duration::from_secs(660);
        match self {
            Scenario::Load => slot.with(slot.errors, 1.0 + 0.2 * share),
            Scenario::Brownout if brownout.contains(&after) => Condition {
                errors: slot.errors + 0.05 * zone,
                apart: Apart { share: zone, slower: 3.0_f64.ln() },
                ..slot
            },
            _ => slot,
        }
    }

    pub(super) fn noise(self) -> Noise {
        match self {
            Scenario::Noisy | Scenario::QuietNight | Scenario::CalmNight => Noise::MINUTES,
            Scenario::OwnNoise => Noise { deviation: 0.03, ..Noise::MINUTES },
            Scenario::Wandering => Noise { persistence: 0.8, ..Noise::MINUTES },
            _ => Noise::NONE,
        }
    }

    /// The noise of the past, from which gates learn.
    pub(super) fn past_noise(self) -> Noise {
        match self {
            Scenario::QuietNight => Noise::MINUTES.calmer(5.0),
            Scenario::CalmNight => Noise::MINUTES.calmer(2.0),
            _ => self.noise(),
        }
    }

    /// How many times noisier the candidate's speed is than the stable slot's.
    pub(super) fn own_noise(self) -> f64 {
        if self == Scenario::OwnNoise { 3.0 } else { 1.0 }
    }

    /// The standard deviation of the candidate's luck with its hosts.
    pub(super) fn luck(self) -> f64 {
        match self {
            Scenario::HostLottery => 0.02,
            Scenario::FewHosts => 0.04,
            _ => 0.0,
        }
    }
}

/// What is wrong with the candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The share of its requests that fail, where it is more than the stable slot's: 0.01.
    pub errors: f64,
    /// By how much it is slower: 0.25 is 25 %.
    pub slower: f64,
    /// The share of its requests that it refuses.
    pub refused: f64,
    /// A share of its answers that takes 50 times as long.
    pub stuck: f64,
    /// Failures come in bursts of so many on average, in both slots and in the past too.
    pub burst: f64,
    /// When it begins, from the start on.
    pub from: Duration,
    /// How long it then takes to grow to that.
    pub grows: Duration,
}

impl Fault {
    /// Nothing is wrong.
    pub const NONE: Fault = Fault::errors(0.0);

    /// From the twentieth minute on it gets slower, until it is three times as slow after an hour.
    pub const LEAK: Fault =
        Fault { from: Duration::from_secs(1200), grows: Duration::from_secs(2400), ..Fault::slower(2.0) };

    /// All that are measured, by the names they have in tables.
    pub const ALL: [(&str, Fault); 12] = [
        ("err0.5", Fault::errors(0.005)),
        ("err1", Fault::errors(0.01)),
        ("err5", Fault::errors(0.05)),
        ("err50", Fault::errors(0.5)),
        ("lat10", Fault::slower(0.1)),
        ("lat25", Fault::slower(0.25)),
        ("lat100", Fault::slower(1.0)),
        ("gradual", Fault { grows: Duration::from_secs(1800), ..Fault::errors(0.051) }),
        ("leak20m", Fault::LEAK),
        ("burst20", Fault { burst: 20.0, ..Fault::errors(0.01) }),
        ("404", Fault { refused: 1.0, ..Fault::NONE }),
        ("tail0.3", Fault { stuck: 0.003, ..Fault::NONE }),
    ];

    /// This share of the candidate's requests fails.
    pub const fn errors(share: f64) -> Self {
        let (from, grows) = (Duration::ZERO, Duration::ZERO);
        Self { errors: share, slower: 0.0, refused: 0.0, stuck: 0.0, burst: 1.0, from, grows }
    }

    /// The candidate is slower by this part.
    pub const fn slower(by: f64) -> Self {
        Self { slower: by, ..Self::errors(0.0) }
    }

    /// What a candidate that is `good` otherwise is like `after` the start; `usual` is the share of
    /// requests that fail when nothing is wrong.
    pub(super) fn worsen(self, good: Condition, usual: f64, after: Duration) -> Condition {
        let part = match after.checked_sub(self.from) {
            None => 0.0,
            Some(_) if self.grows.is_zero() => 1.0,
            Some(since) => since.div_duration_f64(self.grows).min(1.0),
        };
        let more = part * (self.errors - usual).max(0.0);
        let worse = good.with((good.errors + more).min(1.0), 1.0 + part * self.slower);
        let worse = Condition { refused: part * self.refused, ..worse };
        let stuck = Apart { share: part * self.stuck, slower: 50.0_f64.ln() };
        if self.stuck > 0.0 { Condition { apart: stuck, ..worse } } else { worse }
    }
}

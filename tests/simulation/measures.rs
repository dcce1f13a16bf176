//! What CloudWatch has of the world: minutes that it publishes late, and revises, and an alarm that sees no more than it
//! has published.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fleet::AlarmState;
use tidegate::domain::traffic::Share;
use tidegate::gate::{
    AlarmData, AlarmReading, BurnReading, BurnRule, Burnt, MetricReading, Point as Value, Reading, Watched,
};

use super::die::Die;
use super::mishaps::Candidate;
use super::points::Point;
use super::traffic;
use super::world::{MINUTE, World};

/// The longest that CloudWatch is known to take, which is told of nothing else here.
pub const LATEST: u64 = 360;
/// In a rollout without trouble it takes so long.
const USUALLY: u64 = 20;
/// How long after it is published a minute may be revised: within the time between two looks.
const REVISED_WITHIN: u64 = 14;
/// The alarm's threshold, in percent of all requests.
const THRESHOLD: f64 = 1.0;
/// How many periods an alarm of one period looks back, in search of data.
const RANGE: u32 = 3;

/// How late CloudWatch is.
#[derive(Clone, Copy, Debug)]
pub struct Publishes {
    /// At most, in seconds.
    pub within: u64,
    /// The least it takes.
    pub least: u64,
    /// Where its die starts.
    pub seed: u64,
    /// Whether a minute's first sight may be wrong.
    pub revises: bool,
}

impl Publishes {
    pub fn steadily() -> Self {
        Self { within: USUALLY, least: USUALLY, seed: 0, revises: false }
    }

    pub fn throw(die: &mut Die) -> Self {
        let seed = die.between(0, u64::MAX);
        let mut die = Die::new(seed);
        let within = die.one_of(&[USUALLY, 60, 180, LATEST]);
        let least = if die.chance(0.5) { within } else { 0 };
        Self { within, least, seed, revises: die.chance(0.3) }
    }

    /// A throw for this minute, up to `most`.
    fn of(self, minute: u64, most: u64) -> u64 {
        fastrand::Rng::with_seed(self.seed ^ minute).u64(0..=most)
    }

    fn delay(self, minute: u64) -> Duration {
        Duration::from_secs(self.least + self.of(minute, self.within - self.least))
    }

    /// Up to where it is published at a moment: what comes later is published later.
    pub fn until(self, now: Timestamp) -> Timestamp {
        let mut at = now.before(Duration::from_secs(LATEST + 60));
        loop {
            let minute = at.as_millis() / 60_000;
            let end = Timestamp::from_millis((minute + 1) * 60_000);
            let until = now.before(self.delay(minute)).min(end);
            if until < end {
                return at.max(until);
            }
            at = end;
        }
    }

    /// Whether the last minute before this moment is seen as it will stay.
    fn is_settled(self, minute: Timestamp, now: Timestamp) -> bool {
        let after = Duration::from_secs(self.of(minute.as_millis() / 60_000, REVISED_WITHIN));
        !self.revises || self.until(now.before(after)) >= minute + MINUTE
    }
}

/// An alarm on the failures of both slots, in percent of all requests, over one minute.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// When it is evaluated next.
    next: Timestamp,
    state: AlarmState,
    changed: Timestamp,
    rang: Option<Timestamp>,
}

impl Alarm {
    pub fn new(now: Timestamp) -> Self {
        let long_ago = now.before(MINUTE * 600);
        Self { next: now, state: AlarmState::Ok, changed: long_ago, rang: None }
    }
}

impl World {
    /// The newest minute that is published whole.
    pub fn newest_minute(&self) -> Timestamp {
        floor(self.mishaps.publishes.until(self.now)).before(MINUTE)
    }

    /// What the alarm says, after the evaluations that were due. Without data it stays as it is.
    pub fn alarm_reading(&mut self, since: Timestamp) -> Reading {
        while self.alarm.next <= self.now {
            let at = self.alarm.next;
            let until = self.mishaps.publishes.until(at);
            let first = floor(at).before(MINUTE * RANGE);
            let last = floor(until).before(MINUTE);
            self.alarm.next = at + MINUTE;
            if last < first {
                continue;
            }
            let state = if self.failures(last) > THRESHOLD { AlarmState::Alarm } else { AlarmState::Ok };
            if state == AlarmState::Alarm {
                self.alarm.rang = Some(at);
            }
            if state != self.alarm.state {
                (self.alarm.state, self.alarm.changed) = (state, at);
            }
        }
        let published = floor(self.mishaps.publishes.until(self.now));
        let minutes = (1..60).map(|minutes| published.before(MINUTE * minutes));
        let broken = minutes.filter(|at| *at >= since).find(|at| self.failures(*at) > THRESHOLD);
        let data = AlarmData::Read { until: Some(published), broken };
        let watched = vec![Watched { alarm: "5xx".into(), window: MINUTE, every: MINUTE, data }];
        let Alarm { state, changed, rang, .. } = self.alarm;
        let rang = rang.filter(|rang| *rang >= since && state != AlarmState::Alarm);
        Reading::Alarm(AlarmReading { state: Some(state), changed, rang, window: MINUTE, read: self.now, watched })
    }

    /// The share of all requests that failed in this minute, in percent.
    fn failures(&self, minute: Timestamp) -> f64 {
        let share = self.rule_at(minute).share.unwrap_or(Share::NONE).percent() / 100.0;
        let fails = self.mishaps.candidate == Candidate::Failing;
        0.2 + if fails { share * 100.0 * traffic::FAILING } else { 0.0 }
    }

    /// The candidate's error rate in percent, a point for each closed, published minute with requests.
    pub fn error_rate(&mut self, since: Timestamp, die: &mut Die) -> Reading {
        let publishes = self.mishaps.publishes;
        let until = publishes.until(self.now);
        let mut values = Vec::new();
        let mut at = floor(since + Duration::from_millis(59_999));
        while at + MINUTE <= until {
            let had_requests = self.rule_at(at).share > Some(Share::NONE);
            let silent = had_requests && die.chance(self.mishaps.silence);
            if silent {
                self.hits.hit(Point::MetricsMissing);
            }
            if had_requests && !silent {
                let fails = self.mishaps.candidate == Candidate::Failing && publishes.is_settled(at, self.now);
                values.push(Value { at, value: if fails { 100.0 * traffic::FAILING } else { 0.2 } });
            }
            at = at + MINUTE;
        }
        if self.now.since(until) > MINUTE * 4 {
            self.hits.hit(Point::PublishedLate);
        }
        Reading::Metric(MetricReading { values, samples: Vec::new() })
    }

    /// What both slots counted in the windows that end with the last published minute.
    pub fn burnt(&self, rule: &BurnRule) -> Reading {
        let until = floor(self.mishaps.publishes.until(self.now));
        let burnt = |window: Duration| {
            let minutes = (1..=window.as_secs() / 60).map(|n| until.before(MINUTE * u32::try_from(n).unwrap_or(1)));
            let counts = minutes.flat_map(|at| traffic::both(self, at));
            counts.fold(Burnt::default(), |sum, counts| Burnt {
                requests: sum.requests + counts.requests,
                errors: sum.errors + counts.errors,
            })
        };
        Reading::Burn(BurnReading { until, long: burnt(rule.long), short: burnt(rule.short) })
    }
}

/// The start of the minute that holds this moment.
fn floor(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() / 60_000 * 60_000)
}

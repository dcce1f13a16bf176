//! When: instants of wall time in milliseconds, and the one place that reads the system clock.

use std::fmt;
use std::ops::Add;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

/// A moment, in milliseconds since the Unix epoch. It must outlive a process, so it is wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before this one; the epoch when there is none.
    pub fn before(self, span: Duration) -> Timestamp {
        Self(self.0.saturating_sub(millis(span)))
    }

    fn civil(self) -> jiff::Timestamp {
        i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX)
    }

    /// When it is in its day, to the second: `14:05:09` in UTC. On a screen, see [`tell_in`], it is in the reader's zone
    /// and says so, and has its date where that is not today's: `2026-11-24 00:05:09 CET`.
    pub fn time_of_day(self) -> String {
        let Some(zone) = SCREEN.get() else { return self.civil().strftime("%H:%M:%S").to_string() };
        let (at, now) =
            (self.civil().to_zoned_datetime(zone.clone()), wall_now().civil().to_zoned_datetime(zone.clone()));
        let form = if at.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
        at.strftime(form).to_string()
    }

    /// Date and time: RFC 3339 in UTC. On a screen, see [`tell_in`], in the reader's zone: `2026-11-23 15:05:09 CET`.
    pub fn in_full(self) -> String {
        let Some(zone) = SCREEN.get() else { return self.to_string() };
        self.civil().to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// The time of day at the head of a line of a log: `14:05:09`, on a screen in the reader's zone.
    pub fn stamp(self) -> String {
        self.on_screen().strftime("%H:%M:%S").to_string()
    }

    /// The date that a [`stamp`](Self::stamp) leaves out, with its zone: `2026-11-23 (UTC)`.
    pub fn day(self) -> String {
        self.on_screen().strftime("%Y-%m-%d (%Z)").to_string()
    }

    fn on_screen(self) -> jiff::ZonedDateTime {
        self.civil().to_zoned_datetime(SCREEN.get().cloned().unwrap_or(TimeZone::UTC))
    }

    /// Date and time in UTC without punctuation, as part of a name: `20261123-140509`.
    pub fn compact(self) -> String {
        self.civil().strftime("%Y%m%d-%H%M%S").to_string()
    }
}

/// The zone in which a screen tells moments.
static SCREEN: OnceLock<TimeZone> = OnceLock::new();

/// From now on this process tells people moments in this zone, with its name. It is for a screen alone: what is kept, sent
/// to others or read by programs stays in UTC, so it is not called where such a thing is the answer.
pub fn tell_in(zone: TimeZone) {
    let _ = SCREEN.set(zone);
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Duration) -> Timestamp {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the second: `2026-11-23T14:05:09Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Tells the time and waits for it. Its time never goes back within a process, and can run faster
/// than the wall's when it follows a lab.
#[derive(Clone, Debug)]
pub struct Clock {
    /// By how much it was set forward.
    ahead: Duration,
    time: Time,
}

#[derive(Clone, Debug)]
enum Time {
    Runtime {
        base: Timestamp,
        started: tokio::time::Instant,
        /// How long the machine had been suspended when the clock was started.
        suspended: Duration,
        speed: f64,
    },
    Lab(Arc<dyn LabTime>),
}

/// The time of a lab, which slows down when its machine does not keep it.
pub trait LabTime: fmt::Debug + Send + Sync {
    /// The present moment, which is never before one that was given already.
    fn now(&self) -> Timestamp;
    /// How many of the lab's seconds pass in one of the wall's, at present.
    fn speed(&self) -> f64;
}

/// Whoever waits for a moment of a lab reckons again after this long, since its speed may have changed.
const RECKONED_EVERY: Duration = Duration::from_millis(250);

impl Clock {
    /// The wall's time.
    pub fn wall() -> Self {
        Self::starting_at(wall_now(), 1.0)
    }

    /// The time of a lab, in this process or beside it.
    pub fn of_lab(time: Arc<dyn LabTime>) -> Self {
        Self { ahead: Duration::ZERO, time: Time::Lab(time) }
    }

    /// Time that is `base` now and runs `speed` times as fast as the runtime's own clock.
    pub fn starting_at(base: Timestamp, speed: f64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
        let started = tokio::time::Instant::now();
        Self { ahead: Duration::ZERO, time: Time::Runtime { base, started, suspended: suspended(), speed } }
    }

    /// The present moment. Time in which the machine was suspended has passed too.
    pub fn now(&self) -> Timestamp {
        let now = match &self.time {
            Time::Runtime { base, started, suspended: before, speed } => {
                let suspended = suspended().saturating_sub(*before);
                *base + (started.elapsed() + suspended).mul_f64(*speed)
            }
            Time::Lab(time) => time.now(),
        };
        now + self.ahead
    }

    /// The same clock, set forward where it is behind `moment`.
    pub fn not_before(&self, moment: Timestamp) -> Self {
        let behind = moment.since(self.now());
        Self { ahead: self.ahead + behind, time: self.time.clone() }
    }

    /// How many of this clock's seconds pass in one of the wall's, at present.
    pub fn speed(&self) -> f64 {
        match &self.time {
            Time::Runtime { speed, .. } => *speed,
            Time::Lab(time) => time.speed(),
        }
    }

    /// Returns once `moment` has come.
    pub async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let span = moment.since(self.now()).div_f64(self.speed());
            let is_fixed = matches!(self.time, Time::Runtime { .. });
            let span = if is_fixed { span } else { span.min(RECKONED_EVERY) };
            #[expect(clippy::disallowed_methods, reason = "the clock is where time is waited for")]
            tokio::time::sleep(span).await;
            if is_fixed || self.now() >= moment {
                return;
            }
        }
    }
}

/// How long the machine has been suspended since it was started: what a clock that counts it is ahead of one
/// that does not. Linux's monotonic clock, and so the runtime's, stands still in suspend (clock_gettime(2)).
#[cfg(target_os = "linux")]
fn suspended() -> Duration {
    use rustix::time::{ClockId, Timespec, clock_gettime};
    let span = |at: Timespec| Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap_or_default());
    // The one that is ahead is read last, so that the time between the two reads never counts as negative.
    let awake = span(clock_gettime(ClockId::Monotonic));
    let all = span(clock_gettime(ClockId::Boottime));
    let apart = all.saturating_sub(awake);
    if apart < SUSPENDED_LEAST { Duration::ZERO } else { apart }
}

/// Elsewhere suspended time is not told apart; a lease that was not renewed meanwhile is lost all the same.
#[cfg(not(target_os = "linux"))]
fn suspended() -> Duration {
    Duration::ZERO
}

/// Less than this between the two clocks is the time that reading them took.
#[cfg(target_os = "linux")]
const SUSPENDED_LEAST: Duration = Duration::from_secs(1);

/// The wall's present moment, for what must be told before a [`Clock`] exists.
pub fn wall_now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
    let now = SystemTime::now();
    Timestamp(millis(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// Says a span as people do: `45s`, `5m`, `1h 30m`; below a second `0.3s`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 && !duration.is_zero() {
        return format!("{:.1}s", duration.as_secs_f64());
    }
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, 'h'), (minutes, 'm'), (rest, 's')];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Lab time by the runtime's clock, at a speed that a test changes.
    #[derive(Debug)]
    struct Bent(Mutex<(Timestamp, tokio::time::Instant, f64)>);

    #[expect(clippy::disallowed_methods, reason = "a clock is where time is read")]
    impl Bent {
        fn change(&self, speed: f64) {
            let now = self.now();
            *self.0.lock().expect("nobody panics with it") = (now, tokio::time::Instant::now(), speed);
        }
    }

    impl LabTime for Bent {
        fn now(&self) -> Timestamp {
            let (base, since, speed) = *self.0.lock().expect("nobody panics with it");
            base + since.elapsed().mul_f64(speed)
        }

        fn speed(&self) -> f64 {
            self.0.lock().expect("nobody panics with it").2
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_moment_of_a_lab_gets_it_although_the_speed_changes() {
        #[expect(clippy::disallowed_methods, reason = "a clock is where time is read")]
        let started = tokio::time::Instant::now();
        let lab = Arc::new(Bent(Mutex::new((Timestamp::from_millis(0), started, 40.0))));
        let clock = Clock::of_lab(lab.clone());
        let moment = Timestamp::from_millis(400_000);
        let (slower, faster) = (Duration::from_secs(5), Duration::from_secs(15));
        let change = async {
            for (wait, speed) in [(slower, 8.0), (faster.saturating_sub(slower), 16.0)] {
                #[expect(clippy::disallowed_methods, reason = "a test changes the speed at a moment of its own")]
                tokio::time::sleep(wait).await;
                lab.change(speed);
            }
        };
        tokio::join!(change, clock.sleep_until(moment));
        // Five seconds at 40, ten at 8, and the other 120 s at 16 are 22.5 s.
        assert!(clock.now() >= moment && clock.now().since(moment) < Duration::from_secs(8), "{}", clock.now());
        assert_eq!(clock.not_before(moment + Duration::from_secs(100)).now(), moment + Duration::from_secs(100));
        assert!(started.elapsed() >= Duration::from_millis(22_500), "{:?}", started.elapsed());
    }

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_795_442_709_000).to_string(), "2026-11-23T14:05:09Z");
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        let check = |ms, said| assert_eq!(span(Duration::from_millis(ms)), said);
        check(0, "0s");
        check(300, "0.3s");
        check(45_000, "45s");
        check(300_000, "5m");
        check(5_400_000, "1h 30m");
    }
}

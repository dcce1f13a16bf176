//! Lab time: the wall clock, stretched by a speed which the lab lowers when the machine does not keep it.
//!
//! A lab vouches for its speed a little ahead, again and again. Where the whole machine stands still for a second, a
//! lab at forty times real time would else jump by forty seconds, in which nobody could have renewed a lease.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lock::lock;

/// Tells lab time. Its clones tell the same time, and so does a clock in another process that [follows] the line
/// which this one [keeps].
///
/// [follows]: LabClock::following
/// [keeps]: LabClock::kept
#[derive(Debug, Clone)]
pub struct LabClock {
    began: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    line: Line,
    shared: Option<Shared>,
    /// The latest moment that was told: time never goes back, even when a change was learned late.
    told: Duration,
}

/// What carries the line from the lab to clocks elsewhere.
enum Shared {
    Kept(Keep),
    Followed { line: Read, is_gone: Box<dyn Fn() -> bool + Send> },
}

/// Puts a line in the place of the one before.
type Keep = Box<dyn Fn(&[u8]) + Send>;
/// Reads the line at present.
type Read = Box<dyn Fn() -> Option<[u8; LINE_BYTES]> + Send>;

/// A stretch of lab time with one speed: it began at a moment of the wall clock, which was a moment of lab time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    wall: Duration,
    lab: Duration,
    speed: f64,
    /// The moment of the wall clock from which on lab time is no faster than real time, until the lab vouches again.
    until: Duration,
}

/// A line fits into so many bytes, and is filled up to them.
pub const LINE_BYTES: usize = 128;

/// The slowest and the fastest a lab may run.
pub(crate) const SPEED_WITHIN: (f64, f64) = (0.01, 10_000.0);

/// The most that this machine adds to a declared time, in seconds.
const OVERHEAD_LIMIT: f64 = 0.005;

impl LabClock {
    /// Lab time that is the wall's at this moment; speeds outside 0.01 to 10,000 are clamped.
    pub fn new(speed: f64) -> LabClock {
        LabClock::of(Line::new(speed), None)
    }

    /// The same, for clocks in other processes to follow. `keep` is given a line of [`LINE_BYTES`] now and at each
    /// change, to put in the place of the one before: where that fails, they go on at no more than real time.
    pub fn kept(speed: f64, keep: impl Fn(&[u8]) + Send + 'static) -> LabClock {
        let line = Line::new(speed);
        keep(line.text().as_bytes());
        LabClock::of(line, Some(Shared::Kept(Box::new(keep))))
    }

    /// The clock of a lab in another process, by the line that it keeps; nothing when that says no time. Once the lab
    /// `is_gone` its time goes on at its last speed: then nobody's machine is waited for.
    pub fn following(
        line: impl Fn() -> Option<[u8; LINE_BYTES]> + Send + 'static,
        is_gone: impl Fn() -> bool + Send + 'static,
    ) -> Option<LabClock> {
        let first = read(&line)?;
        Some(LabClock::of(first, Some(Shared::Followed { line: Box::new(line), is_gone: Box::new(is_gone) })))
    }

    fn of(line: Line, shared: Option<Shared>) -> LabClock {
        LabClock { began: line.wall, state: Arc::new(Mutex::new(State { line, shared, told: Duration::ZERO })) }
    }

    /// The moment at which lab time and wall time agreed.
    pub(crate) fn began_ms(&self) -> u64 {
        self.began.as_millis() as u64
    }

    /// Lab seconds that pass in one second of the wall clock, at present.
    pub fn speed(&self) -> f64 {
        lock(&self.state).line().speed
    }

    /// Lab time now, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        let mut state = lock(&self.state);
        let now = state.line().at(wall());
        state.told = state.told.max(now);
        state.told.as_millis() as u64
    }

    /// How long the wall clock takes for a stretch of lab time, at the present speed.
    pub fn wall(&self, lab: Duration) -> Duration {
        lab.div_f64(self.speed())
    }

    /// Waits for a stretch of lab time.
    pub async fn sleep(&self, lab: Duration) {
        tokio::time::sleep(self.wall(lab)).await;
    }

    /// What comes of `work`, unless it takes longer than `lab` of lab time and than `wall` of the wall's. One of them
    /// alone says little: a fast lab makes an instant of seconds, and a machine that stands still makes seconds of one.
    pub(crate) async fn within<T>(&self, lab: Duration, wall: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (began, started) = (self.now_ms(), Instant::now());
        let late = async {
            loop {
                let passed = Duration::from_millis(self.now_ms().saturating_sub(began));
                let left = self.wall(lab.saturating_sub(passed)).max(wall.saturating_sub(started.elapsed()));
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = late => None,
        }
    }

    /// Goes on at this speed from this moment, for so long on the wall clock; after that no faster than real time,
    /// until it is called again.
    pub(crate) fn vouch(&self, speed: f64, span: Duration) {
        let mut state = lock(&self.state);
        state.line = state.line.bent(wall(), speed, span);
        let text = state.line.text();
        if let Some(Shared::Kept(keep)) = &state.shared {
            keep(text.as_bytes());
        }
    }

    /// What something took, in lab seconds: the work it declares, plus what this machine added to it on the
    /// wall clock, which is not multiplied by the speed. More than [`OVERHEAD_LIMIT`] it never adds: then the
    /// machine is busy, and the task is not slow. What declares nothing took as long as it took.
    pub(crate) fn taken(&self, declared: Option<f64>, elapsed: Duration) -> f64 {
        let elapsed = elapsed.as_secs_f64();
        match declared {
            Some(work) => work + (elapsed - work / self.speed()).clamp(0.0, OVERHEAD_LIMIT),
            None => elapsed,
        }
    }
}

impl State {
    /// The line at present: whoever follows reads first whether there is a new one.
    fn line(&mut self) -> Line {
        if let Some(Shared::Followed { line, is_gone }) = &self.shared {
            self.line = read(line).unwrap_or(self.line);
            if is_gone() {
                self.line = self.line.bent(wall(), self.line.speed, Duration::MAX);
                self.shared = None;
            }
        }
        self.line
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Shared::Kept(_)) { "Kept" } else { "Followed" })
    }
}

/// The line at present, if it was not just being written.
fn read(line: impl Fn() -> Option<[u8; LINE_BYTES]>) -> Option<Line> {
    Line::parse(std::str::from_utf8(&line()?).ok()?)
}

impl Line {
    /// Lab time that is the wall's at this moment, and keeps its speed until somebody vouches for it.
    fn new(speed: f64) -> Line {
        let now = wall();
        Line { wall: now, lab: now, speed: possible(speed), until: Duration::MAX }
    }

    fn at(&self, wall: Duration) -> Duration {
        let vouched = wall.min(self.until).saturating_sub(self.wall);
        let after = wall.saturating_sub(self.wall.max(self.until));
        self.lab + vouched.mul_f64(self.speed) + after.mul_f64(self.speed.min(1.0))
    }

    /// The line that goes on from this one at another speed, which is vouched for so long.
    fn bent(&self, wall: Duration, speed: f64, span: Duration) -> Line {
        let wall = wall.max(self.wall);
        Line { wall, lab: self.at(wall), speed: possible(speed), until: wall.saturating_add(span) }
    }

    /// The moment stands at both ends: a line of which only a part was written yet has two of them.
    fn text(&self) -> String {
        let (wall, until) = (self.wall.as_nanos(), self.until.as_nanos());
        let text = format!("{wall} {} {} {until} {wall}", self.lab.as_nanos(), self.speed);
        format!("{text:<width$}\n", width = LINE_BYTES - 1)
    }

    fn parse(text: &str) -> Option<Line> {
        let mut words = text.split_ascii_whitespace();
        let mut word = || words.next();
        let nanos = |word: &str| word.parse().ok().map(Duration::from_nanos_u128);
        let (wall, lab) = (nanos(word()?)?, nanos(word()?)?);
        let speed = word()?.parse().ok().filter(|speed| (SPEED_WITHIN.0..=SPEED_WITHIN.1).contains(speed))?;
        let until = nanos(word()?)?;
        (nanos(word()?)? == wall).then_some(Line { wall, lab, speed, until })
    }
}

fn possible(speed: f64) -> f64 {
    let speed = if speed.is_finite() { speed } else { 1.0 };
    speed.clamp(SPEED_WITHIN.0, SPEED_WITHIN.1)
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    wall().as_millis() as u64
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn line(speed: f64, until: Duration) -> Line {
        Line { wall: s(1), lab: s(1), speed, until }
    }

    #[test]
    fn lab_time_runs_from_the_anchor_at_the_speed() {
        let line = line(30.0, Duration::MAX);
        assert_eq!(line.at(s(1)), s(1));
        assert_eq!(line.at(s(3)), s(61));
        assert_eq!(line.at(s(0)), s(1), "a moment before the anchor is the anchor");
        let around = LabClock::new(30.0).wall(s(60));
        assert_eq!(around, s(2));
    }

    #[test]
    fn a_change_of_speed_moves_no_moment() {
        let line = line(30.0, Duration::MAX);
        let slower = line.bent(s(3), 8.0, s(10));
        assert_eq!((slower.at(s(3)), slower.at(s(4))), (line.at(s(3)), s(69)));
        assert_eq!(slower.bent(s(4), 30.0, s(10)).at(s(5)), s(99));
    }

    #[test]
    fn a_machine_that_stands_still_makes_lab_time_no_faster_than_real_time() {
        for (speed, after, expected) in [(40.0, 2, 41), (40.0, 3, 81), (40.0, 10, 88), (0.5, 11, 6)] {
            let line = line(speed, s(3));
            assert_eq!(line.at(s(after)), s(expected), "{speed} {after}");
        }
        let goes_on = line(40.0, s(3)).bent(s(10), 40.0, s(1));
        assert_eq!((goes_on.at(s(11)), goes_on.at(s(12))), (s(128), s(129)));
    }

    #[tokio::test]
    async fn nothing_is_late_that_the_machine_alone_delays() {
        let clock = LabClock::new(1_000.0);
        // Nobody vouches again: from now on lab time is no faster than real time.
        clock.vouch(1_000.0, Duration::ZERO);
        let work = tokio::time::sleep(Duration::from_millis(300));
        assert_eq!(clock.within(s(60), Duration::ZERO, work).await, Some(()));
        let never = std::future::pending::<()>();
        assert_eq!(clock.within(Duration::from_millis(20), Duration::ZERO, never).await, None);
        let never = std::future::pending::<()>();
        assert_eq!(clock.within(Duration::ZERO, Duration::from_millis(20), never).await, None);
    }

    #[test]
    fn a_clock_in_another_process_follows_every_change() {
        let kept_line = Arc::new(Mutex::new([b'0'; LINE_BYTES]));
        let read = |from: &Arc<Mutex<[u8; LINE_BYTES]>>| {
            let from = Arc::clone(from);
            move || Some(*lock(&from))
        };
        let lives = || false;
        assert!(LabClock::following(|| None, lives).is_none());
        assert!(LabClock::following(read(&kept_line), lives).is_none());
        let there = Arc::clone(&kept_line);
        let kept = LabClock::kept(1_000.0, move |line| lock(&there).copy_from_slice(line));
        let follower = LabClock::following(read(&kept_line), lives).expect("it says a time");
        for speed in [1_000.0, 3.0, 500.0] {
            kept.vouch(speed, s(1_000));
            let (before, there, after) = (kept.now_ms(), follower.now_ms(), kept.now_ms());
            assert!((before..=after).contains(&there), "{before} {there} {after}");
            assert!((follower.speed() - speed).abs() < 1e-9);
        }
        lock(&kept_line)[..5].copy_from_slice(b"1 1 7");
        assert!((follower.speed() - 500.0).abs() < 1e-9, "half a line changes nothing");
    }

    #[test]
    fn the_time_of_a_lab_that_is_gone_goes_on_from_where_it_stood() {
        let mut state = State { line: line(40.0, s(2)), shared: None, told: Duration::ZERO };
        let now = wall();
        let stood = state.line.at(now);
        let text = state.line.text();
        let kept = move || text.as_bytes().try_into().ok();
        state.shared = Some(Shared::Followed { line: Box::new(kept), is_gone: Box::new(|| true) });
        let after = state.line();
        assert!(after.at(now) >= stood && after.at(now) < stood + s(1), "no jump");
        assert_eq!(after.at(after.wall + s(10)), after.lab + s(400));
    }

    #[test]
    fn what_is_no_line_says_no_time() {
        for until in [s(2), Duration::MAX] {
            let line = line(1.0 / 3.0, until);
            assert_eq!((Line::parse(&line.text()), line.text().len()), (Some(line), LINE_BYTES));
        }
        for odd in ["", "1", "1 2", "1 2 x 3 1", "1 2 0 3 1", "1 2 NaN 3 1", "-1 2 3 3 -1", "1 2 3 4", "1 2 3 4 2"] {
            assert_eq!(Line::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn neither_a_fast_lab_nor_a_busy_machine_makes_a_task_slow() {
        let clock = LabClock::new(10.0);
        let check = |declared, elapsed, expected: f64| {
            let found = clock.taken(declared, Duration::from_millis(elapsed));
            assert!((found - expected).abs() < 1e-9, "{found}");
        };
        check(Some(0.1), 12, 0.102);
        check(Some(0.1), 9, 0.1);
        check(Some(0.1), 500, 0.105);
        check(None, 500, 0.5);
    }
}

//! Lab time: the wall clock, stretched by a speed which the lab lowers when the machine does not keep it.

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::lock::lock;

/// Tells lab time. Its clones tell the same time, and so does a clock in another process that [follows] the lines
/// which this one [keeps] in a file.
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

/// What carries the lines from the lab to clocks elsewhere. Lines are only ever added to it.
enum Shared {
    Kept(Box<dyn Write + Send>),
    /// Where they can be read, and the beginning of a line whose end was not written yet.
    Followed(Box<dyn Read + Send>, String),
}

/// A stretch of lab time with one speed: it began at a moment of the wall clock, which was a moment of lab time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    wall: Duration,
    lab: Duration,
    speed: f64,
}

/// The slowest and the fastest a lab may run.
pub(crate) const SPEED_WITHIN: (f64, f64) = (0.01, 10_000.0);

/// The most that this machine adds to a declared time, in seconds.
const OVERHEAD_LIMIT: f64 = 0.005;

impl LabClock {
    /// Lab time that is the wall's at this moment; speeds outside 0.01 to 10,000 are clamped.
    pub fn new(speed: f64) -> LabClock {
        LabClock::of(Line::new(speed), None)
    }

    /// The same, for clocks in other processes to follow by the file that this one writes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kept(speed: f64, mut file: impl Write + Send + 'static) -> std::io::Result<LabClock> {
        let line = Line::new(speed);
        file.write_all(line.text().as_bytes())?;
        Ok(LabClock::of(line, Some(Shared::Kept(Box::new(file)))))
    }

    /// The clock of a lab in another process, by the file that it writes; nothing when the file says no time.
    pub fn following(file: impl Read + Send + 'static) -> Option<LabClock> {
        let mut shared = Shared::Followed(Box::new(file), String::new());
        let line = shared.news()?;
        Some(LabClock::of(line, Some(shared)))
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

    /// Goes on at another speed from this moment.
    pub(crate) fn change(&self, speed: f64) {
        let mut state = lock(&self.state);
        state.line = state.line.bent(wall(), speed);
        let text = state.line.text();
        if let Some(Shared::Kept(file)) = &mut state.shared {
            // Without this line the clocks elsewhere stay fast: no worse than if the lab had not slowed down.
            let _ = file.write_all(text.as_bytes());
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
        if let Some(line) = self.shared.as_mut().and_then(Shared::news) {
            self.line = line;
        }
        self.line
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Shared::Kept(_)) { "Kept" } else { "Followed" })
    }
}

impl Shared {
    /// The latest line that was added since the last look.
    fn news(&mut self) -> Option<Line> {
        let Shared::Followed(file, rest) = self else { return None };
        file.read_to_string(rest).ok()?;
        let (whole, begun) = rest.rsplit_once('\n')?;
        let line = whole.lines().rev().find_map(Line::parse);
        *rest = begun.to_owned();
        line
    }
}

impl Line {
    /// Lab time that is the wall's at this moment.
    fn new(speed: f64) -> Line {
        let now = wall();
        Line { wall: now, lab: now, speed: possible(speed) }
    }

    fn at(&self, wall: Duration) -> Duration {
        self.lab + wall.saturating_sub(self.wall).mul_f64(self.speed)
    }

    /// The line that goes on from this one at another speed.
    fn bent(&self, wall: Duration, speed: f64) -> Line {
        let wall = wall.max(self.wall);
        Line { wall, lab: self.at(wall), speed: possible(speed) }
    }

    fn text(&self) -> String {
        format!("{} {} {}\n", self.wall.as_nanos(), self.lab.as_nanos(), self.speed)
    }

    fn parse(text: &str) -> Option<Line> {
        let mut words = text.split(' ');
        let mut moment = || words.next()?.parse().ok().map(Duration::from_nanos);
        let (wall, lab) = (moment()?, moment()?);
        let speed = words.next()?.parse().ok().filter(|speed| (SPEED_WITHIN.0..=SPEED_WITHIN.1).contains(speed))?;
        Some(Line { wall, lab, speed })
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
    use std::fs::OpenOptions;
    use std::path::Path;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn lab_time_runs_from_the_anchor_at_the_speed() {
        let line = Line { wall: s(1), lab: s(1), speed: 30.0 };
        assert_eq!(line.at(s(1)), s(1));
        assert_eq!(line.at(s(3)), s(61));
        assert_eq!(line.at(s(0)), s(1), "a moment before the anchor is the anchor");
        let around = LabClock::new(30.0).wall(s(60));
        assert_eq!(around, s(2));
    }

    #[test]
    fn a_change_of_speed_moves_no_moment() {
        let line = Line { wall: s(1), lab: s(1), speed: 30.0 };
        let slower = line.bent(s(3), 8.0);
        assert_eq!((slower.at(s(3)), slower.at(s(4))), (line.at(s(3)), s(69)));
        assert_eq!(slower.bent(s(4), 30.0).at(s(5)), s(99));
    }

    #[test]
    fn a_clock_in_another_process_follows_every_change() {
        let open = |path: &Path| OpenOptions::new().read(true).append(true).create(true).open(path).expect("it opens");
        let path = std::env::temp_dir().join(format!("tidegate-lab-clock-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let kept = LabClock::kept(1_000.0, open(&path)).expect("it can be written");
        let follower = LabClock::following(open(&path)).expect("it says a time");
        for speed in [1_000.0, 3.0, 500.0] {
            kept.change(speed);
            let (before, there, after) = (kept.now_ms(), follower.now_ms(), kept.now_ms());
            assert!((before..=after).contains(&there), "{before} {there} {after}");
            assert!((follower.speed() - speed).abs() < 1e-9);
        }
        let speed = |text: &str| {
            open(&path).write_all(text.as_bytes()).expect("it can be written");
            follower.speed()
        };
        assert!((speed("1 1 7") - 500.0).abs() < 1e-9, "half a line changes nothing");
        assert!((speed("0\n") - 70.0).abs() < 1e-9, "its end makes it whole");
        std::fs::remove_file(&path).expect("it is there");
        assert!(LabClock::following(&b"1795442709000*30"[..]).is_none());
    }

    #[test]
    fn what_is_no_line_says_no_time() {
        let line = Line { wall: s(1), lab: s(1), speed: 30.0 };
        assert_eq!(Line::parse(line.text().trim()), Some(line));
        for odd in ["", "1", "1 2", "1 2 x", "1 2 0", "1 2 NaN", "-1 2 3"] {
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

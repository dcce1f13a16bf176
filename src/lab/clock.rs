//! Lab time: the wall clock, stretched from an anchor by a speed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where lab time starts and how fast it runs.
///
/// Two processes that hold the same pair read the same lab time, so an orchestrator beside the lab
/// needs no channel to it but these two numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabClock {
    anchor_unix_ms: u64,
    speed: f64,
}

/// The slowest and the fastest a lab may run.
pub(crate) const SPEED_WITHIN: (f64, f64) = (0.01, 10_000.0);

/// The most that this machine adds to a declared time, in seconds.
const OVERHEAD_LIMIT: f64 = 0.005;

impl LabClock {
    /// Anchors a clock at this moment.
    pub fn new(speed: f64) -> LabClock {
        LabClock::at(wall_ms(), speed)
    }

    /// Anchors a clock at a moment of the wall clock; speeds outside 0.01 to 10,000 are clamped.
    pub fn at(anchor_unix_ms: u64, speed: f64) -> LabClock {
        let speed = if speed.is_finite() { speed } else { 1.0 };
        LabClock { anchor_unix_ms, speed: speed.clamp(SPEED_WITHIN.0, SPEED_WITHIN.1) }
    }

    /// The moment at which lab time and wall time agree.
    pub fn anchor_unix_ms(&self) -> u64 {
        self.anchor_unix_ms
    }

    /// Lab seconds that pass in one second of the wall clock.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Lab time now, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.lab_ms(wall_ms())
    }

    /// How long the wall clock takes for a stretch of lab time.
    pub fn wall(&self, lab: Duration) -> Duration {
        lab.div_f64(self.speed)
    }

    /// Waits for a stretch of lab time.
    pub async fn sleep(&self, lab: Duration) {
        tokio::time::sleep(self.wall(lab)).await;
    }

    /// What something took, in lab seconds: the work it declares, plus what this machine added to it on the
    /// wall clock, which is not multiplied by the speed. More than [`OVERHEAD_LIMIT`] it never adds: then the
    /// machine is busy, and the task is not slow. What declares nothing took as long as it took.
    pub(crate) fn taken(&self, declared: Option<f64>, elapsed: Duration) -> f64 {
        let elapsed = elapsed.as_secs_f64();
        match declared {
            Some(work) => work + (elapsed - work / self.speed).clamp(0.0, OVERHEAD_LIMIT),
            None => elapsed,
        }
    }

    fn lab_ms(&self, wall_ms: u64) -> u64 {
        let since = wall_ms.saturating_sub(self.anchor_unix_ms);
        self.anchor_unix_ms + (since as f64 * self.speed) as u64
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_time_runs_from_the_anchor_at_the_speed() {
        let clock = LabClock::at(1_000, 30.0);
        assert_eq!(clock.lab_ms(1_000), 1_000);
        assert_eq!(clock.lab_ms(3_000), 61_000);
        assert_eq!(clock.wall(Duration::from_secs(60)), Duration::from_secs(2));
    }

    #[test]
    fn neither_a_fast_lab_nor_a_busy_machine_makes_a_task_slow() {
        let clock = LabClock::at(0, 10.0);
        let check = |declared, elapsed, expected: f64| {
            let found = clock.taken(declared, Duration::from_millis(elapsed));
            assert!((found - expected).abs() < 1e-9, "{found}");
        };
        check(Some(0.1), 12, 0.102);
        check(Some(0.1), 9, 0.1);
        check(Some(0.1), 500, 0.105);
        check(None, 500, 0.5);
    }

    #[test]
    fn a_moment_before_the_anchor_is_the_anchor() {
        assert_eq!(LabClock::at(1_000, 2.0).lab_ms(10), 1_000);
    }
}

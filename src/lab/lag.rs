//! What the machine keeps: the lab measures how late it is, and slows its clock to what fits.
//!
//! A rollout reckons in lab time: what it read ten seconds ago is old. At forty lab seconds in one of the wall's that
//! is a quarter of a second, which a busy machine now and then takes for one answer. So the lab asks itself over its
//! own API every so often, and where the answer comes too late it lowers its speed rather than break its promises.
//! Until the answer has come, its clock goes on at its speed only for as long as the answer would still be in time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::plain::Connection;
use super::world::World;

/// The lab asks itself this often, on the wall clock.
const EVERY: Duration = Duration::from_millis(50);
/// An answer may be this late, in lab time.
const BOUND: Duration = Duration::from_secs(2);
/// So many answers are remembered; the clock gets faster only after as many that came in time.
const REMEMBERED: usize = 40;
/// By how much the clock gets faster at a time.
const FASTER: f64 = 1.25;
/// A clock that is slower than this share of what was asked for is worth a word.
const TOLD_BELOW: f64 = 0.75;
/// Real time is kept by any machine.
const LEAST: f64 = 1.0;

/// Lags in, speeds out.
#[derive(Debug)]
struct Pace {
    asked: f64,
    speed: f64,
    lags: VecDeque<Duration>,
}

impl Pace {
    fn new(asked: f64) -> Pace {
        Pace { asked, speed: asked, lags: VecDeque::with_capacity(REMEMBERED) }
    }

    /// Takes note of how late an answer was on the wall clock, and gives the new speed if there is one: at once a
    /// lower one at which this lag is no more than [`BOUND`], and a higher one only after a while without such lags.
    fn noted(&mut self, lag: Duration) -> Option<f64> {
        if self.lags.len() == REMEMBERED {
            self.lags.pop_front();
        }
        self.lags.push_back(lag);
        let worst = self.lags.iter().max().copied().unwrap_or_default();
        let fits = (BOUND.as_secs_f64() / worst.as_secs_f64().max(1e-6)).clamp(LEAST.min(self.asked), self.asked);
        let is_calm = self.lags.len() == REMEMBERED && fits >= self.asked.min(self.speed * FASTER);
        if fits < self.speed {
            self.speed = fits;
        } else if is_calm && self.speed < self.asked {
            self.speed = self.asked.min(self.speed * FASTER);
            self.lags.clear();
        } else {
            return None;
        }
        Some(self.speed)
    }

    /// How long from now on the clock may keep its speed before the next answer has come.
    fn vouched_for(&self) -> Duration {
        EVERY + BOUND.div_f64(self.speed)
    }
}

/// Measures from now on, and keeps the clock at a speed that the machine keeps.
pub(super) fn watch(world: &Arc<World>, api: SocketAddr) {
    let here = Arc::clone(world);
    world.ending.spawn(async move {
        let clock = &here.config.clock;
        let mut pace = Pace::new(clock.speed());
        let mut connection = None;
        loop {
            let due = Instant::now() + EVERY;
            tokio::time::sleep(EVERY).await;
            connection = asked(connection, api).await;
            let changed = pace.noted(due.elapsed());
            clock.vouch(pace.speed, pace.vouched_for());
            if let Some(speed) = changed {
                here.slowed.send_if_modified(|slowest| {
                    let is_first = slowest.is_none() && speed <= pace.asked * TOLD_BELOW;
                    *slowest = slowest.or(is_first.then_some(speed));
                    is_first
                });
            }
        }
    });
}

/// Asks the API of the lab, as a runner does, and gives the connection for the next time.
async fn asked(connection: Option<Connection>, api: SocketAddr) -> Option<Connection> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(api).await.ok()?,
    };
    let answer = connection.ask(b"GET /_lab/clock HTTP/1.1\r\nhost: lab\r\n\r\n").await.ok()?;
    answer.is_reusable.then_some(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn after(asked: f64, lags: impl IntoIterator<Item = u64>) -> f64 {
        let mut pace = Pace::new(asked);
        for lag in lags {
            pace.noted(ms(lag));
        }
        pace.speed
    }

    #[test]
    fn a_lag_is_at_most_the_bound_at_the_speed_that_follows() {
        for lag in [51, 80, 100, 250, 1_000, 1_999] {
            let speed = after(40.0, [1, lag, 1]);
            assert!(speed < 40.0 && (ms(lag).mul_f64(speed)) <= BOUND + ms(1), "{lag} ms: {speed}");
        }
        assert!((after(40.0, [250]) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn a_machine_that_keeps_up_is_left_alone() {
        assert!((after(40.0, (0..1_000).map(|n| n % 50)) - 40.0).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_nobody_vouches_for_again_is_no_further_ahead_than_the_bound() {
        for (speed, vouched) in [(40.0, 100), (8.0, 300), (1.0, 2_050)] {
            assert_eq!(Pace::new(speed).vouched_for(), ms(vouched));
        }
    }

    #[test]
    fn no_lab_runs_slower_than_real_time_or_than_it_was_asked_to() {
        assert!((after(40.0, [60_000]) - 1.0).abs() < 1e-9);
        assert!((after(0.5, [60_000]) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn it_gets_faster_step_by_step_after_calm_and_never_faster_than_asked() {
        let calm = |times: usize| std::iter::once(250).chain(std::iter::repeat_n(2, times));
        assert!((after(40.0, calm(REMEMBERED - 1)) - 8.0).abs() < 1e-9);
        assert!((after(40.0, calm(REMEMBERED)) - 10.0).abs() < 1e-9);
        assert!((after(40.0, calm(REMEMBERED * 3)) - 15.625).abs() < 1e-9);
        assert!((after(40.0, calm(REMEMBERED * 100)) - 40.0).abs() < 1e-9);
        assert!((after(40.0, calm(REMEMBERED).chain([500])) - 4.0).abs() < 1e-9);
    }
}

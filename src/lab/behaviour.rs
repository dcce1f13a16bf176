//! How a release behaves: the words a person dials in, and what they mean at a given age.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How the tasks of one task definition behave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behaviour {
    /// The share of requests answered with a 500, from 0 to 1.
    pub errors: f64,
    /// What every answer takes on top of the usual time.
    pub latency: Duration,
    /// How much longer every answer takes, as a share of the usual time: 0.25 is a quarter longer.
    pub slowdown: f64,
    /// How long the health check fails after the start.
    pub slow_start: Duration,
    /// The essential container exits with code 1 three seconds after its start.
    pub crash: bool,
    /// The health check answers 503 for ever.
    pub never_healthy: bool,
    /// From this age on latency and errors grow until the container exits; the rates are the `LEAK_` constants.
    pub leak: Option<Duration>,
}

/// What a task does at one age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conduct {
    /// The share of requests answered with a 500.
    pub errors: f64,
    /// What every answer takes on top.
    pub latency: Duration,
    /// What the usual time is multiplied by, before that.
    pub slower: f64,
    /// Whether the health check passes.
    pub is_well: bool,
}

/// A crashing task lives this long.
pub(crate) const CRASH_AFTER: Duration = Duration::from_secs(3);
/// A leaking task gets slower by this much for each second of its age.
pub(crate) const LEAK_LATENCY_PER_SECOND: Duration = Duration::from_millis(2);
/// A leaking task fails this much larger a share of requests for each second of its age.
pub(crate) const LEAK_ERRORS_PER_SECOND: f64 = 0.000_2;
/// A leaking task lives this long once it leaks.
pub(crate) const LEAK_CRASH_AFTER: Duration = Duration::from_secs(900);

/// The greatest slowdown: a hundred times as long.
const SLOWDOWN_LIMIT: f64 = 99.0;

const WORDS: &str = "healthy, errors=5%, latency=+300ms, latency=+25%, slow-start=60s, crash, never-healthy, leak, \
     leak=20m";

/// A word that says nothing about behaviour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the behaviour `{word}`: the words are {WORDS}")]
pub struct BehaviourError {
    word: String,
}

impl Behaviour {
    /// What a task of this behaviour does at an age.
    pub fn at(&self, age: Duration) -> Conduct {
        let mut conduct = Conduct {
            errors: self.errors,
            latency: self.latency,
            slower: 1.0 + self.slowdown,
            is_well: !self.never_healthy && !self.crash && age >= self.slow_start,
        };
        if let Some(from) = self.leak {
            let leaking = age.saturating_sub(from).as_secs_f64();
            conduct.errors = (conduct.errors + LEAK_ERRORS_PER_SECOND * leaking).min(1.0);
            conduct.latency += LEAK_LATENCY_PER_SECOND.mul_f64(leaking);
        }
        conduct
    }

    /// How long a task lives before its container exits by itself.
    pub fn life(&self) -> Option<Duration> {
        if self.crash { Some(CRASH_AFTER) } else { self.leak.map(|from| from + LEAK_CRASH_AFTER) }
    }
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Behaviour, BehaviourError> {
        let mut behaviour = Behaviour::default();
        for word in text.split(',').map(str::trim) {
            let wrong = || BehaviourError { word: word.to_owned() };
            match word.split_once('=') {
                None => match word {
                    "healthy" => {}
                    "crash" => behaviour.crash = true,
                    "never-healthy" => behaviour.never_healthy = true,
                    "leak" => behaviour.leak = Some(Duration::ZERO),
                    _ => return Err(wrong()),
                },
                Some(("errors", share)) => {
                    behaviour.errors = parse_share(share).ok_or_else(wrong)?;
                }
                Some(("latency", time)) => {
                    let time = time.strip_prefix('+').unwrap_or(time);
                    if let Some(percent) = time.strip_suffix('%') {
                        behaviour.slowdown = parse_slowdown(percent).ok_or_else(wrong)?;
                    } else {
                        behaviour.latency = parse_duration(time).ok_or_else(wrong)?;
                    }
                }
                Some(("leak", time)) => {
                    behaviour.leak = Some(parse_duration(time).ok_or_else(wrong)?);
                }
                Some(("slow-start", time)) => {
                    behaviour.slow_start = parse_duration(time).ok_or_else(wrong)?;
                }
                Some(_) => return Err(wrong()),
            }
        }
        Ok(behaviour)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.errors > 0.0 {
            words.push(format!("errors={}%", round(self.errors * 100.0)));
        }
        if !self.latency.is_zero() {
            words.push(format!("latency=+{}ms", self.latency.as_millis()));
        }
        if self.slowdown > 0.0 {
            words.push(format!("latency=+{}%", round(self.slowdown * 100.0)));
        }
        if !self.slow_start.is_zero() {
            words.push(format!("slow-start={}s", self.slow_start.as_secs_f64()));
        }
        let flags = [(self.crash, "crash"), (self.never_healthy, "never-healthy")];
        words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned()));
        let leaks = |from: Duration| format!("leak={}s", from.as_secs_f64());
        words.extend(self.leak.map(|from| if from.is_zero() { "leak".to_owned() } else { leaks(from) }));
        if words.is_empty() { f.write_str("healthy") } else { f.write_str(&words.join(",")) }
    }
}

impl Conduct {
    /// What comes of this and another cause of trouble together; one that is not well makes both unwell.
    pub(super) fn and(self, other: &Conduct) -> Conduct {
        Conduct {
            errors: 1.0 - (1.0 - self.errors) * (1.0 - other.errors),
            latency: self.latency + other.latency,
            slower: self.slower * other.slower,
            is_well: self.is_well && other.is_well,
        }
    }
}

/// Reads the number of `25%` as the share by which something takes longer.
fn parse_slowdown(percent: &str) -> Option<f64> {
    let share = percent.trim().parse::<f64>().ok()? / 100.0;
    (0.0..=SLOWDOWN_LIMIT).contains(&share).then_some(share)
}

/// Reads `5%` or `0.05` as a share from 0 to 1.
pub fn parse_share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse::<f64>().ok()?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// Reads `300ms`, `60s`, `5m` or `12h`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn round(number: f64) -> f64 {
    (number * 1_000_000.0).round() / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, shown: &str) {
        let behaviour: Behaviour = words.parse().expect("the words are right");
        assert_eq!(behaviour.to_string(), shown);
    }

    #[test]
    fn words_are_read_and_shown() {
        check("healthy", "healthy");
        check("errors=5%", "errors=5%");
        check("errors=0.02, latency=+50ms", "errors=2%,latency=+50ms");
        check("slow-start=1m,never-healthy", "slow-start=60s,never-healthy");
        check("errors=2.5%,latency=+300ms,latency=+25%", "errors=2.5%,latency=+300ms,latency=+25%");
        check("latency=12.5%", "latency=+12.5%");
        check("crash", "crash");
        check("leak,errors=0.5%", "errors=0.5%,leak");
        check("leak=20m", "leak=1200s");
    }

    #[test]
    fn a_wrong_word_is_named_with_the_right_ones() {
        for words in
            ["", "sick", "errors=150%", "errors=x", "latency=300", "latency=-5%", "latency=+1e9%", "slow-start=", "a=b"]
        {
            let error = words.parse::<Behaviour>().expect_err("the words are wrong");
            assert!(error.to_string().contains("never-healthy"), "{error}");
        }
    }

    #[test]
    fn a_slow_start_becomes_well_at_its_age() {
        let behaviour: Behaviour = "slow-start=60s".parse().expect("the words are right");
        assert!(!behaviour.at(Duration::from_secs(59)).is_well);
        assert!(behaviour.at(Duration::from_secs(60)).is_well);
    }

    #[test]
    fn a_leak_grows_with_age_and_ends() {
        let behaviour: Behaviour = "leak".parse().expect("the words are right");
        let old = behaviour.at(Duration::from_secs(500));
        assert!((old.errors - 0.1).abs() < 1e-9);
        assert_eq!(old.latency, Duration::from_secs(1));
        assert_eq!(behaviour.life(), Some(LEAK_CRASH_AFTER));
        let late: Behaviour = "leak=20m".parse().expect("the words are right");
        let young = late.at(Duration::from_secs(1200));
        assert_eq!((young.errors, young.latency), (0.0, Duration::ZERO));
        assert_eq!(late.at(Duration::from_secs(1700)), old);
        assert_eq!(late.life(), Some(LEAK_CRASH_AFTER + Duration::from_secs(1200)));
    }
}

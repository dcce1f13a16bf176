//! Trouble of something that every task leans on: for a while, tasks of both slots behave worse.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use super::behaviour::{Behaviour, Conduct, parse_duration};
use super::lock::lock;

/// What every task suffers, from when on, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Outage {
    /// Errors and latency on top of each task's own; nothing else.
    pub behaviour: Behaviour,
    /// When it starts, after the start of the lab, in lab time.
    pub after: Duration,
    /// How long it lasts, in lab time.
    pub lasts: Duration,
}

/// Words that are no outage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the outage `{text}`: write errors=20%, latency=+100% or latency=+300ms, several joined by commas, and \
     after an @ when it starts and how long it lasts: errors=20%,latency=+100%@5m:2m"
)]
pub struct OutageError {
    text: String,
}

impl FromStr for Outage {
    type Err = OutageError;

    fn from_str(text: &str) -> Result<Outage, OutageError> {
        parse(text.trim()).ok_or_else(|| OutageError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Outage> {
    let (words, time) = text.rsplit_once('@')?;
    let (after, lasts) = time.split_once(':')?;
    let behaviour: Behaviour = words.parse().ok()?;
    let only = Behaviour { slow_start: Duration::ZERO, crash: false, never_healthy: false, leak: None, ..behaviour };
    let is_meant = only == behaviour && behaviour != Behaviour::default();
    is_meant.then_some(Outage { behaviour, after: parse_duration(after)?, lasts: parse_duration(lasts)? })
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}ms:{}ms", self.behaviour, self.after.as_millis(), self.lasts.as_millis())
    }
}

/// Outages remembered; the oldest are forgotten.
const OUTAGES_LIMIT: usize = 100;

/// All outages, past and to come.
pub(super) struct Outages {
    all: Mutex<Vec<Timed>>,
}

#[derive(Debug, Clone)]
struct Timed {
    from_ms: u64,
    until_ms: u64,
    behaviour: Behaviour,
}

impl Outages {
    /// Outages dialled in at the start of the lab.
    pub(crate) fn new(outages: &[Outage], start_ms: u64) -> Outages {
        let all = Outages { all: Mutex::default() };
        for outage in outages {
            all.add(outage, start_ms);
        }
        all
    }

    /// Adds one that starts so long after a moment.
    pub(crate) fn add(&self, outage: &Outage, after_ms: u64) {
        let from_ms = after_ms.saturating_add(outage.after.as_millis() as u64);
        let until_ms = from_ms.saturating_add(outage.lasts.as_millis() as u64);
        let mut all = lock(&self.all);
        if all.len() >= OUTAGES_LIMIT {
            all.remove(0);
        }
        all.push(Timed { from_ms, until_ms, behaviour: outage.behaviour.clone() });
    }

    /// Ends all of them, those to come too.
    pub(crate) fn clear(&self) {
        lock(&self.all).clear();
    }

    /// A task's conduct, made worse by what is out at a moment.
    pub(crate) fn worsen(&self, conduct: Conduct, now_ms: u64) -> Conduct {
        let all = lock(&self.all);
        let out = all.iter().filter(|outage| (outage.from_ms..outage.until_ms).contains(&now_ms));
        out.fold(conduct, |conduct, outage| conduct.and(&outage.behaviour.at(Duration::ZERO)))
    }

    /// Each outage: from, until, what.
    pub(crate) fn told(&self) -> Vec<(u64, u64, String)> {
        lock(&self.all).iter().map(|one| (one.from_ms, one.until_ms, one.behaviour.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_read_and_shown() {
        let outage: Outage = "errors=20%,latency=+100%@5m:2m".parse().expect("it is right");
        assert_eq!((outage.after, outage.lasts), (Duration::from_secs(300), Duration::from_secs(120)));
        assert_eq!(outage.to_string(), "errors=20%,latency=+100%@300000ms:120000ms");
        assert_eq!(outage.to_string().parse(), Ok(outage));
    }

    #[test]
    fn wrong_outages_are_refused_with_the_right_words() {
        let wrong = ["", "errors=20%", "errors=20%@5m", "@5m:2m", "healthy@5m:2m", "crash@5m:2m", "errors=20%@5:2"];
        for text in wrong {
            let error = text.parse::<Outage>().expect_err("it is wrong");
            assert!(error.to_string().contains("errors=20%,latency=+100%@5m:2m"), "{error}");
        }
    }

    #[test]
    fn an_outage_makes_a_task_worse_while_it_lasts() {
        let outages = Outages::new(&["errors=50%,latency=+100%@10s:5s".parse().expect("it is right")], 1_000);
        let behaviour: Behaviour = "errors=20%,latency=+25%".parse().expect("it is right");
        let usual = behaviour.at(Duration::ZERO);
        assert_eq!(outages.worsen(usual, 10_999), usual);
        let worse = outages.worsen(usual, 11_000);
        assert!((worse.errors - 0.6).abs() < 1e-9 && (worse.slower - 2.5).abs() < 1e-9, "{worse:?}");
        assert_eq!(outages.worsen(usual, 16_000), usual);
        outages.clear();
        assert_eq!(outages.worsen(usual, 11_000), usual);
    }
}

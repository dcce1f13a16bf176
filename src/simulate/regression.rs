//! The words by which a person says what is wrong with a release: those of the lab that change requests.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::scenario::Fault;
use super::world::{P95, Service};
use crate::gate::CompareRule;

/// What is wrong with the candidate, in the words it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// The words: `errors=1%,latency=+10%`.
    pub words: String,
    /// What they mean, but for time.
    pub fault: Fault,
    /// How much longer every answer takes; it counts as the part of the usual median that it is.
    pub longer: Duration,
}

/// What the stable slot is like, in words: `errors=0.1%,median=100ms,spread=0.5,bursts=1,wander=0%`.
impl FromStr for Service {
    type Err = RegressionError;

    fn from_str(text: &str) -> Result<Self, RegressionError> {
        let mut service = Service::default();
        for word in text.split(',').map(str::trim) {
            let wrong = || RegressionError { what: "stable slot", word: word.to_owned(), right: SERVICE };
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            match name {
                "errors" => service.errors = percent(value).filter(|share| *share < 1.0).ok_or_else(wrong)?,
                "median" => {
                    service.median =
                        span(value).map(|span| span.as_secs_f64()).filter(|s| *s > 0.0).ok_or_else(wrong)?;
                }
                "spread" => {
                    service.sigma = value.parse().ok().filter(|s| (0.01..=3.0).contains(s)).ok_or_else(wrong)?;
                }
                "bursts" => {
                    service.burst = value.parse().ok().filter(|of| (1.0..=10_000.0).contains(of)).ok_or_else(wrong)?;
                }
                "wander" => service.wander = percent(value).filter(|part| *part <= 0.5).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            }
        }
        Ok(service)
    }
}

impl Service {
    /// The service that a comparison learned from, as far as its past tells; otherwise the usual one.
    pub fn learned(rule: &CompareRule) -> Self {
        let (usual, baseline) = (Self::default(), &rule.baseline);
        let at = |quantile: f64| baseline.thresholds.iter().find(|mark| mark.quantile == Some(quantile));
        let spread = at(0.5).zip(at(0.95)).map(|(median, p95)| (p95.stable / median.stable).ln() / P95);
        Self {
            errors: if baseline.bins > 0 { baseline.errors.clamp(0.0, 0.5) } else { usual.errors },
            median: at(0.5).map_or(usual.median, |median| median.stable),
            sigma: spread.filter(|spread| (0.01..=3.0).contains(spread)).unwrap_or(usual.sigma),
            // Bursts of geometric size, m on average, scatter 2m - 1 times as much as chance.
            burst: f64::midpoint(baseline.error_noise.max(1.0), 1.0),
            wander: rule.wander().unwrap_or(usual.wander).min(0.5),
        }
    }

    /// The words that mean it, with as many digits as tell something.
    pub fn words(&self) -> String {
        let Self { errors, median, sigma, burst, wander } = self;
        format!(
            "errors={:.3}%,median={:.1}ms,spread={sigma:.2},bursts={burst:.1},wander={:.1}%",
            100.0 * errors,
            1000.0 * median,
            100.0 * wander
        )
    }
}

/// A word that is none of those.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the {what} `{word}`: {right}")]
pub struct RegressionError {
    what: &'static str,
    word: String,
    right: &'static str,
}

const WORDS: &str = "the words are none, errors=1%, latency=+10%, latency=+20ms, grows=30m, joined by commas";
const SERVICE: &str = "the words are errors=0.1%, median=100ms, spread=0.5, bursts=1, wander=0%, joined by commas; \
                       spread is the standard deviation of the logarithm of response times, bursts the mean number of \
                       failures that come together, wander how far a slot's speed is off from minute to minute";
const TASKS: &str = "tasks are not simulated, only requests; `run --lab --lab-candidate` plays it. Use none, errors=1%, \
                     latency=+10%, latency=+20ms, grows=30m";

/// The most that answers may take longer.
const LONGEST: Duration = Duration::from_secs(600);

impl Regression {
    /// The grid's rows when nobody asks for others.
    pub fn usual() -> Vec<Self> {
        let words = [
            "none",
            "errors=0.5%",
            "errors=1%",
            "errors=5%",
            "errors=50%",
            "latency=+10%",
            "latency=+25%",
            "latency=+100%",
        ];
        words.iter().filter_map(|words| words.parse().ok()).collect()
    }

    /// Whether there is something wrong at all.
    pub fn is_fault(&self) -> bool {
        self.fault.errors > 0.0 || self.fault.slower > 0.0 || !self.longer.is_zero()
    }

    /// The fault in a candidate of this service.
    pub fn of(&self, service: &Service) -> Fault {
        Fault { slower: self.fault.slower + self.longer.as_secs_f64() / service.median, ..self.fault }
    }
}

impl FromStr for Regression {
    type Err = RegressionError;

    fn from_str(text: &str) -> Result<Self, RegressionError> {
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        let mut regression = Self { words: words.join(","), fault: Fault::NONE, longer: Duration::ZERO };
        for word in words {
            regression.read(word).ok_or_else(|| {
                let name = word.split('=').next().unwrap_or_default();
                let of_tasks = ["slow-start", "crash", "never-healthy", "leak"].contains(&name);
                let right = if of_tasks { TASKS } else { WORDS };
                RegressionError { what: "regression", word: word.to_owned(), right }
            })?;
        }
        Ok(regression)
    }
}

impl Regression {
    /// Takes one word in.
    fn read(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            None => return matches!(word, "none" | "healthy").then_some(()),
            Some(("errors", share)) => self.fault.errors = percent(share).filter(|share| *share <= 1.0)?,
            Some(("latency", more)) => {
                let more = more.strip_prefix('+').unwrap_or(more);
                match percent_sign(more) {
                    Some(part) => self.fault.slower = Some(part).filter(|part| *part <= 1000.0)?,
                    None => self.longer = span(more).filter(|span| *span <= LONGEST)?,
                }
            }
            Some(("grows", time)) => self.fault.grows = span(time)?,
            Some(_) => return None,
        }
        Some(())
    }
}

/// `5%` or `0.05`.
fn percent(text: &str) -> Option<f64> {
    percent_sign(text).or_else(|| text.parse().ok()).filter(|share: &f64| *share >= 0.0)
}

fn percent_sign(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (percent.is_finite() && percent >= 0.0).then_some(percent / 100.0)
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_faults() {
        let check = |words: &str, errors: f64, slower: f64| {
            let read: Regression = words.parse().expect("the words are right");
            assert!((read.fault.errors - errors).abs() < 1e-9, "{read:?}");
            let fault = read.of(&Service::default());
            assert!((fault.slower - slower).abs() < 1e-9, "{read:?}");
        };
        check("none", 0.0, 0.0);
        check("errors=1%", 0.01, 0.0);
        check("errors=0.5, latency=+10%", 0.5, 0.1);
        check("latency=100%", 0.0, 1.0);
        check("latency=+20ms,grows=30m", 0.0, 0.2);
        assert_eq!(Regression::usual().len(), 8);
        assert_eq!(Regression::usual().iter().filter(|regression| regression.is_fault()).count(), 7);
    }

    #[test]
    fn a_service_is_described_in_words() {
        let read: Service = "errors=1%, median=40ms,spread=0.8".parse().expect("the words are right");
        assert_eq!(read, Service { errors: 0.01, median: 0.04, sigma: 0.8, ..Service::default() });
        let rough: Service = "bursts=4,wander=5%".parse().expect("the words are right");
        assert_eq!((rough.burst, rough.wander), (4.0, 0.05));
        for words in
            ["", "errors=100%", "median=0s", "median=40", "spread=0", "spread=NaN", "bursts=0", "wander=60%", "speed=1"]
        {
            assert!(words.parse::<Service>().is_err(), "{words}");
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_the_right_ones() {
        let all = [
            "",
            "errors",
            "errors=101%",
            "errors=-1%",
            "errors=NaN",
            "latency=10",
            "latency=-5%",
            "latency=inf%",
            "slow=1",
        ];
        for words in all {
            let error = words.parse::<Regression>().expect_err(words).to_string();
            assert!(error.contains("latency=+10%"), "{error}");
        }
        let error = "crash".parse::<Regression>().expect_err("tasks are not simulated").to_string();
        assert!(error.contains("--lab-candidate"), "{error}");
    }
}

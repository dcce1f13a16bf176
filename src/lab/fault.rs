//! Faults of the API plane: the words a person dials in, and the die that decides.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::behaviour::{parse_duration, parse_share};

/// One kind of trouble, at a rate, for some operations.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiFault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For which share of the calls, from 0 to 1.
    pub rate: f64,
    /// Only for this service (`ecs`, `elbv2`, `cloudwatch`, `sts`, `s3`, `scheduler`, `application-autoscaling`,
    /// `codedeploy`); none means every service.
    pub service: Option<String>,
    /// Only for this operation; none means every operation.
    pub operation: Option<String>,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused with the service's throttling error; nothing happens.
    Throttle,
    /// Refused with an internal error; nothing happens.
    Error,
    /// Answered late, by a stretch of lab time.
    Delay(Duration),
    /// Takes effect, and then the connection closes without an answer.
    LostAnswer,
    /// Describe, Get and List operations answer from the account as it was; S3 never does, it has no stale reads.
    StaleRead(Duration),
    /// No trouble of a call: this share of the requests is counted in the load balancer's metrics a minute
    /// late, so that minutes are revised after they were published.
    LateData,
    /// The account's clock is so many milliseconds ahead of this machine's, or behind it: requests that were signed
    /// more than five minutes apart from it are refused, fifteen with S3.
    Skew(i64),
}

/// Words that are not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the fault `{text}`: write throttle=30%, error=5%, delay=10%:2s, lost-answer=2% or \
     stale-read=20%:5s, each with an optional @Operation or @service.Operation; or late-data=10%; or skew=+10m, \
     the account's clock before this machine's"
)]
pub struct ApiFaultError {
    text: String,
}

impl FromStr for ApiFault {
    type Err = ApiFaultError;

    fn from_str(text: &str) -> Result<ApiFault, ApiFaultError> {
        parse(text.trim()).ok_or_else(|| ApiFaultError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<ApiFault> {
    let (what, place) = match text.split_once('@') {
        Some((what, place)) => (what, Some(place)),
        None => (text, None),
    };
    let (kind, rate) = what.split_once('=')?;
    if kind == "skew" && place.is_none() {
        let by = |time: &str| i64::try_from(parse_duration(time)?.as_millis()).ok();
        let ahead = rate.strip_prefix('+').and_then(by).or_else(|| Some(-by(rate.strip_prefix('-')?)?))?;
        return Some(ApiFault { kind: FaultKind::Skew(ahead), rate: 1.0, service: None, operation: None });
    }
    let (rate, time) = match rate.split_once(':') {
        Some((rate, time)) => (rate, Some(parse_duration(time)?)),
        None => (rate, None),
    };
    let kind = match (kind, time) {
        ("throttle", None) => FaultKind::Throttle,
        ("error", None) => FaultKind::Error,
        ("delay", Some(time)) => FaultKind::Delay(time),
        ("lost-answer", None) => FaultKind::LostAnswer,
        ("stale-read", Some(time)) => FaultKind::StaleRead(time),
        ("late-data", None) if place.is_none() => FaultKind::LateData,
        _ => return None,
    };
    let (service, operation) = match place {
        None => (None, None),
        Some(place) => match place.split_once('.') {
            Some((service, operation)) => (Some(service), Some(operation)),
            None => (None, Some(place)),
        },
    };
    let named = |word: Option<&str>| match word {
        Some("") => None,
        Some("*") | None => Some(None),
        Some(word) => Some(Some(word.to_owned())),
    };
    let (service, operation) = (named(service)?, named(operation)?);
    Some(ApiFault { kind, rate: parse_share(rate)?, service, operation })
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, time) = match self.kind {
            FaultKind::Throttle => ("throttle", None),
            FaultKind::Error => ("error", None),
            FaultKind::Delay(time) => ("delay", Some(time)),
            FaultKind::LostAnswer => ("lost-answer", None),
            FaultKind::StaleRead(time) => ("stale-read", Some(time)),
            FaultKind::LateData => ("late-data", None),
            FaultKind::Skew(ahead) => return write!(f, "skew={ahead:+}ms"),
        };
        write!(f, "{word}={}%", (self.rate * 1e8).round() / 1e6)?;
        if let Some(time) = time {
            write!(f, ":{}ms", time.as_millis())?;
        }
        match (&self.service, &self.operation) {
            (None, None) => Ok(()),
            (None, Some(operation)) => write!(f, "@{operation}"),
            (Some(service), operation) => {
                write!(f, "@{service}.{}", operation.as_deref().unwrap_or("*"))
            }
        }
    }
}

/// What one call suffers: the faults that apply to it and came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mishap {
    /// Refused as throttled.
    pub throttled: bool,
    /// Refused with an internal error.
    pub broken: bool,
    /// Answered this much later.
    pub delay: Duration,
    /// Takes effect and is never answered.
    pub lost: bool,
    /// Answered from the account this long ago.
    pub stale: Option<Duration>,
}

/// Decides what one call suffers; `roll` gives a number from 0 to 1 for each fault that applies.
pub(super) fn cast(faults: &[ApiFault], service: &str, operation: &str, mut roll: impl FnMut() -> f64) -> Mishap {
    let mut mishap = Mishap::default();
    let applies =
        |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
    for fault in faults {
        let here = applies(&fault.service, service) && applies(&fault.operation, operation);
        if !here || roll() >= fault.rate {
            continue;
        }
        match fault.kind {
            FaultKind::Throttle => mishap.throttled = true,
            FaultKind::Error => mishap.broken = true,
            FaultKind::Delay(time) => mishap.delay += time,
            FaultKind::LostAnswer => mishap.lost = true,
            FaultKind::StaleRead(age) => mishap.stale = mishap.stale.max(Some(age)),
            FaultKind::LateData | FaultKind::Skew(_) => {}
        }
    }
    mishap
}

/// By how many milliseconds the account's clock is ahead of this machine's, where it is set apart.
pub(super) fn apart(faults: &[ApiFault]) -> Option<i64> {
    faults.iter().find_map(|fault| if let FaultKind::Skew(ahead) = fault.kind { Some(ahead) } else { None })
}

/// The share of requests that is counted late.
pub(super) fn late_share(faults: &[ApiFault]) -> f64 {
    let late = faults.iter().filter(|fault| fault.kind == FaultKind::LateData);
    1.0 - late.map(|fault| 1.0 - fault.rate).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        let fault: ApiFault = text.parse().expect("the fault is right");
        assert_eq!(fault.to_string(), shown);
        assert_eq!(shown.parse::<ApiFault>(), Ok(fault));
    }

    #[test]
    fn faults_are_read_and_shown() {
        check("throttle=30%@ModifyRule", "throttle=30%@ModifyRule");
        check("error=0.05", "error=5%");
        check("delay=10%:2s@ecs.UpdateService", "delay=10%:2000ms@ecs.UpdateService");
        check("lost-answer=2%@elbv2.*", "lost-answer=2%@elbv2.*");
        check("stale-read=20%:5s", "stale-read=20%:5000ms");
        check("late-data=10%", "late-data=10%");
        check("skew=+10m", "skew=+600000ms");
        check("skew=-90s", "skew=-90000ms");
    }

    #[test]
    fn wrong_faults_are_refused() {
        for text in [
            "",
            "throttle",
            "throttle=2",
            "delay=10%",
            "error=5%:2s",
            "error=5%@",
            "x=1%",
            "late-data=10%@X",
            "skew=10m",
            "skew=+10m@X",
        ] {
            assert!(text.parse::<ApiFault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_strikes_only_where_it_is_named() {
        let faults = ["throttle=100%@ModifyRule".parse().expect("the fault is right")];
        assert!(cast(&faults, "elbv2", "ModifyRule", || 0.5).throttled);
        assert_eq!(cast(&faults, "elbv2", "DescribeRules", || 0.5), Mishap::default());
    }

    #[test]
    fn late_data_is_no_trouble_of_a_call() {
        let faults = ["late-data=25%".parse().expect("the fault is right")];
        assert_eq!(cast(&faults, "cloudwatch", "GetMetricData", || 0.0), Mishap::default());
        assert_eq!((late_share(&faults), late_share(&[])), (0.25, 0.0));
    }
}

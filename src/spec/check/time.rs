//! Durations and shares: from text to their types, within their bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Check;
use super::units::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::clock::span;
use crate::domain::traffic::Share;
use crate::spec::document::{Percent, Time};
use crate::spec::tree::Node;
use crate::spec::words;

/// The units, longest first.
const UNITS: [(char, u64); 4] = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', SECOND)];

impl Check<'_> {
    /// A duration within `seconds`.
    pub(super) fn time(&mut self, time: &Time, at: &Node, seconds: RangeInclusive<u64>) -> Option<Duration> {
        let said = words::shown(at, &time.0);
        let Some(duration) = parse(&time.0) else {
            return self.wrong(at.value(), format!("{said} is not a duration"), instead_of(&time.0, at));
        };
        if seconds.contains(&duration.as_secs()) {
            return Some(duration);
        }
        let [least, most] = [*seconds.start(), *seconds.end()].map(long);
        let side = if duration.as_secs() < *seconds.start() { "short" } else { "long" };
        self.wrong(at.value(), format!("{said} is too {side}"), format!("from {least} to {most}"))
    }

    /// A share of the traffic that is not nothing.
    pub(super) fn share(&mut self, percent: &Percent, at: &Node) -> Option<Share> {
        let said = words::shown(at, &percent.0);
        match Share::parse(&percent.0) {
            Ok(Share::NONE) => self.wrong(at.value(), format!("{said} shifts nothing"), "from 0.1% to 100%"),
            Ok(share) => Some(share),
            Err(_) => {
                let help = "from 0.1% to 100%, with at most one decimal: load balancer weights go no finer";
                let number = percent.0.trim().trim_end_matches('%').trim_end().parse::<f64>().ok();
                match number.filter(|number| number.is_finite()) {
                    Some(number) if number > 100.0 => {
                        self.wrong(at.value(), format!("{said} is more than everything"), help)
                    }
                    Some(number) if number < 0.0 => {
                        self.wrong(at.value(), format!("{said} is less than nothing"), help)
                    }
                    Some(_) => self.wrong(at.value(), format!("{said} is too fine"), help),
                    None => {
                        self.wrong(at.value(), format!("{said} is not a share"), "a percentage such as `10%` or `0.5%`")
                    }
                }
            }
        }
    }
}

/// `7d` rather than `168h`.
fn long(seconds: u64) -> String {
    if seconds > 0 && seconds.is_multiple_of(DAY) {
        format!("{}d", seconds / DAY)
    } else {
        span(Duration::from_secs(seconds))
    }
}

fn instead_of(text: &str, at: &Node) -> String {
    let number = text.trim();
    if !at.from_variable && !number.is_empty() && number.len() < 10 && number.bytes().all(|b| b.is_ascii_digit()) {
        return format!("write `{number}s` or `{number}m`");
    }
    "whole numbers with d, h, m or s, such as `90s`, `5m` or `1h 30m`".to_owned()
}

/// Parses `90s`, `5m`, `1h 30m`, `1d`: whole numbers with units, the longest first.
fn parse(text: &str) -> Option<Duration> {
    let (mut total, mut rest, mut units) = (0_u64, text.trim(), UNITS.as_slice());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(units[place].1)?)?;
        units = &units[place + 1..];
        rest = rest[digits + 1..].trim_start_matches(' ');
    }
    Some(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        let check = |text, seconds| assert_eq!(parse(text).map(|d| d.as_secs()), seconds, "{text}");
        check("90s", Some(90));
        check("5m", Some(300));
        check("1h 30m", Some(5400));
        check("1h30m", Some(5400));
        check("1d", Some(86_400));
        check("0s", Some(0));
        check("5", None);
        check("", None);
        check("m", None);
        check("1.5h", None);
        check("-5m", None);
        check("5 m", None);
        check("5M", None);
        check("5m 1h", None);
        check("5m 5m", None);
        check("5m é", None);
        check("18446744073709551615d", None);
    }
}

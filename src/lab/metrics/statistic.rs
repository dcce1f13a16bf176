//! Statistics by their CloudWatch names, and what they make of a minute's values.

use super::bucket::Bucket;

/// A statistic.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::lab) enum Statistic {
    /// The sum.
    Sum,
    /// The mean.
    Average,
    /// The least value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// How many values.
    SampleCount,
    /// A percentile.
    Percentile(f64),
    /// Something about the values between two bounds.
    Trimmed(Trimmed, Bound, Bound),
}

/// What is told of the values between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Trimmed {
    /// `TM`: their mean.
    Mean,
    /// `TC`: their number.
    Count,
    /// `TS`: their sum.
    Sum,
    /// `PR`: their share of all, in percent.
    Rank,
}

/// An end of a range; the lower one is exclusive, the upper one inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::lab) enum Bound {
    /// No bound.
    Open,
    /// A value.
    Value(f64),
    /// A percentile.
    Percent(f64),
}

impl Statistic {
    /// Reads a statistic's name: `Sum`, `p99.9`, `TC(0.1:0.5)`, `TM(10%:90%)`, `PR(:0.3)`, `tm95`.
    pub(crate) fn parse(text: &str) -> Option<Statistic> {
        Some(match text {
            "Sum" => Statistic::Sum,
            "Average" => Statistic::Average,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            "SampleCount" => Statistic::SampleCount,
            "IQM" => Statistic::Trimmed(Trimmed::Mean, Bound::Percent(25.0), Bound::Percent(75.0)),
            _ => return Statistic::parse_extended(text),
        })
    }

    fn parse_extended(text: &str) -> Option<Statistic> {
        let percent = |digits: &str| {
            let number: f64 = digits.parse().ok()?;
            (0.0..=100.0).contains(&number).then_some(number)
        };
        if let Some(digits) = text.strip_prefix('p') {
            return Some(Statistic::Percentile(percent(digits)?));
        }
        let kind = match text.get(..2)?.to_ascii_uppercase().as_str() {
            "TM" => Trimmed::Mean,
            "TC" => Trimmed::Count,
            "TS" => Trimmed::Sum,
            "PR" => Trimmed::Rank,
            _ => return None,
        };
        let rest = &text[2..];
        let Some(range) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
            let upper = Bound::Percent(percent(rest)?);
            return (kind != Trimmed::Rank).then_some(Statistic::Trimmed(kind, Bound::Open, upper));
        };
        let (from, to) = range.split_once(':')?;
        let bound = |text: &str| match (text.trim(), text.trim().strip_suffix('%')) {
            ("", _) => Some(Bound::Open),
            (_, Some(digits)) => Some(Bound::Percent(percent(digits)?)),
            (number, None) => Some(Bound::Value(number.parse().ok()?)),
        };
        let (from, to) = (bound(from)?, bound(to)?);
        let is_percent = [from, to].iter().any(|bound| matches!(bound, Bound::Percent(_)));
        let is_open = from == Bound::Open && to == Bound::Open;
        if is_open || (kind == Trimmed::Rank && is_percent) {
            return None;
        }
        Some(Statistic::Trimmed(kind, from, to))
    }

    /// What it makes of the values; nothing where there are none to tell of.
    pub(crate) fn of(&self, bucket: &Bucket) -> Option<f64> {
        if bucket.count <= 0.0 {
            return None;
        }
        match self {
            Statistic::Sum => Some(bucket.sum),
            Statistic::Average => Some(bucket.sum / bucket.count),
            Statistic::Minimum => Some(bucket.least),
            Statistic::Maximum => Some(bucket.greatest),
            Statistic::SampleCount => Some(bucket.count),
            Statistic::Percentile(percent) => percentile(&bucket.values(), *percent),
            Statistic::Trimmed(kind, from, to) => trimmed(&bucket.values(), *kind, *from, *to),
        }
    }
}

fn percentile(values: &[(f64, f64)], percent: f64) -> Option<f64> {
    let total: f64 = values.iter().map(|(_, times)| times).sum();
    let wanted = (percent / 100.0 * total).max(f64::MIN_POSITIVE);
    let mut passed = 0.0;
    for (value, times) in values {
        passed += times;
        if passed >= wanted - 1e-9 {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}

fn trimmed(values: &[(f64, f64)], kind: Trimmed, from: Bound, to: Bound) -> Option<f64> {
    let total: f64 = values.iter().map(|(_, times)| times).sum();
    if total <= 0.0 {
        return None;
    }
    let (mut sum, mut count, mut passed) = (0.0, 0.0, 0.0);
    for (value, times) in values {
        let (low, high) = (passed, passed + times);
        passed = high;
        let mut kept = *times;
        match from {
            Bound::Value(bound) if *value <= bound => kept = 0.0,
            Bound::Percent(percent) => kept = (high - low.max(total * percent / 100.0)).max(0.0),
            _ => {}
        }
        match to {
            Bound::Value(bound) if *value > bound => kept = 0.0,
            Bound::Percent(percent) => {
                kept -= (high - low.max(total * percent / 100.0)).max(0.0).min(kept);
            }
            _ => {}
        }
        sum += value * kept;
        count += kept;
    }
    match kind {
        Trimmed::Mean => (count > 0.0).then(|| sum / count),
        Trimmed::Count => Some(count),
        Trimmed::Sum => Some(sum),
        Trimmed::Rank => Some(100.0 * count / total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, values: &[f64], expected: f64) {
        let mut bucket = Bucket::default();
        for value in values {
            bucket.add(*value, 1.0);
        }
        let statistic = Statistic::parse(name).expect("the name is right");
        let found = statistic.of(&bucket).expect("there are values");
        assert!((found - expected).abs() < 1e-9, "{name}: {found}, not {expected}");
    }

    #[test]
    fn statistics_of_a_few_values_are_exact() {
        let values = [4.0, 1.0, 3.0, 2.0];
        check("Sum", &values, 10.0);
        check("Average", &values, 2.5);
        check("Minimum", &values, 1.0);
        check("Maximum", &values, 4.0);
        check("SampleCount", &values, 4.0);
        check("p50", &values, 2.0);
        check("p100", &values, 4.0);
        check("p0", &values, 1.0);
        check("TC(1:3)", &values, 2.0);
        check("TC(:1)", &values, 1.0);
        check("TC(3:)", &values, 1.0);
        check("PR(2:)", &values, 50.0);
        check("TS(25%:75%)", &values, 5.0);
        check("tm75", &values, 2.0);
        check("IQM", &values, 2.5);
    }

    #[test]
    fn many_values_are_known_to_half_a_percent() {
        let mut bucket = Bucket::default();
        for step in 1..=10_000 {
            bucket.add(f64::from(step) / 1_000.0, 1.0);
        }
        for percent in [10.0, 50.0, 95.0, 99.9] {
            let found = Statistic::Percentile(percent).of(&bucket).expect("there are values");
            assert!((found / (percent / 10.0) - 1.0).abs() < 0.006, "p{percent}: {found}");
        }
    }

    #[test]
    fn wrong_names_are_refused() {
        for name in ["", "p", "p101", "TC()", "TC(:)", "PR(10%:)", "WM(1:2)", "median"] {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
    }
}

//! Statistics by their CloudWatch names, and what they make of a minute's values.

use super::bucket::Bucket;

/// A statistic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statistic {
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
pub(crate) enum Trimmed {
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
pub(crate) enum Bound {
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
            Statistic::Percentile(percent) => percentile(bucket, *percent),
            Statistic::Trimmed(kind, from, to) => trimmed(bucket, *kind, *from, *to),
        }
    }
}

fn percentile(bucket: &Bucket, percent: f64) -> Option<f64> {
    let total = bucket.known();
    let wanted = (percent / 100.0 * total).max(f64::MIN_POSITIVE);
    let (mut passed, mut last) = (0.0, None);
    for cell in bucket.cells() {
        passed += cell.times;
        last = Some(cell.middle());
        if passed >= wanted - 1e-9 {
            break;
        }
    }
    last
}

/// How many values lie above a bound that is a value, or is not there.
fn above(bucket: &Bucket, bound: Bound, if_open: f64) -> Option<f64> {
    match bound {
        Bound::Open => Some(if_open),
        Bound::Value(value) => Some(bucket.above(value)),
        Bound::Percent(_) => None,
    }
}

fn trimmed(bucket: &Bucket, kind: Trimmed, from: Bound, to: Bound) -> Option<f64> {
    let total = bucket.known();
    if total <= 0.0 {
        return None;
    }
    if let (Trimmed::Count | Trimmed::Rank, Some(from), Some(to)) =
        (kind, above(bucket, from, total), above(bucket, to, 0.0))
    {
        let count = (from - to).max(0.0);
        return Some(if kind == Trimmed::Count { count } else { 100.0 * count / total });
    }
    let (mut sum, mut count, mut passed) = (0.0, 0.0, 0.0);
    for cell in bucket.cells() {
        let before = passed;
        passed += cell.times;
        let beyond = |bound: Bound| match bound {
            Bound::Open => None,
            Bound::Value(value) => Some(cell.above(value)),
            Bound::Percent(percent) => Some((passed - before.max(total * percent / 100.0)).max(0.0)),
        };
        let kept = beyond(from).unwrap_or(cell.times) - beyond(to).unwrap_or(0.0);
        sum += cell.middle() * kept.max(0.0);
        count += kept.max(0.0);
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
    fn few_values_and_many_are_counted_alike() {
        let (mut few, mut many) = (Bucket::default(), Bucket::default());
        for step in 0..10_000 {
            let value = 0.1 * (f64::from(step) / 5_000.0 - 1.0).exp();
            many.add(value, 1.0);
            if step % 50 == 0 {
                few.add(value, 1.0);
            }
        }
        for bound in ["0.04", "0.1", "0.1003", "0.1007", "0.25"] {
            let rank = Statistic::parse(&format!("PR({bound}:)")).expect("the name is right");
            let (few, many) = (rank.of(&few).expect("values"), rank.of(&many).expect("values"));
            assert!((few - many).abs() < 0.55, "above {bound}: {few} % and {many} %");
        }
    }

    #[test]
    fn wrong_names_are_refused() {
        for name in ["", "p", "p101", "TC()", "TC(:)", "PR(10%:)", "WM(1:2)", "median"] {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
    }
}

//! Metric math: what an expression makes of the series it names.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::Series;
use super::expression::{Expression, Function, Operator, Unit};

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Worth {
    /// One number.
    Scalar(f64),
    /// One series.
    One(Series),
    /// Several series.
    Many(Vec<Series>),
}

/// What an expression can look at.
pub(super) struct Scope<'a> {
    /// What each id is worth so far.
    pub known: &'a BTreeMap<String, Worth>,
    /// The ids that are metrics and not expressions, with their periods.
    pub metrics: &'a BTreeMap<String, u64>,
    /// The seconds at which periods start in the window, for `FILL`.
    pub grid: &'a [u64],
    /// The period.
    pub period: u64,
}

type Result<T> = std::result::Result<T, String>;

impl Scope<'_> {
    /// Computes an expression.
    pub(crate) fn compute(&self, expression: &Expression) -> Result<Worth> {
        match expression {
            Expression::Number(number) => Ok(Worth::Scalar(*number)),
            Expression::Text(text) => Err(format!("Error in expression: \"{text}\" is no value")),
            Expression::Id(id) => match self.known.get(id) {
                Some(worth) => Ok(worth.clone()),
                None => Err(format!("Error in expression: the id {id} is not known")),
            },
            Expression::List(all) => {
                let mut list = Vec::new();
                for one in all {
                    match self.compute(one)? {
                        Worth::One(series) => list.push(series),
                        Worth::Many(many) => list.extend(many),
                        Worth::Scalar(_) => {
                            return Err("Error in expression: a list holds series".to_owned());
                        }
                    }
                }
                Ok(Worth::Many(list))
            }
            Expression::Minus(inner) => Ok(self.compute(inner)?.each(|value| -value)),
            Expression::Binary(operator, left, right) => combine(*operator, self.compute(left)?, self.compute(right)?),
            Expression::Call(function, arguments) => self.call(*function, arguments),
        }
    }

    fn call(&self, function: Function, arguments: &[Expression]) -> Result<Worth> {
        match (function, arguments) {
            (Function::Abs, [one]) => Ok(self.compute(one)?.each(f64::abs)),
            (Function::Ceil, [one]) => Ok(self.compute(one)?.each(f64::ceil)),
            (Function::Floor, [one]) => Ok(self.compute(one)?.each(f64::floor)),
            (Function::Diff, [one]) => self.compute(one)?.steps(|change, _| change),
            (Function::Rate, [one]) => self.compute(one)?.steps(|change, seconds| change / seconds),
            (Function::Fill, [one, with]) => self.fill(self.compute(one)?, with),
            (Function::If, [condition, then]) => Self::choose(self.compute(condition)?, self.compute(then)?, None),
            (Function::If, [condition, then, or]) => {
                Self::choose(self.compute(condition)?, self.compute(then)?, Some(self.compute(or)?))
            }
            (Function::Metrics, []) => Ok(Worth::Many(self.all_metrics(""))),
            (Function::Metrics, [Expression::Text(part)]) => Ok(Worth::Many(self.all_metrics(part))),
            (Function::Period, [Expression::Id(id)]) => {
                let period = self.metrics.get(id).copied().unwrap_or(self.period);
                Ok(Worth::Scalar(period as f64))
            }
            (Function::DiffTime, [one]) => self.compute(one)?.steps(|_, seconds| seconds),
            (Function::Log, [one]) => Ok(self.compute(one)?.each(f64::ln)),
            (Function::Log10, [one]) => Ok(self.compute(one)?.each(f64::log10)),
            (Function::RunningSum, [one]) => self.compute(one)?.running_sum(),
            (Function::TimeSeries, [one]) => match self.compute(one)? {
                Worth::Scalar(number) => Ok(Worth::One(self.grid.iter().map(|at| (*at, number)).collect())),
                _ => Err("Error in expression: TIME_SERIES takes a number".to_owned()),
            },
            (Function::First | Function::Last | Function::RemoveEmpty, [one]) => self.compute(one)?.picked(function),
            (
                Function::Average
                | Function::Sum
                | Function::Least
                | Function::Greatest
                | Function::Count
                | Function::Deviation,
                [one],
            ) => Ok(gather(function, self.compute(one)?)),
            (Function::MetricCount, [one]) => match self.compute(one)? {
                Worth::Many(many) => Ok(Worth::Scalar(many.len() as f64)),
                _ => Err("Error in expression: METRIC_COUNT takes a list".to_owned()),
            },
            (Function::Time(unit), [one]) => match self.compute(one)? {
                Worth::One(_) => Ok(Worth::One(self.grid.iter().map(|at| (*at, time(unit, *at))).collect())),
                _ => Err(format!("Error in expression: {unit:?} takes one series")),
            },
            _ => Err(format!("Error in expression: wrong arguments of {function:?}")),
        }
    }

    fn all_metrics(&self, part: &str) -> Vec<Series> {
        let ids = self.metrics.keys().filter(|id| id.contains(part));
        let series = ids.filter_map(|id| match self.known.get(id) {
            Some(Worth::One(series)) => Some(series.clone()),
            _ => None,
        });
        series.collect()
    }

    /// Gaps between two values, on the straight line from one to the other.
    fn fill_linear(&self, series: &Series) -> Worth {
        let between = |at: &u64| {
            let ((from, before), (to, after)) = (series.range(..at).next_back()?, series.range(at..).next()?);
            Some((*at, before + (after - before) * (at - from) as f64 / (to - from) as f64))
        };
        let mut filled: Series = self.grid.iter().filter_map(between).collect();
        filled.extend(series.clone());
        Worth::One(filled)
    }

    fn fill(&self, worth: Worth, with: &Expression) -> Result<Worth> {
        if let Worth::Many(all) = worth {
            let filled = all.into_iter().map(|series| match self.fill(Worth::One(series), with)? {
                Worth::One(series) => Ok(series),
                _ => unreachable!("one series is filled to one series"),
            });
            return Ok(Worth::Many(filled.collect::<Result<_>>()?));
        }
        let Worth::One(series) = worth else { return Ok(worth) };
        let fixed = match with {
            Expression::Id(word) if word == "REPEAT" => None,
            Expression::Id(word) if word == "LINEAR" => return Ok(self.fill_linear(&series)),
            other => match self.compute(other)? {
                Worth::Scalar(number) => Some(number),
                _ => return Err("Error in expression: FILL takes a number, REPEAT or LINEAR".to_owned()),
            },
        };
        let mut filled = series.clone();
        let mut before = None;
        for at in self.grid {
            match (series.get(at), fixed.or(before)) {
                (Some(value), _) => before = Some(*value),
                (None, Some(value)) => {
                    filled.insert(*at, value);
                }
                (None, None) => {}
            }
        }
        Ok(Worth::One(filled))
    }

    fn choose(condition: Worth, then: Worth, or: Option<Worth>) -> Result<Worth> {
        let pick = |worth: &Worth, at: u64| match worth {
            Worth::Scalar(number) => Ok(Some(*number)),
            Worth::One(series) => Ok(series.get(&at).copied()),
            Worth::Many(_) => Err("Error in expression: IF takes numbers and series".to_owned()),
        };
        match condition {
            Worth::Scalar(number) if number != 0.0 => Ok(then),
            Worth::Scalar(_) => Ok(or.unwrap_or(Worth::One(Series::new()))),
            Worth::One(series) => {
                let mut chosen = Series::new();
                for (at, value) in series {
                    let picked = match (value != 0.0, &or) {
                        (true, _) => pick(&then, at)?,
                        (false, Some(or)) => pick(or, at)?,
                        (false, None) => None,
                    };
                    if let Some(value) = picked {
                        chosen.insert(at, value);
                    }
                }
                Ok(Worth::One(chosen))
            }
            Worth::Many(_) => Err("Error in expression: IF takes one condition".to_owned()),
        }
    }
}

impl Worth {
    fn each(self, change: impl Fn(f64) -> f64) -> Worth {
        let all = |series: Series| series.into_iter().map(|(at, v)| (at, change(v))).collect();
        match self {
            Worth::Scalar(number) => Worth::Scalar(change(number)),
            Worth::One(series) => Worth::One(all(series)),
            Worth::Many(many) => Worth::Many(many.into_iter().map(all).collect()),
        }
    }

    fn running_sum(self) -> Result<Worth> {
        let Worth::One(series) = self else {
            return Err("Error in expression: RUNNING_SUM takes one series".to_owned());
        };
        let mut sum = 0.0;
        let summed = series.into_iter().map(|(at, value)| {
            sum += value;
            (at, sum)
        });
        Ok(Worth::One(summed.collect()))
    }

    fn picked(self, function: Function) -> Result<Worth> {
        let Worth::Many(mut many) = self else {
            return Err(format!("Error in expression: {function:?} takes a list"));
        };
        let one = match function {
            Function::First if !many.is_empty() => Some(many.swap_remove(0)),
            Function::Last => many.pop(),
            Function::First => None,
            _ => {
                many.retain(|series| !series.is_empty());
                return Ok(Worth::Many(many));
            }
        };
        Ok(Worth::One(one.unwrap_or_default()))
    }

    fn steps(self, change: impl Fn(f64, f64) -> f64) -> Result<Worth> {
        let Worth::One(series) = self else {
            return Err("Error in expression: DIFF and RATE take one series".to_owned());
        };
        let pairs = series.iter().zip(series.iter().skip(1));
        let stepped = pairs.map(|((from, before), (at, value))| (*at, change(value - before, (at - from) as f64)));
        Ok(Worth::One(stepped.collect()))
    }
}

fn combine(operator: Operator, left: Worth, right: Worth) -> Result<Worth> {
    let with = |left: f64, right: f64| calculate(operator, left, right);
    Ok(match (left, right) {
        (Worth::Scalar(left), Worth::Scalar(right)) => Worth::Scalar(with(left, right)),
        (Worth::One(left), Worth::One(right)) => {
            let both = left.iter().filter_map(|(at, value)| {
                let value = with(*value, *right.get(at)?);
                value.is_finite().then_some((*at, value))
            });
            Worth::One(both.collect())
        }
        (Worth::One(left), Worth::Scalar(right)) => Worth::One(keep(&left, |v| with(v, right))),
        (Worth::Scalar(left), Worth::One(right)) => Worth::One(keep(&right, |v| with(left, v))),
        (Worth::Many(left), Worth::Scalar(right)) => {
            Worth::Many(left.iter().map(|series| keep(series, |v| with(v, right))).collect())
        }
        (Worth::Scalar(left), Worth::Many(right)) => {
            Worth::Many(right.iter().map(|series| keep(series, |v| with(left, v))).collect())
        }
        _ => return Err("Error in expression: an array and a series do not combine".to_owned()),
    })
}

/// A value that is not finite (a division by zero) is no datapoint.
fn keep(series: &Series, change: impl Fn(f64) -> f64) -> Series {
    let changed = series.iter().map(|(at, value)| (*at, change(*value)));
    changed.filter(|(_, value)| value.is_finite()).collect()
}

fn calculate(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |is: bool| f64::from(u8::from(is));
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::AtMost => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::AtLeast => truth(left >= right),
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Divide => left / right,
        Operator::Power => left.powf(right),
    }
}

/// A part of the time that a period starts at.
fn time(unit: Unit, at: u64) -> f64 {
    let start = jiff::Timestamp::from_second(i64::try_from(at).unwrap_or_default()).unwrap_or_default();
    let start = TimeZone::UTC.to_datetime(start);
    match unit {
        Unit::Epoch => at as f64,
        Unit::Minute => f64::from(start.minute()),
        Unit::Hour => f64::from(start.hour()),
        Unit::Day => f64::from(start.weekday().to_monday_one_offset()),
        Unit::Date => f64::from(start.day()),
        Unit::Month => f64::from(start.month()),
        Unit::Year => f64::from(start.year()),
    }
}

/// The deviation of all values from their mean. AWS does not say whether it means that of a sample; this is not.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Of one series a number, of several a series.
fn gather(function: Function, worth: Worth) -> Worth {
    let over = |values: &[f64]| -> f64 {
        match function {
            Function::Sum => values.iter().sum(),
            Function::Count => values.len() as f64,
            Function::Average => values.iter().sum::<f64>() / values.len() as f64,
            Function::Deviation => deviation(values),
            Function::Least => values.iter().copied().fold(f64::INFINITY, f64::min),
            _ => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    };
    match worth {
        Worth::Scalar(number) => Worth::Scalar(number),
        Worth::One(series) => Worth::Scalar(over(&series.values().copied().collect::<Vec<_>>())),
        Worth::Many(many) => {
            let mut by_time: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
            for (at, value) in many.iter().flatten() {
                by_time.entry(*at).or_default().push(*value);
            }
            Worth::One(by_time.iter().map(|(at, values)| (*at, over(values))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse;
    use super::*;

    fn series(values: &[(u64, f64)]) -> Worth {
        Worth::One(values.iter().copied().collect())
    }

    fn compute(text: &str) -> Result<Worth> {
        let known = BTreeMap::from([
            ("e".to_owned(), series(&[(60, 5.0)])),
            ("r".to_owned(), series(&[(0, 100.0), (60, 50.0), (120, 0.0)])),
            ("none".to_owned(), series(&[])),
        ]);
        let metrics = known.keys().map(|id| (id.clone(), 60)).collect();
        let scope = Scope { known: &known, metrics: &metrics, grid: &[0, 60, 120], period: 60 };
        scope.compute(&parse(text)?)
    }

    fn check(text: &str, expected: &[(u64, f64)]) {
        assert_eq!(compute(text), Ok(series(expected)), "{text}");
    }

    #[test]
    fn series_combine_where_both_have_values() {
        check("100 * e / r", &[(60, 10.0)]);
        check("100*FILL(e,0)/r", &[(0, 0.0), (60, 10.0)]);
        check("-e + 2 ^ 3", &[(60, 3.0)]);
        check("(e + e) * 2 - 1", &[(60, 19.0)]);
    }

    #[test]
    fn gaps_are_filled() {
        check("FILL(none, 1)", &[(0, 1.0), (60, 1.0), (120, 1.0)]);
        check("FILL(e, REPEAT)", &[(60, 5.0), (120, 5.0)]);
        check("FILL(e, -1)", &[(0, -1.0), (60, 5.0), (120, -1.0)]);
    }

    #[test]
    fn conditions_choose() {
        check("IF(r > 60, 1, 0)", &[(0, 1.0), (60, 0.0), (120, 0.0)]);
        check("IF(r > 60, r)", &[(0, 100.0)]);
        check("IF(r >= 50 && r < 100, r, 0)", &[(0, 0.0), (60, 50.0), (120, 0.0)]);
    }

    #[test]
    fn lists_are_gathered_by_time_and_series_to_numbers() {
        check("SUM([e, r])", &[(0, 100.0), (60, 55.0), (120, 0.0)]);
        check("MAX(METRICS())", &[(0, 100.0), (60, 50.0), (120, 0.0)]);
        assert_eq!(compute("SUM(r)"), Ok(Worth::Scalar(150.0)));
        check("r - AVG(r)", &[(0, 50.0), (60, 0.0), (120, -50.0)]);
    }

    #[test]
    fn values_are_counted_summed_up_and_spread() {
        assert_eq!(compute("DATAPOINT_COUNT(r)"), Ok(Worth::Scalar(3.0)));
        check("DATAPOINT_COUNT([e, r])", &[(0, 1.0), (60, 2.0), (120, 1.0)]);
        check("RUNNING_SUM(r)", &[(0, 100.0), (60, 150.0), (120, 150.0)]);
        check("TIME_SERIES(DATAPOINT_COUNT(e))", &[(0, 1.0), (60, 1.0), (120, 1.0)]);
        check("DIFF_TIME(r)", &[(60, 60.0), (120, 60.0)]);
        check("FIRST(REMOVE_EMPTY([none, e]))", &[(60, 5.0)]);
        check("LAST([e, r])", &[(0, 100.0), (60, 50.0), (120, 0.0)]);
        check("FILL(IF(r != 50, r), LINEAR)", &[(0, 100.0), (60, 50.0), (120, 0.0)]);
        check("LOG10(e * 20)", &[(60, 2.0)]);
    }

    #[test]
    fn deviations_are_of_all_values_or_between_series() {
        let Ok(Worth::Scalar(found)) = compute("STDDEV(r)") else { panic!("it is a number") };
        assert!((found - (5_000.0_f64 / 3.0).sqrt()).abs() < 1e-9, "{found}");
        check("STDDEV([e, r])", &[(0, 0.0), (60, 22.5), (120, 0.0)]);
        assert_eq!(compute("METRIC_COUNT([e, r, none])"), Ok(Worth::Scalar(3.0)));
    }

    #[test]
    fn a_series_tells_the_time_of_every_period() {
        check("EPOCH(e)", &[(0, 0.0), (60, 60.0), (120, 120.0)]);
        check("MINUTE(none) + HOUR(e) / 10", &[(0, 0.0), (60, 1.0), (120, 2.0)]);
        // The first of January 1970 was a Thursday.
        check(
            "YEAR(e) * 10000 + MONTH(e) * 100 + DATE(e)",
            &[(0, 19_700_101.0), (60, 19_700_101.0), (120, 19_700_101.0)],
        );
        check("IF(DAY(r) == 4, r)", &[(0, 100.0), (60, 50.0), (120, 0.0)]);
    }

    #[test]
    fn what_cloudwatch_computes_and_the_lab_does_not_is_said_plainly() {
        for text in ["SEARCH('{A} b', 'Sum', 60)", "SORT([e, r], MAX, DESC)", "SELECT AVG(a) FROM \"b\""] {
            assert!(compute(text).is_err_and(|error| error.starts_with("The lab does not play ")), "{text}");
        }
    }

    #[test]
    fn changes_are_taken_from_the_value_before() {
        check("DIFF(r)", &[(60, -50.0), (120, -50.0)]);
        check("ABS(RATE(r)) * PERIOD(r)", &[(60, 50.0), (120, 50.0)]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = compute("ANOMALY_DETECTION_BAND(e, 2)").expect_err("it is not supported");
        assert!(error.contains("ANOMALY_DETECTION_BAND"), "{error}");
        for text in ["", "e +", "(e", "e r", "x", "FILL(e)", "\"e\"", "1 +* 2"] {
            assert!(compute(text).is_err(), "{text}");
        }
    }
}

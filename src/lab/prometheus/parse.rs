//! Reads the PromQL that is answered, and says of all other what it is not.

use super::{Counter, Expression, Selector};
use crate::telemetry::EDGES;

/// Parentheses within parentheses.
const DEPTH_LIMIT: usize = 16;
/// The longest query.
const LENGTH_LIMIT: usize = 4_096;

type Result<T> = std::result::Result<T, String>;

/// Reads a query.
///
/// # Errors
/// Says where it cannot be read, and what can.
pub(crate) fn parse(text: &str) -> Result<Expression> {
    if text.len() > LENGTH_LIMIT {
        return Err(format!("the query is longer than {LENGTH_LIMIT} characters"));
    }
    let mut reader = Reader { whole: text, rest: text, depth: 0 };
    let expression = reader.sum()?;
    if reader.next().is_some() { Err(reader.refusal("the end")) } else { Ok(expression) }
}

/// Reads a PromQL duration, `1m30s`, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let unit = rest[digits..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let factor = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(rest[..digits].parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = &rest[unit..];
    }
    (total > 0).then_some(total)
}

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn sum(&mut self) -> Result<Expression> {
        let mut left = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.next() {
            self.take(sign);
            left = Expression::Both(sign, Box::new([left, self.product()?]));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression> {
        let mut left = self.atom()?;
        while let Some(sign @ ('*' | '/')) = self.next() {
            self.take(sign);
            left = Expression::Both(sign, Box::new([left, self.atom()?]));
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Expression> {
        match self.next() {
            Some('(') if self.depth < DEPTH_LIMIT => {
                self.take('(');
                self.depth += 1;
                let inner = self.sum()?;
                self.depth -= 1;
                self.expect(')')?;
                Ok(inner)
            }
            Some('0'..='9' | '.') => {
                let number = self.while_is(|letter| letter.is_ascii_digit() || letter == '.');
                number.parse().map(Expression::Number).map_err(|_| self.refusal("a number"))
            }
            _ => self.selection().map(Expression::Sum),
        }
    }

    /// `sum(increase(metric{label="value"}[range]))`
    fn selection(&mut self) -> Result<Selector> {
        self.word(&["sum"])?;
        self.expect('(')?;
        if self.next() == Some('(') {
            return self.exact();
        }
        let is_rate = self.word(&["increase", "rate"])? == "rate";
        self.expect('(')?;
        let metric = self.name("the name of a metric")?;
        let labels = self.labels()?;
        self.expect('[')?;
        let range = self.while_is(|letter| letter.is_ascii_alphanumeric());
        let range_ms = duration_ms(range).ok_or_else(|| self.refusal("a range such as 10s"))?;
        ["]", ")", ")"].iter().try_for_each(|sign| self.expect(sign.chars().next().unwrap_or_default()))?;
        selector(metric, &labels, range_ms, is_rate)
    }

    /// What every series has more than at the end of the range before, and all of it where it has less or is new, with the
    /// rest of `sum(…)`:
    /// `((last_over_time(m[r]) - (last_over_time(m[15m] offset r) or 0 * last_over_time(m[r]))) >= 0 or last_over_time(m[r])))`
    fn exact(&mut self) -> Result<Selector> {
        let is_rate = self.rest.starts_with("(((");
        (0..2 + usize::from(is_rate)).try_for_each(|_| self.expect('('))?;
        self.word(&["last_over_time"])?;
        self.expect('(')?;
        let start = self.rest;
        let metric = self.name("the name of a metric")?;
        let labels = self.labels()?;
        let of = &start[..start.len() - self.rest.len()];
        self.expect('[')?;
        let range = self.while_is(|letter| letter.is_ascii_alphanumeric());
        let range_ms = duration_ms(range).ok_or_else(|| self.refusal("a range such as 10s"))?;
        let now = format!("last_over_time({of}[{range}])");
        let rest = format!("]) - (last_over_time({of}[15m] offset {range}) or 0 * {now})) >= 0 or {now})");
        let rest = if is_rate { format!("{rest} / {}))", range_ms / 1_000) } else { rest + ")" };
        match self.rest.strip_prefix(&rest) {
            Some(after) => self.rest = after,
            None => return Err(self.refusal(&rest)),
        }
        Ok(Selector { is_exact: true, ..selector(metric, &labels, range_ms, is_rate)? })
    }

    fn labels(&mut self) -> Result<Vec<(&'a str, &'a str)>> {
        let mut labels = Vec::new();
        if !self.take('{') {
            return Ok(labels);
        }
        while self.next() != Some('}') {
            let name = self.name("the name of a label")?;
            self.expect('=')?;
            let quote = self.next().filter(|sign| matches!(sign, '"' | '\''));
            let quote = quote.ok_or_else(|| self.refusal("= and a value in quotes"))?;
            self.take(quote);
            let value = self.rest.split_once(quote).filter(|(value, _)| !value.contains('\\'));
            let (value, rest) =
                value.ok_or_else(|| self.refusal("a value without backslashes and its closing quote"))?;
            self.rest = rest;
            labels.push((name, value));
            if !self.take(',') {
                break;
            }
        }
        self.expect('}')?;
        Ok(labels)
    }

    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, sign: char) -> bool {
        let is_there = self.next() == Some(sign);
        if is_there {
            self.rest = &self.rest[sign.len_utf8()..];
        }
        is_there
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.take(sign) { Ok(()) } else { Err(self.refusal(&format!("`{sign}`"))) }
    }

    fn while_is(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|letter| !is(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn name(&mut self, what: &str) -> Result<&'a str> {
        let name = self.while_is(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':');
        if name.is_empty() { Err(self.refusal(what)) } else { Ok(name) }
    }

    fn word(&mut self, words: &[&str]) -> Result<&'a str> {
        let before = self.rest;
        let word = self.while_is(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':');
        if words.contains(&word) {
            return Ok(word);
        }
        self.rest = before;
        Err(self.refusal(&words.join(" or ")))
    }

    fn refusal(&self, expected: &str) -> String {
        let at = self.whole[..self.whole.len() - self.rest.len()].chars().count() + 1;
        format!(
            "1:{at}: parse error: expected {expected}. The lab answers only sums of rates and increases, such as \
             sum(increase(lab_requests_total{{service=\"web-blue\"}}[10s])), and numbers, with + - * / between them"
        )
    }
}

/// What a metric and its labels select; a label that no series has selects none.
fn selector(metric: &str, labels: &[(&str, &str)], range_ms: u64, is_rate: bool) -> Result<Selector> {
    let is_bucket = metric == "lab_latency_seconds_bucket";
    let mut edge = None;
    let mut selector = Selector { counter: None, service: None, task: None, range_ms, is_rate, is_exact: false };
    let mut is_none = false;
    for (name, value) in labels {
        let place = match *name {
            "service" => &mut selector.service,
            "task" => &mut selector.task,
            "le" if is_bucket => &mut edge,
            _ => {
                is_none = true;
                continue;
            }
        };
        is_none |= place.replace((*value).to_owned()).is_some_and(|before| before != *value);
    }
    selector.counter = match metric {
        "lab_requests_total" | "lab_latency_seconds_count" => Some(Counter::Requests),
        "lab_errors_total" => Some(Counter::Errors),
        "lab_latency_seconds_bucket" => match edge.as_deref() {
            None => return Err("lab_latency_seconds_bucket needs the label le here: le=\"0.25\"".to_owned()),
            Some("+Inf") => Some(Counter::Requests),
            Some(le) => EDGES.iter().position(|edge| edge.to_string() == le).map(Counter::Within),
        },
        _ => None,
    };
    selector.counter = selector.counter.filter(|_| !is_none);
    Ok(selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Selector {
        match parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            Expression::Sum(selector) => selector,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn sums_of_rates_and_increases_are_read() {
        let selector = read("sum(increase(lab_requests_total{service=\"web-blue\"}[10s]))");
        assert_eq!((selector.counter, selector.range_ms, selector.is_rate), (Some(Counter::Requests), 10_000, false));
        assert_eq!(selector.service.as_deref(), Some("web-blue"));
        let selector = read(" sum ( rate ( lab_latency_seconds_bucket { le = '0.25' , task=\"a\", } [1m30s] ) ) ");
        assert_eq!((selector.counter, selector.range_ms, selector.is_rate), (Some(Counter::Within(9)), 90_000, true));
        assert_eq!(read("sum(rate(lab_latency_seconds_bucket{le=\"1\"}[1m]))").counter, Some(Counter::Within(16)));
        assert_eq!(read("sum(rate(lab_latency_seconds_bucket{le=\"+Inf\"}[1m]))").counter, Some(Counter::Requests));
    }

    #[test]
    fn series_that_are_not_there_are_none() {
        for text in ["up[1m]", "lab_requests_total{job=\"x\"}[1m]", "lab_latency_seconds_bucket{le=\"0.26\"}[1m]"] {
            assert_eq!(read(&format!("sum(increase({text}))")).counter, None, "{text}");
        }
    }

    #[test]
    fn products_bind_closer_than_sums() {
        let number = |value| Expression::Number(value);
        let product = Expression::Both('*', Box::new([number(2.0), number(3.5)]));
        assert_eq!(parse("1 + 2 * 3.5"), Ok(Expression::Both('+', Box::new([number(1.0), product]))));
        let sum = Expression::Both('-', Box::new([number(1.0), number(2.0)]));
        assert_eq!(parse("(1 - 2) / 3"), Ok(Expression::Both('/', Box::new([sum, number(3.0)]))));
    }

    #[test]
    fn all_other_promql_is_refused_with_what_is_answered() {
        let wrong = [
            "",
            "lab_requests_total",
            "sum(lab_requests_total)",
            "sum by (task) (rate(lab_requests_total[1m]))",
            "sum(rate(lab_requests_total{service=~\"web.*\"}[1m]))",
            "sum(rate(lab_requests_total[1m:10s]))",
            "sum(rate(lab_requests_total[1m])) or vector(0)",
            "histogram_quantile(0.9, sum(rate(lab_latency_seconds_bucket[1m])))",
        ];
        for text in wrong {
            let error = parse(text).expect_err(text);
            assert!(error.contains("parse error") && error.contains("sum(increase("), "{text}: {error}");
        }
        assert!(parse("sum(rate(lab_latency_seconds_bucket[1m]))").expect_err("it has no edge").contains("le="));
        assert!(parse(&"(".repeat(100)).is_err());
    }
}

//! PromQL for a slot: placeholders filled in, and evaluations at the ends of bins.
//!
//! An increase over a minute at a moment is of the minute before it, so the bin that begins at t is what is evaluated
//! at t plus its length. Bins are whole: they begin at multiples of their length, as those of CloudWatch do, and
//! none is asked for that has not ended. What a scrape brings counts in the bin in which the scrape was.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::ask::floor;
use crate::cloud::http::Http;
use crate::cloud::prometheus::{Range, Server};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::Place;
use crate::gate::{MetricReading, Point, PrometheusMetric, Reading};

/// The most bins that are asked for: a server refuses a query with more than 11,000 points.
pub(super) const BINS_LIMIT: u32 = 10_000;

/// How long a series is known without a scrape. One that was seen within it is not born, whatever was missed of it.
const KNOWN_FOR: &str = "15m";

/// `text` with the slot's names filled in: its service, and its target group by name.
pub(super) fn filled(text: &str, place: &Place) -> String {
    text.replace("<service>", &place.service).replace("<target_group>", &place.target_group_name)
}

/// `query` for a slot, with the length of a bin filled in too, and its increases asked for so that they add up.
pub(super) fn windowed(query: &str, place: &Place, span: Duration) -> String {
    let query = filled(query, place);
    let query = if NATIVE.iter().any(|name| query.contains(name)) { query } else { adding_up(&query, span) };
    query.replace("<window>", &format!("{}s", span.as_secs()))
}

/// What a native histogram is asked with: its increases are no numbers, and stay as they are written.
const NATIVE: [&str; 4] = ["histogram_count(", "histogram_sum(", "histogram_fraction(", "histogram_quantile("];

/// `query` with every `increase(…[<window>])` of a plain selector, and every `rate`, replaced by what each series has more
/// than at the end of the window before: the increases of windows side by side then add up to what was counted.
///
/// Prometheus's own `increase` leaves out what came between the last scrape of one window and the first of the next, and
/// guesses it from the rest; of a series that is born at 5 it knows no increase, and of a window with one scrape none
/// (<https://prometheus.io/docs/prometheus/latest/querying/functions/#increase>). Here a series without a scrape in the
/// [`KNOWN_FOR`] before the window counts from zero, and so does one whose counter fell.
fn adding_up(query: &str, span: Duration) -> String {
    let mut text = String::new();
    let mut rest = query;
    while let Some((at, name, selector, after)) = next_increase(rest) {
        let (now, before) = (
            format!("last_over_time({selector}[<window>])"),
            format!("last_over_time({selector}[{KNOWN_FOR}] offset <window>)"),
        );
        let mut increase = format!("(({now} - ({before} or 0 * {now})) >= 0 or {now})");
        if name == "rate" {
            increase = format!("({increase} / {})", span.as_secs());
        }
        text.push_str(&rest[..at]);
        text.push_str(&increase);
        rest = after;
    }
    text + rest
}

/// Where the next increase over the window is, what it is called, of what, and the text behind it.
fn next_increase(text: &str) -> Option<(usize, &'static str, &str, &str)> {
    let found = |name: &'static str| text.match_indices(name).map(move |(at, _)| (at, name));
    let mut places: Vec<_> = found("increase").chain(found("rate")).collect();
    places.sort_unstable();
    places.into_iter().find_map(|(at, name)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let whole = !text[..at].ends_with(is_word);
        let inner = text[at + name.len()..].trim_start().strip_prefix('(').filter(|_| whole)?;
        let end = selector_end(inner)?;
        let after = inner[end..].strip_prefix("[<window>]")?.trim_start().strip_prefix(')')?;
        Some((at, name, inner[..end].trim(), after))
    })
}

/// Where a selector ends: at the first bracket that is not in quotes, before any parenthesis.
fn selector_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(of), '\\') if of != '`' => escaped = true,
            (Some(of), c) if c == of => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '[') => return Some(at),
            (None, '(' | ')') => return None,
            _ => {}
        }
    }
    None
}

/// How far before its own moment an evaluation of `query` looks: the longest range of a selector, the longest of a
/// subquery around it, and the longest offset of either.
pub(super) fn looks_back(query: &str) -> Duration {
    let [mut range, mut subquery, mut offset] = [Duration::ZERO; 3];
    let mut rest = query;
    while let Some(at) = rest.find(['[', '"', '\'', '`', 'o']) {
        let (found, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = match found {
            b'[' => {
                let (inside, after) = after.split_once(']').unwrap_or((after, ""));
                let (length, longest) = match inside.split_once(':') {
                    Some((length, _)) => (length, &mut subquery),
                    None => (inside, &mut range),
                };
                *longest = (*longest).max(duration(length));
                after
            }
            b'o' => {
                let word = after.strip_prefix("ffset ").filter(|_| rest[..at].ends_with(char::is_whitespace));
                offset = offset.max(word.map_or(Duration::ZERO, duration));
                after
            }
            quote => behind(after, char::from(quote)),
        };
    }
    range + subquery + offset
}

/// What follows a text in quotes, of which the first is gone.
fn behind(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return &text[at + 1..];
        }
        escaped = c == '\\' && !escaped && quote != '`';
    }
    ""
}

/// The length that `text` begins with: `1h30m`, or a number of seconds (the durations of
/// <https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations>).
fn duration(text: &str) -> Duration {
    let mut length = Duration::ZERO;
    let mut rest = text.trim_start();
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(count) = rest[..digits].parse::<u32>() else { return length };
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        length += count
            * match &rest[..letters] {
                "ms" => Duration::from_millis(1),
                "m" => Duration::from_secs(60),
                "h" => Duration::from_secs(3_600),
                "d" => Duration::from_secs(86_400),
                "w" => Duration::from_secs(7 * 86_400),
                "y" => Duration::from_secs(365 * 86_400),
                _ => Duration::from_secs(1),
            };
        rest = &rest[letters..];
    }
}

/// The values of `query` for the bins of `span` that begin no earlier than the one `since` lies in and have ended
/// at `now`, each at the start of its bin.
pub(super) async fn bins(
    http: &Http,
    server: Server<'_>,
    query: &str,
    span: Duration,
    stretch: (Timestamp, Timestamp),
) -> Result<Vec<Point>, Fault> {
    let Some(range) = evaluations(span, stretch) else { return Ok(Vec::new()) };
    let points = server.range(http, query, range).await?;
    Ok(points.into_iter().map(|point| Point { at: point.at.before(span), ..point }).collect())
}

/// The ends of those bins; `None` when there are none.
fn evaluations(span: Duration, (since, now): (Timestamp, Timestamp)) -> Option<Range> {
    let to = floor(now, span);
    let from = (floor(since, span) + span).max(to.before(span * (BINS_LIMIT - 1)));
    (from <= to).then_some(Range { from, to, step: span })
}

/// What a metric gate asks of a Prometheus server, about the slot at `place`.
pub(super) async fn metric(
    http: &Http,
    metric: &PrometheusMetric,
    place: &Place,
    period: Duration,
    stretch: (Timestamp, Timestamp),
) -> Reading {
    let server = Server { url: &metric.url, headers: &metric.headers };
    let query = windowed(&metric.query, place, period);
    match bins(http, server, &query, period, stretch).await {
        Ok(values) => Reading::Metric(MetricReading { values, samples: Vec::new() }),
        Err(fault) => Reading::Unreadable(fault),
    }
}

/// A future, and what it gave.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

/// What all of them give, in their order, once the last one is done.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *output = Some(ready),
                Poll::Pending => is_done = false,
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn increases_and_rates_over_the_window_are_asked_for_so_that_they_add_up() {
        let minute = Duration::from_secs(60);
        let exact = |of: &str| {
            let now = format!("last_over_time({of}[<window>])");
            format!("(({now} - (last_over_time({of}[15m] offset <window>) or 0 * {now})) >= 0 or {now})")
        };
        let check = |query: &str, expected: &str| assert_eq!(adding_up(query, minute), expected, "{query}");
        check("sum(increase(a[<window>]))", &format!("sum({})", exact("a")));
        let odd = r#"a{s="(\"[<window>])",c=~'[45]..'}"#;
        check(&format!("sum( increase ( {odd}[<window>] ) )"), &format!("sum( {} )", exact(odd)));
        check("b - increase(a[<window>])", &format!("b - {}", exact("a")));
        let rate = format!("sum(({} / 60)) / sum(({} / 60))", exact("a"), exact("b"));
        check("sum(rate(a[<window>])) / sum(rate(b[<window>]))", &rate);
        for kept in [
            "increase(a[5m])",
            "irate(a[<window>])",
            "my_increase",
            "increase(sum(a)[<window>:])",
            "increase(a[<window>] offset 1m)",
            "increase(\"",
        ] {
            check(kept, kept);
        }
        let native = "histogram_count(increase(a[<window>]))";
        let place = crate::cloud::alb::tests::place(crate::domain::fleet::Slot::Blue, "x");
        assert_eq!(windowed(native, &place, minute), "histogram_count(increase(a[60s]))");
    }

    #[test]
    fn an_evaluation_looks_back_by_its_ranges_and_offsets() {
        let check = |query: &str, seconds| assert_eq!(looks_back(query), Duration::from_secs(seconds), "{query}");
        check("up", 0);
        check("sum(rate(errors[5m])) / sum(rate(requests[1h30m]))", 5_400);
        check("max_over_time(rate(a[5m])[30m:1m]) > 1", 35 * 60);
        check("rate(a[2m] offset 1d) - rate(a[90])", 86_400 + 120);
        check(r#"a{b="[9h]\"[8h]", c='offset 7h', d=`\`}[10s]"#, 10);
        check("offset_total[1m", 60);
        check("rate(a[99999999999999y])", 0);
    }

    #[test]
    fn a_bin_is_evaluated_at_its_end_and_not_before() {
        let ten = Duration::from_secs(10);
        let range = |from, to| Some(Range { from: at(from), to: at(to), step: ten });
        assert_eq!(evaluations(ten, (at(1004), at(1039))), range(1010, 1030));
        assert_eq!(evaluations(ten, (at(1000), at(1010))), range(1010, 1010));
        assert_eq!(evaluations(ten, (at(1000), at(1009))), None);
        assert_eq!(evaluations(ten, (at(0), at(1_000_000))), range(1_000_000 - 99_990, 1_000_000));
    }
}

//! What a recording may hold, and what is said of one that cannot be used.

use std::time::Duration;

use super::{Bins, LINE_LIMIT, Recorded, Writer, Wrong};
use crate::domain::clock::Timestamp;
use crate::domain::count::Counts;
use crate::domain::fleet::Role;

const MINUTE: Duration = Duration::from_secs(60);

fn line(at: u64, slot: &str, requests: u64) -> String {
    format!(r#"{{"at": {at}, "slot": "{slot}", "requests": {requests}, "errors_5xx": 0, "slower_than": {{"0.2": 1}}}}"#)
}

fn read(text: impl AsRef<[u8]>) -> Result<(Vec<(u64, Recorded)>, super::Found), Wrong> {
    let mut bins = Bins::new(text.as_ref(), MINUTE);
    let mut all = Vec::new();
    while let Some((at, bin)) = bins.next()? {
        all.push((at.as_millis() / 1000, bin));
    }
    Ok((all, bins.found().clone()))
}

#[track_caller]
fn wrong(text: impl AsRef<[u8]>, at: u64, what: &str) {
    let wrong = read(text).expect_err("it is wrong");
    assert_eq!(wrong.line, Some(at), "{wrong:?}");
    let right = wrong.right.as_deref().unwrap_or_else(|| panic!("{wrong:?}"));
    assert!(wrong.what.contains(what) || right.contains(what), "{wrong:?}");
}

#[test]
fn bins_come_in_the_order_of_time_with_both_slots() {
    let text = [line(120, "candidate", 5), line(60, "stable", 100), line(120, "stable", 90), String::new()].join("\n");
    let (bins, found) = read(text).unwrap();
    assert_eq!(bins.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [60, 120]);
    assert!(bins[0].1.candidate.is_none());
    let requests = |counts: &Option<Counts>| counts.as_ref().map(|counts| counts.requests);
    assert_eq!((requests(&bins[1].1.stable), requests(&bins[1].1.candidate)), (Some(90.0), Some(5.0)));
    assert_eq!((found.lines, found.out_of_order), (3, 1));
}

#[test]
fn a_bin_that_is_said_again_is_revised_by_the_later_line() {
    let (bins, found) =
        read([line(60, "stable", 100), line(60, "stable", 100), line(60, "stable", 101)].join("\n")).unwrap();
    assert_eq!(bins[0].1.stable.as_ref().map(|counts| counts.requests), Some(101.0));
    assert_eq!((found.repeated, found.revised, found.first_revised), (1, 1, Some(3)));
}

#[test]
fn a_line_without_requests_is_no_data() {
    let (bins, _) =
        read([line(60, "stable", 100), r#"{"at":120,"slot":"stable","requests":0,"errors_5xx":0}"#.into()].join("\n"))
            .unwrap();
    assert_eq!(bins[1].1, Recorded::default());
}

#[test]
fn what_is_no_line_is_told_with_its_place() {
    let good = line(60, "stable", 100);
    let after = |bad: &str| format!("{good}\n{bad}\n");
    wrong("", 1, "no line");
    wrong("\n\n", 2, "no line");
    wrong(after("at=60"), 2, "not a JSON object");
    wrong(after("[1, 2]"), 2, "not a JSON object");
    wrong(after(&line(120, "stable", 5)[..40]), 2, "not a JSON object");
    wrong(after(&(line(120, "stable", 5) + &line(180, "stable", 5))), 2, "not a JSON object");
    wrong([good.as_bytes(), b"\n{\"at\": \xff}\n"].concat(), 2, "byte 8 of the line is not UTF-8");
    wrong(after(&"x".repeat(LINE_LIMIT + 1)), 2, "longer than 65536 bytes");
    wrong(after(&" ".repeat(LINE_LIMIT * 3)), 2, "longer than 65536 bytes");
}

#[test]
fn fields_are_there_once_and_known() {
    let check = |text: &str, what| wrong(text, 1, what);
    check(r#"{"slot": "stable", "requests": 1, "errors_5xx": 0}"#, "there is no at");
    check(r#"{"at": 60, "requests": 1, "errors_5xx": 0}"#, "there is no slot");
    check(r#"{"at": 60, "slot": "stable", "errors_5xx": 0}"#, "there is no requests");
    check(r#"{"at": 60, "slot": "stable", "requests": 1}"#, "there is no errors_5xx");
    check(r#"{"at": 60, "at": 60, "slot": "stable"}"#, "at is there twice");
    check(r#"{"at": 60, "slot": "stable", "request": 1, "errors_5xx": 0}"#, "did you mean requests?");
    check(r#"{"at": 60, "slot": "stable", "requests": 1, "errors": 0}"#, "did you mean errors_5xx?");
    check(
        r#"{"at": 60, "slot": "stable", "requests": 1, "errors_5xx": 0, "slower-then": {}}"#,
        "did you mean slower_than?",
    );
    check(r#"{"at": 60, "slot": "blue", "requests": 1, "errors_5xx": 0}"#, "slot is \"blue\"");
    assert!(
        read(r#"{"at": 60, "slot": "stable", "requests": 1, "errors_5xx": 0, "host": "a", "p50": {"x": [1]}}"#).is_ok()
    );
}

#[test]
fn numbers_are_counts() {
    let with = |field: &str, value: &str| {
        let fields =
            [("at", "60"), ("slot", "\"stable\""), ("requests", "10"), ("errors_5xx", "0"), ("slower_than", "{}")];
        let fields = fields.map(|(name, usual)| format!("\"{name}\": {}", if name == field { value } else { usual }));
        format!("{{{}}}", fields.join(", "))
    };
    let check = |field, value, what| wrong(with(field, value), 1, what);
    check("requests", "NaN", "NaN is not a number");
    check("requests", "-Infinity", "Infinity is not a number");
    check("requests", "1e400", "not a JSON object");
    check("requests", "-1", "requests is -1");
    check("requests", "\"10\"", "requests is \"10\"");
    check("requests", "null", "requests is null");
    check("requests", "1e300", "requests is 1e+300");
    check("errors_5xx", "11", "errors_5xx is 11, more than the 10 requests");
    check("at", "-60", "at is -60");
    check("at", "1795442700000", "milliseconds");
    check("at", "1e300", "at is 1e+300");
    check("slower_than", "{\"0.2\": 11}", "more than the 10 timed requests");
    check("slower_than", "{\"0.2\": 3, \"0.4\": 4}", "4 requests are slower than 0.4 s, and only 3 than 0.2 s");
    check("slower_than", "{\"200ms\": 3}", "the time `200ms`");
    check("slower_than", "{\"-1\": 3}", "the time `-1`");
    check("slower_than", "{\"NaN\": 3}", "the time `NaN`");
    check("slower_than", "{\"0.2\": 3, \"0.20\": 3}", "the time 0.2 s twice");
    check("slower_than", "[1]", "slower_than is [1]");
    let share = |slot: &str, share: &str| {
        format!(r#"{{"at": 60, "slot": "{slot}", "requests": 1, "errors_5xx": 0, "share": {share}}}"#)
    };
    wrong(share("candidate", "101"), 1, "between 0 and 100");
    wrong(share("stable", "5"), 1, "share is on a line of the stable slot");
    let timed = r#"{"at": 60, "slot": "stable", "requests": 9, "errors_5xx": 0, "timed": 10}"#;
    wrong(timed, 1, "timed is 10, more than the 9 requests");
}

#[test]
fn times_are_the_same_in_every_line() {
    let other = line(120, "stable", 5).replace("0.2", "0.3");
    wrong([line(60, "stable", 5), other].join("\n"), 2, "counts at 0.3 s here, and at 0.2 s before");
}

#[test]
fn bins_lie_on_the_feeds_grid_and_the_clock_goes_on() {
    wrong([line(60, "stable", 5), line(90, "stable", 5)].join("\n"), 2, "30s from the first line's");
    let far = [line(7200, "stable", 5), line(3600, "stable", 5), line(3540, "stable", 5)].join("\n");
    wrong(far, 3, "the clock goes back by 1h 1m");
    let long: Vec<String> = (1..9).map(|n| line(n * 300, "stable", 5)).collect();
    let said = read(long.join("\n")).expect_err("bins are too long");
    assert!(said.what.contains("less than 5m apart"), "{said:?}");
}

#[test]
fn what_is_written_can_be_read() {
    let counts = Counts { requests: 10.0, errors: 11.0, refused: 0.0, timed: 9.0, slower: vec![3.0, 3.5, 0.25] };
    let mut writer = Writer::default();
    let marks = [0.1, 0.2, 0.4];
    let text = writer.line(Timestamp::from_millis(60_500), Role::Stable, &counts, &marks);
    let none = Counts { requests: 10.0, slower: vec![0.0; 3], ..Counts::default() };
    let text = text + &writer.line(Timestamp::from_millis(120_500), Role::Candidate, &none, &marks);
    assert_eq!(writer.line(Timestamp::default(), Role::Stable, &Counts::default(), &marks), "");
    assert_eq!(writer, Writer { lines: 2, cut: 1 });
    let mut bins = Bins::new(text.as_bytes(), MINUTE);
    let (at, bin) = bins.next().unwrap().unwrap();
    assert_eq!(at, Timestamp::from_millis(60_500));
    assert_eq!(
        bin.stable,
        Some(Counts { requests: 10.0, errors: 10.0, refused: 0.0, timed: 9.0, slower: vec![3.0, 3.0, 0.25] })
    );
    assert_eq!(bins.next().unwrap().unwrap().1.candidate, Some(none));
    assert_eq!(bins.pairs(), Ok(true));
}

#[test]
fn the_slots_times_pair_up() {
    let pairs = |own: &str, other: &str| {
        let text = [("stable", own), ("candidate", other)].map(|(slot, marks)| {
            format!(r#"{{"at": 60, "slot": "{slot}", "requests": 9, "errors_5xx": 0, "slower_than": {marks}}}"#)
        });
        let text = text.join("\n");
        let mut bins = Bins::new(text.as_bytes(), MINUTE);
        while bins.next().unwrap().is_some() {}
        bins.pairs().ok()
    };
    assert_eq!(pairs("{\"0.1\": 5, \"0.2\": 1}", "{\"0.103\": 5, \"0.206\": 1}"), Some(false));
    assert_eq!(pairs("{\"0.1\": 5, \"0.2\": 1}", "{\"0.1\": 5, \"0.2\": 1}"), Some(true));
    assert_eq!(pairs("{\"0.1\": 5, \"0.2\": 1}", "{\"0.1\": 5}"), None);
    assert_eq!(pairs("{\"0.1\": 5, \"0.2\": 1}", "{\"0.3\": 5, \"0.6\": 1}"), None);
    assert_eq!(pairs("{\"0.1\": 5}", "{\"0.09\": 5}"), None);
    assert_eq!(pairs("{}", "{}"), Some(true));
}

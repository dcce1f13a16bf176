//! Every surface with words that would do harm on one of them: each shows them, and obeys none.

use serde_json::Value;

use super::delivery::{Delivery, Figures, prometheus};
use super::page::{Origin, Page, Story};
use super::sample::{self, ASCII, FINE, NARROW, all_of, at};
use super::{Lines, Status, Stream, Style, Summary, View, Why};
use crate::domain::text::escape_json;
use crate::gate::{Evidence, MetricReading, Point, Reading};
use crate::machine::{Answer, Event, Machine, Observation, OperatorRequest, Outcome, Progress, Stranding};
use crate::plan::Plan;

/// What would steer a terminal, run as HTML, be markup or a mention, or a command to a pipeline's runner.
const HOSTILE: [&str; 8] = [
    "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)></title></desc></td></details><!--",
    "**b** _i_ `c` [x](javascript:alert) ![y](https://e.example/p.png) | z | ~~s~~",
    "@team #12 https://e.example www.e.example $x$ <!-- -->",
    "\n::error::pwned\r\n::add-mask::x ##[error]x ##[group]y ##vso[task.complete]z ##teamcity[buildStop]",
    "\n# head\n- list\n> quote\n```\ncode",
    "::stop-commands::x",
];

struct FoulRollout {
    plan: Plan,
    notices: Vec<(crate::domain::clock::Timestamp, crate::machine::Notice)>,
    progress: Progress,
    summary: Summary,
    story: Story,
}

/// A rollout that is told with `text` wherever text is not ours.
fn told(text: &str, over: bool) -> FoulRollout {
    let mut plan = sample::plan();
    for gate in &mut plan.gates {
        gate.name = format!("{}{text}", gate.name);
    }
    let notices: Vec<_> = all_of(text)
        .into_iter()
        .filter(|notice| over || !matches!(notice, crate::machine::Notice::Finished(_)))
        .map(|notice| (at(0), notice))
        .collect();
    let mut progress = sample::progress();
    for verdict in progress.verdicts.iter_mut().flatten() {
        verdict.evidence = Evidence::Said(text.to_owned());
    }
    progress.paused = Some(sample::paused_by(text));
    let mut summary = Summary::new();
    let mut story = Story::default();
    let machine = Machine::new(plan.clone());
    let request = Event::Requested {
        request: OperatorRequest::Pause,
        by: text.to_owned(),
        reason: Some(text.to_owned()),
        left: None,
    };
    let values = vec![Point { at: at(60), value: 0.5 }, Point { at: at(120), value: 1.5 }];
    let reading = Reading::Metric(MetricReading { values, samples: Vec::new() });
    let seen = Observation { readings: vec![(1, reading)], ..Observation::default() };
    let looked = Event::Answered { id: 1, answer: Answer::Seen(Box::new(seen)) };
    for event in [request, looked] {
        story.take(at(0), &event, &[], &machine);
    }
    for (at, notice) in &notices {
        summary.take(*at, notice);
        story.take(*at, &Event::Woken, std::slice::from_ref(notice), &machine);
    }
    if over {
        let stranded = Outcome::Stranded { reason: None, why: Stranding::Overwritten { found: text.to_owned() } };
        summary.finished = Some((at(9), stranded));
    }
    FoulRollout { plan, notices, progress, summary, story }
}

impl FoulRollout {
    fn why<'a>(&'a self, by: &'a str) -> Why<'a> {
        let Self { plan, progress, summary, .. } = self;
        let status = Status { id: sample::ID, at: at(94), plan, progress, summary, store: by, is_lab: false };
        Why { status, driver: Some((by, at(0))), last: at(90) }
    }

    fn page<'a>(&'a self, text: &'a str, flaws: &'a [String]) -> Page<'a> {
        let origin = Origin { spec: text, digest: Some(text), program: text, begun: at(0) };
        Page { why: self.why(text), origin, story: &self.story, exit: Some((12, "a person is needed")), flaws }
    }

    /// What a terminal is shown, by surface.
    fn screens(&self, text: &str, style: Style) -> Vec<(&'static str, String)> {
        let lines = sample::Page::default();
        let mut writer = Lines::new(Box::new(lines.clone()), style, None);
        for (at, notice) in &self.notices {
            writer.write(*at, notice, &self.plan);
        }
        let why = self.why(text);
        let lately = &self.notices[self.notices.len() - 6..];
        let view = View { why, lately, trouble: Some(text) };
        vec![
            ("lines", lines.text()),
            ("summary", self.summary.text(sample::ID, &self.plan, style)),
            ("status", why.status.text(style)),
            ("why", why.text(style)),
            ("view", view.lines(style, 400).join("\n")),
            ("small view", view.lines(style, 10).join("\n")),
        ]
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c != '\n' && crate::domain::text::is_hidden(c))
}

fn commands(text: &str) -> Option<&str> {
    text.lines().find(|line| {
        line.trim_start().starts_with("::") || ["##[", "##vso[", "##teamcity["].iter().any(|word| line.contains(word))
    })
}

#[test]
fn no_terminal_and_no_log_obeys_a_word() {
    for (n, text) in HOSTILE.into_iter().enumerate() {
        for over in [false, true] {
            for style in [ASCII, NARROW, FINE, Style { width: usize::MAX, ..FINE }] {
                for (surface, shown) in told(text, over).screens(text, style) {
                    assert!(is_plain(&shown), "{surface} of {n}: {shown:?}");
                    assert_eq!(commands(&shown), None, "{surface} of {n}: {shown}");
                }
            }
        }
    }
}

#[test]
fn json_says_the_same_and_nothing_else() {
    for text in HOSTILE {
        let told = told(text, true);
        let lines = sample::Page::default();
        let mut stream = Stream::new(Box::new(lines.clone()));
        for (at, notice) in &told.notices {
            stream.write(*at, notice, &told.plan);
        }
        let why = told.why(text);
        let objects = [why.json(), why.status.json(), told.summary.json(sample::ID, &told.plan)];
        let objects: Vec<String> = objects.iter().map(|value| escape_json(&value.to_string())).collect();
        let all = format!("{}{}", lines.text(), objects.join("\n"));
        assert!(is_plain(&all), "{all:?}");
        assert_eq!(commands(&all), None, "{all}");
        let whys: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(whys.iter().any(|value| value["by"] == text), "{text} is kept");
    }
}

/// The elements that a page is made of.
const ELEMENTS: &str = "html head meta title style body main header footer section p h1 h2 h3 ul li dl dt dd div figure \
    figcaption svg desc path text rect circle details summary table caption thead tbody tr th td";
/// And what they say of themselves: nothing that runs or fetches.
const ATTRIBUTES: &str = "lang charset http-equiv content name class viewBox role aria-labelledby aria-hidden aria-label \
    tabindex id d x y cx cy r width height scope";

/// What stands in the tags of HTML: names of elements, and of what they say of themselves.
fn tags(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut elements, mut attributes) = (Vec::new(), Vec::new());
    for part in html.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("every tag ends");
        let mut outside = tag.split('"').step_by(2);
        let first = outside.next().unwrap_or_default().trim_start_matches('/');
        let (element, rest) = first.split_once([' ', '\n']).unwrap_or((first, ""));
        elements.push(element.to_owned());
        for words in std::iter::once(rest).chain(outside) {
            attributes.extend(
                words.split([' ', '\n', '=']).filter(|request| !matches!(*request, "" | "/")).map(str::to_owned),
            );
        }
    }
    (elements, attributes)
}

#[test]
fn a_browser_runs_and_fetches_nothing() {
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let (told, flaws) = (told(text, n % 2 == 0), [text.to_owned()]);
        let page = told.page(text, &flaws).html();
        assert!(is_plain(&page), "{n}");
        assert_eq!(commands(&page), None, "{n}");
        let (elements, attributes) = tags(page.strip_prefix("<!DOCTYPE html>").expect("it says what it is"));
        let known = |all: &'static str| move |request: &&String| !all.split(' ').any(|known| known == request.as_str());
        assert_eq!(elements.iter().find(known(ELEMENTS)), None, "{n}");
        assert_eq!(attributes.iter().find(known(ATTRIBUTES)), None, "{n}");
        assert!(page.contains("default-src 'none'"), "{n}");
        for foul in ["<script", "url(", "@import", "style="] {
            assert_eq!(page.matches(foul).count(), 0, "{foul} in {n}");
        }
    }
}

#[test]
fn a_comment_holds_no_markup_that_is_not_ours() {
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let (told, flaws) = (told(text, n % 2 == 0), [text.to_owned()]);
        let page = told.page(text, &flaws).markdown();
        assert!(is_plain(&page), "{n}");
        assert_eq!(commands(&page), None, "{n}");
        for foul in [
            "`", "](", "**", "@team", "#12", "://", "www.e", "<script", "<img", "<!--", "$x", " | z |", "~~", "\n- ",
            "\n# ",
        ] {
            assert_eq!(page.replace("\\`", "").replace("\\*", "").matches(foul).count(), 0, "{foul:?} in {n}\n{page}");
        }
        for line in page.lines().filter(|line| line.starts_with('|')) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert!((3..=6).contains(&bars), "{n}: {line}");
        }
    }
}

#[test]
fn a_label_is_one_line_between_its_quotes() {
    for text in HOSTILE {
        let one = Delivery { name: text.to_owned(), started: at(0), ended: None, exposed: false, restored: None };
        let figures = Figures::by_name(&[one], at(60));
        let metrics = prometheus(&figures);
        assert!(is_plain(&metrics), "{metrics:?}");
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let bare = line.replace("\\\\", "").replace("\\\"", "");
            let quotes = if line.contains("outcome=") { 4 } else { 2 };
            assert_eq!(bare.matches('"').count(), quotes, "{line}");
        }
        assert!(is_plain(&figures[0].text(NARROW)));
    }
}

//! The rules of the language: a document in, a [`Spec`] out, or what is wrong with it. Every section
//! is checked whatever the others hold.

mod compare;
mod dead_man;
mod driver;
mod feed;
mod gate;
mod metric;
mod name;
mod notify;
mod outer;
mod probe;
mod prometheus;
mod release;
mod store;
mod strategy;
mod target;
mod time;
mod units;
mod windows;

use std::collections::BTreeMap;

use super::document::{self, Document, Intrusion, Trouble};
use super::finding::{self, Finding, Mark};
use super::fit::DriverDemand;
use super::model::{Limits, OnTrouble, Policies, Spec, Strategy};
use super::text::Text;
use super::tree::Node;
use super::words;
use crate::domain::code::Code;
use crate::domain::name::RolloutName;
use units::{DAY, HOUR, MINUTE, SECOND};

/// Gives `document`, whose fields stand at `node`, its meaning; `None` when it has none.
pub(super) fn check(
    document: Document,
    node: &Node,
    context: Context<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Spec> {
    let mut check = Check { findings, context, region: None };
    let name = document.name.and_then(|name| check.rollout_name(&name, node.field("name")));
    check.about(Code::SpecName);
    let driver = check.driver(document.driver, node);
    check.about(Code::SpecDriver);
    let target = document.target.and_then(|target| check.target(target, node, driver.as_ref()));
    check.about(Code::SpecTarget);
    let release = document.release.and_then(|release| check.release(release, node.field("release")));
    check.about(Code::SpecRelease);
    let strategy = document.strategy.and_then(|strategy| check.strategy(strategy, node.field("strategy")));
    check.about(Code::SpecStrategy);
    let compares = matches!(strategy, Some(Strategy::HarmBudget { .. }));
    let gates = check.gates(document.gates, node.field("gates"), compares);
    check.about(Code::SpecGates);
    let limits = check.limits(&document.limits, node.field("limits"));
    check.about(Code::SpecLimit);
    let policies = policies(&document.policies);
    let dead_man = optional(document.dead_man, |dead_man| check.dead_man(&dead_man, node.field("dead_man")));
    check.about(Code::SpecDeadMan);
    let store = optional(document.store, |store| check.store(store, node.field("store")));
    check.about(Code::SpecStore);
    let notify = check.notify(document.notify, node.field("notify"));
    check.about(Code::SpecNotify);
    let windows = optional(document.windows, |windows| check.windows(windows, node.field("windows")));
    check.about(Code::SpecWindows);
    let watch_for = optional(document.watch_for, |span| check.time(&span, node.field("watch_for"), 10 * MINUTE..=DAY));
    check.about(Code::SpecLimit);
    if let Some(driver) = &driver {
        let asked = DriverDemand {
            driver,
            strategy: strategy.as_ref(),
            gates: gates.as_deref().unwrap_or_default(),
            limits: limits.as_ref(),
            dead_man: node.get("dead_man").is_some(),
            writer_role: node.field("target").get("writer_role").is_some(),
            watch_for: node.get("watch_for").is_some(),
        };
        check.fits(&asked, node);
        check.about(Code::SpecDriver);
    }
    document.version?;
    Some(Spec {
        name: name?,
        driver: driver?,
        target: target?,
        release: release?,
        strategy: strategy?,
        gates: gates?,
        policies,
        limits: limits?,
        dead_man: dead_man.ok()?,
        store: store.ok()?,
        variables: BTreeMap::new(),
        notify: notify?,
        windows: windows.ok()?,
        watch_for: watch_for.ok()?,
    })
}

/// What is left out is sound; what is there has to be.
fn optional<T, U>(part: Option<T>, check: impl FnOnce(T) -> Option<U>) -> Result<Option<U>, Unsound> {
    match part {
        None => Ok(None),
        Some(part) => check(part).map(Some).ok_or(Unsound),
    }
}

/// It is there and means nothing; what is wrong is noted.
struct Unsound;

/// What a document is checked with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The text it was read from.
    pub(super) text: &'a Text<'a>,
    /// What `${VAR}` stands for.
    pub(super) variables: &'a BTreeMap<String, String>,
}

/// What was found so far.
struct Check<'a> {
    findings: &'a mut Vec<Finding>,
    context: Context<'a>,
    /// The region that the target is in, and where the spec says so.
    region: Option<(String, Mark)>,
}

impl Check<'_> {
    /// Says what the findings are about that do not say it yet.
    fn about(&mut self, code: Code) {
        finding::about(self.findings, code);
    }

    /// Notes what is wrong at `mark`, and what would be right.
    fn wrong<T>(&mut self, mark: Mark, wrong: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.add(Finding::new(mark, wrong).help(help))
    }

    fn add<T>(&mut self, finding: Finding) -> Option<T> {
        self.findings.push(finding);
        None
    }

    /// The place of `word` within the text at `at`, or all of it when it cannot be found there.
    fn within(&self, at: &Node, word: &str) -> Mark {
        let shown = self.context.text.slice(at.value());
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
        let whole = |start: &usize| {
            let end = start + word.len();
            is_edge(shown[..*start].chars().next_back()) && is_edge(shown[end..].chars().next())
        };
        let found = shown.match_indices(word).map(|(start, _)| start).find(whole);
        found.map_or(at.value(), |start| {
            let start = at.value().start + start;
            Mark::new(start, start + word.len())
        })
    }

    fn rollout_name(&mut self, name: &str, at: &Node) -> Option<RolloutName> {
        match RolloutName::parse(name) {
            Ok(name) => Some(name),
            Err(help) => self.wrong(at.value(), format!("{} is not a name", words::shown(at, name)), help),
        }
    }

    fn limits(&mut self, limits: &document::Limits, at: &Node) -> Option<Limits> {
        let prepare = self.time(&limits.prepare, at.field("prepare"), MINUTE..=6 * HOUR);
        let shift = self.time(&limits.shift, at.field("shift"), 30 * SECOND..=HOUR);
        let verdict = self.time(&limits.verdict, at.field("verdict"), MINUTE..=DAY);
        let pause = self.time(&limits.pause, at.field("pause"), MINUTE..=7 * DAY);
        let blind = self.time(&limits.blind, at.field("blind"), 30 * SECOND..=HOUR);
        let drain = self.time(&limits.drain, at.field("drain"), 6 * MINUTE..=DAY);
        let retreat = self.time(&limits.retreat, at.field("retreat"), 5 * MINUTE..=DAY);
        Some(Limits {
            prepare: prepare?,
            shift: shift?,
            verdict: verdict?,
            pause: pause?,
            blind: blind?,
            drain: drain?,
            retreat: retreat?,
        })
    }
}

fn policies(policies: &document::Policies) -> Policies {
    let trouble = |word| match word {
        Trouble::Rollback => OnTrouble::Rollback,
        Trouble::Hold => OnTrouble::Hold,
    };
    let on_foreign_write = match policies.on_foreign_write {
        Intrusion::Abort => OnTrouble::Rollback,
        Intrusion::Hold => OnTrouble::Hold,
    };
    Policies { on_breach: trouble(policies.on_breach), on_interrupt: trouble(policies.on_interrupt), on_foreign_write }
}

//! What leads to the slots beside the rollout's rule. It is refused, because a rollout takes the tasks behind it,
//! unless only tests come that way.

use super::refused::{PlanRefusal, refusal};
use crate::domain::fleet::{Above, Entrance, OtherRule, SlotView, Survey};
use crate::gate::{Check, Gate, ProbeRule};
use crate::spec::Spec;

/// How many rules before the rollout's are named.
const ABOVE_SHOWN: usize = 3;

/// Every way to the slots that the rollout would neither move nor leave its tasks.
pub(super) fn refusals(spec: &Spec, survey: &Survey, candidate: &SlotView) -> Vec<PlanRefusal> {
    let tests = test_rules(spec, survey, candidate);
    let is_test = |entrance: &Entrance| entrance.rule.as_ref().is_some_and(|one| tests.contains(&one.rule));
    let refused = survey.entrances.iter().filter(|one| !one.tolerated && !is_test(one));
    let groups = [&survey.blue, &survey.green].map(|slot| &slot.place.target_group);
    let help = |entrance: &Entrance| match &entrance.rule {
        Some(other) if groups.contains(&&other.target_group) => {
            "let that traffic come by the rollout's rule, or give it a service of its own; if only tests come that \
             way, let a probe gate go there"
        }
        Some(_) => "take the service out of that target group, or give what comes there a service of its own",
        None => "take it off the service, or give its callers a service of their own",
    };
    refused
        .map(|one| refusal(format!("{}, and this rollout does not move what comes there", one.what), help(one)))
        .collect()
}

/// What the rollout goes on beside, and what it is without.
pub(super) fn warnings(survey: &Survey) -> Vec<String> {
    let tolerated = survey.entrances.iter().filter(|one| one.tolerated);
    let beside = tolerated.map(|one| format!("{}: this rollout does not move what comes there", one.what));
    beside.chain(taken_before(survey)).collect()
}

/// The rules before the rollout's that take of its requests. Those that lead to its slots are told of as such.
fn taken_before(survey: &Survey) -> Option<String> {
    let ours = survey.rule.priority?;
    let leads_here =
        |one: &Above| survey.entrances.iter().flat_map(|other| &other.rule).any(|rule| rule.rule == one.rule);
    let others: Vec<&Above> = survey.rule.above.iter().filter(|one| !leads_here(one)).collect();
    if let Some(whole) = others.iter().find(|one| one.all) {
        let what = &whole.what;
        return Some(format!(
            "{what} is asked before rule {ours} and takes all of its requests: its weights lead nobody"
        ));
    }
    let names: Vec<&str> = others.iter().take(ABOVE_SHOWN).map(|one| one.what.as_str()).collect();
    let more = others.len().saturating_sub(ABOVE_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = names.join("; ");
    (!names.is_empty()).then(|| {
        format!("asked before rule {ours}, and taking a part of its requests, which this rollout does not move: {names}{more}")
    })
}

/// The rules that only tests come by: a probe goes there, or AWS's own deployment moves them.
pub(super) fn test_rules(spec: &Spec, survey: &Survey, candidate: &SlotView) -> Vec<String> {
    let rules = survey.entrances.iter().filter_map(|one| one.rule.as_ref());
    let is_test = |rule: &&OtherRule| {
        let listeners = survey.code_deploy.iter().flat_map(|group| &group.test_listeners);
        let moved = listeners.into_iter().any(|listener| is_on(&rule.rule, listener));
        moved || probes_through(spec, survey).any(|(_, probe)| is_probed(probe, rule, (survey, candidate)))
    };
    rules.filter(is_test).map(|rule| rule.rule.clone()).collect()
}

/// The gates whose probes go through the load balancer, each with its probe.
pub(super) fn probes_through<'a>(spec: &'a Spec, survey: &Survey) -> impl Iterator<Item = (&'a Gate, &'a ProbeRule)> {
    let through = |rule: &ProbeRule| rule.url.contains("{load_balancer}") || rule.url.contains(&survey.dns_name);
    spec.gates.iter().filter_map(move |gate| match &gate.check {
        Check::Probe(rule) if through(rule) => Some((gate, rule)),
        _ => None,
    })
}

/// Whether a probe goes by the rule: what it sends is what the rule looks at, or it goes to another port than the
/// rollout's rule is on, from where the rule leads to the candidate.
fn is_probed(probe: &ProbeRule, rule: &OtherRule, (survey, candidate): (&Survey, &SlotView)) -> bool {
    let sent = |header: &str| probe.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
    let host = sent("host").map_or("", |(_, host)| host);
    let looks_at = |patterns: &[String], text: &str| {
        let narrow = patterns.iter().filter(|pattern| !matches!(pattern.as_str(), "*" | "/*"));
        narrow.into_iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes()))
    };
    let told_apart = rule.headers.iter().any(|header| sent(header).is_some())
        || looks_at(&rule.hosts, host)
        || looks_at(&rule.paths, probe.path());
    let beside = rule.port != survey.rule.port && rule.target_group == candidate.place.target_group;
    probe.port() == Some(rule.port) && (beside || told_apart)
}

/// Whether a text is of a load balancer's pattern, in which `*` is any text and `?` any one character. A rule has at
/// most five of them.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((b'*', rest)), Some((_, tail))) => matches(rest, text) || matches(pattern, tail),
        (Some((b'*', rest)), None) => matches(rest, text),
        (Some((b'?', rest)), Some((_, tail))) => matches(rest, tail),
        (Some((byte, rest)), Some((first, tail))) => byte.eq_ignore_ascii_case(first) && matches(rest, tail),
        (Some(_), None) => false,
    }
}

/// Whether a rule is one of a listener's.
fn is_on(rule: &str, listener: &str) -> bool {
    let of = rule.replacen(":listener-rule/", ":listener/", 1);
    of.strip_prefix(listener).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

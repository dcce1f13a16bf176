//! The rules of the listener that are asked before the rollout's, and take from it what they match.

use aws_sdk_elasticloadbalancingv2::types::{Rule, RuleCondition};

use super::listener::conditions;
use crate::domain::fleet::Above;

/// What one condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Looks {
    Host,
    Path,
    Method,
    /// At a header of this name, in lower case.
    Header(String),
    /// At what is not compared here: an address, a query.
    Else(String),
}

/// One condition: what it looks at, and the patterns of which one must fit.
#[derive(Clone, Debug)]
struct Condition {
    looks: Looks,
    patterns: Vec<String>,
    /// Whether it has regular expressions too, which are not compared.
    regexes: bool,
}

/// Of the listener's `rules` those with a smaller priority than `rule` that some request meets which would meet it too.
pub(super) fn above(rule: &Rule, rules: &[&Rule]) -> Vec<Above> {
    let Some(ours) = priority(rule) else { return Vec::new() };
    let own: Vec<Condition> = rule.conditions().iter().map(condition).collect();
    let mut found: Vec<(u32, Above)> = rules
        .iter()
        .filter_map(|one| Some((priority(one).filter(|other| *other < ours)?, *one)))
        .filter_map(|(priority, one)| {
            let theirs: Vec<Condition> = one.conditions().iter().map(condition).collect();
            let what = format!("rule {priority} ({})", conditions(one));
            let arn = one.rule_arn().unwrap_or_default().to_owned();
            meet(&theirs, &own).then(|| (priority, Above { rule: arn, what, all: covers(&theirs, &own) }))
        })
        .collect();
    found.sort_by_key(|(priority, _)| *priority);
    found.into_iter().map(|(_, above)| above).collect()
}

fn priority(rule: &Rule) -> Option<u32> {
    rule.priority()?.parse().ok()
}

fn condition(told: &RuleCondition) -> Condition {
    let field = told.field().unwrap_or_default();
    let (looks, values, regexes): (Looks, &[String], &[String]) = match field {
        "host-header" => {
            let config = told.host_header_config();
            (Looks::Host, config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values()))
        }
        "path-pattern" => {
            let config = told.path_pattern_config();
            (Looks::Path, config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values()))
        }
        "http-request-method" => (Looks::Method, told.http_request_method_config().map_or(&[], |c| c.values()), &[]),
        "http-header" => {
            let config = told.http_header_config();
            let name = config.and_then(|c| c.http_header_name()).unwrap_or_default().to_ascii_lowercase();
            let looks = Looks::Header(name);
            (looks, config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values()))
        }
        other => (Looks::Else(other.to_owned()), &[], &[]),
    };
    // The older form of hosts and paths.
    let values = if values.is_empty() && regexes.is_empty() { told.values() } else { values };
    // Only paths are told apart by their case.
    let folded = |text: &String| if looks == Looks::Path { text.clone() } else { text.to_ascii_lowercase() };
    let patterns = values.iter().map(folded).collect();
    Condition { looks, patterns, regexes: !regexes.is_empty() }
}

/// Whether some request can meet the conditions of both. What is not compared can.
fn meet(theirs: &[Condition], ours: &[Condition]) -> bool {
    let can = |one: &Condition, other: &Condition| {
        let any = |one: &String| other.patterns.iter().any(|other| overlap(one.as_bytes(), other.as_bytes()));
        let known = !matches!(one.looks, Looks::Else(_)) && !one.regexes && !other.regexes;
        one.looks != other.looks || !known || one.patterns.iter().any(any)
    };
    theirs.iter().all(|one| ours.iter().all(|other| can(one, other)))
}

/// Whether each request that meets ours meets theirs. What is not compared may not.
fn covers(theirs: &[Condition], ours: &[Condition]) -> bool {
    let met = |one: &Condition| {
        let all = |other: &Condition| {
            let within =
                |inner: &String| one.patterns.iter().any(|outer| is_within(outer.as_bytes(), inner.as_bytes()));
            one.looks == other.looks
                && !other.regexes
                && !other.patterns.is_empty()
                && other.patterns.iter().all(within)
        };
        let everything = |pattern: &String| pattern == "*" || (one.looks == Looks::Path && pattern == "/*");
        let always = matches!(one.looks, Looks::Host | Looks::Path) && one.patterns.iter().any(everything);
        always || ours.iter().any(all)
    };
    theirs.iter().all(met)
}

/// Whether some text is of both patterns.
fn overlap(one: &[u8], other: &[u8]) -> bool {
    fits(one, other, true)
}

/// Whether each text of the inner pattern is one of the outer.
fn is_within(outer: &[u8], inner: &[u8]) -> bool {
    fits(outer, inner, false)
}

/// Whether a pattern, in which `*` is any text and `?` any one character, can be read as the other one: as some text of
/// it, where `some` says so, or else as it is written, so that each text of it is meant.
fn fits(pattern: &[u8], other: &[u8], some: bool) -> bool {
    let is = |at: Option<u8>, what: u8| at == Some(what);
    // Whether as much of the pattern as the row says can be read as the other's beginning as long as the column says.
    let mut before = vec![false; other.len() + 1];
    for row in 0..=pattern.len() {
        let mut now = vec![false; other.len() + 1];
        for column in 0..=other.len() {
            let a = row.checked_sub(1).map(|at| pattern[at]);
            let b = column.checked_sub(1).map(|at| other[at]);
            let star = is(a, b'*') || (some && is(b, b'*'));
            let free = is(a, b'?') || (some && is(b, b'?')) || a == b;
            let one = a.is_some() && b.is_some() && !is(a, b'*') && !is(b, b'*') && free;
            now[column] = (row, column) == (0, 0)
                || (star && (before[column] || (column > 0 && now[column - 1])))
                || (one && before[column - 1]);
        }
        before = now;
    }
    before[other.len()]
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        HostHeaderConditionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig,
    };

    use super::*;

    #[test]
    fn patterns_overlap_and_lie_within_each_other_as_their_texts_do() {
        for (one, other, overlaps, within) in [
            ("*", "/a", true, true),
            ("/a", "*", true, false),
            ("/a*", "/b*", false, false),
            ("/a*", "*b", true, false),
            ("/a/*", "/a/b/*", true, true),
            ("/a?", "/a*", true, false),
            ("/a*", "/a?", true, true),
            ("?", "*", true, false),
            ("a*b*c", "a?c", true, false),
            ("a*b*c", "a?d", false, false),
            ("a*c", "abc", true, true),
            ("", "*", true, false),
            ("", "", true, true),
        ] {
            assert_eq!(overlap(one.as_bytes(), other.as_bytes()), overlaps, "{one} {other}");
            assert_eq!(overlap(other.as_bytes(), one.as_bytes()), overlaps, "{other} {one}");
            assert_eq!(is_within(one.as_bytes(), other.as_bytes()), within, "{one} {other}");
        }
    }

    fn host(pattern: &str) -> RuleCondition {
        let config = HostHeaderConditionConfig::builder().values(pattern).build();
        RuleCondition::builder().field("host-header").host_header_config(config).build()
    }

    fn path(pattern: &str) -> RuleCondition {
        let config = PathPatternConditionConfig::builder().values(pattern).build();
        RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
    }

    fn header(name: &str, value: &str) -> RuleCondition {
        let config = HttpHeaderConditionConfig::builder().http_header_name(name).values(value).build();
        RuleCondition::builder().field("http-header").http_header_config(config).build()
    }

    fn rule(priority: &str, conditions: &[RuleCondition]) -> Rule {
        Rule::builder().priority(priority).rule_arn(priority).set_conditions(Some(conditions.to_vec())).build()
    }

    #[test]
    fn a_rule_before_ours_takes_what_both_match() {
        let ours = rule("10", &[host("Web.example.com"), path("/shop/*")]);
        let old = RuleCondition::builder().field("path-pattern").values("/shop/*").build();
        let source = RuleCondition::builder().field("source-ip").build();
        let checks: [(Vec<RuleCondition>, Option<bool>); 11] = [
            (vec![path("/shop/*")], Some(true)),
            (vec![old], Some(true)),
            (vec![host("*.EXAMPLE.com")], Some(true)),
            (vec![host("web.example.com"), path("/*")], Some(true)),
            (vec![path("/shop/cart")], Some(false)),
            (vec![path("/Shop/*")], None),
            (vec![host("api.example.com")], None),
            (vec![host("api.example.com"), path("/shop/*")], None),
            (vec![header("X-Slot", "green")], Some(false)),
            (vec![path("/*"), source], Some(false)),
            (vec![path("/other/*"), header("X-Slot", "green")], None),
        ];
        for (conditions, expected) in checks {
            let other = rule("9", &conditions);
            let found: Vec<bool> = above(&ours, &[&ours, &other]).into_iter().map(|one| one.all).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{conditions:?}");
            assert!(above(&ours, &[&rule("11", &conditions)]).is_empty());
        }
        let headed = rule("10", &[header("x-slot", "green*")]);
        let says = |value: &str| above(&headed, &[&rule("2", &[header("X-Slot", value)])]);
        assert_eq!(says("*").first().map(|one| one.all), Some(true));
        assert_eq!(says("green-2").first().map(|one| one.what.as_str()), Some("rule 2 (header X-Slot green-2)"));
        assert!(says("blue").is_empty());
        let default = Rule::builder().priority("default").is_default(true).build();
        assert!(above(&ours, &[&default]).is_empty() && above(&default, &[&ours]).is_empty());
    }
}

//! Composite alarms: which alarms ring them, by their rules' own words.

use std::collections::{BTreeMap, BTreeSet};

/// What a composite alarm is made of, through composite alarms inside it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composed {
    /// Alarms on the target that can ring it, and composite ones of them.
    pub of: BTreeSet<String>,
    /// Alarms on something else that can.
    pub others: BTreeSet<String>,
}

/// What `name` is made of, by the alarms that each composite alarm's rule names; `metric` are those on the target.
pub(super) fn composed(name: &str, rules: &BTreeMap<String, Vec<String>>, metric: &BTreeSet<String>) -> Composed {
    let mut made = Composed::default();
    let mut open = vec![name];
    // A rule is opened once, so a circle of them ends.
    while let Some(part) = open.pop().and_then(|name| rules.get(name)) {
        for child in part {
            if metric.contains(child) {
                made.of.insert(child.clone());
            } else if !rules.contains_key(child) {
                made.others.insert(child.clone());
            } else if child != name && made.of.insert(child.clone()) {
                open.push(child);
            }
        }
    }
    made
}

/// The names of the alarms that bring a rule nearer to ringing when they ring: those of `ALARM(…)` under an even
/// number of `NOT`s, and of the other states under an odd one ("AlarmRule" of `PutCompositeAlarm` in the API
/// reference). A rule that is not understood has none.
pub(super) fn ringers(rule: &str) -> Vec<String> {
    let mut names = Vec::new();
    // Whether what comes next is turned round, and the same of each parenthesis around it.
    let (mut turned, mut around) = (false, vec![false]);
    let mut rest = rule.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(word);
        rest = after.trim_start();
        match word {
            "ALARM" | "OK" | "INSUFFICIENT_DATA" => {
                let Some((name, after)) = argument(rest) else { return Vec::new() };
                if turned != (word == "ALARM") {
                    names.push(name);
                }
                (turned, rest) = (around.last() == Some(&true), after.trim_start());
            }
            "AT_LEAST" => {
                let Some((rings, counted, after)) = counted(rest) else { return Vec::new() };
                if turned != rings {
                    names.extend(counted);
                }
                (turned, rest) = (around.last() == Some(&true), after.trim_start());
            }
            "NOT" => turned = !turned,
            "AND" | "OR" | "TRUE" | "FALSE" => turned = around.last() == Some(&true),
            "" if first == '(' => {
                around.push(turned);
                rest = rest[1..].trim_start();
            }
            "" if first == ')' && around.len() > 1 => {
                around.pop();
                turned = around.last() == Some(&true);
                rest = rest[1..].trim_start();
            }
            _ => return Vec::new(),
        }
    }
    names
}

/// The alarm's name in `(name)`, `("name")` or `(ARN)`, and what follows.
fn argument(text: &str) -> Option<(String, &str)> {
    let (name, after) = reference(text.strip_prefix('(')?)?;
    Some((name, after.strip_prefix(')')?))
}

/// The alarms of `(2, ALARM, (a, b))`, or of `(50%, NOT OK, (a, b))`, whether one that rings brings the count nearer, and
/// what follows ("Composite alarms" in the CloudWatch user guide).
fn counted(text: &str) -> Option<(bool, Vec<String>, &str)> {
    let (_, after) = text.strip_prefix('(')?.split_once(',')?;
    let (condition, after) = after.split_once(',')?;
    let (negated, state) = match condition.trim().strip_prefix("NOT ") {
        Some(state) => (true, state.trim()),
        None => (false, condition.trim()),
    };
    let is_state = matches!(state, "ALARM" | "OK" | "INSUFFICIENT_DATA");
    let mut rest = after.trim_start().strip_prefix('(').filter(|_| is_state)?;
    let mut names = Vec::new();
    loop {
        let (name, after) = reference(rest)?;
        names.push(name);
        if let Some(after) = after.strip_prefix(')') {
            return Some((negated != (state == "ALARM"), names, after.trim_start().strip_prefix(')')?));
        }
        rest = after.strip_prefix(',')?;
    }
}

/// An alarm by name or ARN, in quotes or not, and what follows. In quotes a backslash stands before a quote.
fn reference(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let (name, after) = match text.strip_prefix('"') {
        Some(quoted) => {
            let ends = |(at, _): &(usize, char)| !quoted[..*at].ends_with('\\');
            let (end, _) = quoted.char_indices().filter(|(_, c)| *c == '"').find(ends)?;
            (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
        }
        None => {
            let end = text.find([',', ')'])?;
            (text[..end].trim().to_owned(), &text[end..])
        }
    };
    let name = match name.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":alarm:")?.1.to_owned(),
        None => name,
    };
    Some((name, after.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_what_rings_it() {
        let check = |rule: &str, names: &[&str]| assert_eq!(ringers(rule), names, "{rule}");
        check("ALARM(a)", &["a"]);
        check("ALARM(\"a b\") OR ALARM( c )", &["a b", "c"]);
        check("ALARM(a) AND NOT ALARM(deploying)", &["a"]);
        check("NOT (ALARM(a) OR OK(b)) AND ALARM(c)", &["b", "c"]);
        check("NOT NOT ALARM(a) AND (TRUE OR NOT (NOT ALARM(b)))", &["a", "b"]);
        check("NOT (TRUE OR ALARM(a)) OR NOT FALSE AND ALARM(b)", &["b"]);
        check("OK(a) AND NOT INSUFFICIENT_DATA(b)", &["b"]);
        check("ALARM(arn:aws:cloudwatch:eu-west-1:1:alarm:web:5xx)", &["web:5xx"]);
        for broken in ["", "FALSE", "ALARM(a", "ALARM(a) XOR ALARM(b)", "ALARM a", ")", "alarm(a)"] {
            check(broken, &[]);
        }
    }

    #[test]
    fn a_count_of_alarms_names_those_that_it_counts() {
        let check = |rule: &str, names: &[&str]| assert_eq!(ringers(rule), names, "{rule}");
        check("AT_LEAST(2, ALARM, (a, b, c)) AND NOT ALARM(d)", &["a", "b", "c"]);
        check("AT_LEAST(50%, NOT OK, (\"a, b\", \"arn:aws:cloudwatch:eu-west-1:1:alarm:c\"))", &["a, b", "c"]);
        check("AT_LEAST( 1 , OK , ( a ) ) OR NOT AT_LEAST(\"50%\", NOT ALARM, (b))", &["b"]);
        check("NOT (AT_LEAST(1, INSUFFICIENT_DATA, (a, b)))", &["a", "b"]);
        for broken in ["AT_LEAST", "AT_LEAST(2, ALARM, a, b)", "AT_LEAST(2, RED, (a))", "AT_LEAST(2, ALARM, (a, b)"] {
            check(broken, &[]);
        }
    }

    #[test]
    fn a_name_in_quotes_may_hold_anything() {
        assert_eq!(ringers(r#"ALARM("a) \"b\"") OR ALARM("c")"#), ["a) \"b\"", "c"]);
    }

    #[test]
    fn what_lies_inside_counts_and_a_circle_ends() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let rules = [("outer", list(&["inner", "x"])), ("inner", list(&["y", "stranger", "outer"]))];
        let rules = rules.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
        let metric = list(&["x", "y", "z"]).into_iter().collect();
        let made = composed("outer", &rules, &metric);
        assert_eq!(made.of.into_iter().collect::<Vec<_>>(), ["inner", "x", "y"]);
        assert_eq!(made.others.into_iter().collect::<Vec<_>>(), ["stranger"]);
    }
}

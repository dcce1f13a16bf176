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
    let inside = text.strip_prefix('(')?.trim_start();
    let (name, after) = match inside.strip_prefix('"') {
        Some(quoted) => {
            let (name, after) = quoted.split_once('"')?;
            (name, after.trim_start().strip_prefix(')')?)
        }
        None => inside.split_once(')')?,
    };
    let name = name.trim();
    let name = if name.starts_with("arn:") { name.split_once(":alarm:")?.1 } else { name };
    Some((name.to_owned(), after))
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

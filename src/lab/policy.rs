//! IAM policies as far as a fence needs them: who may do what to what, and until when.

use serde_json::Value;

use super::value::text;

/// The condition key that is played: the time of the call, here in lab time.
const CURRENT_TIME: &str = "aws:CurrentTime";
/// Statements in one policy.
const STATEMENTS_LIMIT: usize = 100;
/// Members of a statement that are understood; another one could widen or narrow it unseen.
const MEMBERS: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    /// All must hold.
    conditions: Vec<Condition>,
}

/// Holds when the time of the call is on this side of any of the moments, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    side: Side,
    moments: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    NotAfter,
    After,
    NotBefore,
}

/// What a policy says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

impl Policy {
    /// Reads a document; what the lab could not hold a call against is refused with a sentence about it.
    pub(crate) fn parse(document: &str) -> Result<Policy, String> {
        let document: Value = serde_json::from_str(document).map_err(|_| "Syntax errors in policy.".to_owned())?;
        let statements = match document.get("Statement") {
            Some(Value::Array(all)) if all.len() <= STATEMENTS_LIMIT => all.iter().map(Statement::parse).collect(),
            Some(one @ Value::Object(_)) => Statement::parse(one).map(|one| vec![one]),
            _ => Err("Syntax errors in policy.".to_owned()),
        };
        Ok(Policy { statements: statements? })
    }

    /// Rules on a call at a moment, in milliseconds.
    pub(crate) fn rule(&self, action: &str, resource: &str, now: u64) -> Ruling {
        let applies = |one: &&Statement| {
            one.actions.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
                && one.resources.iter().any(|pattern| matches(pattern, resource))
                && one.conditions.iter().all(|condition| condition.holds(now))
        };
        let mut ruling = Ruling::NotAllowed;
        for statement in self.statements.iter().filter(applies) {
            if !statement.allows {
                return Ruling::Denied;
            }
            ruling = Ruling::Allowed;
        }
        ruling
    }
}

impl Statement {
    fn parse(of: &Value) -> Result<Statement, String> {
        let members = of.as_object().ok_or("Syntax errors in policy.")?;
        if let Some(other) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(format!("the lab plays no {other} in a statement"));
        }
        let allows = match text(of, "Effect") {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Syntax errors in policy.".to_owned()),
        };
        let (actions, resources) = (one_or_more(of.get("Action")), one_or_more(of.get("Resource")));
        let (Some(actions), Some(resources)) = (actions, resources) else {
            return Err("Policy statement must contain actions and resources.".to_owned());
        };
        let mut conditions = Vec::new();
        if let Some(given) = members.get("Condition") {
            for (operator, keys) in given.as_object().ok_or("Syntax errors in policy.")? {
                for (key, values) in keys.as_object().ok_or("Syntax errors in policy.")? {
                    conditions.push(Condition::parse(operator, key, values)?);
                }
            }
        }
        Ok(Statement { allows, actions, resources, conditions })
    }
}

impl Condition {
    fn parse(operator: &str, key: &str, values: &Value) -> Result<Condition, String> {
        let side = match operator {
            "DateLessThan" => Side::Before,
            "DateLessThanEquals" => Side::NotAfter,
            "DateGreaterThan" => Side::After,
            "DateGreaterThanEquals" => Side::NotBefore,
            _ => return Err(format!("the lab plays no condition {operator}")),
        };
        if !key.eq_ignore_ascii_case(CURRENT_TIME) {
            return Err(format!("the lab plays no condition on {key}"));
        }
        let moment = |text: &String| {
            let at = text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
            let at = at.or_else(|| text.parse::<i64>().ok()?.checked_mul(1_000));
            at.and_then(|at| u64::try_from(at).ok()).ok_or_else(|| format!("{text} is not a date"))
        };
        let values = one_or_more(Some(values)).ok_or("Syntax errors in policy.")?;
        let moments = values.iter().map(moment).collect::<Result<Vec<u64>, String>>()?;
        Ok(Condition { side, moments })
    }

    fn holds(&self, now: u64) -> bool {
        self.moments.iter().any(|at| match self.side {
            Side::Before => now < *at,
            Side::NotAfter => now <= *at,
            Side::After => now > *at,
            Side::NotBefore => now >= *at,
        })
    }
}

/// A text, or a list of at least one; anything else among them is a mistake.
fn one_or_more(of: Option<&Value>) -> Option<Vec<String>> {
    match of? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) if !all.is_empty() => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Whether a text is what a pattern with `*` for any letters says.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/1/2/3";

    fn rule(statements: &Value, action: &str, resource: &str, now: u64) -> Ruling {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        Policy::parse(&document).expect("it is a policy").rule(action, resource, now)
    }

    #[test]
    fn a_fence_lets_one_action_on_one_resource_through_until_its_time() {
        let fence = json!([{"Effect": "Allow", "Action": "elasticloadbalancing:ModifyRule", "Resource": RULE,
            "Condition": {"DateLessThan": {"aws:CurrentTime": "1970-01-01T00:00:30Z"}}}]);
        let modify = "elasticloadbalancing:ModifyRule";
        assert_eq!(rule(&fence, modify, RULE, 29_999), Ruling::Allowed);
        assert_eq!(rule(&fence, modify, RULE, 30_000), Ruling::NotAllowed);
        assert_eq!(rule(&fence, modify, &RULE[1..], 0), Ruling::NotAllowed);
        assert_eq!(rule(&fence, "elasticloadbalancing:DeleteRule", RULE, 0), Ruling::NotAllowed);
    }

    #[test]
    fn a_denial_is_stronger_than_any_allowance() {
        let statements = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["s3:Put*", "s3:Delete*"], "Resource": "arn:aws:s3:::b/*",
             "Condition": {"DateGreaterThan": {"aws:currenttime": "1970-01-01T00:00:10Z"}}}]);
        assert_eq!(rule(&statements, "s3:PutObject", "arn:aws:s3:::b/k", 10_001), Ruling::Denied);
        assert_eq!(rule(&statements, "s3:PutObject", "arn:aws:s3:::b/k", 10_000), Ruling::Allowed);
        assert_eq!(rule(&statements, "s3:GetObject", "arn:aws:s3:::b/k", 10_001), Ruling::Allowed);
        assert_eq!(rule(&statements, "s3:PutObject", "arn:aws:s3:::c/k", 10_001), Ruling::Allowed);
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, text) in [("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*b*c", "axxbyyc"), ("a*c", "ac")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*", "ba"), ("*b", "ba"), ("a*b*c", "acb"), ("ab*bc", "abc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_held_against_a_call_is_refused() {
        let fine = || json!({"Effect": "Allow", "Action": "a:b", "Resource": "*"});
        let mut wrong = vec![json!("x"), json!({"Effect": "Maybe", "Action": "a:b", "Resource": "*"})];
        for (member, value) in [
            ("NotAction", json!("a:c")),
            ("Resource", json!([])),
            ("Action", json!(["a:b", 1])),
            ("Condition", json!("DateLessThan")),
            ("Condition", json!({"DateLessThan": {"aws:CurrentTime": []}})),
            ("Condition", json!({"StringEquals": {"aws:ResourceTag/epoch": "1"}})),
            ("Condition", json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}})),
            ("Condition", json!({"DateLessThan": {"aws:CurrentTime": "soon"}})),
        ] {
            let mut statement = fine();
            statement[member] = value;
            wrong.push(statement);
        }
        for statement in wrong {
            assert!(Policy::parse(&json!({"Statement": [statement.clone()]}).to_string()).is_err(), "{statement}");
        }
        assert!(Policy::parse("{").is_err());
        assert!(Policy::parse(&json!({"Statement": fine()}).to_string()).is_ok());
    }
}

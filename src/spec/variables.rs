//! `${VAR}`, `${VAR:-default}` and `$$` in the spec's text, resolved after parsing: what a variable
//! holds can never become structure.

use std::collections::{BTreeMap, HashSet};

use serde_yaml::Value;

use super::finding::{Finding, Mark};
use super::text::Text;
use super::tree::{Inner, Node};

/// What is wrong with one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Broken {
    /// The reference as written, as far as it goes.
    reference: String,
    wrong: String,
    help: String,
}

/// Fills in `${VAR}`, `${VAR:-default}` and `$$` in `text`. The default stands in for a variable that
/// is unset or empty; what is filled in is not looked into again.
///
/// # Errors
/// Says in words which variable is not set, or which reference is none.
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (expanded, broken) = filled(text, variables);
    match broken.into_iter().next() {
        None => Ok(expanded),
        Some(Broken { wrong, .. }) => Err(wrong),
    }
}

/// What could not be resolved.
#[derive(Default)]
pub(super) struct Unresolved {
    pub(super) findings: Vec<Finding>,
    /// The values that are not known, and break no rule for that.
    pub(super) values: HashSet<Mark>,
    /// What was filled in: each variable with what it holds.
    pub(super) used: BTreeMap<String, Option<String>>,
}

/// Resolves every text in `value`, and marks the places that hold a variable. What may be a secret is only
/// checked: headers, a webhook's URL or secret and a command's arguments are filled in when they are used, and never
/// written down.
pub(super) fn resolve(
    text: &Text<'_>,
    value: &mut Value,
    node: &mut Node,
    variables: &BTreeMap<String, String>,
) -> Unresolved {
    let unresolved = Unresolved::default();
    let mut resolver = Resolver { text, variables, path: Vec::new(), unresolved };
    resolver.walk(value, node);
    resolver.unresolved
}

struct Resolver<'a> {
    text: &'a Text<'a>,
    variables: &'a BTreeMap<String, String>,
    path: Vec<String>,
    unresolved: Unresolved,
}

impl Resolver<'_> {
    fn walk(&mut self, value: &mut Value, node: &mut Node) {
        match (value, &mut node.inner) {
            (Value::Mapping(fields), Inner::Map(places)) => {
                for ((_, field), (key, place)) in fields.iter_mut().zip(places) {
                    self.path.push(key.text.clone());
                    self.walk(field, place);
                    self.path.pop();
                }
            }
            (Value::Sequence(items), Inner::List(places)) => {
                for (item, place) in items.iter_mut().zip(places) {
                    self.walk(item, place);
                }
            }
            (Value::String(written), Inner::Scalar) if written.contains('$') => self.text(written, node),
            _ => {}
        }
    }

    fn text(&mut self, written: &mut String, node: &mut Node) {
        let (expanded, broken) = filled(written, self.variables);
        node.from_variable = written.contains("${");
        let source = self.text.slice(node.mark);
        let mut from = 0;
        for Broken { reference, wrong, help } in broken {
            let found = source.get(from..).and_then(|rest| rest.find(&reference)).map(|at| from + at);
            let mark = found.map_or(node.mark, |at| {
                from = at + reference.len();
                Mark::new(node.mark.start + at, node.mark.start + from)
            });
            self.unresolved.findings.push(Finding::new(mark, wrong).help(help));
            self.unresolved.values.insert(node.mark);
        }
        if !self.is_used_later() {
            let held = |name: &str| (name.to_owned(), self.variables.get(name).cloned());
            self.unresolved.used.extend(names(written).into_iter().map(held));
            *written = expanded;
        }
    }

    fn is_used_later(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let outside = ["gates", "webhook", "url"] == *path || ["gates", "command", "command"] == *path;
        let notify = matches!(path.as_slice(), ["notify", _, "url" | "secret"]);
        outside || notify || matches!(path.as_slice(), ["gates", .., "headers", _])
    }
}

/// The variables that `text` refers to.
fn names(text: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
        } else if let Some((reference, left)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            found.push(reference.split_once(":-").map_or(reference, |(name, _)| name));
            rest = left;
        }
    }
    found
}

/// `text` with its references filled in as far as they can be, and what is wrong with the others.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> (String, Vec<Broken>) {
    let (mut filled, mut broken, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            filled.push('$');
            rest = escaped;
        } else if let Some(inside) = after.strip_prefix('{') {
            let Some((reference, left)) = inside.split_once('}') else {
                let help = "close it with `}`, or write `$$` for a dollar sign".to_owned();
                let wrong = "a `${` that is never closed".to_owned();
                broken.push(Broken { reference: "${".to_owned(), wrong, help });
                return (filled, broken);
            };
            match value_of(reference, variables) {
                Ok(value) => filled.push_str(&value),
                Err((wrong, help)) => broken.push(Broken { reference: format!("${{{reference}}}"), wrong, help }),
            }
            rest = left;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled.push_str(rest);
    (filled, broken)
}

/// What `VAR` or `VAR:-default` stands for.
fn value_of(reference: &str, variables: &BTreeMap<String, String>) -> Result<String, (String, String)> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let shown: String = reference.chars().take(40).collect();
        return Err((
            format!("`${{{}}}` is not a variable", shown.escape_debug()),
            "write `${VAR}`, `${VAR:-default}`, or `$$` for a dollar sign".to_owned(),
        ));
    }
    if default.is_some_and(|default| default.contains("${")) {
        let wrong = format!("the default of `{name}` holds another variable");
        return Err((wrong, "a default is plain text".to_owned()));
    }
    match (variables.get(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            Err((format!("the variable `{name}` is not set"), format!("set it, or give a default: `${{{name}:-…}}`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_known_by_its_name() {
        assert_eq!(names("${A}-$${B} $5 ${C:-$x}:${A}"), ["A", "C", "A"]);
        assert!(names("${A").is_empty());
    }

    #[test]
    fn references_are_filled_in_once() {
        let variables = [("V", "42"), ("EMPTY", ""), ("NESTED", "${V}")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let check = |text, expanded: Result<&str, &str>| {
            let found = expand(text, &variables);
            assert_eq!(found.as_deref().map_err(String::as_str), expanded, "{text}");
        };
        check("web:${V}", Ok("web:42"));
        check("${V}${V}", Ok("4242"));
        check("${EMPTY}", Ok(""));
        check("${EMPTY:-7}", Ok("7"));
        check("${UNSET:-a:b}", Ok("a:b"));
        check("${NESTED}", Ok("${V}"));
        check("$$ $${V} $5", Ok("$ ${V} $5"));
        check("${UNSET}", Err("the variable `UNSET` is not set"));
        check("${V", Err("a `${` that is never closed"));
        check("${}", Err("`${}` is not a variable"));
        check("${V:?no}", Err("`${V:?no}` is not a variable"));
        check("${UNSET:-${V}}", Err("the default of `UNSET` holds another variable"));
    }
}

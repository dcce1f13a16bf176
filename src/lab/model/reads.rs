//! What the lab reads of an input: the members it plays or keeps and tells back, and the values of them it plays.
//!
//! A line is an operation and the members of its input: `name`, `name{…}` with members of its own, `name*` with all
//! that is below it, `name=VALUE|VALUE` where only these values are played. What is not in the line is not played, and
//! a request that brings it is refused, which says more than a member that is dropped. A line may go on, indented.

use std::collections::BTreeMap;

use serde_json::Value;

/// The members that are read of a structure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    members: BTreeMap<String, Below>,
}

/// What is read of one member.
#[derive(Debug, PartialEq, Eq)]
enum Below {
    /// Everything.
    All,
    /// The value itself, which has no members.
    Leaf,
    /// Only these values.
    Words(Vec<String>),
    /// These members of it, or of each of its elements.
    Members(Reads),
}

impl Reads {
    /// The first member, by its path, and its value, that is not read.
    pub(crate) fn unread(&self, given: &Value) -> Option<(String, Value)> {
        given.as_object()?.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
            let unread = match self.members.get(name) {
                None => Some((String::new(), value.clone())),
                Some(below) => below.unread(value),
            };
            unread.map(|(rest, value)| (if rest.is_empty() { name.clone() } else { format!("{name}.{rest}") }, value))
        })
    }
}

impl Below {
    fn unread(&self, value: &Value) -> Option<(String, Value)> {
        match self {
            Below::All | Below::Leaf => None,
            Below::Words(words) => {
                let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (!words.contains(&word)).then(|| (String::new(), value.clone()))
            }
            Below::Members(reads) => match value {
                Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| {
                    let (rest, value) = reads.unread(item)?;
                    Some((format!("{}.{rest}", place + 1), value))
                }),
                other => reads.unread(other),
            },
        }
    }
}

/// Reads a table. A line that begins with `@name` gives words a name, which stands for them in the lines below it.
pub(crate) fn parse(table: &str) -> Result<BTreeMap<String, Reads>, String> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let text = lines.map(|line| line.replace('{', " { ").replace('}', " } ")).collect::<Vec<_>>().join("\n");
    let mut named: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut operations = BTreeMap::new();
    let text = text.replace("\n ", " ");
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let words = words.flat_map(|word| match named.iter().find(|(name, _)| *name == word) {
            Some((_, words)) => words.clone(),
            None => vec![word],
        });
        let words: Vec<&str> = words.collect();
        if name.starts_with('@') {
            named.push((name, words));
            continue;
        }
        let mut words = words.into_iter().peekable();
        let reads = members(&mut words).map_err(|error| format!("{name}: {error}"))?;
        if words.next().is_some() {
            return Err(format!("{name}: a brace is closed that was not opened"));
        }
        if operations.insert(name.to_owned(), reads).is_some() {
            return Err(format!("{name} has two lines"));
        }
    }
    Ok(operations)
}

fn members<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Result<Reads, String> {
    let mut reads = Reads::default();
    while let Some(word) = words.next_if(|word| *word != "}") {
        let (name, below) = match (word.strip_suffix('*'), word.split_once('=')) {
            (Some(name), _) => (name, Below::All),
            (None, Some((name, values))) => (name, Below::Words(values.split('|').map(str::to_owned).collect())),
            (None, None) if words.next_if_eq(&"{").is_some() => {
                let inner = members(words)?;
                words.next().ok_or_else(|| format!("{word}{{ is not closed"))?;
                (word, Below::Members(inner))
            }
            (None, None) => (word, Below::Leaf),
        };
        if reads.members.insert(name.to_owned(), below).is_some() {
            return Err(format!("{name} stands there twice"));
        }
    }
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, Model, operations};
    use super::*;

    #[test]
    fn what_a_line_does_not_name_is_not_read() {
        let table = "# words\n@place port\n  more*\nPut name tags* place{@place} kind=A|B\nGet name\n";
        let table = parse(table).expect("it reads");
        let unread = |input: Value| table["Put"].unread(&input).map(|(path, _)| path);
        assert_eq!(unread(json!({"name": "a", "tags": [{"key": 1}], "kind": "A", "not": null})), None);
        assert_eq!(
            unread(json!({"place": [{"port": 1, "more": {"deep": 1}}, {"host": 1}]})),
            Some("place.2.host".into())
        );
        assert_eq!(unread(json!({"kind": "C"})), Some("kind".into()));
        assert_eq!(unread(json!({"other": false})), Some("other".into()));
        for wrong in ["Put a{b", "Put a}", "Put a a", "Put a\nPut b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    /// Names in a line that the model does not have, and structures of which the line does not say what is read.
    fn strangers(model: &Model, shape: &str, reads: &Reads, path: &str, found: &mut Vec<String>) {
        for (name, below) in &reads.members {
            let path = format!("{path}.{name}");
            let Some(mut inner) = model.shape(shape).members.get(name) else {
                found.push(path);
                continue;
            };
            while let Some(element) = &model.shape(inner).member {
                inner = element;
            }
            let has_members = model.shape(inner).kind == Kind::Structure || model.shape(inner).kind == Kind::Map;
            match below {
                Below::Members(reads) => strangers(model, inner, reads, &path, found),
                Below::Leaf if has_members => found.push(format!("{path} has members")),
                Below::Words(words) if !model.shape(inner).words.is_empty() => {
                    found.extend(words.iter().filter(|word| !model.shape(inner).words.contains(word)).cloned());
                }
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_read_is_in_the_models() {
        let mut found = Vec::new();
        for (service, operation) in operations() {
            let model = Model::of(service);
            let (Some(reads), Some(it)) = (model.reads(operation), model.operation(operation)) else { continue };
            let path = format!("{service} {operation}");
            match &it.input {
                Some(input) => strangers(model, input, reads, &path, &mut found),
                None => assert_eq!(reads, &Reads::default(), "{path} has no input"),
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}

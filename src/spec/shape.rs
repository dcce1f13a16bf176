//! Whether a spec has the shape of the language: which fields there are, which are missing, and what
//! kind of value stands where. It reads against the schema, so that all problems come at once and
//! not only serde_yaml's first; what is sound is then handed to serde_yaml.

use serde_json::Value as Schema;
use serde_yaml::{Mapping, Value};

use super::document::Document;
use super::finding::{Finding, Mark};
use super::tree::{Inner, Key, Node};
use super::words::{self, expected, listed, quoted};

/// Reads `value` as a document. Sections and gates with a problem are left out of it, so that the
/// rest can be checked all the same.
pub(super) fn read(mut value: Value, node: &Node, findings: &mut Vec<Finding>) -> Option<Document> {
    let root = Spot { node, schema: super::schema::shared(), called: Called::Spec };
    let mut shape = Shape { findings };
    let Value::Mapping(sections) = &mut value else {
        shape.wrong(node.value(), "a spec is a mapping of `name: value` lines", "it starts with `version: 1`");
        return None;
    };
    shape.fields(sections, root);
    sections.retain(|key, section| {
        let name = key.as_str().unwrap_or_default();
        let Some(schema) = root.schema["properties"].get(name) else { return false };
        let spot = Spot { node: node.field(name), schema, called: Called::Field(name) };
        match section {
            Value::Sequence(gates) if name == "gates" => {
                shape.items(gates, spot, drop_unsound);
                true
            }
            section => shape.walk(section, spot),
        }
    });
    match serde_yaml::with::singleton_map_recursive::deserialize(value) {
        Ok(document) => Some(document),
        Err(error) => {
            let wrong = format!("cannot be read: {}", error.to_string().escape_debug());
            shape.findings.push(Finding::new(node.head, wrong));
            None
        }
    }
}

/// Leaves nothing of an item that is not sound.
fn drop_unsound(item: &mut Value, is_sound: bool) {
    if !is_sound {
        *item = Value::Null;
    }
}

/// Where a value stands, what the language says about it, and what messages call it.
#[derive(Clone, Copy)]
struct Spot<'a> {
    node: &'a Node,
    schema: &'a Schema,
    called: Called<'a>,
}

/// What a value is called in messages.
#[derive(Clone, Copy)]
enum Called<'a> {
    /// The whole.
    Spec,
    /// A field, by its key.
    Field(&'a str),
    /// An item, by its list's key.
    Item(&'a str),
}

impl<'a> Called<'a> {
    /// `step` for an item of `steps`, `canary` for the field.
    fn word(self) -> &'a str {
        match self {
            Called::Spec => "spec",
            Called::Field(name) => name,
            Called::Item(list) => list.strip_suffix('s').unwrap_or(list),
        }
    }

    /// `the spec`, `` `canary` ``, `a step`.
    fn said(self) -> String {
        match self {
            Called::Spec => "the spec".to_owned(),
            Called::Field(name) => quoted(name),
            Called::Item(_) => words::with_article(self.word()),
        }
    }
}

impl Spot<'_> {
    /// A bound that the schema sets.
    fn bound(&self, key: &str) -> Option<f64> {
        self.schema.get(key).and_then(Schema::as_f64)
    }

    /// Whether a value of this kind may stand here.
    fn allows(&self, kind: &str) -> bool {
        match &self.schema["type"] {
            Schema::Array(kinds) => kinds.iter().any(|allowed| allowed == kind),
            only => only == kind,
        }
    }
}

struct Shape<'f> {
    findings: &'f mut Vec<Finding>,
}

impl Shape<'_> {
    fn wrong(&mut self, mark: Mark, wrong: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::new(mark, wrong).help(help));
    }

    /// Reads `value`; whether it is sound.
    fn walk(&mut self, value: &mut Value, spot: Spot<'_>) -> bool {
        let before = self.findings.len();
        match value {
            Value::Null => {
                let help = words::instead_of_nothing(spot.called.word(), spot.schema);
                self.wrong(spot.node.value(), format!("{} has no value", spot.called.said()), help);
            }
            _ if spot.schema.get("oneOf").is_some() => self.choice(value, spot),
            Value::Mapping(fields) if spot.allows("object") => self.mapping(fields, spot),
            Value::Sequence(items) if spot.allows("array") => self.items(items, spot, |_, _| {}),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => self.scalar(value, spot),
            _ => self.wrong_kind(value, spot),
        }
        self.findings.len() == before
    }

    fn mapping(&mut self, fields: &mut Mapping, spot: Spot<'_>) {
        self.fields(fields, spot);
        for (index, (key, value)) in fields.iter_mut().enumerate() {
            let Some(name) = key.as_str() else { continue };
            let open = spot.schema.get("additionalProperties").filter(|schema| schema.is_object());
            if let Some(schema) = spot.schema["properties"].get(name).or(open) {
                let (_, node) = entry(spot.node, index, name);
                self.walk(value, Spot { node, schema, called: Called::Field(name) });
            }
        }
    }

    /// Which fields there are, whatever they hold.
    fn fields(&mut self, fields: &Mapping, spot: Spot<'_>) {
        let known: Vec<&str> = words::keys(&spot.schema["properties"]);
        let is_open = spot.schema.get("additionalProperties").is_some_and(Schema::is_object);
        let mut meant: Vec<&str> = Vec::new();
        for (index, key) in fields.keys().enumerate() {
            let name = key.as_str().unwrap_or_default();
            let (mark, _) = entry(spot.node, index, name);
            if !key.is_string() {
                self.wrong(mark, "a field's name is text", "put it in quotes");
            } else if !is_open && !known.contains(&name) {
                let close = words::closest(name, &known);
                meant.extend(close);
                let wrong = format!("{} has no field {}", spot.called.said(), quoted(name));
                self.wrong(mark, wrong, words::did_you_mean(close, &known));
            }
        }
        let required = spot.schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for name in required.iter().filter_map(Schema::as_str) {
            if !fields.contains_key(name) && !meant.contains(&name) {
                let help = words::add_field(name, &spot.schema["properties"][name]);
                self.wrong(spot.node.head, format!("{} lacks {}", spot.called.said(), quoted(name)), help);
            }
        }
        self.count(fields.len(), spot, ["minProperties", "maxProperties"]);
    }

    fn items(&mut self, items: &mut [Value], spot: Spot<'_>, after: fn(&mut Value, bool)) {
        self.count(items.len(), spot, ["minItems", "maxItems"]);
        let too_many = spot.bound("maxItems").is_some_and(|most| items.len() as f64 > most);
        let called = Called::Item(spot.called.word());
        for (index, item) in items.iter_mut().enumerate().filter(|_| !too_many) {
            let is_sound = self.walk(item, Spot { node: spot.node.item(index), schema: &spot.schema["items"], called });
            after(item, is_sound);
        }
    }

    fn count(&mut self, count: usize, spot: Spot<'_>, [least, most]: [&str; 2]) {
        let said = spot.called.said();
        if spot.bound(least).is_some_and(|least| (count as f64) < least) {
            self.wrong(spot.node.head, format!("{said} is empty"), "at least one is needed");
        }
        if let Some(most) = spot.bound(most).filter(|most| count as f64 > *most) {
            self.wrong(spot.node.head, format!("{said} holds {count}"), format!("at most {most} are allowed"));
        }
    }

    /// A mapping with exactly one of several words.
    fn choice(&mut self, value: &mut Value, spot: Spot<'_>) {
        let choices = spot.schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let known: Vec<&str> = choices.iter().flat_map(|choice| words::keys(&choice["properties"])).collect();
        let Value::Mapping(fields) = value else {
            let wrong = format!("{} is {}", spot.called.said(), expected(spot.schema));
            self.wrong(spot.node.value(), wrong, words::instead_of_scalar(value, &known, spot.schema));
            return;
        };
        self.one_word(spot, &known);
        for (index, (key, inner)) in fields.iter_mut().enumerate() {
            let word = key.as_str().unwrap_or_default();
            let (mark, node) = entry(spot.node, index, word);
            if let Some(schema) = choices.iter().find_map(|choice| choice["properties"].get(word)) {
                self.walk(inner, Spot { node, schema, called: Called::Field(word) });
            } else {
                let wrong = format!("unknown {} {}", spot.called.word(), quoted(word));
                self.wrong(mark, wrong, words::did_you_mean(words::closest(word, &known), &known));
            }
        }
    }

    fn one_word(&mut self, spot: Spot<'_>, known: &[&str]) {
        let said = spot.called.said();
        let keys: Vec<&Key> = spot.node.keys().collect();
        match keys.as_slice() {
            [] => self.wrong(spot.node.head, format!("{said} is empty"), format!("write one of {}", listed(known))),
            [_] => {}
            [first, second, ..] => {
                let (wrong, help) = if let Called::Item(_) = spot.called {
                    let key = &second.text.escape_debug();
                    let help = format!("give {} an item of its own: `- {key}: …`", quoted(&second.text));
                    (format!("{said} holds one word, this one holds {}", keys.len()), help)
                } else {
                    (format!("{said} holds only one of {}", listed(known)), "keep one of them".to_owned())
                };
                self.findings.push(Finding::new(second.mark, wrong).note(first.mark, "the first").help(help));
            }
        }
    }

    fn scalar(&mut self, value: &mut Value, spot: Spot<'_>) {
        if spot.node.from_variable {
            words::read_plain(value, spot.schema);
        }
        match value {
            Value::Bool(_) if spot.allows("boolean") => {}
            Value::String(word) if spot.allows("string") => self.word(word, spot),
            Value::Number(number) if spot.allows("number") && number.is_finite() => self.range(number.as_f64(), spot),
            Value::Number(number) if spot.allows("integer") && !number.is_f64() => self.range(number.as_f64(), spot),
            _ => self.wrong_kind(value, spot),
        }
    }

    fn word(&mut self, word: &str, spot: Spot<'_>) {
        let Some(known) = spot.schema["enum"].as_array() else { return };
        let known: Vec<&str> = known.iter().filter_map(Schema::as_str).collect();
        if !known.contains(&word) {
            let wrong = format!("{} cannot be {}", spot.called.said(), words::shown(spot.node, word));
            self.wrong(spot.node.value(), wrong, words::did_you_mean(words::closest(word, &known), &known));
        }
    }

    /// A number within its bounds. A share has its own words for what is out of them.
    fn range(&mut self, number: Option<f64>, spot: Spot<'_>) {
        let number = number.unwrap_or_default();
        let (least, most) = (spot.bound("minimum"), spot.bound("maximum"));
        let is_within = least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
        if is_within || spot.schema["title"] == "share" {
            return;
        }
        let wrong = format!("{} cannot be {}", spot.called.said(), words::shown(spot.node, &number.to_string()));
        let help = match (least, most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, most) => format!("at most {}", most.unwrap_or_default()),
        };
        self.wrong(spot.node.value(), wrong, help);
    }

    fn wrong_kind(&mut self, value: &Value, spot: Spot<'_>) {
        let came = words::came(value, spot.node);
        let wrong = format!("{} is {}, not {came}", spot.called.said(), expected(spot.schema));
        let finding = Finding::new(spot.node.value(), wrong);
        self.findings.push(match words::instead_of(value, spot.node, spot.schema) {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
}

/// The place of entry `index`, which is called `name`, of the mapping at `node`: of its key and its value.
fn entry<'n>(node: &'n Node, index: usize, name: &str) -> (Mark, &'n Node) {
    if let Inner::Map(entries) = &node.inner
        && let Some((key, place)) = entries.get(index)
    {
        return (key.mark, place);
    }
    (node.head, node.field(name))
}

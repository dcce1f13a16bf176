//! The words of messages: what a value should have been, what came instead, and what was meant.
//! Nothing of the spec is repeated unescaped, and what came from a variable is not repeated at all.

use serde_json::Value as Schema;
use serde_yaml::Value;

use super::tree::Node;

/// The longest text that is compared or repeated, in characters.
const MAX_SHOWN: usize = 60;

/// `text` in backquotes, escaped and cut.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(MAX_SHOWN).flat_map(escape).collect();
    let cut = if text.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

/// `c` as it may be shown: what is hidden or turns text becomes `\u{…}`.
fn escape(c: char) -> Box<dyn Iterator<Item = char>> {
    if c.is_control() || super::text::turns_text(c) || super::text::takes_no_room(c) {
        Box::new(c.escape_unicode())
    } else {
        Box::new(std::iter::once(c))
    }
}

/// The value at `node`, which reads `text`, as a message may show it.
pub(super) fn shown(node: &Node, text: &str) -> String {
    match text {
        _ if node.from_variable => "what the variable holds".to_owned(),
        "" => "an empty text".to_owned(),
        text => quoted(text),
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The known word that `word` was probably meant to be.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.chars().count() > MAX_SHOWN {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let word = plain(word);
    let likeness = |known: &&str| strsim::jaro_winkler(&word, &plain(known));
    let close = known.iter().map(|known| (likeness(known), *known)).filter(|(likeness, _)| *likeness > 0.8);
    close.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// The help for an unknown word.
pub(super) fn did_you_mean(close: Option<&str>, known: &[&str]) -> String {
    match close {
        Some(close) => format!("did you mean {}? There are {}", quoted(close), listed(known)),
        None if known.is_empty() => "it has none: write `{}`".to_owned(),
        None if known.len() == 1 => format!("there is only {}", listed(known)),
        None => format!("there are {}", listed(known)),
    }
}

/// The keys of a JSON object.
pub(super) fn keys(object: &Schema) -> Vec<&str> {
    object.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str)).collect()
}

/// What `schema` asks for, with an article.
pub(super) fn expected(schema: &Schema) -> String {
    let kind = schema["type"].as_str().unwrap_or_default();
    if let Some(choices) = schema["oneOf"].as_array() {
        let known: Vec<&str> = choices.iter().flat_map(|choice| keys(&choice["properties"])).collect();
        return format!("a mapping with one of {}", listed(&known));
    }
    match (schema["title"].as_str(), kind) {
        (Some("duration"), _) => "a duration such as `5m`".to_owned(),
        (Some("share"), _) => "a share such as `5%`".to_owned(),
        (Some("percentage"), _) => "a percentage such as `1%`".to_owned(),
        (Some("objective"), _) => "a percentage such as `99.9%`".to_owned(),
        (_, "integer") => "a whole number".to_owned(),
        (_, "number") => "a number".to_owned(),
        (_, "boolean") => "true or false".to_owned(),
        (_, "object") => "a mapping".to_owned(),
        (_, "array") => "a list".to_owned(),
        _ => match schema["enum"].as_array() {
            Some(known) => format!("one of {}", listed(&known.iter().filter_map(Schema::as_str).collect::<Vec<_>>())),
            None => "text".to_owned(),
        },
    }
}

/// What `value` is.
pub(super) fn came(value: &Value, node: &Node) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "the word true".to_owned(),
        Value::Bool(false) => "the word false".to_owned(),
        Value::Number(number) if node.from_variable => format!("the number {}", shown(node, &number.to_string())),
        Value::Number(number) if !number.is_finite() => format!("the value `{number}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if node.from_variable => shown(node, text),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) | Value::Tagged(_) => "a mapping".to_owned(),
    }
}

/// What to write instead of a value of the wrong kind.
pub(super) fn instead_of(value: &Value, node: &Node, schema: &Schema) -> Option<String> {
    let kind = schema["type"].as_str().unwrap_or_default();
    match value {
        _ if node.from_variable => None,
        Value::Number(number) if schema["title"] == "duration" => Some(format!("write `{number}s` or `{number}m`")),
        Value::Number(_) if schema["title"] == "percentage" => Some("write it with its sign: `1%`, `0.03%`".to_owned()),
        Value::Number(number) if kind == "string" => Some(format!("put it in quotes: `\"{number}\"`")),
        Value::Bool(_) if kind == "string" && schema.get("enum").is_none() => Some("put it in quotes".to_owned()),
        Value::String(text) if kind != "string" && text.parse::<f64>().is_ok() => {
            Some("write it without quotes".to_owned())
        }
        Value::Mapping(_) if kind == "array" => Some("start each item with `- `".to_owned()),
        _ => example(schema).map(|example| format!("such as `{}`", written(example))),
    }
}

/// What to write instead of nothing.
pub(super) fn instead_of_nothing(name: &str, schema: &Schema) -> String {
    let name = name.escape_debug();
    match example(schema) {
        None if schema["type"] == "object" && schema.get("required").is_none() => format!("write `{name}: {{}}`"),
        None => format!("it is {}; write one, or remove the line", expected(schema)),
        Some(example) => format!("write `{name}: {}`, or remove the line", written(example)),
    }
}

/// What to write instead of a scalar where a mapping with one word belongs.
pub(super) fn instead_of_scalar(value: &Value, known: &[&str], schema: &Schema) -> String {
    let word = value.as_str().and_then(|text| text.split([' ', ':']).next()).and_then(|word| closest(word, known));
    let examples = schema["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
    let meant = word.and_then(|word| examples.iter().find(|example| example.get(word).is_some()));
    match (meant, examples.first()) {
        (Some(meant), _) => format!("did you mean `{}`?", as_line(meant)),
        (None, Some(example)) => format!("such as `{}`", as_line(example)),
        (None, None) => format!("there are {}", listed(known)),
    }
}

/// The help for a field that is not there.
pub(super) fn add_field(name: &str, schema: &Schema) -> String {
    match (schema.get("const"), example(schema)) {
        (Some(only), _) => format!("add `{name}: {only}`"),
        (None, Some(example)) => format!("add it, such as `{name}: {}`", written(example)),
        (None, None) => format!("add {} with {}", quoted(name), listed(&keys(&schema["properties"]))),
    }
}

/// The schema's first example.
fn example(schema: &Schema) -> Option<&Schema> {
    schema["examples"].as_array()?.first()
}

/// An example as one would write it in YAML after a key.
fn written(example: &Schema) -> String {
    match example {
        Schema::String(text) if text.contains([' ', '{', ':']) => format!("\"{text}\""),
        Schema::String(text) => text.clone(),
        Schema::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Schema::Object(_) => format!("{{ {} }}", as_line(example)),
        other => other.to_string(),
    }
}

/// An example as one would write it in YAML on a line of its own.
fn as_line(example: &Schema) -> String {
    let Schema::Object(fields) = example else { return written(example) };
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", written(value))).collect();
    fields.join(", ")
}

/// `an ECS service`, `a target group`.
pub(super) fn with_article(word: &str) -> String {
    let article = if word.starts_with(['A', 'E', 'I', 'a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// A variable holds text; where only a number belongs, or true or false, it is read as one.
pub(super) fn read_plain(value: &mut Value, schema: &Schema) {
    let Value::String(text) = value else { return };
    match schema["type"].as_str() {
        Some("boolean") => {
            if let Ok(word) = text.trim().parse::<bool>() {
                *value = word.into();
            }
        }
        Some("integer") => {
            if let Ok(number) = text.trim().parse::<i64>() {
                *value = number.into();
            }
        }
        Some("number") => {
            if let Some(number) = text.trim().parse::<f64>().ok().filter(|n| n.is_finite()) {
                *value = number.into();
            }
        }
        _ => {}
    }
}

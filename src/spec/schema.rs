//! The language as a JSON Schema, made of the document types: editors complete from it, and `shape`
//! reads a spec against the same one.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::document::Document;

static SCHEMA: LazyLock<Value> = LazyLock::new(generate);

/// The spec's language as a JSON Schema, draft-07, for editors, which do not know variables: there a
/// number, or true or false, may also be text with a `${`.
pub fn schema() -> Value {
    let mut schema = SCHEMA.clone();
    allow_variables(&mut schema);
    schema
}

/// The language with variables resolved.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

fn generate() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Document>().to_value();
    tidy(&mut schema);
    schema
}

/// Makes the schema say what the language says: an optional field is left out, never null; every
/// field has a title; numbers are not told apart by their width in memory.
fn tidy(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::String(said)) = object.get_mut("description") {
        *said = said.replace('\n', " ");
    }
    object.remove("format");
    without_null(object);
    join_words(object);
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties {
            tidy(property);
            if let Value::Object(property) = property
                && !property.contains_key("title")
            {
                property.insert("title".to_owned(), name.replace('_', " ").into());
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        object.get_mut(key).map(tidy);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::Array(choices)) = object.get_mut(key) {
            choices.iter_mut().for_each(tidy);
            choices.iter_mut().for_each(describe_word);
        }
    }
}

fn allow_variables(schema: &mut Value) {
    match schema {
        Value::Array(inner) => inner.iter_mut().for_each(allow_variables),
        Value::Object(object) => {
            let plain = ["integer", "number", "boolean"];
            let is_plain = object.get("type").is_some_and(|kind| plain.iter().any(|plain| kind == plain));
            if is_plain && !object.contains_key("const") {
                let kind = object["type"].take();
                object.insert("type".to_owned(), Value::Array(vec![kind, "string".into()]));
                object.insert("pattern".to_owned(), r"\$\{".into());
            }
            object.values_mut().for_each(allow_variables);
        }
        _ => {}
    }
}

/// What is said about a choice is said about the word that makes it, where an editor looks for it.
fn describe_word(choice: &mut Value) {
    let Some(said) = choice.get("description").cloned() else { return };
    let Some(Value::Object(properties)) = choice.get_mut("properties") else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.insert("description".to_owned(), said.clone());
    }
}

/// `anyOf: [X, null]` is X.
fn without_null(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// A choice between words, each described, becomes an enum whose description says them all: not every
/// editor shows what is said about one word.
fn join_words(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else { return };
    let word = |choice: &Value| choice.get("const").cloned().filter(Value::is_string);
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<Value>>>() else { return };
    let mut said = object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (word, choice) in words.iter().zip(choices) {
        let (word, meaning) = (word.as_str().unwrap_or_default(), choice["description"].as_str().unwrap_or_default());
        said.extend(["\n\n`", word, "`: ", meaning]);
    }
    object.remove("oneOf");
    object.insert("description".to_owned(), said.into());
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), Value::Array(words));
}

//! The reference of a spec's fields, made of the JSON Schema that editors complete from.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::domain::text::hang;

/// How deep fields are followed: deeper than any there is.
const DEPTH: usize = 16;

/// Every field of the language.
pub(super) fn of(schema: &Value, width: usize) -> String {
    let mut text = String::new();
    fields(schema, "", width, DEPTH, &mut text);
    text
}

/// One field of the top, and all below it.
pub(super) fn of_field(schema: &Value, name: &str, width: usize) -> String {
    let mut text = String::new();
    if let Some(field) = schema["properties"].get(name) {
        let required = is_required(schema, name);
        one(field, (name, required), width, DEPTH, &mut text);
    }
    text
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
}

/// The fields of a mapping, in whichever of its forms.
fn fields(schema: &Value, path: &str, width: usize, depth: usize, text: &mut String) {
    if depth == 0 {
        return;
    }
    let none = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap_or(&none) {
        let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        one(field, (&place, is_required(schema, name)), width, depth - 1, text);
    }
    for forms in ["oneOf", "anyOf", "allOf"] {
        for form in schema[forms].as_array().into_iter().flatten() {
            let mut form = form.clone();
            // Of several forms one is chosen: none of their own fields is required.
            if let Some(form) = form.as_object_mut().filter(|_| forms != "allOf") {
                form.remove("required");
            }
            fields(&form, path, width, depth - 1, text);
        }
    }
    if let Some(items) = schema.get("items") {
        fields(items, &format!("{path}[]"), width, depth - 1, text);
    }
    if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
        fields(each, &format!("{path}.NAME"), width, depth - 1, text);
    }
}

fn one(field: &Value, (place, required): (&str, bool), width: usize, depth: usize, text: &mut String) {
    let mut notes = vec![kind(field)];
    if required {
        notes.push("required".to_owned());
    }
    if let Some(usual) = field.get("default").filter(|usual| !usual.is_object() && !usual.is_array()) {
        notes.push(format!("default {}", usual.as_str().map_or_else(|| usual.to_string(), str::to_owned)));
    }
    notes.retain(|note| !note.is_empty());
    let head = if notes.is_empty() { place.to_owned() } else { format!("{place} ({})", notes.join(", ")) };
    text.push_str(&hang("", 4, &head, width));
    if let Some(said) = field["description"].as_str() {
        text.push_str(&hang("    ", 4, said, width));
    }
    let _ = writeln!(text);
    fields(field, place, width, depth, text);
}

/// What kind of value it is, or which words.
fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    match &field["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

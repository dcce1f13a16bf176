//! Holds a value against its shape.

use serde_json::Value;

use super::{Kind, Model, Shape};

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The model has no such member.
    Unknown,
    /// It is required and not there.
    Missing,
    /// It is of another kind.
    Kind(&'static str),
    /// It is none of these words.
    Word(Vec<String>),
    /// It is too short or too small.
    Below(String),
    /// It is too long or too great.
    Above(String),
}

/// A value that its shape does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    /// Where it stands: `loadBalancers.1.containerPort`, lists counted from 1.
    pub path: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// Finds what is wrong with values of one model.
pub(crate) struct Checker<'a> {
    model: &'a Model,
    /// Numbers and flags come as text.
    are_texts: bool,
    breaches: Vec<Breach>,
}

impl<'a> Checker<'a> {
    /// Everything that is wrong with a value.
    pub(crate) fn breaches(model: &'a Model, shape: &str, value: &Value, are_texts: bool) -> Vec<Breach> {
        let mut checker = Checker { model, are_texts, breaches: Vec::new() };
        checker.hold(shape, value, "");
        checker.breaches
    }

    fn breach(&mut self, path: &str, value: &Value, wrong: Wrong) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.breaches.push(Breach { path: path.to_owned(), value, wrong });
    }

    fn hold(&mut self, name: &str, value: &Value, path: &str) {
        let shape = self.model.shape(name);
        if shape.document {
            return;
        }
        match shape.kind {
            Kind::Structure => self.hold_structure(shape, value, path),
            Kind::List => self.hold_list(shape, value, path),
            Kind::Map => self.hold_map(shape, value, path),
            Kind::String => self.hold_text(shape, value, path),
            Kind::Integer | Kind::Long => self.hold_number(shape, value, path, "a whole number"),
            Kind::Float | Kind::Double => self.hold_number(shape, value, path, "a number"),
            Kind::Boolean => {
                let word = value.as_str().is_some_and(|text| matches!(text, "true" | "false"));
                if !(value.is_boolean() || self.are_texts && word) {
                    self.breach(path, value, Wrong::Kind("a Boolean"));
                }
            }
            Kind::Timestamp => {
                let reads = |text: &str| text.parse::<f64>().is_ok() || text.parse::<jiff::Timestamp>().is_ok();
                if !(value.is_number() || value.as_str().is_some_and(reads)) {
                    self.breach(path, value, Wrong::Kind("a Timestamp"));
                }
            }
            Kind::Blob => {
                if !value.is_string() {
                    self.breach(path, value, Wrong::Kind("a Blob"));
                }
            }
        }
    }

    fn hold_structure(&mut self, shape: &Shape, value: &Value, path: &str) {
        let none = serde_json::Map::new();
        let members = match value {
            Value::Object(members) => members,
            Value::String(text) if self.are_texts && text.is_empty() => &none,
            _ => return self.breach(path, value, Wrong::Kind("a Structure")),
        };
        for name in &shape.required {
            if members.get(name).is_none_or(Value::is_null) {
                self.breach(&below(path, name), &Value::Null, Wrong::Missing);
            }
        }
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let path = below(path, name);
            match shape.members.get(name) {
                Some(inner) => self.hold(inner, value, &path),
                None => self.breach(&path, value, Wrong::Unknown),
            }
        }
    }

    fn hold_list(&mut self, shape: &Shape, value: &Value, path: &str) {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::String(text) if self.are_texts && text.is_empty() => &[],
            _ => return self.breach(path, value, Wrong::Kind("a List")),
        };
        self.hold_size(shape, items.len() as f64, value, path);
        for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
            self.hold(shape.member.as_deref().unwrap_or("string"), item, &below(path, &(place + 1).to_string()));
        }
    }

    fn hold_map(&mut self, shape: &Shape, value: &Value, path: &str) {
        let (key, inner) = (shape.key.as_deref().unwrap_or("string"), shape.value.as_deref().unwrap_or("string"));
        // The query protocol has a list of entries.
        if let (true, Some(Value::Array(entries))) = (self.are_texts, value.get("entry")) {
            for entry in entries {
                let of = |names: [&str; 2]| names.iter().find_map(|name| entry.get(*name)).cloned().unwrap_or_default();
                self.hold(inner, &of(["Value", "value"]), &below(path, of(["Name", "key"]).as_str().unwrap_or("?")));
            }
            return;
        }
        let Value::Object(entries) = value else { return self.breach(path, value, Wrong::Kind("a Map")) };
        self.hold_size(shape, entries.len() as f64, value, path);
        for (name, value) in entries {
            self.hold(key, &Value::String(name.clone()), path);
            self.hold(inner, value, &below(path, name));
        }
    }

    fn hold_text(&mut self, shape: &Shape, value: &Value, path: &str) {
        let Some(text) = value.as_str() else { return self.breach(path, value, Wrong::Kind("a String")) };
        if !shape.words.is_empty() && !shape.words.iter().any(|word| word == text) {
            return self.breach(path, value, Wrong::Word(shape.words.clone()));
        }
        self.hold_size(shape, text.chars().count() as f64, value, path);
    }

    fn hold_number(&mut self, shape: &Shape, value: &Value, path: &str, what: &'static str) {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if self.are_texts => text.trim().parse().ok(),
            // What JSON cannot say as a number.
            Value::String(text) if what == "a number" => text.parse().ok().filter(|number: &f64| !number.is_finite()),
            _ => None,
        };
        let is_whole = |number: &f64| what == "a number" || number.fract() == 0.0;
        match number.filter(is_whole) {
            Some(number) => self.hold_size(shape, number, value, path),
            None => self.breach(path, value, Wrong::Kind(what)),
        }
    }

    /// Holds a number, or a count, against the least and the most.
    fn hold_size(&mut self, shape: &Shape, size: f64, value: &Value, path: &str) {
        let counts = !matches!(shape.kind, Kind::Integer | Kind::Long | Kind::Float | Kind::Double);
        let what = if counts { "length " } else { "value " };
        if let Some(least) = shape.min.filter(|least| size < *least) {
            self.breach(path, value, Wrong::Below(format!("{what}greater than or equal to {least}")));
        } else if let Some(most) = shape.max.filter(|most| size > *most) {
            self.breach(path, value, Wrong::Above(format!("{what}less than or equal to {most}")));
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

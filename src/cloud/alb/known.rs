//! The fields of a task definition as RegisterTaskDefinition takes them, and what each may hold. A name that is not here is
//! a slip that AWS would pass over in silence; a number for a text one that it refuses without saying where.

use serde_json::{Map, Value};

use super::text_place::Step;

/// Fields that DescribeTaskDefinition tells and RegisterTaskDefinition does not take.
pub(super) const READ_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// The shapes of the API's own model: `tests/aws/task_definition.py` makes them, and says how they are written.
const SHAPES: &str = include_str!("task_definition.txt");

/// Something that is wrong in a document, or new to this version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// Where it is.
    pub path: Vec<Step>,
    pub says: String,
    /// Whether AWS may know it all the same: a field or a word that is newer than this version.
    pub is_news: bool,
}

/// All that is wrong with the names and types in `document`.
pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    let mut check = Check { path: Vec::new(), found: Vec::new() };
    check.shape("TaskDefinition", document);
    check.found
}

struct Check {
    path: Vec<Step>,
    found: Vec<Finding>,
}

/// A field of a shape: its name, what it holds, and whether it is required.
type Field = (&'static str, &'static str, bool);

fn fields(shape: &str) -> Vec<Field> {
    let line = SHAPES.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| *name == shape));
    let fields = line.map_or("", |(_, fields)| fields).split_whitespace();
    let field = |text: &'static str| {
        let (name, kind) = text.split_once('=')?;
        Some((name, kind.trim_end_matches('!'), kind.ends_with('!')))
    };
    fields.filter_map(field).collect()
}

impl Check {
    fn within<T>(&mut self, step: Step, what: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let done = what(self);
        self.path.pop();
        done
    }

    fn tell(&mut self, is_news: bool, says: String) {
        self.found.push(Finding { path: self.path.clone(), says, is_news });
    }

    fn here(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => text.extend([".", name]),
                Step::Item(index) => text.extend(["[", &index.to_string(), "]"]),
            }
        }
        text
    }

    fn shape(&mut self, name: &str, object: &Map<String, Value>) {
        let known = fields(name);
        for (field, value) in object {
            let kind = known.iter().find(|(known, _, _)| known == field).map(|(_, kind, _)| *kind);
            self.within(Step::Field(field.clone()), |check| match kind {
                Some(kind) => check.value(kind, value),
                None => check.unknown(field, &known),
            });
        }
        for (field, _, _) in known.iter().filter(|(field, _, needed)| *needed && !object.contains_key(*field)) {
            if !self.path.is_empty() {
                self.tell(false, format!("`{}` has no `{field}`", self.here()));
            }
        }
    }

    fn unknown(&mut self, field: &str, known: &[Field]) {
        let names = known.iter().map(|(name, _, _)| *name);
        let here = self.here();
        match nearest(field, names.clone()) {
            Some(near) => self.tell(false, format!("unknown field `{here}`; did you mean `{near}`?")),
            None if self.path.len() == 1 => {
                let says = format!("field `{here}` is unknown to this version; it is sent to ECS as it stands");
                self.tell(true, says);
            }
            None => {
                let names = names.collect::<Vec<_>>().join(", ");
                self.tell(false, format!("unknown field `{here}`; known are {names}"));
            }
        }
    }

    fn value(&mut self, kind: &'static str, value: &Value) {
        let inner = |open, close| kind.strip_prefix(open).and_then(|rest: &'static str| rest.strip_suffix(close));
        match (kind, value) {
            _ if inner('[', ']').is_some() => match value {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let kind = inner('[', ']').unwrap_or_default();
                        self.within(Step::Item(index), |check| check.value(kind, item));
                    }
                }
                _ => self.differs("a list", value),
            },
            _ if inner('<', '>').is_some() => match value {
                Value::Object(object) => {
                    for (name, value) in object {
                        let kind = inner('<', '>').unwrap_or_default();
                        self.within(Step::Field(name.clone()), |check| check.value(kind, value));
                    }
                }
                _ => self.differs("an object", value),
            },
            ("text", Value::String(_)) | ("flag", Value::Bool(_)) | ("number", Value::Number(_)) => {}
            ("whole", Value::Number(number)) if number.is_i64() || number.is_u64() => {}
            ("text", _) => self.differs("text", value),
            ("flag", _) => self.differs("true or false", value),
            ("number", _) => self.differs("a number", value),
            ("whole", _) => self.differs("a whole number", value),
            (_, _) if kind.starts_with("text(") => match value {
                Value::String(word) => self.word(kind, word),
                _ => self.differs("text", value),
            },
            (shape, Value::Object(object)) => self.shape(shape, object),
            _ => self.differs("an object", value),
        }
    }

    fn word(&mut self, kind: &'static str, word: &str) {
        let known = || kind.trim_start_matches("text(").trim_end_matches(')').split('|');
        if known().any(|one| one == word) {
            return;
        }
        let here = self.here();
        match nearest(word, known()) {
            Some(near) => self.tell(false, format!("`{here}` is `{word}`; did you mean `{near}`?")),
            None => {
                let known = known().collect::<Vec<_>>().join(", ");
                self.tell(true, format!("`{here}` is `{word}`, which this version does not know; known are {known}"));
            }
        }
    }

    /// What stands here is of another type. What may be a secret is not shown.
    fn differs(&mut self, wanted: &str, value: &Value) {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let plain = !self.path.iter().any(|step| matches!(step, Step::Field(name) if SECRET.contains(&name.as_str())));
        let write = match (wanted, value) {
            ("text", Value::Number(_) | Value::Bool(_)) => Some(format!("\"{value}\"")),
            ("a whole number", Value::String(text)) => text.trim().parse::<i64>().ok().map(|number| number.to_string()),
            ("true or false", Value::String(text)) => {
                ["true", "false"].into_iter().find(|word| text.eq_ignore_ascii_case(word)).map(str::to_owned)
            }
            _ => None,
        };
        let hint = match write {
            Some(write) if plain => format!(": write `{write}`"),
            Some(_) if wanted == "text" => ": put it into quotes".to_owned(),
            _ => String::new(),
        };
        self.tell(false, format!("`{}` is {is}, and must be {wanted}{hint}", self.here()));
    }
}

/// Fields whose values may be nobody's to see.
const SECRET: [&str; 5] = ["environment", "options", "command", "entryPoint", "dockerLabels"];

/// The candidate that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let near = |candidate: &'a str| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate);
    let best = candidates.into_iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, candidate)| candidate)
}

//! What AWS's own service models say of the operations that the lab serves, and what the lab reads of them.
//!
//! A service has two files here. `SERVICE.txt` is written by hand: a line for each operation that the lab serves, with
//! the members of its input that the lab reads, see [`reads`]; what has no line is not served. `SERVICE.json` is taken
//! out of botocore's models by `tests/wire/extract.py`, and a test there says when a newer extract is due.

pub(crate) mod check;
pub(crate) mod reads;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use self::reads::Reads;

/// The services by the words that fault specifications have for them, with their tables and extracts.
const FILES: [(&str, &str, &str); 11] = [
    (
        "application-autoscaling",
        include_str!("application-autoscaling.txt"),
        include_str!("application-autoscaling.json"),
    ),
    ("cloudwatch", include_str!("cloudwatch.txt"), include_str!("cloudwatch.json")),
    ("codedeploy", include_str!("codedeploy.txt"), include_str!("codedeploy.json")),
    ("ecs", include_str!("ecs.txt"), include_str!("ecs.json")),
    ("elbv2", include_str!("elbv2.txt"), include_str!("elbv2.json")),
    ("iam", include_str!("iam.txt"), include_str!("iam.json")),
    ("s3", include_str!("s3.txt"), include_str!("s3.json")),
    ("scheduler", include_str!("scheduler.txt"), include_str!("scheduler.json")),
    ("sns", include_str!("sns.txt"), include_str!("sns.json")),
    ("ssm", include_str!("ssm.txt"), include_str!("ssm.json")),
    ("sts", include_str!("sts.txt"), include_str!("sts.json")),
];

/// A service's model, as far as the lab serves it.
#[derive(Deserialize)]
pub(crate) struct Model {
    /// The version of botocore it was taken from.
    pub botocore: String,
    operations: BTreeMap<String, Operation>,
    shapes: BTreeMap<String, Shape>,
    #[serde(skip)]
    reads: BTreeMap<String, Reads>,
}

/// An operation.
#[derive(Deserialize)]
pub(crate) struct Operation {
    /// The shape of what goes in.
    pub input: Option<String>,
    /// The shape of what comes out.
    pub output: Option<String>,
    /// The codes of the refusals that are told of it, each with its status, or 0 where none is told.
    pub errors: BTreeMap<String, u16>,
}

/// The kind of a shape.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Members by name.
    Structure,
    /// Values in order.
    List,
    /// Values by key.
    Map,
    /// Text.
    String,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A number of 32 bits.
    Float,
    /// A number of 64 bits.
    Double,
    /// True or false.
    Boolean,
    /// A moment.
    Timestamp,
    /// Bytes.
    Blob,
}

impl Kind {
    /// The kind that a shape without limits goes by.
    fn of(word: &str) -> Option<Kind> {
        serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
    }
}

/// A shape with its limits.
#[derive(Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    members: BTreeMap<String, String>,
    #[serde(default)]
    required: Vec<String>,
    /// Where a member stands in an HTTP message, if not in its body: `header:if-match`.
    #[serde(default)]
    pub places: BTreeMap<String, String>,
    member: Option<String>,
    key: Option<String>,
    value: Option<String>,
    #[serde(default, rename = "enum")]
    words: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(default)]
    document: bool,
}

impl Shape {
    fn bare(kind: Kind) -> Shape {
        Shape {
            kind,
            members: BTreeMap::new(),
            required: Vec::new(),
            places: BTreeMap::new(),
            member: None,
            key: None,
            value: None,
            words: Vec::new(),
            min: None,
            max: None,
            document: false,
        }
    }
}

impl Model {
    /// The model of a service.
    pub(crate) fn of(service: &str) -> &'static Model {
        static MODELS: OnceLock<BTreeMap<&'static str, OnceLock<Model>>> = OnceLock::new();
        let models = MODELS.get_or_init(|| FILES.iter().map(|(word, ..)| (*word, OnceLock::new())).collect());
        let Some((word, table, extract)) = FILES.iter().find(|(word, ..)| *word == service) else {
            unreachable!("{service} has no model")
        };
        models[word].get_or_init(|| Model::read(table, extract).unwrap_or_else(|error| unreachable!("{word}: {error}")))
    }

    fn read(table: &str, extract: &str) -> Result<Model, String> {
        let mut model: Model = serde_json::from_str(extract).map_err(|error| error.to_string())?;
        for kind in ["string", "integer", "long", "float", "double", "boolean", "timestamp", "blob"] {
            let shape = Shape::bare(Kind::of(kind).ok_or_else(|| format!("{kind} is no kind"))?);
            model.shapes.insert(kind.to_owned(), shape);
        }
        model.reads = reads::parse(table)?;
        Ok(model)
    }

    /// An operation that is served.
    pub(crate) fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name).filter(|_| self.reads.contains_key(name))
    }

    /// What the lab reads of an operation's input.
    pub(crate) fn reads(&self, operation: &str) -> Option<&Reads> {
        self.reads.get(operation)
    }

    /// The shape of this name.
    pub(crate) fn shape(&self, name: &str) -> &Shape {
        self.shapes.get(name).unwrap_or_else(|| unreachable!("the extract is closed, and {name} is not in it"))
    }
}

/// All operations that the lab serves, each with its service.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().flat_map(|(word, ..)| Model::of(word).reads.keys().map(|operation| (*word, operation.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_extracts_hold_the_same_operations() {
        for (word, ..) in FILES {
            let model = Model::of(word);
            assert!(model.operations.keys().eq(model.reads.keys()), "{word}: run tests/wire/extract.py src/lab/model");
        }
    }
}

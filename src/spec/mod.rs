//! YAML text in, [`Spec`] out; every problem at once, each with its place in the file.
//!
//! ```text
//! bytes ─ text ─▶ text ─ tree ─▶ places ─┐
//!                   └─ serde_yaml ─▶ values ─ variables ─ shape ─▶ document ─ check ─▶ Spec
//! ```
//!
//! serde_yaml reads the values; the tree says where each of them stands, so that a rule about two
//! values far apart can still point at both. Only the document types know serde and the schema.

mod check;
mod document;
mod finding;
mod fit;
mod model;
mod problem;
mod schema;
mod shape;
mod text;
mod timetable;
mod tree;
mod variables;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use fit::{Crumb, DriverDemand, Misfit, misfits};
pub use model::{
    AllowSpec, DriverSpec, FreezeSpec, Limits, OnTrouble, Policies, Release, RuleSpec, SlotSpec, Spec, StepSpec,
    Strategy, TargetSpec, WindowsSpec,
};
pub use problem::{Problem, Problems, SpecPlace};
pub use schema::schema;
pub use timetable::timetable;
pub use variables::expand;

use finding::{Finding, Mark};
use text::Text;
use tree::Node;

use crate::domain::code::Code;

/// The versions of the language that this build reads.
const VERSIONS: [u64; 1] = [1];

/// A spec before it is read.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its path, as problems show it.
    pub path: String,
    /// What the file holds.
    pub bytes: Vec<u8>,
    /// What `${VAR}` stands for.
    pub variables: BTreeMap<String, String>,
}

/// Reads a spec.
///
/// # Errors
/// Everything that is wrong with it, as far as one problem does not hide another: a text that is no
/// YAML has no fields, and a field of the wrong kind breaks no rule.
pub fn parse(source: &Source) -> Result<Spec, Problems> {
    let text = Text::read(&source.bytes).map_err(|refused| {
        let (content, finding) = *refused;
        let text = Text::of(&content);
        Problems::new(&source.path, &text, about(vec![finding], Code::SpecText))
    })?;
    let wrong = |findings| Problems::new(&source.path, &text, findings);
    let not_yaml = |findings| wrong(about(findings, Code::SpecYaml));
    let mut node = tree::read(&text).map_err(not_yaml)?;
    let mut value = serde_yaml::from_str(text.content).map_err(|error| not_yaml(vec![unread(&text, &error)]))?;
    if let Some(finding) = other_version(&value, &node) {
        return Err(wrong(about(vec![finding], Code::SpecVersion)));
    }
    let unresolved = variables::resolve(&text, &mut value, &mut node, &source.variables);
    let mut findings = Vec::new();
    let document = shape::read(value, &node, &mut findings);
    let mut findings = about(findings, Code::SpecShape);
    let context = check::Context { text: &text, variables: &source.variables };
    let spec = document.and_then(|document| check::check(document, &node, context, &mut findings));
    findings.retain(|finding| !unresolved.values.contains(&finding.mark));
    findings.extend(about(unresolved.findings, Code::SpecVariable));
    match spec {
        Some(spec) if findings.is_empty() => Ok(Spec { variables: unresolved.used, ..spec }),
        _ => Err(wrong(findings)),
    }
}

/// Findings of one kind.
fn about(mut findings: Vec<Finding>, code: Code) -> Vec<Finding> {
    finding::about(&mut findings, code);
    findings
}

/// A spec of another version is not read further: its other problems would mean nothing.
fn other_version(value: &serde_yaml::Value, node: &Node) -> Option<Finding> {
    let version = value.get("version").filter(|version| version.is_number())?;
    if version.as_u64().is_some_and(|version| VERSIONS.contains(&version)) {
        return None;
    }
    let finding = Finding::new(node.field("version").value(), "this build does not read this version of the language");
    Some(finding.help(format!("it reads version {}", VERSIONS.map(|version| version.to_string()).join(", "))))
}

/// What serde_yaml could not read although the tree could: the two differ in corners of YAML.
fn unread(text: &Text<'_>, error: &serde_yaml::Error) -> Finding {
    let at = error.location().map_or(0, |place| place.index().min(text.content.len()));
    Finding::new(Mark::new(at, at), format!("not YAML: {}", error.to_string().escape_debug()))
}

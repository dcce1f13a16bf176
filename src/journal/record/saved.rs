//! The written form of a reviewed plan: one sealed line, which only the version that wrote it reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Moment, Written, plan};
use crate::domain::clock::Timestamp;
use crate::journal::chain::Chain;
use crate::plan::{Adopt, Plan};

/// The version of the written form.
const FORMAT: u32 = 1;
/// What says that a file holds a reviewed plan.
const TYPE: &str = "reviewed_plan";

/// A plan that was reviewed, with all that it takes to make it anew and see whether it is still the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The version of the program that wrote it.
    pub program: String,
    /// When it was made.
    pub at: Timestamp,
    /// From when on it is too old.
    pub until: Timestamp,
    /// Where the spec was read from.
    pub spec: String,
    /// What the spec said.
    pub text: String,
    /// What its variables were, as in [`crate::spec::Spec::variables`].
    pub variables: BTreeMap<String, Option<String>>,
    /// Whether a deployment that is under way may be gone on with.
    pub adopt: Adopt,
    /// What the rule matched, in words.
    pub matches: String,
    /// What is done.
    pub plan: Plan,
}

/// Why a reviewed plan cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// It is not as it was written.
    #[error("it is not as it was written: somebody edited it, or a part is missing")]
    Changed,
    /// Another version wrote it.
    #[error("it was written by tidegate {program}, and this is tidegate {ours}")]
    OtherVersion {
        /// The version that wrote it.
        program: String,
        /// The version that reads it.
        ours: &'static str,
    },
    /// It means nothing.
    #[error("it means nothing to this version: {0}")]
    Strange(String),
}

#[derive(Serialize, Deserialize)]
struct Line {
    r#type: String,
    format: u32,
    program: String,
    at: Moment,
    until: Moment,
    spec: String,
    text: String,
    variables: BTreeMap<String, Option<String>>,
    adopt: bool,
    matches: String,
    plan: plan::Plan,
}

#[derive(Deserialize)]
struct Preamble {
    format: u32,
    program: String,
}

impl Saved {
    /// Whether `bytes` are, or once were, a reviewed plan rather than a spec.
    pub fn is_one(bytes: &[u8]) -> bool {
        let text = bytes.trim_ascii_start();
        let marked = format!("\"{TYPE}\"");
        text.starts_with(b"{") && text.windows(marked.len()).take(200).any(|part| part == marked.as_bytes())
    }

    /// One line of JSON with a hash over all of it. The hash finds damage and edits; it is no signature.
    ///
    /// # Errors
    /// When a value has no written form.
    pub fn seal(&self) -> Result<String, String> {
        let line = Line {
            r#type: TYPE.to_owned(),
            format: FORMAT,
            program: self.program.clone(),
            at: Written::write(&self.at),
            until: Written::write(&self.until),
            spec: self.spec.clone(),
            text: self.text.clone(),
            variables: self.variables.clone(),
            adopt: self.adopt == Adopt::UnderWay,
            matches: self.matches.clone(),
            plan: Written::write(&self.plan),
        };
        let text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
        Ok(Chain::default().seal(&text).0)
    }

    /// Reads what [`Saved::seal`] wrote.
    ///
    /// # Errors
    /// When it is not that, byte for byte, or not of this version.
    pub fn open(bytes: &[u8]) -> Result<Self, Unsealed> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Chain::default().verify(line).ok_or(Unsealed::Changed)?;
        let strange = |error: serde_json::Error| Unsealed::Strange(error.to_string());
        let Preamble { format, program } = serde_json::from_slice(line).map_err(strange)?;
        let ours = env!("CARGO_PKG_VERSION");
        if format != FORMAT || program != ours {
            return Err(Unsealed::OtherVersion { program, ours });
        }
        let line: Line = serde_json::from_slice(line).map_err(strange)?;
        Ok(Self {
            program,
            at: line.at.read(),
            until: line.until.read(),
            spec: line.spec,
            text: line.text,
            variables: line.variables,
            adopt: if line.adopt { Adopt::UnderWay } else { Adopt::Never },
            matches: line.matches,
            plan: line.plan.read(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diagram::sample::{START, plan};

    fn saved(program: &str) -> Saved {
        Saved {
            program: program.to_owned(),
            at: START,
            until: START,
            spec: "/home/ana/rollout.yaml".into(),
            text: "version: 1\n".into(),
            variables: BTreeMap::from([("V".to_owned(), Some("2".to_owned())), ("W".to_owned(), None)]),
            adopt: Adopt::UnderWay,
            matches: "port 443, path /*".into(),
            plan: plan(),
        }
    }

    #[test]
    fn a_reviewed_plan_is_read_as_it_was_written() {
        let saved = saved(env!("CARGO_PKG_VERSION"));
        let text = saved.seal().unwrap();
        assert!(Saved::is_one(text.as_bytes()) && !Saved::is_one(b"version: 1\nname: web\n"));
        assert_eq!(Saved::open(text.as_bytes()), Ok(saved));
    }

    #[test]
    fn one_that_was_touched_or_is_of_another_version_is_not_read() {
        let text = saved(env!("CARGO_PKG_VERSION")).seal().unwrap();
        let edited = text.replace("/ana/", "/eve/");
        let pretty = text.replace("\",\"", "\",\n\"");
        for bad in [edited.as_str(), &text[..text.len() - 9], &pretty, "{\"type\":\"reviewed_plan\"}"] {
            assert!(Saved::is_one(bad.as_bytes()));
            assert_eq!(Saved::open(bad.as_bytes()), Err(Unsealed::Changed));
        }
        let other = saved("0.0.9").seal().unwrap();
        let said = Saved::open(other.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("written by tidegate 0.0.9"), "{said}");
    }
}

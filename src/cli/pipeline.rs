//! Whether a pipeline reads what is written, whose it is, and what that changes: nothing is redrawn, nobody is asked,
//! a rollout's lines and its account stand on standard output in their order, and the last line says how it ended.

use std::collections::BTreeMap;

use super::context::Context;
use super::{Exit, terminal};
use crate::domain::text::escape;
use crate::engine::Ending;
use crate::machine::Outcome;
use crate::report::{self, Markup};

/// What `--ci` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Said {
    /// As the surroundings are found, and plain lines where they are nobody's.
    Auto,
    /// Lines, and nothing else: Jenkins, and everybody else.
    Plain,
    /// GitHub Actions: groups, annotations, outputs, the step's summary.
    Github,
    /// GitLab: sections that fold.
    Gitlab,
    /// Buildkite: groups.
    Buildkite,
    /// No pipeline, whatever the environment says.
    Off,
}

/// Whose log is written, if it is a pipeline's.
pub(super) fn found(said: Option<Said>, variables: &BTreeMap<String, String>) -> Option<Markup> {
    let has = |name: &str| variables.get(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    let kinds = [
        ("GITHUB_ACTIONS", Markup::Github),
        ("GITLAB_CI", Markup::Gitlab),
        ("BUILDKITE", Markup::Buildkite),
        ("JENKINS_URL", Markup::Plain),
        ("CI", Markup::Plain),
    ];
    let found = || kinds.into_iter().find(|(name, _)| has(name)).map(|(_, markup)| markup);
    match said {
        None => found(),
        Some(Said::Auto) => Some(found().unwrap_or_default()),
        Some(Said::Plain) => Some(Markup::Plain),
        Some(Said::Github) => Some(Markup::Github),
        Some(Said::Gitlab) => Some(Markup::Gitlab),
        Some(Said::Buildkite) => Some(Markup::Buildkite),
        Some(Said::Off) => None,
    }
}

/// The last line of a command that drove a rollout: how it ended, and with which code.
pub(super) fn last_line(context: &Context, id: &str, ending: &Ending, exit: Exit) {
    if terminal::pipeline().is_none() || context.json() {
        return;
    }
    let (word, why) = match &ending.outcome {
        Some(Outcome::Promoted) => ("promoted", None),
        Some(Outcome::RolledBack(reason)) => ("rolled back", Some(report::reason(reason))),
        Some(Outcome::Stranded { why, .. }) => ("stranded, a person is needed", Some(why.clone())),
        None => match &ending.fenced {
            Some(by) => ("not finished here", Some(format!("{by} decides now"))),
            None => ("not finished", ending.handed_over.clone()),
        },
    };
    let why = why.map_or(String::new(), |why| format!(": {}", escape(&why)));
    let _ = terminal::print(&format!("\n{}: {word} (exit {}){why}\n", escape(id), exit as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("CI".to_owned(), "true".to_owned()), (name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_pipeline_is_known_by_its_own_variable_before_the_common_one() {
        assert_eq!(found(None, &with("GITHUB_ACTIONS", "true")), Some(Markup::Github));
        assert_eq!(found(None, &with("GITLAB_CI", "true")), Some(Markup::Gitlab));
        assert_eq!(found(None, &with("BUILDKITE", "true")), Some(Markup::Buildkite));
        assert_eq!(found(None, &with("JENKINS_URL", "https://ci.example/")), Some(Markup::Plain));
        assert_eq!(found(None, &with("CI", "false")), None);
        assert_eq!(found(None, &BTreeMap::new()), None);
    }

    #[test]
    fn what_is_said_goes_before_what_is_found() {
        let github = with("GITHUB_ACTIONS", "true");
        assert_eq!(found(Some(Said::Off), &github), None);
        assert_eq!(found(Some(Said::Gitlab), &github), Some(Markup::Gitlab));
        assert_eq!(found(Some(Said::Auto), &github), Some(Markup::Github));
        assert_eq!(found(Some(Said::Auto), &BTreeMap::new()), Some(Markup::Plain));
    }
}

//! Finds out which pipeline, if any, reads this process's output.

use std::collections::BTreeMap;

use crate::report::Markup;

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

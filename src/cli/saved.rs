//! A plan in a file: written when it was reviewed, followed later, refused when it is not the same plan any more.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::context::Context;
use super::paths::absolute;
use super::target::read_bytes;
use super::{Exit, Failure, problems};
use crate::domain::clock::{Timestamp, span};
use crate::domain::code::Code;
use crate::domain::fleet::{RuleView, Survey};
use crate::journal::Saved;
use crate::plan::{Adopt, Plan, changes, renewed};
use crate::spec::{Source, Spec, parse};

/// How long a reviewed plan may be followed where nothing else is said.
pub(super) const VALID: &str = "24h";
/// The longest that one may be followed: what was seen a week ago says little.
const VALID_MOST: Duration = Duration::from_secs(7 * 24 * 3600);
/// The shortest: less is over before it is read.
const VALID_LEAST: Duration = Duration::from_secs(60);
/// How far in the future a plan may have been made, by another machine's clock.
const AHEAD: Duration = Duration::from_secs(600);

/// How long a plan is to be valid.
pub(super) fn valid_for(text: &str) -> Result<Duration, String> {
    let span = tidegate_lab::parse_duration(text).filter(|span| (VALID_LEAST..=VALID_MOST).contains(span));
    span.ok_or_else(|| "a plan is valid for 1m to 168h".to_owned())
}

/// What a command is given: a spec, or a plan that was reviewed.
pub(super) enum Given {
    /// A spec.
    Spec,
    /// A reviewed plan.
    Plan(Box<Saved>),
}

/// Tells which of the two a file holds. A spec is read again, by who knows how to say what is wrong with it.
pub(super) fn given(path: &Path) -> Result<Given, Failure> {
    let bytes = read_bytes(path)?;
    if !Saved::is_one(&bytes) {
        return Ok(Given::Spec);
    }
    let saved = Saved::open(&bytes).map_err(|why| {
        let failure = Failure::new(Exit::Refused, format!("the plan in {} cannot be followed: {why}", path.display()))
            .code(Code::DamagedPlan);
        failure.hint("make it anew: `tidegate plan SPEC --out FILE`")
    })?;
    Ok(Given::Plan(Box::new(saved)))
}

/// The spec of a reviewed plan as it was then; what may be a secret comes from the environment of now.
pub(super) fn spec(context: &Context, saved: &Saved) -> Result<Spec, Failure> {
    let mut variables = context.variables().clone();
    for (name, value) in &saved.variables {
        match value {
            Some(value) => variables.insert(name.clone(), value.clone()),
            None => variables.remove(name),
        };
    }
    let source = Source { path: saved.spec.clone(), bytes: saved.text.clone().into_bytes(), variables };
    let mut spec = parse(&source).map_err(|problems| {
        let mut failure =
            Failure::new(Exit::Usage, format!("the spec of the plan, {}, cannot be read here", saved.spec));
        if context.json() {
            failure.notes = problems.to_string().lines().map(str::to_owned).collect();
        } else {
            problems::say_problems(context, &problems);
        }
        failure
    })?;
    spec.target.region.get_or_insert_with(|| saved.plan.target.region.clone());
    Ok(spec)
}

/// Where the spec of a reviewed plan was, and with it the file of its release: there, or, in another checkout of the
/// same files, where the plan is.
pub(super) fn folder(saved: &Saved, file: &Path) -> PathBuf {
    let there = super::target::folder(Path::new(&saved.spec));
    if there.is_dir() { there } else { super::target::folder(file) }
}

/// What a rule matches, in words.
fn matches(rule: &RuleView) -> String {
    let priority = rule.priority.map_or("default".to_owned(), |priority| format!("priority {priority}"));
    format!("port {}, {priority}, {}", rule.port, rule.conditions)
}

/// A plan as it goes into a file.
pub(super) struct Reviewed<'a> {
    pub(super) plan: &'a Plan,
    pub(super) survey: &'a Survey,
    pub(super) spec: &'a Spec,
    pub(super) path: &'a Path,
    pub(super) adopt: Adopt,
}

/// Writes a plan to a file that only its owner may read, whole or not at all; from when on it is too old.
pub(super) fn write(
    file: &Path,
    reviewed: &Reviewed<'_>,
    at: Timestamp,
    valid: Duration,
) -> Result<Timestamp, Failure> {
    let Reviewed { plan, survey, spec, path, adopt } = reviewed;
    let unexpected = |why: String| Failure::new(Exit::Unexpected, format!("the plan has no written form: {why}"));
    let saved = Saved {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        at,
        until: at + valid,
        spec: absolute(path).display().to_string(),
        text: String::from_utf8(read_bytes(path)?).map_err(|error| unexpected(error.to_string()))?,
        variables: spec.variables.clone(),
        adopt: *adopt,
        matches: matches(&survey.rule),
        plan: (*plan).clone(),
    };
    let text = saved.seal().map_err(unexpected)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file of this crate is open to its owner alone: mode 0600.
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut whole| {
        whole.write_all(text.as_bytes())?;
        whole.as_file().sync_all()?;
        whole.persist(file).map_err(|error| error.error)
    });
    written.map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", file.display())))?;
    Ok(saved.until)
}

/// Refuses a plan that is too old, before anything is looked at.
pub(super) fn refuse_old(saved: &Saved, file: &Path, now: Timestamp) -> Result<(), Failure> {
    if now < saved.until && saved.at <= now + AHEAD {
        return Ok(());
    }
    let valid = span(saved.until.since(saved.at));
    Err(stale(file, saved, vec![format!("it was valid for {valid}, and it is {now} now")]))
}

/// The reviewed plan as it is followed now, if what was compiled anew is the same plan.
pub(super) fn still(saved: &Saved, file: &Path, survey: &Survey, now: &Plan) -> Result<Plan, Failure> {
    let mut found = changes(&saved.plan, now);
    let matched = matches(&survey.rule);
    if matched != saved.matches {
        found.push(format!("the rule matched {}, and matches {matched}", saved.matches));
    }
    if found.is_empty() { Ok(renewed(&saved.plan, now)) } else { Err(stale(file, saved, found)) }
}

/// Why a plan is not followed: what is different from what was reviewed.
fn stale(file: &Path, saved: &Saved, notes: Vec<String>) -> Failure {
    let wrong = format!(
        "the plan in {} is stale: it was made at {}, and since then something changed",
        file.display(),
        saved.at
    );
    let mut failure = Failure::new(Exit::Refused, wrong).code(Code::StalePlan);
    failure.notes = notes;
    failure.hint("look at it anew: `tidegate plan SPEC --out FILE`")
}

/// The same of a target that cannot be rolled out to any more.
pub(super) fn unfit(failure: Failure, saved: &Saved, file: &Path) -> Failure {
    if failure.exit != Exit::Refused {
        return failure;
    }
    let Failure { wrong, notes, .. } = failure;
    stale(file, saved, std::iter::once(wrong).chain(notes).collect())
}

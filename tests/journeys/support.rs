//! What every journey needs: the binary, a lab beside it, and the only place that waits.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use lab::Lab;

#[path = "support/lab.rs"]
mod lab;

/// How long anything may take, in wall time, before a journey is given up: for what hangs, and not for what is slow.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at something that cannot say by itself that it is ready.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Requests a lab second in ordinary journeys: enough for their gates, and each costs the machine.
pub const RPS: u64 = 5;
/// What a lab inside a runner plays in ordinary journeys: its speed, and its requests a second.
pub const INSIDE: [&str; 4] = ["--lab-speed", "40", "--lab-rps", "5"];
/// The same for a lab beside a runner.
pub const BESIDE: [&str; 4] = ["--speed", "40", "--lab-rps", "5"];

/// A short canary: everything a rollout has, in as little time as the minutes of metrics allow.
const SPEC: &str = r#"
version: 1
name: web
target:
  cluster: prod
  rule: { load_balancer: web, port: 443, priority: 10 }
  slots:
    blue: { service: web-blue, target_group: web-blue }
    green: { service: web-green, target_group: web-green }
release:
  images: { family: web, containers: { app: "example/web:${VERSION:-2}" } }
strategy:
  canary:
    steps: [shift: 10%, hold: 1m, shift: 50%, hold: 1m]
    warm: 1m
gates:
  - metric:
      name: candidate errors
      inputs:
        errors: { metric: HTTPCode_Target_5XX_Count, statistic: Sum, of: candidate, absent: zero }
        requests: { metric: RequestCount, statistic: Sum, of: candidate }
      expression: 100 * errors / requests
      above: 1
      samples: { input: requests, at_least: 5 }
"#;

/// A lab's minutes are seconds here, of which a busy machine takes some for itself.
const PATIENT: &str = "\nlimits: { shift: 1h, blind: 30m }\n";

/// Keeps journeys that need the machine for themselves from each other.
static HEAVY: Mutex<()> = Mutex::new(());

pub fn heavy() -> MutexGuard<'static, ()> {
    HEAVY.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "journeys happen on the wall clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// A number that the tester chooses.
pub fn number(variable: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how much is tested is the tester's to choose")]
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Asks again and again until there is an answer. The one place that waits without being told.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// A spec of the repository.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rollout-specs").join(name)
}

/// Metrics that come soon, unless a journey says how late they are: each minute of theirs costs every journey.
pub fn prompt(play: &[&str]) -> &'static [&'static str] {
    if play.contains(&"--lab-delay") { &[] } else { &["--lab-delay", "20s"] }
}

/// Patient limits in the text of a spec, unless it has limits of its own.
pub fn patient(text: &str) -> String {
    format!("{text}{}", if text.contains("\nlimits:") { "" } else { PATIENT })
}

/// A place of its own for one journey: its state folder, its home, its specs.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// The short canary, with more lines at its end.
    pub fn spec(&self, more: &str) -> PathBuf {
        let path = self.folder.path().join("rollout.yaml");
        std::fs::write(&path, patient(&format!("{SPEC}{more}"))).expect("a spec can be written");
        path
    }

    /// A spec of the repository with patient limits, and the task definition beside it.
    pub fn example(&self, name: &str) -> PathBuf {
        let text = std::fs::read_to_string(example(name)).expect("it is there");
        let text = text.replace("\n  shift: 5m\n", "\n").replace("\nlimits:\n", "\nlimits:\n  shift: 1h\n");
        std::fs::copy(example("taskdef.json"), self.folder.path().join("taskdef.json")).expect("it can be copied");
        let path = self.folder.path().join(name);
        std::fs::write(&path, patient(&text)).expect("a spec can be written");
        path
    }

    /// A spec of one service that ECS deploys by itself, with other steps and with more lines at its end.
    pub fn spec_of_ecs(&self, pause: &str, steps: &str, more: &str) -> PathBuf {
        self.spec_of_one(&format!("{{ ecs: {{ pause: {pause} }} }}"), steps, more)
    }

    /// The same with the driver that fills both slots with one service.
    pub fn spec_of_one(&self, driver: &str, steps: &str, more: &str) -> PathBuf {
        let path = self.spec_of(steps, &format!("driver: {driver}\n{more}"));
        let text = std::fs::read_to_string(&path).expect("it was written");
        let text = text.replace("service: web-blue, ", "").replace("service: web-green, ", "");
        std::fs::write(&path, text.replace("cluster: prod\n", "cluster: prod\n  service: web\n"))
            .expect("a spec can be written");
        path
    }

    /// The short canary with other steps.
    pub fn spec_of(&self, steps: &str, more: &str) -> PathBuf {
        let path = self.spec(more);
        let text = std::fs::read_to_string(&path).expect("it was written");
        let usual = "steps: [shift: 10%, hold: 1m, shift: 50%, hold: 1m]";
        assert!(text.contains(usual), "the usual steps are there");
        std::fs::write(&path, text.replace(usual, &format!("steps: [{steps}]"))).expect("a spec can be written");
        path
    }

    /// `tidegate` with these arguments, and nothing of this machine's environment.
    pub fn tidegate<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("TIDEGATE_STATE_DIR", self.state()).env("USER", "alice");
        command.env("TMPDIR", self.folder.path());
        command
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts a rollout in a lab inside the runner.
    pub fn rehearse(&self, spec: &Path, play: &[&str]) -> Process {
        let spec = spec.to_str().expect("paths are UTF-8 here");
        let fixed = ["run", spec, "--lab", "--yes", "--json"];
        Process::start(&mut self.tidegate(fixed.iter().chain(prompt(play)).chain(play)))
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        Process::start(&mut self.tidegate(arguments)).end()
    }

    /// What `status --json` says.
    pub fn status(&self) -> Value {
        self.run(["status", "--json"]).events().remove(0)
    }

    /// What the documents of the store here say.
    pub fn documents(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.state().join("control")).expect("there is a store");
        let latest = folders.map(|folder| {
            let bodies = std::fs::read_dir(folder.expect("it can be read").path()).expect("a document is a folder");
            bodies.map(|body| body.expect("it can be read").path()).filter(|path| path.extension().is_some()).max()
        });
        latest.flatten().map(|path| std::fs::read_to_string(path).expect("it can be read")).collect()
    }

    /// The id of the only rehearsal in a lab of its runner's own.
    pub fn rehearsal(&self) -> String {
        let folder = self.only("lab/rollouts");
        folder.file_name().and_then(|name| name.to_str()).expect("ids are text").to_owned()
    }

    /// The folder of the only rollout here.
    pub fn rollout(&self) -> PathBuf {
        self.only("rollouts")
    }

    fn only(&self, store: &str) -> PathBuf {
        let rollouts = std::fs::read_dir(self.state().join(store)).expect("there is a store");
        let rollouts: Vec<PathBuf> = rollouts.map(|entry| entry.expect("it can be read").path()).collect();
        assert_eq!(rollouts.len(), 1, "{rollouts:?}");
        rollouts[0].clone()
    }

    /// The files with its lines, in order.
    pub fn lines(&self) -> Vec<PathBuf> {
        let lines = std::fs::read_dir(self.rollout().join("journal")).expect("there is a journal");
        let mut lines: Vec<PathBuf> = lines.map(|entry| entry.expect("it can be read").path()).collect();
        lines.sort();
        lines
    }

    /// Its journal as one text.
    pub fn recorded(&self) -> Vec<u8> {
        self.lines().iter().flat_map(|line| std::fs::read(line).expect("it can be read")).collect()
    }
}

/// A process that runs. Dropped, it is killed.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub lines: Vec<String>,
    /// Standard error.
    pub errors: String,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidegate starts");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (heard, err) = (Arc::clone(&errors), BufReader::new(child.stderr.take().expect("it is piped")));
        let reader = thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                let mut heard = heard.lock().expect("nobody panics with it");
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        Self { child, lines, seen: Vec::new(), errors, reader: Some(reader) }
    }

    /// What it has said on standard error so far.
    pub fn errors(&self) -> String {
        self.errors.lock().expect("nobody panics with it").clone()
    }

    /// The next line of standard output, unless there is none any more or none comes until `deadline`.
    pub fn line_until(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.lines.recv_timeout(deadline.saturating_duration_since(now()))?;
        self.seen.push(line.clone());
        Ok(line)
    }

    /// Reads events until one is `kind` and `is_it` agrees.
    pub fn event_where(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = now() + PATIENCE;
        loop {
            let line = self.line_until(deadline);
            let line = line.unwrap_or_else(|why| panic!("no `{kind}` came ({why}); until then: {}", self.story()));
            let event: Value = serde_json::from_str(&line).expect("events are JSON");
            if event["type"] == kind && is_it(&event) {
                return event;
            }
        }
    }

    pub fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, |_| true)
    }

    /// Reads until the candidate has this share.
    pub fn share(&mut self, percent: u64) {
        self.event_where("shifted", |event| event["share_percent"] == percent);
    }

    /// Reads events for this long, or to its end.
    pub fn read_for(&mut self, span: Duration) {
        let deadline = now() + span;
        while self.line_until(deadline).is_ok() {}
    }

    /// Reads so many events, or to its end.
    pub fn read_lines(&mut self, count: usize) {
        let deadline = now() + PATIENCE;
        for _ in 0..count {
            if self.line_until(deadline).is_err() {
                return;
            }
        }
    }

    /// All that it has said so far.
    pub fn story(&mut self) -> String {
        self.read_for(Duration::ZERO);
        format!("{}\n{}", self.seen.join("\n"), self.errors())
    }

    /// `kill -9`. What it said is read to its end; true if it had ended before.
    pub fn kill(mut self) -> Ended {
        // The pipe still holds what it said before.
        self.child.kill().expect("a process of ours can be killed");
        self.end()
    }

    /// Sends a signal by name: `INT`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
    }

    /// Whether it has ended, or was never more than begun.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let deadline = now() + PATIENCE;
        loop {
            match self.line_until(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.story()),
            }
        }
        let status = until("the process has ended", || self.child.try_wait().expect("it can be waited for"));
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        Ended { code: status.code(), lines: std::mem::take(&mut self.seen), errors: self.errors() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Standard output as events.
    pub fn events(&self) -> Vec<Value> {
        let event = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.lines.iter().map(event).collect()
    }

    /// The last event of a kind.
    pub fn last(&self, kind: &str) -> Value {
        let event = self.events().into_iter().rfind(|event| event["type"] == kind);
        event.unwrap_or_else(|| panic!("no `{kind}` in: {self}"))
    }

    pub fn has(&self, kind: &str) -> bool {
        self.events().iter().any(|event| event["type"] == kind)
    }

    /// What the in-process lab's clients saw.
    pub fn traffic(&self) -> Traffic {
        Traffic(self.last("lab")["traffic"].clone())
    }

    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.lines.join("\n"), self.errors)
    }

    /// It ended with this code, and says these words somewhere.
    #[track_caller]
    pub fn ends(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "`{word}` is not in: {self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n{}", self.code, self.text())
    }
}

/// What simulated clients saw.
#[derive(Clone, Debug)]
pub struct Traffic(pub Value);

impl Traffic {
    pub fn requests(&self) -> u64 {
        self.0["requests"].as_u64().expect("it is counted")
    }

    pub fn failed(&self) -> u64 {
        self.0["failed"].as_u64().expect("it is counted")
    }

    /// Requests that a target group answered, and how many of them with a 5XX.
    pub fn of(&self, group: &str) -> (u64, u64) {
        let group = &self.0["by_target_group"][group];
        (group["requests"].as_u64().unwrap_or_default(), group["failed"].as_u64().unwrap_or_default())
    }

    /// No request failed but by this group's doing.
    #[track_caller]
    pub fn fails_only_in(&self, group: &str) {
        let (_, failed) = self.of(group);
        assert_eq!(self.failed(), failed, "requests failed that the candidate did not answer: {}", self.0);
    }
}

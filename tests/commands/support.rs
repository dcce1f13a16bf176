//! What the tests stand on: a folder of one's own, the binary in it, and a lab to talk to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a command may take, however busy the machine: for what hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// The examples that ship with the program.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rollout-specs")
}

/// The path of one of them.
pub fn example(name: &str) -> String {
    examples().join(name).display().to_string()
}

/// A machine of one's own: a home, a state folder, specs, and no AWS anywhere.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(examples().join("taskdef.json"), dir.path().join("taskdef.json")).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file and gives its name, which is its path for [`Sandbox::command`].
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path().join(name), content).unwrap();
        name.to_owned()
    }

    /// An example with parts of it replaced.
    pub fn changed(&self, name: &str, changes: &[(&str, &str)]) -> String {
        let mut text = std::fs::read_to_string(examples().join(name)).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{name} holds no {old:?}");
            text = text.replace(old, new);
        }
        self.file(&format!("changed-{name}"), text)
    }

    /// A spec that is through in seconds of a fast lab.
    pub fn quick(&self, extra: &str) -> String {
        let text = "
version: 1
name: web
target:
  cluster: prod
  rule: { load_balancer: web, port: 443, priority: 10 }
  slots:
    blue: { service: web-blue, target_group: web-blue }
    green: { service: web-green, target_group: web-green }
release: { file: taskdef.json }
strategy:
  canary:
    steps:
      - shift: 10%
      - hold: 2m
    warm: 1m
# A lab second is short, and the machine may be busy with other tests.
limits: { prepare: 1h, shift: 1h, verdict: 1h }
gates:
  - tasks: { start_within: 1h }
  - alarm: { name: web-5xx }
";
        self.file("quick.yaml", format!("{text}{extra}"))
    }

    /// A rollout on this machine, as its runner left it after so many lines: a journal of the first format, which
    /// ends rolled back with line 23.
    pub fn rollout(&self, id: &str, lines: usize) {
        self.rollout_in("rollouts", id, lines);
    }

    /// The same, of a rehearsal in a lab inside the runner.
    pub fn rehearsal(&self, id: &str, lines: usize) {
        self.rollout_in("lab/rollouts", id, lines);
    }

    fn rollout_in(&self, store: &str, id: &str, lines: usize) {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/format-1.jsonl");
        let folder = self.state().join(store).join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let text = std::fs::read_to_string(recorded).unwrap();
        let text: String = text.lines().take(lines).map(|line| line.to_owned() + "\n").collect();
        std::fs::write(folder.join("tape.jsonl"), text).unwrap();
    }

    /// The program in this folder, with nothing in its environment that was not put there.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(words).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.path().join("home")).env("TIDEGATE_STATE_DIR", self.state());
        command
            .env("TMPDIR", self.path())
            .env("LANG", "C.UTF-8")
            .env("USER", "ana")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// The processor's time that the program takes to its end, which other work does not make longer.
    pub fn processor_time(&self, words: &[&str]) -> Duration {
        let plain = self.command(&[]);
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"TIMEFORMAT="%U %S"; time "$@" > /dev/null 2>&1"#, "bash", env!("CARGO_BIN_EXE_tidegate")]);
        shell.args(words).current_dir(self.path()).envs(plain.get_envs().filter_map(|(name, of)| Some((name, of?))));
        let told = end(shell).err;
        let seconds = told.split_whitespace().map(|part| part.parse::<f64>().unwrap()).sum();
        Duration::from_secs_f64(seconds)
    }

    /// Runs the program to its end.
    pub fn run(&self, words: &[&str]) -> Ended {
        end(self.command(words))
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Checks the exit code, and that nothing panicked.
    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{self:#?}");
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// Checks that both streams together hold all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "no {part:?} in\n{}\n{}", self.out, self.err);
        }
        self
    }

    /// The lines of standard output, each one JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(read).collect()
    }

    /// Checks that a terminal would obey nothing in it.
    #[track_caller]
    pub fn harmless(self) -> Self {
        harmless(&self.out);
        harmless(&self.err);
        self
    }
}

/// Checks that no control character but line breaks is in `text`, nor one that turns the direction of writing.
#[track_caller]
pub fn harmless(text: &str) {
    let foul =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(foul), "{text:?}");
}

/// Runs a command to its end, and reads what it writes.
pub fn end(mut command: Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
    let out = read(child.stdout.take().unwrap());
    let err = read(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ended { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Runs it until it says `words` on standard error, sends it a signal, and waits for its end.
pub fn end_after(mut command: Command, words: &str, signal: &str) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = read(child.stdout.take().unwrap());
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains(words) {
        assert_ne!(told.read_line(&mut err).unwrap(), 0, "it ended before it said {words:?}: {err}");
    }
    Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    told.read_to_string(&mut err).unwrap();
    let status = wait(&mut child);
    Ended { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err }
}

fn read(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}

/// Waits for a child, and ends it when it hangs.
pub fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A lab as a server, which ends with this.
pub struct Served {
    child: Child,
    /// What it said when it was ready.
    pub ready: Value,
}

impl Served {
    pub fn start(sandbox: &Sandbox, spec: &str, words: &[&str]) -> Self {
        let mut command = sandbox.command(&["lab", "--spec", spec]);
        let mut child = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, ready }
    }

    /// The program as it talks to this lab.
    pub fn command(&self, sandbox: &Sandbox, words: &[&str]) -> Command {
        let mut command = sandbox.command(words);
        for (name, value) in self.ready["environment"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        command
    }

    pub fn run(&self, sandbox: &Sandbox, words: &[&str]) -> Ended {
        end(self.command(sandbox, words))
    }

    /// Changes the account behind the program's back: an ELBv2 call with these parameters.
    pub fn elb(&self, operation: &str, parameters: &[(&str, &str)]) {
        let mut body = format!("Action={operation}&Version=2015-12-01");
        for (name, value) in parameters {
            let value = value.replace(':', "%3A").replace('/', "%2F");
            body.extend(["&", name, "=", &value]);
        }
        self.post("content-type: application/x-www-form-urlencoded", &body);
    }

    /// An ECS or CloudWatch call: `AmazonEC2ContainerServiceV20141113.UpdateService`.
    pub fn json(&self, target: &str, body: &Value) {
        self.post(&format!("content-type: application/x-amz-json-1.1\r\nx-amz-target: {target}"), &body.to_string());
    }

    fn post(&self, headers: &str, body: &str) {
        let address = self.ready["endpoint"].as_str().unwrap().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}");
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{body}\n{answer}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

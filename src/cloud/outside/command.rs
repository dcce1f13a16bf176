//! A command that judges: JSON in, a verdict out, and an end to it after its time.
//!
//! It runs in a process group of its own, which a signal from the terminal does not reach and which is killed
//! as a whole: when its time is up, and when the runner leaves. Of the runner's environment, which holds credentials and
//! secrets, it gets only the variables that are listed here or named by the spec.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::answer::{LIMIT, SaidVerdict, brief};
use super::process_group::ProcessGroup;
use super::question::Question;
use crate::cloud::http::filled;
use crate::domain::clock::span;
use crate::gate::{CommandRule, Outcome};

/// How much is kept of the end of what a program complains, in bytes.
const TAIL: usize = 4096;
/// What every program gets of the runner's environment, where it is set.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// Runs the program once.
///
/// # Errors
/// In words when there is no verdict.
pub(super) async fn ask(
    rule: &CommandRule,
    environment: &BTreeMap<String, String>,
    question: &Question<'_>,
    process_group: &ProcessGroup,
) -> Result<SaidVerdict, String> {
    let given = rule.command.iter().map(|text| filled(text, environment)).collect::<Result<Vec<_>, _>>()?;
    let (program, arguments) = given.split_first().ok_or("there is no program")?;
    let mut command = Command::new(program);
    command.env_clear().envs(given_environment(rule, environment, question)?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the program cannot be run: {error}"))?;
    process_group.hold(child.id());
    match tokio::time::timeout(rule.timeout, heard(&mut child, &question.text())).await {
        Ok(heard) => {
            process_group.let_go();
            heard.map_err(|error| format!("the program cannot be heard: {error}"))?.answer()
        }
        Err(_) => {
            process_group.cut();
            Err(format!("no answer within {}", span(rule.timeout)))
        }
    }
}

/// The environment of a program.
///
/// # Errors
/// In words when a variable that the spec names is not set.
fn given_environment(
    rule: &CommandRule,
    environment: &BTreeMap<String, String>,
    question: &Question<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let inherited = INHERITED.iter().filter_map(|name| environment.get_key_value(*name));
    let mut given: BTreeMap<String, String> =
        inherited.map(|(name, value)| (name.clone(), value.clone())).chain(question.variables()).collect();
    for name in &rule.environment {
        let value = environment.get(name).ok_or_else(|| format!("{name} is not set"))?;
        given.insert(name.clone(), value.clone());
    }
    Ok(given)
}

/// What a program left behind.
struct Heard {
    said: Vec<u8>,
    complaint: Vec<u8>,
    status: ExitStatus,
}

/// Asks and listens until the program has ended. It is waited for last: until then nobody else can be given its
/// number.
async fn heard(child: &mut Child, question: &str) -> std::io::Result<Heard> {
    let (input, output, complaint) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let tell = async {
        if let Some(mut input) = input {
            // A program need not read what it is told.
            let _ = input.write_all(question.as_bytes()).await;
        }
    };
    let ((), said, complaint) = tokio::join!(tell, beginning(output), tail(complaint));
    Ok(Heard { said: said?, complaint: complaint?, status: child.wait().await? })
}

/// As much as an answer may hold, and a byte more to tell that it holds too much.
async fn beginning(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(from) = from {
        from.take(LIMIT as u64 + 1).read_to_end(&mut said).await?;
    }
    Ok(said)
}

async fn tail(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return Ok(kept) };
    let mut part = [0; TAIL];
    // The program's time bounds this.
    loop {
        let length = from.read(&mut part).await?;
        if length == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&part[..length]);
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
}

impl Heard {
    /// What is printed is the answer; when nothing is, the exit code.
    fn answer(&self) -> Result<SaidVerdict, String> {
        let complaint = self.complaint();
        let with = |text: String| if complaint.is_empty() { text } else { format!("{text}: {complaint}") };
        let end = match (self.status.code(), self.status.success()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, _) => "ended by a signal".to_owned(),
        };
        if self.said.trim_ascii().is_empty() {
            return match self.status.code() {
                Some(0) => Ok(SaidVerdict::new(Outcome::Pass, &with(end))),
                Some(1) => Ok(SaidVerdict::new(Outcome::Fail, &with(end))),
                _ => Err(with(end)),
            };
        }
        match SaidVerdict::read(&self.said).map_err(with)? {
            SaidVerdict { outcome: Outcome::Pass, .. } if !self.status.success() => {
                Err(with(format!("it printed a pass, but {end}")))
            }
            answer => Ok(answer),
        }
    }

    /// The last line that says something.
    fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaint);
        brief(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default())
    }
}

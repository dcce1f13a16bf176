//! What a shell needs to reach a lab: a command that runs beside it, or lines that the shell evaluates.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::lab_clock::{Kept, VARIABLE};
use super::{Exit, Failure, terminal};

/// The variable that leads `lab down` to the lab of this shell.
const PID: &str = "TIDEGATE_LAB_PID";

/// The names of what a client needs in its environment.
const VARIABLES: [&str; 7] = [
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    VARIABLE,
    "TIDEGATE_CONNECT_TO",
];

/// Where a lab is reached.
pub(super) struct Reached<'a> {
    pub(super) endpoint: String,
    pub(super) region: &'a str,
    pub(super) listeners: Vec<(String, SocketAddr)>,
}

/// Everything a client needs, in one line; `environment` is what to export.
pub(super) fn ready(reached: &Reached<'_>, clock: &Kept) -> Value {
    let Reached { endpoint, region, listeners } = reached;
    let connect_to: Vec<String> = listeners.iter().map(|(host, address)| format!("{host}={address}")).collect();
    let listeners: Map<String, Value> =
        listeners.iter().map(|(host, address)| (host.clone(), json!(format!("http://{address}")))).collect();
    let (clock, connect_to) = (clock.path.display().to_string(), connect_to.join(","));
    let values = [endpoint.as_str(), region, region, "lab", "lab", &clock, &connect_to];
    let environment: BTreeMap<&str, &str> = VARIABLES.into_iter().zip(values).collect();
    json!({
        "endpoint": endpoint,
        "region": region,
        "listeners": listeners,
        "traffic": format!("{endpoint}/_lab/traffic"),
        "prometheus": format!("{endpoint}/_lab/prometheus"),
        "environment": environment,
    })
}

/// Runs a command with what a client of the lab needs in its environment. Returns the code it ended with, as a shell
/// tells it.
pub(super) async fn beside(ready: &Value, command: &[OsString]) -> Result<u8, Failure> {
    let (program, words) = command.split_first().expect("the command line asks for one");
    let mut command = tokio::process::Command::new(program);
    command.args(words).envs(environment(ready));
    let mut child = command
        .spawn()
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot run {}: {error}", program.display())))?;
    // A signal from the terminal reaches the command too, and the lab outlives it.
    let _heard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    let ended = child.wait().await.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    let code = ended.code().or(ended.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Begins a lab of its own process, with the words of this command line but `up`, and returns its ready line. A second
/// one in the same shell would leave the first to nobody.
pub(super) fn up(variable: impl Fn(&str) -> Option<String>) -> Result<(Value, u32), Failure> {
    if own(&variable).is_some() {
        let failure = Failure::new(Exit::Usage, "this shell has a lab already");
        return Err(failure.hint("`eval \"$(tidegate lab down)\"` ends it"));
    }
    let unexpected = |what: &str| Failure::new(Exit::Unexpected, format!("the lab did not start: {what}"));
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let lab = words.iter().position(|word| word == "lab").unwrap_or_default();
    if let Some(up) = words[lab..].iter().position(|word| word == "up") {
        words.remove(lab + up);
    }
    let program = std::env::current_exe().map_err(|error| unexpected(&error.to_string()))?;
    let mut command = Command::new(program);
    // A signal to this shell's commands is none for the lab.
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| unexpected(&error.to_string()))?;
    let mut line = String::new();
    let out = child.stdout.take().map(BufReader::new);
    let _ = out.map(|mut out| out.read_line(&mut line));
    if let Ok(ready) = serde_json::from_str::<Value>(&line) {
        return Ok((ready, child.id()));
    }
    let mut said = String::new();
    let _ = child.stderr.take().map(|mut err| err.read_to_string(&mut said));
    let code = child.wait().ok().and_then(|ended| ended.code());
    terminal::say(said.trim_end());
    let exit = if code == Some(i32::from(Exit::Usage as u8)) { Exit::Usage } else { Exit::Unexpected };
    Err(Failure::new(exit, "the lab did not start"))
}

/// The lines with which a shell reaches the lab.
pub(super) fn exports(ready: &Value, pid: u32) -> String {
    let own = std::iter::once((PID.to_owned(), pid.to_string()));
    let line = |(name, value): (String, String)| format!("export {name}={}\n", quoted(&value));
    environment(ready).chain(own).map(line).collect::<Vec<_>>().concat()
}

/// Ends the lab that this shell reaches, and returns the lines with which the shell forgets it.
pub(super) fn down(variable: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let none = || {
        let failure = Failure::new(Exit::Usage, "this shell has no lab");
        failure.hint("`eval \"$(tidegate lab up --spec SPEC)\"` begins one")
    };
    variable(PID).ok_or_else(none)?;
    match own(&variable) {
        Some(process) => {
            kill_process(process, Signal::TERM).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        }
        None => terminal::say("the lab of this shell is gone already"),
    }
    Ok(format!("unset {PID} {}\n", VARIABLES.join(" ")))
}

/// The process of the lab that this shell reaches, if it is there. The clock's file goes with its lab, so another process
/// that has its number by now is left alone.
fn own(variable: &impl Fn(&str) -> Option<String>) -> Option<Pid> {
    let (pid, clock) = (variable(PID)?, variable(VARIABLE)?);
    let clock = Path::new(&clock);
    let is_its_own = clock.file_name()?.to_string_lossy().starts_with(&format!("tidegate-lab-{pid}-"));
    pid.parse().ok().and_then(Pid::from_raw).filter(|_| is_its_own && clock.exists())
}

fn environment(ready: &Value) -> impl Iterator<Item = (String, String)> {
    let variables = ready["environment"].as_object().into_iter().flatten();
    variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
}

/// A value as a shell of POSIX's takes it whole.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

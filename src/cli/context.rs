//! What every command shares: global flags, environment, stores, the clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Exit, Failure};
use crate::clock::{Clock, Timestamp};
use crate::cloud::aws::Settings;
use crate::journal;
use crate::machine::Machine;
use crate::store::{Held, RolloutEntry, Store, StoreError};

/// Flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Globals {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Where rollouts are kept [default: the user's state folder].
    #[arg(long, global = true, env = "TIDEGATE_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Use this URL in place of AWS's own endpoints.
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    endpoint_url: Option<String>,
    /// The region, where the spec names none.
    #[arg(long, global = true)]
    region: Option<String>,
    /// The profile of the AWS configuration files.
    #[arg(long, global = true)]
    profile: Option<String>,
    /// Follow a lab's time: the value that `tidegate lab` prints.
    #[arg(long, global = true, env = "TIDEGATE_CLOCK", value_name = "ANCHOR*SPEED", hide = true)]
    clock: Option<String>,
    /// Connect to a lab's listeners: the value that `tidegate lab` prints.
    #[arg(long, global = true, env = "TIDEGATE_CONNECT_TO", value_name = "HOST:PORT=ADDRESS,…", hide = true)]
    connect_to: Option<String>,
}

/// The command's surroundings, read once.
#[derive(Clone, Debug)]
pub(super) struct Context {
    globals: Globals,
    clock: Clock,
    connect_to: Vec<(String, SocketAddr)>,
    variables: BTreeMap<String, String>,
}

/// The stores of this machine: rollouts on an account, and rehearsals in a lab inside the runner's own
/// process, which are gone with it.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) main: Store,
    pub(super) lab: Store,
}

impl Context {
    pub(super) fn new(globals: Globals) -> Result<Self, Failure> {
        let clock = match &globals.clock {
            None => Clock::wall(),
            Some(text) => clock(text).ok_or_else(|| {
                let wrong = format!("TIDEGATE_CLOCK `{text}` is not milliseconds*speed, such as 1795442709000*30");
                Failure::new(Exit::Usage, wrong)
            })?,
        };
        let connect_to = globals.connect_to.as_deref().unwrap_or_default();
        let connect_to = connect_to.split(',').filter(|entry| !entry.is_empty()).map(connection);
        let connect_to = connect_to
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Failure::new(Exit::Usage, "TIDEGATE_CONNECT_TO is not a list of host:port=address:port"))?;
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Ok(Self { variables: variables.collect(), globals, clock, connect_to })
    }

    /// Whether output is for programs.
    pub(super) fn json(&self) -> bool {
        self.globals.json
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(super) fn connect_to(&self) -> Vec<(String, SocketAddr)> {
        self.connect_to.clone()
    }

    /// The environment, as specs and probe headers may use it.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where AWS is, for a target that names this region, or none.
    pub(super) fn settings(&self, region: Option<&str>) -> Settings {
        Settings {
            region: region.map(str::to_owned).or_else(|| self.globals.region.clone()),
            endpoint: self.globals.endpoint_url.clone(),
            profile: self.globals.profile.clone(),
        }
    }

    /// Where rollouts are kept.
    pub(super) fn stores(&self) -> Result<Stores, Failure> {
        let root = match &self.globals.state_dir {
            Some(dir) => dir.clone(),
            None => self.state_folder()?,
        };
        Ok(Stores { lab: Store::open(root.join("lab"))?, main: Store::open(root)? })
    }

    fn state_folder(&self) -> Result<PathBuf, Failure> {
        let home = || self.variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = self.variable("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        state.map(|state| state.join("tidegate")).ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no HOME to keep rollouts in").hint("say where: `--state-dir DIR`")
        })
    }
}

/// A URL that calls can go to.
fn url(text: &str) -> Result<String, String> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    host.map(|_| text.to_owned()).ok_or_else(|| "it begins with http:// or https:// and names a host".to_owned())
}

/// `milliseconds*speed`.
fn clock(text: &str) -> Option<Clock> {
    let (anchor, speed) = text.split_once('*')?;
    let speed = speed.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0)?;
    Some(Clock::anchored(Timestamp::from_millis(anchor.parse().ok()?), speed))
}

/// `host:port=address:port`.
fn connection(text: &str) -> Option<(String, SocketAddr)> {
    let (host, address) = text.split_once('=')?;
    Some((host.to_owned(), address.parse().ok()?))
}

/// A rollout that was found, and the store it is in.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) store: &'a Store,
    pub(super) entry: RolloutEntry,
    /// Whether it is a rehearsal in a lab of the runner's own.
    pub(super) is_lab: bool,
}

impl Found<'_> {
    /// The present moment in the rollout's own time; a lab's is known from its tape only.
    pub(super) fn now(&self, context: &Context, machine: &Machine) -> Timestamp {
        if self.is_lab { machine.now() } else { context.clock().now().max(machine.now()) }
    }
}

impl Stores {
    /// The rollout that `text` names: by id, beginning of an id, or name; without it the newest that is
    /// unfinished, or else the newest.
    pub(super) fn find(&self, text: Option<&str>) -> Result<Found<'_>, Failure> {
        let found = [(&self.main, false), (&self.lab, true)]
            .map(|(store, is_lab)| find_in(store, text).map(|entry| entry.map(|entry| Found { store, entry, is_lab })));
        let [main, lab] = found;
        match (main?, lab?) {
            (Some(main), Some(lab)) => {
                // A rehearsal is meant when it is the one that is going on, or simply the newer.
                let (one, other) = (is_driven(&main), is_driven(&lab));
                let newer = started(&lab.entry) > started(&main.entry);
                Ok(if other && !one || (one == other && newer) { lab } else { main })
            }
            (Some(found), None) | (None, Some(found)) => Ok(found),
            (None, None) => match text {
                Some(text) => Err(StoreError::Unknown(text.to_owned()).into()),
                None => Err(Failure::new(Exit::Usage, "there is no rollout on this machine yet")
                    .hint("`tidegate run SPEC` starts one; `--state-dir` says where else to look")),
            },
        }
    }
}

fn find_in(store: &Store, text: Option<&str>) -> Result<Option<RolloutEntry>, Failure> {
    let Some(text) = text else {
        let all = store.list()?;
        return Ok(all.iter().find(|entry| is_unfinished(entry)).or(all.first()).cloned());
    };
    match store.find(text, is_unfinished) {
        Ok(entry) => Ok(Some(entry)),
        Err(StoreError::Unknown(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn started(entry: &RolloutEntry) -> Option<Timestamp> {
    journal::read(&entry.tape()).ok().map(|tape| tape.header.at)
}

/// Whether a rollout's tape says that it is not over.
pub(super) fn is_unfinished(entry: &RolloutEntry) -> bool {
    let Ok(tape) = journal::read(&entry.tape()) else { return false };
    journal::replay(tape.header.plan, &tape.records).outcome().is_none()
}

/// Whether a runner drives the rollout at this moment.
pub(super) fn is_driven(found: &Found<'_>) -> bool {
    let Ok(tape) = journal::read(&found.entry.tape()) else { return false };
    match found.store.holder_of(&tape.header.plan.target.rule) {
        Ok(Held::By(holder)) => holder.rollout == found.entry.id,
        Ok(Held::Free | Held::Unnamed) | Err(_) => false,
    }
}

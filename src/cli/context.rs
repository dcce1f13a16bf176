//! What every command shares: global flags, environment, stores, the clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Exit, Failure, ci, lab_clock};
use crate::cloud::aws::{Aws, Oidc, Settings};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::name::RolloutId;
use crate::domain::trace::TraceParent;
use crate::journal;
use crate::lease::{Owner, Phase};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::report::Markup;
use crate::store::Store;
use crate::store::bucket::{self, Bucket};

/// How many rollouts are looked at, newest first, for one that is not over.
pub(super) const LOOKED_AT: usize = 50;

/// Whether a rollout is over, as far as its store tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is over.
    Over,
    /// It is not.
    Unfinished,
    /// The store does not say.
    Unknown,
}

/// Flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Globals {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Where rollouts are kept [default: the user's state folder].
    #[arg(long, global = true, env = "TIDEGATE_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Where rollouts are kept that others can take over: s3://bucket/prefix [default: the state folder].
    #[arg(long, global = true, env = "TIDEGATE_STORE", hide_env_values = true, value_name = "URL")]
    pub(super) store: Option<String>,
    /// Tell times in UTC on a screen too [default: this machine's zone, or that of TZ].
    #[arg(long, global = true)]
    utc: bool,
    /// Write for a pipeline's log [default: whose it is by CI, GITHUB_ACTIONS, GITLAB_CI, JENKINS_URL or BUILDKITE].
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_CI",
        hide_env_values = true,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto"
    )]
    ci: Option<ci::Said>,
    /// Use this URL in place of AWS's own endpoints.
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    pub(super) endpoint_url: Option<String>,
    /// The region, where the spec names none.
    #[arg(long, global = true)]
    pub(super) region: Option<String>,
    /// The profile of the AWS configuration files.
    #[arg(long, global = true)]
    pub(super) profile: Option<String>,
    /// In GitHub Actions: the role to assume with the job's own token, renewed for as long as the job lasts. It needs
    /// `permissions: id-token: write`.
    #[arg(long, global = true, env = "TIDEGATE_GITHUB_OIDC_ROLE", hide_env_values = true, value_name = "ARN")]
    github_oidc_role: Option<String>,
    /// Follow a lab's time: the file that `tidegate lab` names.
    #[arg(long, global = true, env = lab_clock::VARIABLE, value_name = "FILE", hide = true)]
    clock: Option<String>,
    /// Connect to a lab's listeners: the value that `tidegate lab` prints.
    #[arg(long, global = true, env = "TIDEGATE_CONNECT_TO", value_name = "HOST:PORT=ADDRESS,…", hide = true)]
    connect_to: Option<String>,
}

/// The command's surroundings, read once.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) globals: Globals,
    clock: Clock,
    /// Whether a lab's clock was named, and calls go to no lab.
    is_leftover: bool,
    connect_to: Vec<(String, SocketAddr)>,
    variables: BTreeMap<String, String>,
}

/// The stores in use: of rollouts on an account, here or shared; and of this machine's rehearsals in a lab inside
/// the runner's own process, which are gone with it.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) main: Store,
    pub(super) lab: Store,
}

impl Context {
    pub(super) fn new(mut globals: Globals) -> Result<Self, Failure> {
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let variables = variables.collect();
        // What a lab left in a shell must neither make a rollout on an account look like a rehearsal, nor keep
        // anybody from a way back.
        let is_beside = lab_clock::is_here(globals.endpoint_url.as_deref(), &variables);
        let is_leftover = globals.clock.take_if(|_| !is_beside).is_some();
        let clock = globals.clock.as_deref().map_or_else(|| Ok(Clock::wall()), lab_clock::beside)?;
        let connect_to = globals.connect_to.as_deref().unwrap_or_default();
        let connect_to = connect_to.split(',').filter(|entry| !entry.is_empty()).map(connection);
        let connect_to = connect_to
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Failure::new(Exit::Usage, "TIDEGATE_CONNECT_TO is not a list of host:port=address:port"))?;
        Ok(Self { globals, clock, is_leftover, connect_to, variables })
    }

    /// What is wrong with the surroundings, and does no harm.
    pub(super) fn note(&self) -> Option<&'static str> {
        let note = "note: TIDEGATE_CLOCK is set, but no AWS_ENDPOINT_URL of a lab: this follows the wall clock";
        self.is_leftover.then_some(note)
    }

    /// The zone in which a screen tells moments.
    pub(super) fn zone(&self) -> jiff::tz::TimeZone {
        if self.globals.utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() }
    }

    /// Whether output is for programs.
    pub(super) fn json(&self) -> bool {
        self.globals.json
    }

    /// Whose log is written, if it is a pipeline's.
    pub(super) fn pipeline(&self) -> Option<Markup> {
        ci::found(self.globals.ci, &self.variables)
    }

    /// Whether a lab beside this process is what is worked on.
    pub(super) fn follows_lab(&self) -> bool {
        self.globals.clock.is_some()
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

    /// The span under which this process runs, if whoever started it says so.
    pub(super) fn trace(&self) -> Option<TraceParent> {
        TraceParent::parse(self.variable("TRACEPARENT")?)
    }

    /// Where AWS is, for a target that names this region, or none.
    pub(super) fn settings(&self, region: Option<&str>) -> Settings {
        Settings {
            region: region.map(str::to_owned).or_else(|| self.globals.region.clone()),
            endpoint: self.globals.endpoint_url.clone(),
            profile: self.globals.profile.clone(),
            oidc: self.oidc(),
        }
    }

    /// Connects to AWS, in this region or the one that flags and environment name. Nothing is sent yet.
    pub(super) async fn aws(&self, region: Option<&str>) -> Aws {
        Aws::connect(&self.settings(region)).await
    }

    /// The role that GitHub's word gets, if one is named.
    pub(super) fn oidc(&self) -> Option<Oidc> {
        let role = self.globals.github_oidc_role.clone().filter(|role| !role.is_empty())?;
        let told = |name| self.variable(name).unwrap_or_default();
        Some(Oidc {
            role,
            url: told("ACTIONS_ID_TOKEN_REQUEST_URL").to_owned(),
            secret: told("ACTIONS_ID_TOKEN_REQUEST_TOKEN").to_owned(),
            by: format!("{}-{}", told("GITHUB_ACTOR"), told("GITHUB_RUN_ID")),
        })
    }

    /// Where rollouts are kept: where `--store` says, or the spec, or else a folder.
    pub(super) async fn stores(&self, of_spec: Option<&str>) -> Result<Stores, Failure> {
        let root = match &self.globals.state_dir {
            Some(dir) => dir.clone(),
            None => self.state_folder()?,
        };
        let lab = Store::in_folder(root.join("lab"))?;
        let main = match self.store_url(of_spec) {
            Some(url) => self.bucket(url).await?,
            None => Store::in_folder(root)?,
        };
        Ok(Stores { main, lab })
    }

    /// The store that is not a folder of this machine, by its URL.
    pub(super) fn store_url<'a>(&'a self, of_spec: Option<&'a str>) -> Option<&'a str> {
        self.globals.store.as_deref().filter(|said| !said.is_empty()).or(of_spec)
    }

    /// The bucket in which rollouts are kept, and what all keys there begin with; `None` when it is a folder.
    pub(super) fn bucket_place(&self, of_spec: Option<&str>) -> Result<Option<(String, String)>, Failure> {
        let Some(url) = self.store_url(of_spec) else { return Ok(None) };
        place(url).map(|(name, prefix)| Some((name.to_owned(), bucket::root(prefix))))
    }

    async fn bucket(&self, url: &str) -> Result<Store, Failure> {
        let (name, prefix) = place(url)?;
        let aws = self.aws(None).await;
        Ok(Store::at(Arc::new(Bucket::new(aws.objects(name), name, prefix))))
    }

    pub(super) fn state_folder(&self) -> Result<PathBuf, Failure> {
        let home = || self.variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = self.variable("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        state.map(|state| state.join("tidegate")).ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no HOME to keep rollouts in").hint("say where: `--state-dir DIR`")
        })
    }
}

/// Bucket and prefix of a store's URL.
fn place(url: &str) -> Result<(&str, &str), Failure> {
    let place = url.strip_prefix("s3://").map(|place| place.split_once('/').unwrap_or((place, "")));
    place.filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, format!("invalid store URL `{url}`"));
        let failure = failure.hint("it is written as s3://bucket or s3://bucket/prefix");
        // A folder is no store that others could take over from, and has a flag of its own.
        let folder = url.strip_prefix("file://").unwrap_or(url);
        if folder.is_empty() || folder.contains("://") {
            return failure;
        }
        failure.hint(format!("for a folder of this machine: `--state-dir {folder}`, or TIDEGATE_STATE_DIR"))
    })
}

/// A URL that calls can go to.
fn url(text: &str) -> Result<String, String> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    host.map(|_| text.to_owned()).ok_or_else(|| "it begins with http:// or https:// and names a host".to_owned())
}

/// `host:port=address:port`.
fn connection(text: &str) -> Option<(String, SocketAddr)> {
    let (host, address) = text.split_once('=')?;
    Some((host.to_owned(), address.parse().ok()?))
}

/// A rollout that was found, and the store it is in.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) store: Store,
    pub(super) id: RolloutId,
    /// Whether it is a rehearsal in a lab of the runner's own.
    pub(super) is_lab: bool,
}

impl Found {
    pub(super) fn new(store: &Store, id: RolloutId, is_lab: bool) -> Self {
        let store = if is_lab { store.of_rehearsal(&id) } else { store.clone() };
        Self { store, id, is_lab }
    }

    /// A lab that ran inside a runner went with it: there is nothing left to go on with.
    pub(super) fn refuse_gone_lab(&self) -> Result<(), Failure> {
        if !self.is_lab {
            return Ok(());
        }
        let wrong = format!("rollout {} ran in a lab inside its runner, which is gone", self.id);
        Err(Failure::new(Exit::Refused, wrong).hint("`tidegate lab` serves a lab that outlives a runner"))
    }

    /// The present moment in the rollout's own time; a lab's is known from its journal only.
    pub(super) fn now(&self, context: &Context, machine: &Machine) -> Timestamp {
        if self.is_lab { machine.now() } else { context.clock().now().max(machine.now()) }
    }

    /// Who drives the rollout at this moment, as far as its control document tells.
    pub(super) async fn driver(&self, plan: &Plan) -> Option<Owner> {
        let standing = self.store.standing(&plan.target.rule).await.ok()??;
        let ours = standing.control.rollout == self.id && standing.control.phase != Phase::Over;
        standing.control.owner.filter(|owner| ours && !owner.is_gone())
    }
}

impl Stores {
    /// The rollouts that are not over, newest first, of the newest [`LOOKED_AT`] of each store.
    pub(super) async fn unfinished(&self) -> Result<Vec<Found>, Failure> {
        let mut all = Vec::new();
        for (store, is_lab) in [(&self.main, false), (&self.lab, true)] {
            for id in store.list().await?.into_iter().take(LOOKED_AT) {
                let found = Found::new(store, id, is_lab);
                if standing(&found).await == Standing::Unfinished {
                    all.push(found);
                }
            }
        }
        all.sort_by(|a, b| b.id.started().cmp(&a.id.started()));
        Ok(all)
    }
}

/// Whether a rollout is over, by its control document; a journal without one tells it itself.
pub(super) async fn standing(found: &Found) -> Standing {
    let Ok(header) = journal::header(&found.store, &found.id).await else { return Standing::Unknown };
    if found.is_lab {
        // A rehearsal whose runner is gone is over: its lab went with it.
        return if found.driver(&header.plan).await.is_some() { Standing::Unfinished } else { Standing::Over };
    }
    let is_over = match found.store.standing(&header.plan.target.rule).await {
        Ok(Some(standing)) => standing.control.rollout != found.id || standing.control.phase == Phase::Over,
        Ok(None) => match journal::read(&found.store, &found.id).await {
            Ok(recorded) => journal::replay(recorded.header.plan, &recorded.records).outcome().is_some(),
            Err(_) => return Standing::Unknown,
        },
        Err(_) => return Standing::Unknown,
    };
    if is_over { Standing::Over } else { Standing::Unfinished }
}

/// Whether a runner drives the rollout at this moment.
pub(super) async fn is_driven(found: &Found) -> bool {
    let Ok(header) = journal::header(&found.store, &found.id).await else { return false };
    found.driver(&header.plan).await.is_some()
}

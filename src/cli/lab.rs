//! `tidegate lab`, and the lab inside `run --lab`: a spec turned into a world to rehearse it in.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::context::Context;
use super::lab_clock::{self, Kept};
use super::lab_shell::{self, Reached};
use super::{Exit, Failure, release, target, terminal};
use crate::cloud::aws::Aws;
use crate::domain::clock::Clock;
use crate::domain::name::Arn;
use crate::domain::notify::Channel;
use crate::domain::text::{count, escape, hang, pad};
use crate::gate::Check;
use crate::spec::{DriverSpec, Release, RuleSpec, SlotSpec, Spec};
use tidegate_lab::{
    ApiFault, Behaviour, Lab, LabClock, LabConfig, Outage, ServiceSeed, ShiftPauses, SlotSeed, TrafficReport,
    WorldSeed, parse_duration, parse_share,
};

/// The region of a lab whose spec names none.
const REGION: &str = "eu-west-1";
/// How long CodeDeploy waits in a lab to be told to shift traffic.
const READY_WAIT: Duration = Duration::from_secs(3600);
/// The account of a lab whose spec names none.
const ACCOUNT: &str = "123456789012";

/// Serve an AWS account in miniature on a loopback port: ECS, CodeDeploy, load balancing, CloudWatch, S3, EventBridge
/// Scheduler, Application Auto Scaling and STS in AWS's own wire formats, with live tasks and traffic behind them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In a shell, `eval \"$(tidegate lab up --spec rollout.yaml)\"` begins a lab and leads the shell's
commands to it; `eval \"$(tidegate lab down)\"` ends it.

Examples:
  tidegate lab --spec rollout.yaml --listen 127.0.0.1:4566
  tidegate lab --spec rollout.yaml --lab-candidate errors=5%,latency=+50ms --lab-rps 50
  tidegate lab --spec rollout.yaml --lab-errors 0.1% --lab-outage errors=20%@5m:2m
  tidegate lab --spec rollout.yaml --lab-fault throttle=30%@ModifyRule --lab-speed 10
  tidegate lab --spec rollout.yaml --lab-speed 10 -- tidegate run rollout.yaml --yes",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(super) struct Args {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Begin a lab in the background, and print what a shell needs to reach it.
    Up(Box<Serve>),
    /// End the lab that `up` began, and print what makes the shell forget it.
    Down,
}

/// What is served.
#[derive(Debug, clap::Args)]
struct Serve {
    /// The spec whose target the world is made of.
    #[arg(long, required = true, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Where the API listens, on the loopback; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    #[command(flatten, next_help_heading = "The lab")]
    lab: ServedArgs,
    /// Run this command with the lab's environment, end with its exit code, and end the lab with it.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a lab beside the runner plays.
#[derive(Clone, Debug, clap::Args)]
struct ServedArgs {
    #[command(flatten)]
    play: PlayArgs,
    /// Lab seconds in a second of the wall clock.
    #[arg(long = "lab-speed", alias = "speed", default_value_t = 1.0, value_name = "X", value_parser = speed)]
    speed: f64,
}

/// What a lab inside the runner plays.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LabArgs {
    #[command(flatten)]
    play: PlayArgs,
    /// Lab seconds in a second of the wall clock.
    #[arg(long = "lab-speed", default_value_t = 30.0, value_name = "X", value_parser = speed)]
    speed: f64,
}

/// How the world behaves.
#[derive(Clone, Debug, clap::Args)]
struct PlayArgs {
    /// How the new release behaves: healthy, errors=5%, latency=+300ms, latency=+25%, slow-start=60s, crash,
    /// never-healthy, leak, leak=20m; several joined by commas.
    #[arg(long = "lab-candidate", alias = "candidate", default_value_t, value_name = "WORDS")]
    candidate: Behaviour,
    /// Trouble of the API: throttle, error, delay, lost-answer, stale-read, each with a rate, and after
    /// an @ the operation: throttle=30%@ModifyRule. Trouble of its metrics: late-data=10%.
    /// The account's clock before or behind this machine's: skew=+10m.
    #[arg(long = "lab-fault", alias = "fault", value_name = "WORD=RATE[@OPERATION]")]
    faults: Vec<ApiFault>,
    /// Trouble that the tasks of both slots share, when it starts and how long it lasts in lab time:
    /// errors=20%,latency=+100%@5m:2m.
    #[arg(long = "lab-outage", value_name = "WORDS@START:LENGTH")]
    outages: Vec<Outage>,
    /// The share of requests that fail in every task, whatever its release: 0.1%.
    #[arg(long = "lab-errors", default_value = "0%", value_name = "SHARE", value_parser = share)]
    errors: f64,
    /// How many hours of metrics the serving slot has behind it when the lab starts; 0h is none.
    #[arg(long = "lab-past", default_value = "12h", value_name = "TIME", value_parser = past)]
    past: Duration,
    /// How long after the end of a minute its load balancer metrics can be read [default: one to three minutes, now and
    /// then six, as on AWS].
    #[arg(long = "lab-delay", value_name = "TIME", value_parser = delay)]
    delay: Option<Duration>,
    /// Requests a lab second.
    #[arg(long = "lab-rps", alias = "rps", default_value_t = 20.0, value_name = "N", value_parser = rps)]
    rps: f64,
    /// What serves at the start [default: what the spec's driver needs]: `pair` is a service for each slot, `task-sets` one service of task sets, `codedeploy`
    /// one that CodeDeploy deploys, `ecs` one that ECS itself deploys by shifting traffic between both slots.
    #[arg(long = "lab-services", alias = "services", value_name = "KIND", value_parser = services)]
    services: Option<ServiceSeed>,
    /// Before which shifts of a linear or canary deployment of ECS a pause hook holds: each, or the first.
    #[arg(long = "lab-shift-pauses", default_value = "each", value_name = "each|first", value_parser = shift_pauses)]
    shift_pauses: ShiftPauses,
    /// Tasks of the stable slot.
    #[arg(long = "lab-tasks", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    tasks: u32,
    /// Where every die of the lab starts.
    #[arg(long = "lab-seed", default_value_t = 1, value_name = "N")]
    seed: u64,
}

impl LabArgs {
    /// A lab that is only looked at.
    pub(super) fn idle() -> Self {
        let play = PlayArgs {
            candidate: Behaviour::default(),
            faults: Vec::new(),
            outages: Vec::new(),
            errors: 0.0,
            past: LabConfig::default().past,
            delay: LabConfig::default().publication_delay,
            rps: 20.0,
            services: None,
            shift_pauses: ShiftPauses::default(),
            tasks: 4,
            seed: 1,
        };
        Self { play, speed: 30.0 }
    }
}

/// What a lab plays means nothing without one: a rollout on an account must not look like a rehearsal.
pub(super) fn with_lab(arg: clap::Arg) -> clap::Arg {
    if arg.get_long().is_some_and(|long| long.starts_with("lab-")) { arg.requires("lab") } else { arg }
}

fn speed(text: &str) -> Result<f64, String> {
    within(text, 0.1, 100.0, "a speed")
}

fn rps(text: &str) -> Result<f64, String> {
    within(text, 0.0, 5_000.0, "a rate")
}

fn services(text: &str) -> Result<ServiceSeed, String> {
    match text {
        "pair" => Ok(ServiceSeed::Pair),
        "ecs" => Ok(ServiceSeed::Ecs),
        "task-sets" => Ok(ServiceSeed::TaskSets),
        "codedeploy" => Ok(ServiceSeed::CodeDeploy),
        _ => Err("services are pair, ecs, task-sets or codedeploy".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    parse_share(text).ok_or_else(|| "a share is written 0.1% or 0.001".to_owned())
}

fn shift_pauses(text: &str) -> Result<ShiftPauses, String> {
    match text {
        "each" => Ok(ShiftPauses::Each),
        "first" => Ok(ShiftPauses::First),
        _ => Err("a pause hook holds before each shift or the first".to_owned()),
    }
}

fn past(text: &str) -> Result<Duration, String> {
    at_most(text, Duration::from_secs(15 * 3_600), "a past is at most 15h: 12h, 90m")
}

fn delay(text: &str) -> Result<Duration, String> {
    at_most(text, Duration::from_secs(600), "a delay is at most 10m: 20s, 2m")
}

fn at_most(text: &str, most: Duration, right: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|time| *time <= most).ok_or_else(|| right.to_owned())
}

fn within(text: &str, least: f64, most: f64, what: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| (least..=most).contains(number));
    number.ok_or_else(|| format!("{what} is a number from {least} to {most}"))
}

/// A lab that runs, and how to reach it.
pub(super) struct Running {
    lab: Lab,
    region: String,
}

impl Running {
    pub(super) fn aws(&self) -> Aws {
        Aws::lab(&self.lab.endpoint(), &self.region)
    }

    pub(super) fn clock(&self) -> Clock {
        lab_clock::of(self.lab.clock())
    }

    pub(super) fn connections(&self) -> Vec<(String, SocketAddr)> {
        self.lab.connections()
    }

    /// Says, if it comes to that, that the machine does not keep the lab's speed.
    pub(super) fn tells(&self, say: impl Fn(&str) + Send + 'static) {
        tokio::spawn(lab_clock::told(self.lab.slowed(), say));
    }

    pub(super) async fn stop(self) {
        self.lab.stop().await;
    }

    /// Ends the lab, and says what its clients saw.
    pub(super) async fn finish(self, context: &Context) -> Result<(), Failure> {
        let traffic = self.lab.traffic();
        if context.json() {
            terminal::print_json(&json!({"type": "lab", "traffic": traffic}))?;
        } else {
            terminal::print(&seen(&traffic, terminal::page_style(context).width))?;
        }
        self.lab.stop().await;
        Ok(())
    }
}

/// What the clients saw, beside the runner's own account.
fn seen(traffic: &TrafficReport, width: usize) -> String {
    let row = |label: &str, words: String| hang(&format!("  {}", pad(label, 13)), 15, &words, width);
    let (requests, failed) = (count(traffic.requests), count(traffic.failed));
    let mut text = "\n".to_owned() + &row("lab", format!("clients sent {requests} requests, {failed} failed"));
    for (group, seen) in &traffic.by_target_group {
        let (requests, failed) = (count(seen.requests), count(seen.failed));
        text.push_str(&row("", format!("{}: {requests} served, {failed} failed", escape(group))));
    }
    if traffic.unrouted > 0 {
        text.push_str(&row("", format!("{} failed before they reached a task", count(traffic.unrouted))));
    }
    text
}

/// Starts a lab made of a spec, inside this process.
pub(super) async fn start(
    spec: &Spec,
    folder: &Path,
    args: &LabArgs,
    served: Option<(SocketAddr, LabClock)>,
) -> Result<Running, Failure> {
    let services = args.play.services.unwrap_or(match spec.driver {
        DriverSpec::Pair => ServiceSeed::Pair,
        DriverSpec::TaskSets => ServiceSeed::TaskSets,
        DriverSpec::Ecs { .. } => ServiceSeed::Ecs,
        DriverSpec::CodeDeploy { .. } => ServiceSeed::CodeDeploy,
    });
    // Without a wait a deployment group gives traffic unasked, which no rollout takes.
    let ready_wait = if matches!(spec.driver, DriverSpec::CodeDeploy { .. }) { READY_WAIT } else { Duration::ZERO };
    let world = WorldSeed { services, ready_wait, ..world(spec, folder, args.play.tasks)? };
    let (region, account) = home(spec);
    let (listen, clock) = served.unzip();
    let mut config = LabConfig {
        region: region.clone(),
        account,
        clock: clock.unwrap_or_else(|| LabClock::new(args.speed)),
        seed: args.play.seed,
        rps: args.play.rps,
        candidate: args.play.candidate.clone(),
        faults: args.play.faults.clone(),
        outages: args.play.outages.clone(),
        errors: args.play.errors,
        past: args.play.past,
        publication_delay: args.play.delay,
        shift_pauses: args.play.shift_pauses,
        world,
        ..LabConfig::default()
    };
    config.listen = listen.unwrap_or(config.listen);
    let address = config.listen;
    let lab = Lab::start(config).await.map_err(|error| {
        let failure = Failure::new(Exit::Unexpected, format!("the lab cannot listen on {address}: {error}"));
        failure.hint("name another port with `--listen`; port 0 takes any that is free")
    })?;
    Ok(Running { lab, region })
}

/// Region and account: the spec's own words, else what its ARNs say, else the lab's.
fn home(spec: &Spec) -> (String, String) {
    let mut names = vec![spec.target.cluster.as_str()];
    for slot in [&spec.target.blue, &spec.target.green] {
        names.extend([slot.service.as_str(), slot.target_group.as_str()]);
    }
    match &spec.target.rule {
        RuleSpec::Arn(arn) => names.push(arn),
        RuleSpec::Place { load_balancer, .. } => names.push(load_balancer),
    }
    let arn = names.into_iter().find_map(Arn::parse);
    let region = spec.target.region.clone().or_else(|| arn.as_ref().map(|arn| arn.region.to_owned()));
    let account = arn.map(|arn| arn.account.to_owned()).filter(|account| !account.is_empty());
    (region.unwrap_or_else(|| REGION.to_owned()), account.unwrap_or_else(|| ACCOUNT.to_owned()))
}

/// The world that a spec takes for granted: blue serves, green is empty.
fn world(spec: &Spec, folder: &Path, tasks: u32) -> Result<WorldSeed, Failure> {
    let slot = |slot: &SlotSpec, desired, weight| SlotSeed {
        service: slot.service.clone(),
        target_group: slot.target_group.clone(),
        desired,
        weight,
    };
    let mut world = WorldSeed {
        cluster: spec.target.cluster.clone(),
        slots: [slot(&spec.target.blue, tasks, 100), slot(&spec.target.green, 0, 0)],
        alarms: alarms(spec),
        topics: topics(spec),
        calendars: spec.windows.as_ref().map_or_else(Vec::new, |windows| windows.calendars.clone()),
        test_listener_port: test_port(spec),
        ..WorldSeed::default()
    };
    match &spec.target.rule {
        RuleSpec::Arn(arn) => world.rule_arn = Some(arn.clone()),
        RuleSpec::Place { load_balancer, port, priority } => {
            world.load_balancer.clone_from(load_balancer);
            world.listener_port = *port;
            world.rule_priority = *priority;
        }
    }
    seed_release(&mut world, &spec.release, folder)?;
    Ok(world)
}

fn alarms(spec: &Spec) -> Vec<String> {
    let names = spec.gates.iter().filter_map(|gate| match &gate.check {
        Check::Alarm(rule) => Some(rule.alarm.clone()),
        _ => None,
    });
    names.collect()
}

fn topics(spec: &Spec) -> Vec<String> {
    let named = spec.notify.iter().filter_map(|recipient| match &recipient.channel {
        Channel::Sns { topic } => Some(topic.clone()),
        Channel::Slack { .. } | Channel::Webhook { .. } => None,
    });
    named.collect()
}

/// The port that probes reach the candidate by, when they go through the load balancer.
fn test_port(spec: &Spec) -> Option<u16> {
    spec.gates.iter().find_map(|gate| match &gate.check {
        Check::Probe(rule) => {
            let rest = rule.url.split_once("{load_balancer}:")?.1;
            rest.split('/').next()?.parse().ok()
        }
        _ => None,
    })
}

/// The task definition that runs before the rollout: the release's family and containers.
fn seed_release(world: &mut WorldSeed, release: &Release, folder: &Path) -> Result<(), Failure> {
    match release {
        Release::File(path) => {
            let text = release::read(&folder.join(path))?;
            let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let body = document.get("taskDefinition").unwrap_or(&document);
            let name = |value: &Value| value.as_str().map(str::to_owned);
            world.family = name(&body["family"]).unwrap_or_else(|| world.family.clone());
            // The load balancer leads to the first container that has a port.
            let port = |container: &Value| container["portMappings"][0]["containerPort"].as_u64();
            let containers = body["containerDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let serves = containers.iter().find(|one| port(one).is_some()).or(containers.first());
            world.container = serves.and_then(|one| name(&one["name"])).unwrap_or_else(|| world.container.clone());
            let port = serves.and_then(port).and_then(|port| u16::try_from(port).ok());
            world.container_port = port.unwrap_or(world.container_port);
        }
        Release::Images { family, images } => {
            world.family.clone_from(family);
            let mut names = images.iter().map(|(container, _)| container.clone());
            world.container = names.next().unwrap_or_else(|| world.container.clone());
            world.sidecars = names.collect();
        }
        Release::Registered(name) => {
            let tail = name.rsplit('/').next().unwrap_or(name);
            tail.split(':').next().unwrap_or(tail).clone_into(&mut world.family);
            world.extra_task_definitions.push(name.clone());
        }
    }
    Ok(())
}

/// Serves until it is told to stop, or as long as a command runs beside it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let variable = |name: &str| context.variable(name).map(ToOwned::to_owned);
    match args.action {
        Some(Action::Up(_)) => {
            let (ready, pid) = lab_shell::up(variable)?;
            if context.json() {
                return terminal::print_json(&ready).map(|()| Exit::Done);
            }
            terminal::print(&lab_shell::exports(&ready, pid)).map(|()| Exit::Done)
        }
        Some(Action::Down) => {
            let forgets = lab_shell::down(variable)?;
            terminal::print(&forgets).map(|()| Exit::Done)
        }
        None => serve(context, args.serve).await,
    }
}

async fn serve(context: &Context, args: Serve) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        let failure = Failure::new(Exit::Usage, format!("{} is not a loopback address", args.listen));
        return Err(failure.hint("a lab checks no signatures, so it serves this machine only: 127.0.0.1"));
    }
    let path = args.spec.unwrap_or_default();
    let spec = target::spec(context, &path)?;
    let folder = target::folder(&path);
    let lab = LabArgs { play: args.lab.play, speed: args.lab.speed };
    let (clock, kept) = Kept::start(lab.speed)?;
    let running = start(&spec, &folder, &lab, Some((args.listen, clock))).await?;
    running.tells(terminal::say);
    let reached =
        Reached { endpoint: running.lab.endpoint(), region: &running.region, listeners: running.connections() };
    let ready = lab_shell::ready(&reached, &kept);
    if args.command.is_empty() {
        terminal::print_json(&ready)?;
        stop_signal().await;
        running.stop().await;
        return Ok(Exit::Done);
    }
    let ended = lab_shell::beside(&ready, &args.command).await;
    running.stop().await;
    drop(kept);
    // The code is the command's, whatever it means.
    ended.map(|code| std::process::exit(code.into()))
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

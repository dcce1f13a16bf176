//! `tidegate init`: a spec from the live service, and what is missing before it can be rolled out.

mod choose;
mod chosen;
mod draft;
mod hcl;
mod lack;
mod page;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::context::Context;
use super::target::{account_failure, connect_to, surveyed_by};
use super::{Exit, Failure, release};
use crate::cloud::alb::scout::{self, AlarmFound, Seen};
use crate::cloud::aws::Aws;
use crate::cloud::{CodeDeployNamed, RuleRequest, SurveyError, SurveyRequest};
use crate::domain::clock::Clock;
use crate::domain::driver::DriverKind;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Survey;
use crate::domain::name::RolloutName;
use crate::domain::text::many;
use crate::gate::CompareRule;
use crate::plan::{Adopt, Refused, compile, needs};
use crate::spec::{Source, Spec, parse};
use choose::{Choice, Wanted};
use draft::Draft;
use lack::Lack;
use page::InitPage;

/// Write a spec from the live service, and say what is missing before it can be rolled out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate init --cluster prod --service web
  tidegate init --cluster prod --service web-blue --service web-green --output specs/web.yaml
  tidegate init --cluster prod --service web --load-balancer web --port 443 --priority 10 --output -")]
pub(super) struct Args {
    /// The ECS cluster, by name or ARN.
    #[arg(long)]
    cluster: String,
    /// The ECS service, by name or ARN. Of a pair one is enough; named twice, it is those two.
    #[arg(long, required = true, value_name = "SERVICE")]
    service: Vec<String>,
    /// The listener rule, where several forward to the service.
    #[arg(long, value_name = "ARN", conflicts_with_all = ["load_balancer", "port", "priority"])]
    rule: Option<String>,
    /// The load balancer of the rule, by name.
    #[arg(long, value_name = "NAME")]
    load_balancer: Option<String>,
    /// The listener's port.
    #[arg(long)]
    port: Option<u16>,
    /// The rule's priority.
    #[arg(long)]
    priority: Option<u32>,
    /// The target group of the other slot, by name, where the rule forwards to more than two.
    #[arg(long, value_name = "NAME")]
    target_group: Option<String>,
    /// What the rollouts are called [default: after the service].
    #[arg(long, value_parser = RolloutName::parse)]
    name: Option<RolloutName>,
    /// The file to write; `-` is standard output.
    #[arg(long, short, default_value = "rollout.yaml", value_name = "FILE")]
    output: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if args.service.len() > 2 {
        return Err(Failure::new(Exit::Usage, "a rollout has two services at most"));
    }
    let file = (args.output.as_os_str() != "-").then_some(args.output.as_path());
    if let Some(there) = file.filter(|file| !args.force && file.symlink_metadata().is_ok()) {
        return Err(already_there(there));
    }
    let aws = connect_to(context, None, "set `--region`, AWS_REGION, or a region in the profile").await?;
    let seen = scout::scout(&aws, &args.cluster, &args.service[0]).await.map_err(|error| unfound(context, error))?;
    let wanted = wanted(&args);
    let kind = DriverKind::of_service(&seen.service.controller, &seen.service.strategy);
    let kind = kind.ok_or_else(|| no_driver(&seen))?;
    match choose::choose(&aws, &seen, kind, &wanted).await? {
        Choice::Lacking(lacks) => lacking(context, &seen, (kind, lacks)),
        Choice::Whole(chosen) => {
            let clock = context.clock();
            let draft = drafted(context, (&aws, &clock), (&seen, kind, *chosen), args.name.as_ref()).await?;
            finish(context, (&aws, &seen), draft, (file, args.force)).await
        }
    }
}

fn wanted(args: &Args) -> Wanted {
    Wanted {
        second: args.service.get(1).cloned(),
        rule: args.rule.clone(),
        load_balancer: args.load_balancer.clone(),
        port: args.port,
        priority: args.priority,
        target_group: args.target_group.clone(),
    }
}

/// What the command line names is not there: with what is.
fn unfound(context: &Context, error: SurveyError) -> Failure {
    match error {
        SurveyError::NotFound(lines) => Failure::new(Exit::Usage, lines.join("; ")),
        fault @ SurveyError::Fault(_) => account_failure(context, fault.into()),
    }
}

fn no_driver(seen: &Seen) -> Failure {
    let service = &seen.service;
    let wrong = format!(
        "no driver works with service {}: controller {}, strategy {}",
        service.name, service.controller, service.strategy
    );
    DriverKind::ALL.into_iter().map(needs).fold(Failure::new(Exit::Refused, wrong), Failure::note)
}

/// Reads what the spec's comments tell, and writes the spec.
async fn drafted(
    context: &Context,
    at: (&Aws, &Clock),
    (seen, kind, chosen): (&Seen, DriverKind, chosen::Chosen),
    name: Option<&RolloutName>,
) -> Result<Draft, Failure> {
    let aws = at.0;
    let alarms = scout::alarms_on(aws, &chosen.dimensions(seen)).await;
    let (alarms, mut notes) = optional(alarms, "alarms are not proposed")?;
    let (containers, unread) = optional(
        scout::containers(aws, &seen.service.task_definition).await,
        "the containers of the task definition are not told",
    )?;
    notes.extend(unread);
    let survey = surveyed_by(context, at, &request(seen, kind, &chosen, &alarms)).await?;
    let name = name.cloned().or_else(|| chosen.name()).ok_or_else(|| {
        Failure::new(Exit::Usage, "the service's name makes no name for its rollouts").hint("say one with `--name`")
    })?;
    let (checked_at, test_port) = (chosen.checked_at(seen), chosen.test_port(seen));
    let none = Vec::new();
    let mut draft = Draft { name, kind, chosen, survey, alarms: none, checked_at, test_port, containers, notes };
    let mut asked = BTreeSet::new();
    for alarm in alarms {
        propose(&mut draft, alarm, &mut asked);
    }
    Ok(draft)
}

/// What can be done without when it may not be read.
fn optional<T: Default>(read: Result<T, Fault>, without: &str) -> Result<(T, Vec<String>), Failure> {
    match read {
        Ok(read) => Ok((read, Vec::new())),
        Err(fault) if matches!(fault.kind, FaultKind::Denied | FaultKind::Permanent) => {
            Ok((T::default(), vec![format!("{without}: {fault}")]))
        }
        Err(fault) => Err(fault.into()),
    }
}

fn request(seen: &Seen, kind: DriverKind, chosen: &chosen::Chosen, alarms: &[AlarmFound]) -> SurveyRequest {
    SurveyRequest {
        cluster: seen.cluster.clone(),
        rule: RuleRequest::Arn(chosen.rule.arn.clone()),
        blue: chosen.blue.clone(),
        green: chosen.green.clone(),
        code_deploy: (kind == DriverKind::CodeDeploy).then(CodeDeployNamed::default),
        alarms: alarms.iter().map(|alarm| alarm.view.name.clone()).collect(),
        compare: Some(CompareRule::default()),
    }
}

/// Adds an alarm to the gates, if the language can name it beside those that are there and no composite alarm asks
/// for it: what those ring by is `asked`.
fn propose(draft: &mut Draft, alarm: AlarmFound, asked: &mut BTreeSet<String>) {
    let name = alarm.view.name.clone();
    if name.starts_with(draft::SCALING_ALARMS) || asked.contains(&name) {
        return;
    }
    // One that something else can ring decides nothing, and replaces nothing.
    let parts = alarm.composed.as_ref().filter(|made| made.others.is_empty()).map(|made| made.of.clone());
    if draft.alarms.len() >= draft::ALARMS_LIMIT {
        draft
            .notes
            .push(format!("alarm {name} is not proposed: {} are enough", many(draft.alarms.len() as u64, "alarm")));
        return;
    }
    draft.alarms.push(alarm);
    if read(&draft.text()).is_err() {
        draft.alarms.pop();
        draft.notes.push(format!("alarm {name} is not proposed: a spec cannot name it"));
        return;
    }
    asked.extend(parts.into_iter().flatten());
}

/// The spec that a draft's text means.
fn read(text: &str) -> Result<Spec, crate::spec::Problems> {
    let source =
        Source { path: "the new spec".to_owned(), bytes: text.as_bytes().to_vec(), variables: BTreeMap::new() };
    parse(&source)
}

/// Plans what is written, writes it, and tells about it.
async fn finish(
    context: &Context,
    (aws, seen): (&Aws, &Seen),
    draft: Draft,
    (file, force): (Option<&std::path::Path>, bool),
) -> Result<Exit, Failure> {
    let text = draft.text();
    let spec = read(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| problem.wrong.clone()).collect();
        lines.into_iter().fold(Failure::new(Exit::Refused, "a spec cannot name this target"), Failure::note)
    })?;
    let mut notes = draft.notes.clone();
    let lacks = match planned(aws, &spec, draft.survey.clone()).await? {
        Ok(warnings) => {
            notes.extend(warnings);
            Vec::new()
        }
        Err(refused) => refused.0.into_iter().map(|refusal| Lack::of(refusal, seen, &draft)).collect(),
    };
    let exit = if lacks.is_empty() { Exit::Done } else { Exit::Refused };
    let told =
        InitPage { seen, kind: draft.kind, draft: Some((&draft, text.as_str())), file, lacks: &lacks, notes: &notes };
    if let Some(file) = file {
        write(file, &text, force)?;
    }
    page::tell(context, &told, exit)?;
    Ok(exit)
}

/// What a plan of the spec warns of, or why there is none.
async fn planned(aws: &Aws, spec: &Spec, mut survey: Survey) -> Result<Result<Vec<String>, Refused>, Failure> {
    let ready = release::prepare(aws, &spec.release, &PathBuf::from(".")).await?;
    survey.release_problems.extend(ready.problems);
    Ok(compile(spec, &survey, ready.plan, Adopt::Never).map(|plan| plan.warnings))
}

/// Nothing that can be written yet.
fn lacking(context: &Context, seen: &Seen, (kind, lacks): (DriverKind, Vec<Lack>)) -> Result<Exit, Failure> {
    let told = InitPage { seen, kind, draft: None, file: None, lacks: &lacks, notes: &[] };
    page::tell(context, &told, Exit::Refused)?;
    Ok(Exit::Refused)
}

fn already_there(file: &std::path::Path) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("{} is there already", file.display()));
    failure.hint("`--force` writes over it; `--output` names another file, or `-` for standard output")
}

fn write(file: &std::path::Path, text: &str, force: bool) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let written = options.open(file).and_then(|mut to| to.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => already_there(file),
        _ => Failure::new(Exit::Usage, format!("cannot write {}: {error}", file.display())),
    })
}

//! `tidegate iam-policy SPEC`: the least that each part of a rollout must be allowed, for exactly this spec.

mod scope;
mod table;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::context::Context;
use super::target::{self, surveyed};
use super::{Exit, Failure, release, terminal};
use crate::cloud::aws::Aws;
use crate::domain::fleet::Survey;
use crate::domain::notify::Channel;
use crate::domain::text::escape_json;
use crate::gate::Check;
use crate::spec::{DriverSpec, Spec};
use scope::{Scope, Store};
use table::{Who, policy, trust};

/// Print the IAM policies for exactly this spec.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate iam-policy rollout.yaml
  tidegate iam-policy rollout.yaml --for runner > runner.json
  tidegate iam-policy rollout.yaml --for guard --store s3://releases/tidegate")]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// For whom: one policy document; for a role of its own beside whom it trusts [default: all, by name].
    #[arg(long = "for", value_enum, value_name = "WHO")]
    who: Option<Who>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let aws = target::connect(context, &spec).await?;
    let clock = context.clock();
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    let mut scope = scope(context, &spec, survey)?;
    register(&aws, &spec, &target::folder(&args.spec), &mut scope).await?;
    let value = match args.who {
        Some(who) => document(who, &scope).ok_or_else(|| unnamed(who))?,
        None => {
            let all = Who::ALL.into_iter();
            Value::Object(
                all.filter_map(|who| Some((who.as_str().to_owned(), document(who, &scope)?))).collect::<Map<_, _>>(),
            )
        }
    };
    let text: String = format!("{value:#}").lines().map(|line| escape_json(line) + "\n").collect();
    terminal::print(&text)?;
    Ok(Exit::Done)
}

/// The policy of whoever runs this spec's rollouts.
///
/// # Errors
/// When the release cannot be read, or is not as the spec names it.
pub(super) async fn runner(
    context: &Context,
    spec: &Spec,
    survey: Survey,
    (aws, folder): (&Aws, &std::path::Path),
) -> Result<Value, Failure> {
    let mut scope = scope(context, spec, survey)?;
    register(aws, spec, folder, &mut scope).await?;
    Ok(policy(Who::Runner, &scope))
}

/// What is printed for somebody; `None` for a role that the spec does not name.
fn document(who: Who, scope: &Scope) -> Option<Value> {
    match who {
        Who::DeadMan | Who::Writer => Some(json!({"trust": trust(who, scope)?, "policy": policy(who, scope)})),
        Who::Runner | Who::OnCall | Who::Guard | Who::Plan | Who::Doctor => Some(policy(who, scope)),
    }
}

fn unnamed(who: Who) -> Failure {
    let field = if who == Who::DeadMan { "dead_man" } else { "target.writer_role" };
    Failure::new(Exit::Usage, format!("the spec has no {field}, so there is no role to write a policy for"))
}

fn scope(context: &Context, spec: &Spec, survey: Survey) -> Result<Scope, Failure> {
    let alarms = spec.gates.iter().filter_map(|gate| match &gate.check {
        Check::Alarm(rule) => Some(rule.alarm.clone()),
        _ => None,
    });
    let topics = spec.notify.iter().filter_map(|recipient| match &recipient.channel {
        Channel::Sns { topic } => Some(topic.clone()),
        Channel::Slack { .. } | Channel::Webhook { .. } => None,
    });
    let store = context.bucket_place(spec.store.as_deref())?;
    let partition = survey.rule.arn.split(':').nth(1).unwrap_or("aws").to_owned();
    let mut scope = Scope {
        partition,
        name: spec.name.to_string(),
        services: [survey.blue.place.service, survey.green.place.service],
        by_ecs: matches!(spec.driver, DriverSpec::Ecs { .. }),
        by_task_sets: matches!(spec.driver, DriverSpec::TaskSets),
        by_codedeploy: survey.code_deploy.map(|found| (found.application, found.group)),
        rule: survey.rule.arn,
        alarms: alarms.collect(),
        family: None,
        task_roles: Vec::new(),
        // What could not be read may be there.
        scales: survey.scaling.map_or(true, |found| !found.is_empty()),
        dead_man: spec.dead_man.clone(),
        writer_role: spec.target.writer_role.clone(),
        calendars: Vec::new(),
        topics: topics.collect(),
        store: store.map(|(bucket, root)| Store { bucket, root }),
        region: survey.region,
        account: survey.account,
        cluster: survey.cluster,
    };
    let document = |name: &String| {
        if name.starts_with("arn:") { name.clone() } else { scope.arn("ssm", &format!("document/{name}")) }
    };
    scope.calendars = spec.windows.iter().flat_map(|windows| &windows.calendars).map(document).collect();
    Ok(scope)
}

/// Adds what a registration of the release needs, if it is one.
async fn register(aws: &Aws, spec: &Spec, folder: &std::path::Path, scope: &mut Scope) -> Result<(), Failure> {
    let ready = release::prepare(aws, &spec.release, folder).await?;
    if !ready.problems.is_empty() {
        let mut failure = Failure::new(Exit::Refused, "the release is not as the spec names it");
        failure.notes = ready.problems;
        return Err(failure);
    }
    let Some(document) = ready.document else { return Ok(()) };
    scope.family = Some(document.family().to_owned());
    scope.task_roles = document.roles().iter().map(|role| scope.role_arn(role)).collect();
    Ok(())
}

//! From a spec's path to a compiled plan: read, survey, compile.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::release::{self, Ready};
use super::{Exit, Failure, file, github, problems};
use crate::cloud::alb::{AlbSurveyor, ReleaseDocument};
use crate::cloud::aws::Aws;
use crate::cloud::{CodeDeployNamed, RuleRequest, SurveyRequest, Surveyor};
use crate::domain::clock::Clock;
use crate::domain::code::Code;
use crate::domain::fleet::Survey;
use crate::gate::Check;
use crate::plan::{Adopt, Plan, compile};
use crate::spec::{DriverSpec, Problems, RuleSpec, SlotSpec, Source, Spec, parse};

/// The largest spec that is read whole, in bytes, so that its size can be told; the parser takes less.
const READ_LIMIT: u64 = 4 * 1024 * 1024;

/// Why a spec could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The file.
    File(Failure),
    /// What is in it.
    Problems(Problems),
}

/// Reads and checks a spec.
pub(super) fn read_spec(context: &Context, path: &Path) -> Result<Spec, Unread> {
    let bytes = read_bytes(path).map_err(Unread::File)?;
    let variables = context.variables().clone();
    let source = Source { path: path.display().to_string(), bytes, variables };
    parse(&source).map_err(|problems| {
        github::problems(context, &problems);
        Unread::Problems(problems)
    })
}

/// Reads and checks a spec, telling what is wrong with it.
pub(super) fn spec(context: &Context, path: &Path) -> Result<Spec, Failure> {
    read_spec(context, path).map_err(|unread| match unread {
        Unread::File(failure) => failure,
        Unread::Problems(problems) => {
            let mut failure = Failure::new(Exit::Usage, format!("{} is not a valid spec", path.display()));
            failure.code = Code::InvalidSpec;
            if context.json() {
                failure.notes = problems.to_string().lines().map(str::to_owned).collect();
            } else {
                problems::say_problems(context, &problems);
            }
            failure
        }
    })
}

/// Reads a spec's file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |why: &str| Failure::new(Exit::Usage, format!("cannot read the spec {}: {why}", path.display()));
    file::read(path, READ_LIMIT).map_err(|why| wrong(&why))
}

/// The folder that a spec's relative paths start from.
pub(super) fn folder(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Connects to the account that a spec is for.
pub(super) async fn connect(context: &Context, spec: &Spec) -> Result<Aws, Failure> {
    let hint = "set `target.region` in the spec, `--region`, AWS_REGION, or a region in the profile";
    connect_to(context, spec.target.region.as_deref(), hint).await
}

/// Connects to a region, or to the one that flags and environment name; the hint says what else could name it.
pub(super) async fn connect_to(context: &Context, region: Option<&str>, hint: &str) -> Result<Aws, Failure> {
    let aws = context.aws(region).await;
    if aws.region().is_none() {
        return Err(Failure::new(Exit::Usage, "no region: nothing says where the target is").hint(hint));
    }
    Ok(aws)
}

/// A spec compiled against the live account.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) plan: Plan,
    pub(super) document: Option<ReleaseDocument>,
}

/// Reads what the spec names in the account.
pub(super) async fn surveyed(context: &Context, at: (&Aws, &Clock), spec: &Spec) -> Result<Survey, Failure> {
    surveyed_by(context, at, &request(spec)).await
}

/// Reads what a request names in the account.
pub(super) async fn surveyed_by(
    context: &Context,
    (aws, clock): (&Aws, &Clock),
    request: &SurveyRequest,
) -> Result<Survey, Failure> {
    let surveyor = AlbSurveyor::new(aws.clone(), clock.clone(), context.variables().clone(), context.connect_to());
    surveyor.survey(request).await.map_err(|error| account_failure(context, error.into()))
}

/// A failure of the account's, with who asked where.
pub(super) fn account_failure(context: &Context, failure: Failure) -> Failure {
    let lost = matches!(failure.exit, Exit::Denied | Exit::Unexpected);
    let settings = context.settings(None);
    let asked = [("profile", settings.profile), ("URL", settings.endpoint)].into_iter();
    let failure = asked
        .filter_map(|(what, said)| said.filter(|_| lost).map(|said| format!("with {what} {said}")))
        .fold(failure, Failure::note);
    if failure.exit == Exit::Denied { failure.hint("`--lab` rehearses without an account") } else { failure }
}

/// Compiles the spec against the account as it was surveyed.
pub(super) async fn compiled(
    aws: &Aws,
    (spec, folder): (&Spec, &Path),
    mut survey: Survey,
    adopt: Adopt,
) -> Result<Compiled, Failure> {
    let ready = release::prepare(aws, &spec.release, folder).await?;
    let images = release::images(aws, &ready, &survey).await;
    let unfit = ready.objection(&survey).into_iter().chain(ready.misfits(&survey)).collect::<Vec<_>>();
    let Ready { plan: release, document, problems, notices, .. } = ready;
    survey.release_problems.extend(unfit.into_iter().chain(problems));
    let mut plan = compile(spec, &survey, release, adopt)?;
    plan.warnings.extend(notices);
    plan.images = images;
    Ok(Compiled { plan, document })
}

/// What `--adopt` says.
pub(super) fn adopt(is_said: bool) -> Adopt {
    if is_said { Adopt::UnderWay } else { Adopt::Never }
}

fn request(spec: &Spec) -> SurveyRequest {
    let slot = |slot: &SlotSpec| (slot.service.clone(), slot.target_group.clone());
    let alarms = spec.gates.iter().filter_map(|gate| match &gate.check {
        Check::Alarm(rule) => Some(rule.alarm.clone()),
        _ => None,
    });
    SurveyRequest {
        cluster: spec.target.cluster.clone(),
        rule: match &spec.target.rule {
            RuleSpec::Arn(arn) => RuleRequest::Arn(arn.clone()),
            RuleSpec::Place { load_balancer, port, priority } => {
                RuleRequest::Place(load_balancer.clone(), *port, *priority)
            }
        },
        blue: slot(&spec.target.blue),
        green: slot(&spec.target.green),
        code_deploy: match &spec.driver {
            DriverSpec::CodeDeploy { application, group } => {
                Some(CodeDeployNamed { application: application.clone(), group: group.clone() })
            }
            DriverSpec::Pair | DriverSpec::TaskSets | DriverSpec::Ecs { .. } => None,
        },
        alarms: alarms.collect(),
        compare: spec.gates.iter().find_map(|gate| match &gate.check {
            Check::Compare(rule) => Some((**rule).clone()),
            _ => None,
        }),
    }
}

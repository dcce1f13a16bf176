//! What is found out beside a plan, each part bounded in time: what gates answer now, what is released, what is to come.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::context::Context;
use super::credentials;
use super::drivers::Reach;
use super::foreseen::foreseen;
use crate::cloud::Cloud as _;
use crate::cloud::alb::{AlbDriver, ReleaseDocument, task_definition};
use crate::cloud::aws::Aws;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fleet::{Role, Survey};
use crate::domain::name::RolloutId;
use crate::engine::Runner;
use crate::gate::{Check, Evidence, Gate, MetricEvidence, MetricSource, Of, Outcome, Reading, Standing, Window};
use crate::plan::{Difference, Facts, Plan, Price, ReleasePlan, Size, Values, differences};
use crate::report;
use crate::spec::Spec;

/// How long the world may take to answer what a plan asks beside the survey.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How late a datapoint may be published and still be taken for the present.
const LATE: Duration = Duration::from_secs(5 * 60);
/// So many closed minutes are counted to know how many requests there are.
const COUNTED: u32 = 5;

/// What a person asks for beside the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlanOptions {
    pub(super) values: Values,
    pub(super) price: Option<Price>,
    pub(super) simulate: bool,
}

/// A plan and what it was made of.
pub(super) struct Made<'a> {
    pub(super) spec: &'a Spec,
    pub(super) plan: &'a Plan,
    pub(super) survey: &'a Survey,
    pub(super) document: Option<&'a ReleaseDocument>,
}

/// Finds out all of it.
pub(super) async fn gather(
    context: &Context,
    (aws, clock, connect_to): (&Aws, &Clock, Vec<(String, SocketAddr)>),
    made: &Made<'_>,
    asked: PlanOptions,
) -> Facts {
    let Made { spec, plan, survey, document } = made;
    let driver = driver(context, (aws, clock), plan, connect_to);
    let bounded = tokio::join!(
        tokio::time::timeout(ASKED_WITHIN, answers(&driver, plan, clock.now())),
        tokio::time::timeout(ASKED_WITHIN, rate(&driver, plan, clock.now())),
        tokio::time::timeout(ASKED_WITHIN, release(aws, plan, *document, asked.values)),
    );
    let (answers, rate, release) = bounded;
    let (release, size) = release.unwrap_or_else(|_| (Err("AWS did not answer in time".to_owned()), None));
    let mut facts = Facts {
        release: Some(release),
        now: standing(plan, survey, answers.ok()),
        rate: rate.ok().flatten(),
        credentials: credentials::held(context, aws, clock.now()).await,
        denied: survey.scaling.as_ref().err().map(|why| format!("autoscaling ({why})")).into_iter().collect(),
        size,
        price: asked.price,
        foreseen: None,
    };
    if asked.simulate {
        facts.foreseen = facts.rate.and_then(|rate| foreseen(spec, plan, rate));
    }
    facts
}

/// A driver that asks of the stable slot what gates ask of the candidate, which has no requests yet.
fn driver(
    context: &Context,
    (aws, clock): (&Aws, &Clock),
    plan: &Plan,
    connect_to: Vec<(String, SocketAddr)>,
) -> AlbDriver {
    let mut now = plan.clone();
    now.target.candidate = now.target.stable.clone();
    let id = RolloutId::new(&plan.name, clock.now(), 0);
    Reach { context, aws, connect_to }.driver(&now, Runner::unleased(&id, clock), None)
}

/// Whether a gate is asked before anything is done: what CloudWatch or Prometheus has.
fn is_asked(gate: &Gate) -> bool {
    matches!(gate.check, Check::Alarm(_) | Check::Metric(_) | Check::Burn(_))
}

/// What the gates that can be asked now answer, by their index.
async fn answers(driver: &AlbDriver, plan: &Plan, now: Timestamp) -> Vec<(usize, String)> {
    let asked: Vec<(usize, &Gate)> = plan.gates.iter().enumerate().filter(|(_, gate)| is_asked(gate)).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let back = |gate: &Gate| gate.least_data() + LATE;
    let since = asked.iter().map(|(_, gate)| now.before(back(gate))).min().unwrap_or(now);
    let gates: Vec<&Gate> = asked.iter().map(|(_, gate)| *gate).collect();
    let readings = driver.readings(&gates, since).await;
    let said = |((index, gate), reading): ((usize, &Gate), Reading)| {
        (index, answer(gate, &reading, now.before(back(gate)), now))
    };
    asked.into_iter().zip(readings).map(said).collect()
}

/// A reading in words, judged as a step would that began at `from`.
fn answer(gate: &Gate, reading: &Reading, from: Timestamp, now: Timestamp) -> String {
    let window =
        Window { rules: 0, rollout: from, exposed: None, step: from, deadline: now, course: &[], unseen: &[], now };
    let verdict = Standing::new(gate).judge(gate, reading, window);
    let of = if asks_of_candidate(gate) { "on the stable slot: " } else { "" };
    let breach = if verdict.outcome == Outcome::Fail { ", which would be a breach" } else { "" };
    let found = match &verdict.evidence {
        Evidence::Metric(MetricEvidence::NoData { is_breach: false }) => "no data".to_owned(),
        found => report::evidence(found),
    };
    format!("{of}{found}{breach}")
}

fn asks_of_candidate(gate: &Gate) -> bool {
    match &gate.check {
        Check::Metric(rule) => match &rule.source {
            MetricSource::CloudWatch(metric) => metric.inputs.iter().any(|input| input.of == Of::Slot(Role::Candidate)),
            MetricSource::Prometheus(metric) => {
                metric.query.contains("<service>") || metric.query.contains("<target_group>")
            }
        },
        _ => false,
    }
}

/// What every gate's reader is told, with what the survey knows, and where nothing is known, that.
fn standing(plan: &Plan, survey: &Survey, answers: Option<Vec<(usize, String)>>) -> Vec<(usize, String)> {
    let slot = if survey.blue.place == plan.target.stable { &survey.blue } else { &survey.green };
    let of_survey = |(index, gate): (usize, &Gate)| match (&gate.check, &answers) {
        (Check::Tasks(_), _) => {
            Some((index, format!("{} of {} targets of the stable slot are healthy", slot.healthy, slot.desired)))
        }
        (_, None) if is_asked(gate) => Some((index, "no answer in time".to_owned())),
        _ => None,
    };
    let known: Vec<_> = plan.gates.iter().enumerate().filter_map(of_survey).collect();
    answers.into_iter().flatten().chain(known).collect()
}

/// Requests a second of the service now: as the comparison learned them, or as the last minutes counted them.
async fn rate(driver: &AlbDriver, plan: &Plan, now: Timestamp) -> Option<f64> {
    let learned = plan.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) if rule.baseline.bins > 0 => Some(rule.baseline.rate),
        _ => None,
    });
    if learned.is_some() {
        return learned;
    }
    let counted = driver.requests(Role::Stable, COUNTED, now).await.ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let requests = counted.requests as f64;
    // The minute that proves the others published is counted too.
    Some(requests / (60.0 * f64::from(COUNTED + 1)))
}

/// What differs between what serves and what is released, or why that is not known; and what one task of it takes.
async fn release(
    aws: &Aws,
    plan: &Plan,
    document: Option<&ReleaseDocument>,
    values: Values,
) -> (Result<Vec<Difference>, String>, Option<Size>) {
    let read = |name: String| async move {
        let described = task_definition(aws, &name).await.map_err(|fault| fault.to_string())?;
        normal(&described.ok_or_else(|| format!("there is no task definition {name}"))?)
    };
    let serves = plan.before.stable_task_definition.clone();
    if serves.is_empty() {
        return (Err("it is not known which one serves".to_owned()), document.and_then(|one| Size::of(one.fields())));
    }
    let released = match (document, &plan.release) {
        (Some(document), _) => Ok(document.clone()),
        (None, ReleasePlan::Registered(name)) => read(name.clone()).await,
        (None, ReleasePlan::Register { source, .. }) => Err(format!("{source} was not read")),
    };
    let size = released.as_ref().ok().and_then(|one| Size::of(one.fields()));
    let found = match (read(serves).await, released) {
        (Ok(live), Ok(released)) => Ok(differences(live.fields(), released.fields(), values)),
        (Err(why), _) | (_, Err(why)) => Err(why),
    };
    (found, size)
}

/// A registered definition as one that could be registered.
fn normal(described: &Value) -> Result<ReleaseDocument, String> {
    ReleaseDocument::from_images(described, &[])
}

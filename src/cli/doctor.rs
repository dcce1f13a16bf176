//! `tidegate doctor SPEC`: checks everything that a rollout will need, before it starts.

mod account;
mod check;
mod gates;
mod health;
mod plan;
mod rights;
mod write;

use std::path::PathBuf;

use super::context::{Context, Stores};
use super::target::{self, compiled, surveyed};
use super::{Exit, Failure, terminal};
use crate::cloud::aws::Aws;
use crate::domain::clock::Clock;
use crate::domain::fleet::Survey;
use crate::plan::Plan;
use crate::spec::Spec;
use check::{Check, Section};

/// Prove what a rollout will need: permissions, alarms, metrics, health checks, capacity, the store.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What only a write proves is written: the rule with the actions that it has, if no rollout holds it; the
dead-man's switch, disabled, and removed again; a document of its own in the store. Of all other
calls IAM is asked whether the caller's policies allow them, which is a read. Exits 0 when nothing
fails, 15 when a check fails, 16 when credentials or permissions are missing.

Examples:
  tidegate doctor rollout.yaml
  tidegate doctor rollout.yaml --read-only
  tidegate doctor rollout.yaml --json"
)]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// Write nothing, and leave open what only a write can prove.
    #[arg(long)]
    read_only: bool,
}

/// What the checks look at.
pub(super) struct Patient<'a> {
    context: &'a Context,
    aws: &'a Aws,
    /// The caller's ARN; `None` when nobody knows.
    caller: Option<String>,
    clock: &'a Clock,
    /// The spec's path, as it was typed.
    path: String,
    spec: &'a Spec,
    survey: &'a Survey,
    /// The plan; `None` when it is refused.
    plan: Option<&'a Plan>,
    read_only: bool,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let aws = target::connect(context, &spec).await?;
    let clock = context.clock();
    let path = args.spec.display().to_string();
    let (mut known, caller) = account::caller(&aws).await;
    known.extend(account::clock(&aws));
    let mut sections = vec![Section::new("account", known)];
    match surveyed(context, (&aws, &clock), &spec).await {
        Err(failure) => sections.push(Section::new("target", check::of_failure("survey", &failure))),
        Ok(survey) => {
            let folder = target::folder(&args.spec);
            let planned = compiled(&aws, (&spec, &folder), survey.clone(), target::adopt(false)).await;
            let plan = planned.as_ref().ok().map(|compiled| &compiled.plan);
            let patient = Patient {
                context,
                aws: &aws,
                caller: caller.as_ref().map(|(arn, _)| arn.clone()),
                clock: &clock,
                path: path.clone(),
                spec: &spec,
                survey: &survey,
                plan,
                read_only: args.read_only,
            };
            if let Some(foreign) = caller.and_then(|(_, account)| account::same(&account, &survey.account)) {
                sections[0].checks.push(foreign);
            }
            sections[0].checks.push(account::tenure(&patient).await);
            sections.extend(examined(&patient).await);
            let said: Vec<String> = sections.iter().flat_map(|one| &one.checks).map(|one| one.reason.clone()).collect();
            sections.push(Section::new("plan", plan::checks(planned.as_ref().err(), plan, &said)));
        }
    }
    let exit = check::exit(&sections);
    if context.json() {
        terminal::print_json(&check::value(&path, &spec, &sections, exit))?;
    } else {
        terminal::print(&check::page(&path, &spec, &sections, terminal::page_style(context)))?;
    }
    Ok(exit)
}

/// All that needs a survey.
async fn examined(patient: &Patient<'_>) -> Vec<Section> {
    let stores = patient.context.stores(patient.spec.store.as_deref()).await;
    let (store, held) = store(patient, stores).await;
    vec![
        Section::new("target", health::target(patient)),
        Section::new("permissions", write::permissions(patient, &held).await),
        Section::new("store", store),
        Section::new("gates", gates::checks(patient).await),
        Section::new("health checks", health::checks(patient)),
        Section::new("capacity", health::capacity(patient)),
        Section::new("drift", account::drift(patient).await),
        Section::new("unattended", write::unattended(patient, &held).await),
    ]
}

/// The store, and whether it says that the rule is held.
async fn store(patient: &Patient<'_>, stores: Result<Stores, Failure>) -> (Vec<Check>, write::Held) {
    match stores {
        Err(failure) => (check::of_failure("store", &failure), write::Held::Unknown),
        Ok(stores) => write::store(patient, &stores.main).await,
    }
}

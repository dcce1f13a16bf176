//! The release a spec names, made ready: a document to register, or a revision that exists.

use std::path::Path;

use super::{Exit, Failure, file};
use crate::cloud::alb::{ReleaseDocument, newest_deregistered, task_definition};
use crate::cloud::aws::Aws;
use crate::domain::fleet::{Slot, SlotView, Survey};
use crate::domain::name::{last_part, same_definition};
use crate::plan::{ReleasePlan, stable_slot};
use crate::spec::Release;

/// The largest task definition file that is read, in bytes; ECS takes 64 KiB.
const FILE_LIMIT: u64 = 256 * 1024;

/// A release as a plan needs it, with the document if one will be registered.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) plan: ReleasePlan,
    pub(super) document: Option<ReleaseDocument>,
    /// What is wrong with it; the plan will be refused for it, with everything else.
    pub(super) problems: Vec<String>,
    /// The ARN of what exists and is deregistered: only a service that has it can run it.
    pub(super) deregistered: Option<String>,
}

/// Makes the release ready. `folder` is the spec's: relative paths start there.
pub(super) async fn prepare(aws: &Aws, release: &Release, folder: &Path) -> Result<Ready, Failure> {
    match release {
        Release::File(path) => {
            let text = read(&folder.join(path))?;
            let shown = path.display();
            Ok(registered(ReleaseDocument::from_file(&text), &format!("file {shown}"), &shown.to_string()))
        }
        Release::Images { family, images } => {
            let active = task_definition(aws, family).await?;
            let (current, base) = match active {
                Some(current) => (current, format!("family {family}")),
                None => match newest_deregistered(aws, family).await? {
                    Some(found) => {
                        let base =
                            found["taskDefinition"]["taskDefinitionArn"].as_str().map_or(family.as_str(), last_part);
                        let base = format!("{base}, the newest of a family of which none is ACTIVE,");
                        (found, base)
                    }
                    None => return Ok(unusable(format!("there is no task definition family {family}"))),
                },
            };
            let said = images.iter().map(|(container, image)| format!("{container}={image}")).collect::<Vec<_>>();
            let source = format!("{base} with {}", said.join(", "));
            Ok(registered(ReleaseDocument::from_images(&current, images), &source, &format!("family {family}")))
        }
        Release::Registered(name) => {
            let described = task_definition(aws, name).await?;
            let about = described.as_ref().map(|described| &described["taskDefinition"]);
            let inactive = about.is_some_and(|about| about["status"] == "INACTIVE");
            Ok(match about.and_then(|about| about["taskDefinitionArn"].as_str()) {
                Some(arn) => {
                    let deregistered = inactive.then(|| arn.to_owned());
                    let plan = ReleasePlan::Registered(arn.to_owned());
                    Ready { plan, document: None, problems: Vec::new(), deregistered }
                }
                None => unusable(format!("there is no task definition {name}")),
            })
        }
    }
}

impl Ready {
    /// What is wrong with it on this account: a deregistered revision can only be scaled where it is, which is in the slot
    /// that gets the release.
    pub(super) fn objection(&self, survey: &Survey) -> Option<String> {
        let gone = self.deregistered.as_deref()?;
        let idle = [(Slot::Blue, &survey.blue), (Slot::Green, &survey.green)];
        let has_it = |slot: &SlotView| slot.controller == "ECS" && same_definition(&slot.task_definition, gone);
        let is_there = idle.into_iter().any(|(which, slot)| stable_slot(survey) != Some(which) && has_it(slot));
        let name = last_part(gone);
        let refused = || {
            format!(
                "the task definition {name} is deregistered (INACTIVE): ECS gives it to no service that has another"
            )
        };
        (!is_there).then(refused)
    }
}

fn registered(document: Result<ReleaseDocument, String>, source: &str, shown: &str) -> Ready {
    match document {
        Ok(document) => Ready {
            plan: ReleasePlan::Register { source: source.to_owned(), digest: document.digest() },
            document: Some(document),
            problems: Vec::new(),
            deregistered: None,
        },
        Err(wrong) => {
            let problems = wrong.lines().map(|line| format!("{shown}: {line}")).collect();
            Ready { problems, ..unusable(String::new()) }
        }
    }
}

fn unusable(wrong: String) -> Ready {
    Ready { plan: ReleasePlan::Registered(String::new()), document: None, problems: vec![wrong], deregistered: None }
}

/// Reads a task definition file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("task definition {}: {why}", path.display()));
    let bytes = file::read(path, FILE_LIMIT).map_err(wrong)?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

//! The release a spec names, made ready: a document to register, or a revision that exists.

use std::path::Path;
use std::time::Duration;

use super::{Exit, Failure, file};
use crate::cloud::alb::{ReleaseDocument, Slip, newest_deregistered, task_definition};
use crate::cloud::aws::Aws;
use crate::domain::fleet::{Entry, Slot, SlotView, Survey};
use crate::domain::name::{last_part, same_definition};
use crate::plan::{ImageChange, ReleasePlan, stable_slot};
use crate::spec::Release;

/// The largest task definition file that is read, in bytes; ECS takes 64 KiB.
const FILE_LIMIT: u64 = 256 * 1024;

/// How long the task definition that serves is waited for, where only its images are asked for.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A release as a plan needs it, with the document if one will be registered.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) plan: ReleasePlan,
    pub(super) document: Option<ReleaseDocument>,
    /// What is wrong with it; the plan will be refused for it, with everything else.
    pub(super) problems: Vec<String>,
    /// What is new to this version in it, one line each.
    pub(super) notices: Vec<String>,
    /// What its tasks are made of, and the name of the file that says so.
    shape: Option<(ReleaseDocument, String)>,
    /// The ARN of what exists and is deregistered: only a service that has it can run it.
    pub(super) deregistered: Option<String>,
}

/// Makes the release ready. `folder` is the spec's: relative paths start there.
pub(super) async fn prepare(aws: &Aws, release: &Release, folder: &Path) -> Result<Ready, Failure> {
    match release {
        Release::File(path) => {
            let text = read(&folder.join(path))?;
            let shown = path.display().to_string();
            Ok(registered(ReleaseDocument::from_file(&text), &format!("file {shown}"), &shown))
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
            let document = ReleaseDocument::from_images(&current, images);
            let document = document
                .map_err(|wrong| wrong.lines().map(|says| Slip { mark: None, says: says.to_owned() }).collect());
            Ok(registered(document, &source, &format!("family {family}")))
        }
        Release::Registered(name) => {
            let described = task_definition(aws, name).await?;
            let about = described.as_ref().map(|described| &described["taskDefinition"]);
            let inactive = about.is_some_and(|about| about["status"] == "INACTIVE");
            Ok(match about.and_then(|about| about["taskDefinitionArn"].as_str()) {
                Some(arn) => {
                    let deregistered = inactive.then(|| arn.to_owned());
                    let plan = ReleasePlan::Registered(arn.to_owned());
                    let shape =
                        described.as_ref().and_then(|described| ReleaseDocument::from_images(described, &[]).ok());
                    let shape = shape.map(|shape| (shape, name.clone()));
                    Ready { plan, document: None, problems: Vec::new(), notices: Vec::new(), shape, deregistered }
                }
                None => unusable(format!("there is no task definition {name}")),
            })
        }
    }
}

/// The images that the release changes. What cannot be read in time is left out: nothing rests on it.
pub(super) async fn images(aws: &Aws, ready: &Ready, survey: &Survey) -> Vec<ImageChange> {
    let (Some((released, _)), Some(slot)) = (&ready.shape, stable_slot(survey)) else { return Vec::new() };
    let serves = if slot == Slot::Blue { &survey.blue } else { &survey.green };
    let read = tokio::time::timeout(READ_WITHIN, task_definition(aws, &serves.task_definition));
    let Ok(Ok(Some(live))) = read.await else { return Vec::new() };
    let Ok(live) = ReleaseDocument::from_images(&live, &[]) else { return Vec::new() };
    changed(&live.images(), &released.images())
}

/// Which images differ, in the order of the containers that serve, and then those that are new.
fn changed(live: &[(String, String)], released: &[(String, String)]) -> Vec<ImageChange> {
    let image = |of: &[(String, String)], name: &str| {
        of.iter().find(|(container, _)| container == name).map(|(_, image)| image.clone())
    };
    let is_new = |(name, _): &&(String, String)| image(live, name).is_none();
    let names = live.iter().chain(released.iter().filter(is_new)).map(|(name, _)| name);
    let change =
        |name: &String| ImageChange { container: name.clone(), from: image(live, name), to: image(released, name) };
    names.map(change).filter(|change| change.from != change.to).collect()
}

impl Ready {
    /// Why the service of the slot that gets it could not run it: its load balancer leads elsewhere.
    pub(super) fn misfits(&self, survey: &Survey) -> Vec<String> {
        let Some((shape, shown)) = &self.shape else { return Vec::new() };
        let gets_it = |entry: &&Entry| stable_slot(survey) != Some(entry.slot);
        let misfit = |entry: &Entry| shape.misfit((&entry.container, entry.port)).map(|slip| slip.of(shown));
        let mut found: Vec<String> = survey.entries.iter().filter(gets_it).filter_map(misfit).collect();
        found.dedup();
        found
    }

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

fn registered(document: Result<ReleaseDocument, Vec<Slip>>, source: &str, shown: &str) -> Ready {
    match document {
        Ok(document) => Ready {
            plan: ReleasePlan::Register { source: source.to_owned(), digest: document.digest() },
            notices: document.news().iter().map(|slip| slip.of(shown)).collect(),
            shape: Some((document.clone(), shown.to_owned())),
            document: Some(document),
            problems: Vec::new(),
            deregistered: None,
        },
        Err(wrong) => {
            let problems = wrong.iter().map(|slip| slip.of(shown)).collect();
            Ready { problems, ..unusable(String::new()) }
        }
    }
}

fn unusable(wrong: String) -> Ready {
    let plan = ReleasePlan::Registered(String::new());
    let (problems, notices) = (vec![wrong], Vec::new());
    Ready { plan, document: None, problems, notices, shape: None, deregistered: None }
}

/// What is wrong with the file that a release names, which is looked at without an account, and what in it is new to this
/// version. A file that is not there yet may be made before it is rolled out.
pub(super) fn examined(release: &Release, folder: &Path) -> Option<Examined> {
    let Release::File(path) = release else { return None };
    let text = read(&folder.join(path)).ok()?;
    let file = path.display().to_string();
    Some(match ReleaseDocument::from_file(&text) {
        Ok(document) => Examined { file, valid: true, slips: document.news().to_vec() },
        Err(slips) => Examined { file, valid: false, slips },
    })
}

/// A release file that was looked at.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) file: String,
    pub(super) valid: bool,
    /// What is wrong with it; of a valid one what is new to this version.
    pub(super) slips: Vec<Slip>,
}

/// Reads a task definition file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("task definition {}: {why}", path.display()));
    let bytes = file::read(path, FILE_LIMIT).map_err(wrong)?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    // An editor's mark of UTF-8 says nothing.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

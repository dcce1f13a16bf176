//! The release a spec names, made ready: a document to register, or a revision that exists.

use std::path::Path;

use super::{Exit, Failure, file};
use crate::cloud::alb::{ReleaseDocument, task_definition};
use crate::cloud::aws::Aws;
use crate::plan::ReleasePlan;
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
            let Some(current) = task_definition(aws, family).await? else {
                return Ok(unusable(format!("there is no task definition family {family}")));
            };
            let said = images.iter().map(|(container, image)| format!("{container}={image}")).collect::<Vec<_>>();
            let source = format!("family {family} with {}", said.join(", "));
            Ok(registered(ReleaseDocument::from_images(&current, images), &source, &format!("family {family}")))
        }
        Release::Registered(name) => {
            let described = task_definition(aws, name).await?;
            let about = described.as_ref().map(|described| &described["taskDefinition"]);
            if about.is_some_and(|about| about["status"] == "INACTIVE") {
                let wrong =
                    format!("the task definition {name} is deregistered (INACTIVE): no service can be given it");
                return Ok(unusable(wrong));
            }
            Ok(match about.and_then(|about| about["taskDefinitionArn"].as_str()) {
                Some(arn) => {
                    Ready { plan: ReleasePlan::Registered(arn.to_owned()), document: None, problems: Vec::new() }
                }
                None => unusable(format!("there is no task definition {name}")),
            })
        }
    }
}

fn registered(document: Result<ReleaseDocument, String>, source: &str, shown: &str) -> Ready {
    match document {
        Ok(document) => Ready {
            plan: ReleasePlan::Register { source: source.to_owned(), digest: document.digest() },
            document: Some(document),
            problems: Vec::new(),
        },
        Err(wrong) => {
            let problems = wrong.lines().map(|line| format!("{shown}: {line}")).collect();
            Ready { problems, ..unusable(String::new()) }
        }
    }
}

fn unusable(wrong: String) -> Ready {
    Ready { plan: ReleasePlan::Registered(String::new()), document: None, problems: vec![wrong] }
}

/// Reads a task definition file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("task definition {}: {why}", path.display()));
    let bytes = file::read(path, FILE_LIMIT).map_err(wrong)?;
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

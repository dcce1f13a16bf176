//! The subject of an answer: the rollout, its release, its target, and the place of its journal.

use serde_json::{Value, json};

use super::sentence;
use crate::plan::{ImageChange, Plan, ReleasePlan};

/// A rollout with what nobody should have to guess.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The rollout's id.
    pub id: &'a str,
    /// The plan it follows.
    pub plan: &'a Plan,
    /// The release's task definition, once the rollout has registered it.
    pub registered: Option<&'a str>,
    /// The store that has its journal: a folder, or a bucket's URL.
    pub store: &'a str,
    /// Whether it is a rehearsal in a lab inside its runner.
    pub is_lab: bool,
}

impl About<'_> {
    /// All of it in one sentence; foreign text is in it as it came.
    pub fn line(&self) -> String {
        format!("rollout {}: {}; {}; journal in {}", self.id, self.release(), self.place(), self.store)
    }

    /// What is released in place of what, with the images that differ.
    pub fn release(&self) -> String {
        release(self.plan, self.registered)
    }

    /// Where it is released.
    pub fn place(&self) -> String {
        let lab = if self.is_lab { ", played by a lab inside its runner" } else { "" };
        format!("{}{lab}", place(self.plan))
    }

    /// All of it for programs.
    pub fn json(&self) -> Value {
        let target = &self.plan.target;
        json!({
            "release": release_json(self.plan, self.registered),
            "where": {"account": target.account, "region": target.region, "cluster": target.cluster, "lab": self.is_lab},
            "store": self.store,
        })
    }
}

/// What is released in place of what, with the images that differ; `registered` as [`About::registered`].
pub(super) fn release(plan: &Plan, registered: Option<&str>) -> String {
    let before = sentence::task_definition(&plan.before.stable_task_definition);
    let images = |side: fn(&ImageChange) -> &Option<String>| {
        images(&plan.images, side).map_or(String::new(), |images| format!(" ({images})"))
    };
    let to = sentence::task_definition(to(plan, registered));
    format!("{to}{} in place of {before}{}", images(|one| &one.to), images(|one| &one.from))
}

/// The same for programs.
pub(super) fn release_json(plan: &Plan, registered: Option<&str>) -> Value {
    let image = |change: &ImageChange| json!({"container": change.container, "from": change.from, "to": change.to});
    json!({
        "from": plan.before.stable_task_definition,
        "to": to(plan, registered),
        "images": plan.images.iter().map(image).collect::<Vec<_>>(),
    })
}

/// Where a plan releases.
pub(super) fn place(plan: &Plan) -> String {
    let target = &plan.target;
    format!("{}, account {}, cluster {}", target.region, target.account, target.cluster)
}

/// The release's task definition, or the file that it is still to be registered from.
fn to<'a>(plan: &'a Plan, registered: Option<&'a str>) -> &'a str {
    match (&plan.release, registered) {
        (ReleasePlan::Register { .. }, Some(arn)) => arn,
        (release, _) => release.called(),
    }
}

/// The images of one side by container: `app 1.4.3, proxy 2`. Of an image whose repository is the same on both sides
/// only the tag is said.
fn images(changes: &[ImageChange], side: fn(&ImageChange) -> &Option<String>) -> Option<String> {
    let said = changes.iter().filter_map(|change| Some((change, side(change).as_deref()?)));
    let said: Vec<String> =
        said.map(|(change, image)| format!("{} {}", change.container, short(change, image))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn short<'a>(change: &ImageChange, image: &'a str) -> &'a str {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) if tagged(from).0 == tagged(to).0 => tagged(image).1.unwrap_or("latest"),
        _ => image,
    }
}

/// An image's repository, and its tag or digest. A colon before the last slash is a registry's port.
fn tagged(image: &str) -> (&str, Option<&str>) {
    if let Some((repository, digest)) = image.split_once('@') {
        return (tagged(repository).0, Some(digest));
    }
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (image, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{ID, plan};
    use super::*;

    #[test]
    fn an_answer_names_rollout_release_place_and_journal() {
        let mut plan = plan();
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:42";
        let about =
            |registered, is_lab| About { id: ID, plan: &plan, registered, store: "s3://releases", is_lab }.line();
        assert_eq!(
            about(Some(arn), true),
            format!(
                "rollout {ID}: web:42 in place of web:41; eu-west-1, account 123456789012, cluster prod, played by a \
                 lab inside its runner; journal in s3://releases"
            )
        );
        assert!(about(None, false).contains("app=registry.example.com/web:v2 in place of web:41; eu-west-1"));
        plan.release = ReleasePlan::Registered("web:40".to_owned());
        let about = About { id: ID, plan: &plan, registered: Some(arn), store: "/state", is_lab: false };
        let from = &plan.before.stable_task_definition;
        assert_eq!(about.json()["release"], json!({"from": from, "to": "web:40", "images": []}));
    }

    #[test]
    fn a_release_names_the_images_that_differ() {
        let mut plan = plan();
        let change = |container: &str, from: Option<&str>, to: Option<&str>| ImageChange {
            container: container.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        };
        let said =
            |plan: &Plan| About { id: ID, plan, registered: Some("web:42"), store: "/state", is_lab: false }.release();
        plan.images = vec![change(
            "app",
            Some("registry.example.com:5000/web:1.4.2"),
            Some("registry.example.com:5000/web:1.4.3"),
        )];
        assert_eq!(said(&plan), "web:42 (app 1.4.3) in place of web:41 (app 1.4.2)");
        plan.images = vec![
            change("app", Some("web"), Some("web@sha256:0ff1ce")),
            change("proxy", Some("nginx:1"), Some("envoy:2")),
            change("old", Some("old:1"), None),
        ];
        assert_eq!(
            said(&plan),
            "web:42 (app sha256:0ff1ce, proxy envoy:2) in place of web:41 (app latest, proxy nginx:1, old old:1)"
        );
    }
}

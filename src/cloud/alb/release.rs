//! The release's task definition as a JSON document: from a file, or from what is registered with
//! other images. It is sent to ECS as it stands, so nothing in it can be lost on the way.

use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::json::canonical;
use super::known::{self, Finding, READ_ONLY, nearest};
use super::sizes;
use super::text_place::{Mark, Step, mark};
use crate::domain::text::hex;

/// The tag by which a registration of ours is known again: its value is the document's fingerprint.
pub const RELEASE_TAG: &str = "tidegate:release";

/// A task definition to register. It may hold secrets, so it shows nothing but its family and fingerprint.
#[derive(Clone, PartialEq)]
pub struct ReleaseDocument {
    body: Map<String, Value>,
    /// The text that it was read from.
    text: Option<String>,
    /// What in it is newer than this version.
    news: Vec<Slip>,
}

/// Something about a document, and where it stands in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Where, if it was read from a text.
    pub mark: Option<Mark>,
    /// What.
    pub says: String,
}

impl Slip {
    fn whole(says: impl Into<String>) -> Self {
        Slip { mark: None, says: says.into() }
    }

    /// It in one line, of a file with this name.
    pub fn of(&self, file: &str) -> String {
        let Slip { mark, says } = self;
        mark.map_or_else(|| format!("{file}: {says}"), |mark| format!("{file}:{mark}: {says}"))
    }
}

impl fmt::Debug for ReleaseDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseDocument").field("family", &self.family()).field("digest", &self.digest()).finish()
    }
}

impl ReleaseDocument {
    /// Reads what `aws ecs describe-task-definition` prints, or what `register-task-definition` takes.
    ///
    /// # Errors
    /// Says all that is wrong: no JSON, a field that does not exist or is of another type, what ECS could not run.
    pub fn from_file(json_text: &str) -> Result<Self, Vec<Slip>> {
        // An editor's mark of UTF-8, and the name of a schema for it, are nothing of the task definition's.
        let text = json_text.trim_start_matches('\u{feff}');
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let mark = Some(Mark { line: error.line(), column: error.column() });
            vec![Slip { mark, says: format!("not JSON: {error}") }]
        })?;
        let body = Self::body(value).map_err(|wrong| vec![Slip::whole(wrong)])?;
        let mut document = ReleaseDocument { body, text: Some(text.to_owned()), news: Vec::new() };
        let found = known::findings(&document.body).into_iter().chain(sizes::findings(&document.body));
        let (news, wrong): (Vec<Finding>, Vec<Finding>) = found.partition(|finding| finding.is_news);
        let mut slips: Vec<Slip> = wrong.iter().map(|finding| document.slip(finding)).collect();
        slips.sort_by_key(|slip| slip.mark.map(|mark| (mark.line, mark.column)));
        slips.extend(document.lacks().map(Slip::whole).filter(|_| slips.is_empty()));
        document.news = news.iter().map(|finding| document.slip(finding)).collect();
        if slips.is_empty() { Ok(document) } else { Err(slips) }
    }

    /// What in it is newer than this version: ECS gets it as it stands.
    pub fn news(&self) -> &[Slip] {
        &self.news
    }

    /// Why a service whose load balancer names this container and port could not run it.
    pub fn misfit(&self, entry: (&str, u16)) -> Option<Slip> {
        sizes::misfit(&self.body, entry).map(|finding| self.slip(&finding))
    }

    fn slip(&self, finding: &Finding) -> Slip {
        let place = |text: &String| {
            // What `describe-task-definition` prints has it one level down.
            let is_inner =
                serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|all| all.contains_key("taskDefinition"));
            let is_beside = finding.path.first() == Some(&Step::Field("tags".to_owned()));
            let outer = (is_inner && !is_beside).then(|| Step::Field("taskDefinition".to_owned()));
            mark(text, &outer.into_iter().chain(finding.path.iter().cloned()).collect::<Vec<_>>())
        };
        Slip { mark: self.text.as_ref().map(place), says: finding.says.clone() }
    }

    /// Takes a registered task definition, as DescribeTaskDefinition answers, and gives its
    /// containers other images.
    ///
    /// # Errors
    /// Says all that is wrong, one line each: a container that does not exist, or is named twice.
    pub fn from_images(current: &Value, images: &[(String, String)]) -> Result<Self, String> {
        let mut document = ReleaseDocument { body: Self::body(current.clone())?, text: None, news: Vec::new() };
        if let Some(lacks) = document.lacks() {
            return Err(lacks.to_owned());
        }
        let mut wrong = Vec::new();
        for (index, (container, image)) in images.iter().enumerate() {
            if images[..index].iter().any(|(earlier, _)| earlier == container) {
                wrong.push(format!("container `{container}` is given two images"));
            } else if let Err(why) = document.set_image(container, image) {
                wrong.push(why);
            }
        }
        if wrong.is_empty() { Ok(document) } else { Err(wrong.join("\n")) }
    }

    fn body(value: Value) -> Result<Map<String, Value>, String> {
        let Value::Object(mut outer) = without_nulls(value) else {
            return Err("a task definition is a JSON object".to_owned());
        };
        let mut body = match outer.remove("taskDefinition") {
            Some(Value::Object(inner)) => {
                let tags = outer.remove("tags");
                let mut inner = inner;
                inner.extend(tags.map(|tags| ("tags".to_owned(), tags)));
                inner
            }
            Some(_) => return Err("`taskDefinition` is not an object".to_owned()),
            None => outer,
        };
        body.retain(|field, _| !READ_ONLY.contains(&field.as_str()) && field != "$schema");
        keep_own_tags(&mut body)?;
        Ok(body)
    }

    fn lacks(&self) -> Option<&'static str> {
        if self.family().is_empty() {
            return Some("it has no `family`");
        }
        let containers = self.body.get("containerDefinitions").and_then(Value::as_array);
        containers.is_none_or(Vec::is_empty).then_some("it has no `containerDefinitions`")
    }

    fn set_image(&mut self, container: &str, image: &str) -> Result<(), String> {
        let containers = self.body.get_mut("containerDefinitions").and_then(Value::as_array_mut);
        let Some(containers) = containers else { return Ok(()) };
        if let Some(found) = containers.iter_mut().find(|one| one["name"] == container) {
            found["image"] = json!(image);
            return Ok(());
        }
        let names: Vec<&str> = containers.iter().filter_map(|one| one["name"].as_str()).collect();
        let near = nearest(container, names.iter().copied());
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Err(format!("there is no container `{container}` among {}{hint}", names.join(", ")))
    }

    /// Its fields, to be compared with others. They may hold secrets.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The family it is registered in.
    pub fn family(&self) -> &str {
        self.body.get("family").and_then(Value::as_str).unwrap_or_default()
    }

    /// The roles that it hands to its tasks and to the agent that starts them, by ARN or by name.
    pub fn roles(&self) -> Vec<&str> {
        ["executionRoleArn", "taskRoleArn"].iter().filter_map(|field| self.body.get(*field)?.as_str()).collect()
    }

    /// Its fingerprint: SHA-256 in hex over the JSON with the keys of every object in order.
    pub fn digest(&self) -> String {
        hex(Sha256::digest(canonical(&Value::Object(self.body.clone())).to_string()))
    }

    /// Names and images of its containers.
    pub fn images(&self) -> Vec<(String, String)> {
        let text = |container: &Value, field: &str| container[field].as_str().unwrap_or_default().to_owned();
        let containers = self.body.get("containerDefinitions").and_then(Value::as_array);
        containers.into_iter().flatten().map(|one| (text(one, "name"), text(one, "image"))).collect()
    }

    /// What is sent: the document, and the tag that tells it is this release.
    pub(super) fn tagged(&self, digest: &str) -> Value {
        let mut body = self.body.clone();
        let mut tags = body.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
        tags.push(json!({ "key": RELEASE_TAG, "value": digest }));
        body.insert("tags".to_owned(), Value::Array(tags));
        Value::Object(body)
    }
}

/// Whether a task definition, as DescribeTaskDefinition answers, is the release with this fingerprint.
pub(in crate::cloud) fn is_release(described: &Value, digest: &str) -> bool {
    let tags = described["tags"].as_array();
    tags.into_iter().flatten().any(|tag| tag["key"] == RELEASE_TAG && tag["value"] == digest)
}

/// Drops tags that an earlier registration of ours or AWS itself put there.
fn keep_own_tags(body: &mut Map<String, Value>) -> Result<(), String> {
    let Some(tags) = body.get_mut("tags") else { return Ok(()) };
    let tags = tags.as_array_mut().ok_or("`tags` is not a list")?;
    let foreign = |tag: &Value| tag["key"].as_str().is_some_and(|key| key == RELEASE_TAG || key.starts_with("aws:"));
    tags.retain(|tag| !foreign(tag));
    if tags.is_empty() {
        body.remove("tags");
    }
    Ok(())
}

/// `value` without the fields that are null: ECS takes them as absent.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Value {
        json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:eu-west-1:1:task-definition/web:7",
                "family": "web", "revision": 7, "status": "ACTIVE", "registeredAt": "2026-01-01T00:00:00Z",
                "containerDefinitions": [
                    { "name": "app", "image": "app:1", "environment": [{ "name": "A", "value": "1" }] },
                    { "name": "sidecar", "image": "envoy:1", "secrets": null },
                ],
                "runtimePlatform": { "cpuArchitecture": "ARM64" },
                "requiresAttributes": [{ "name": "ecs.capability.x" }], "compatibilities": ["FARGATE"],
            },
            "tags": [{ "key": "team", "value": "web" }, { "key": "tidegate:release", "value": "0123" },
                     { "key": "aws:cloudformation:stack-id", "value": "x" }],
        })
    }

    fn images(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned())).collect()
    }

    #[test]
    fn what_aws_describes_can_be_registered_again() {
        let document = ReleaseDocument::from_file(&described().to_string()).unwrap();
        assert_eq!(document.family(), "web");
        let expected = json!({
            "family": "web",
            "containerDefinitions": [
                { "name": "app", "image": "app:1", "environment": [{ "name": "A", "value": "1" }] },
                { "name": "sidecar", "image": "envoy:1" },
            ],
            "runtimePlatform": { "cpuArchitecture": "ARM64" },
            "tags": [{ "key": "team", "value": "web" }, { "key": "tidegate:release", "value": "d" }],
        });
        assert_eq!(document.tagged("d"), expected);
    }

    #[test]
    fn the_digest_is_of_what_is_said_not_of_how() {
        let one = ReleaseDocument::from_file(r#"{"family":"web","containerDefinitions":[{"name":"a","image":"b"}]}"#);
        let two = ReleaseDocument::from_file(
            r#"{"containerDefinitions":[{"image":"b","cpu":null,"name":"a"}],"family":"web","status":"ACTIVE"}"#,
        );
        assert_eq!(one.clone().map(|one| one.digest()), two.map(|two| two.digest()));
        assert_eq!(one.map(|one| one.digest().len()), Ok(64));
    }

    #[test]
    fn a_release_found_again_has_the_digest_it_had() {
        let release = images(&[("app", "app:2")]);
        let first = ReleaseDocument::from_images(&described(), &release).unwrap();
        let digest = first.digest();
        let registered = json!({ "taskDefinition": first.tagged(&digest), "tags": first.tagged(&digest)["tags"] });
        assert!(is_release(&registered, &digest));
        assert_eq!(ReleaseDocument::from_images(&registered, &release).unwrap().digest(), digest);
        assert_eq!(first.images(), images(&[("app", "app:2"), ("sidecar", "envoy:1")]));
    }

    #[test]
    fn every_slip_is_named() {
        let check = |text: &str, said: &[&str]| {
            let wrong = slips(text).join("\n");
            for part in said {
                assert!(wrong.contains(part), "{wrong}");
            }
        };
        check("[", &["not JSON"]);
        check("{}", &["no `family`"]);
        check(r#"{"family":"web"}"#, &["no `containerDefinitions`"]);
        check(
            r#"{"family":"web","netwrkMode":"awsvpc","containerDefinitions":[{"name":"a","enviroment":[]}]}"#,
            &["`netwrkMode`", "did you mean `networkMode`", "`containerDefinitions[0].enviroment`", "`environment`"],
        );
        let wrong = ReleaseDocument::from_images(&described(), &images(&[("sidcar", "x")])).unwrap_err();
        assert_eq!(wrong, "there is no container `sidcar` among app, sidecar; did you mean `sidecar`?");
        assert!(ReleaseDocument::from_images(&described(), &images(&[("app", "x"), ("app", "y")])).is_err());
    }

    /// What is wrong, each in a line with its place.
    fn slips(text: &str) -> Vec<String> {
        let slips = ReleaseDocument::from_file(text).map_or_else(|slips| slips, |_| Vec::new());
        slips.iter().map(|slip| slip.of("f")).collect()
    }

    /// A document on Fargate; `more` goes into its only container, and `task` beside it.
    fn fargate(task: &str, more: &str) -> String {
        format!(
            "{{\"family\": \"shop\", \"networkMode\": \"awsvpc\", \"requiresCompatibilities\": [\"FARGATE\"],\n {task},\n \
             \"containerDefinitions\": [{{\"name\": \"app\", \"image\": \"shop:2\"{more}}}]}}"
        )
    }

    const SIZE: &str = r#""cpu": "256", "memory": "512""#;

    #[test]
    fn values_of_another_type_are_told_with_their_place() {
        let table = [
            (r#""cpu": 256, "memory": "512""#, "", "f:2:2: `cpu` is a number, and must be text: write `\"256\"`"),
            (
                SIZE,
                r#", "portMappings": [{"containerPort": "8080"}]"#,
                "f:3:80: `containerDefinitions[0].portMappings[0].containerPort` is text, and must be a whole number: write `8080`",
            ),
            (
                SIZE,
                r#", "essential": "true""#,
                "f:3:62: `containerDefinitions[0].essential` is text, and must be true or false: write `true`",
            ),
            // What may be a secret is not shown.
            (
                SIZE,
                r#", "environment": [{"name": "PIN", "value": 4711}]"#,
                "f:3:94: `containerDefinitions[0].environment[0].value` is a number, and must be text: put it into quotes",
            ),
            (SIZE, r#", "command": "run""#, "f:3:62: `containerDefinitions[0].command` is text, and must be a list"),
            (
                SIZE,
                r#", "secrets": [{"name": "S"}]"#,
                "f:3:74: `containerDefinitions[0].secrets[0]` has no `valueFrom`",
            ),
            (
                SIZE,
                r#", "portMappings": [{"containerPort": 80, "protocol": "TCP"}]"#,
                "f:3:101: `containerDefinitions[0].portMappings[0].protocol` is `TCP`; did you mean `tcp`?",
            ),
            (
                SIZE,
                r#", "portMappings": [{"containerPort": 80, "hostPort": 8080}]"#,
                "f:3:101: `hostPort` must be as `containerPort`, or left out, where `networkMode` is `awsvpc`",
            ),
        ];
        for (task, more, wrong) in table {
            assert_eq!(slips(&fargate(task, more)), [wrong]);
        }
        let outer = format!("{{\n\"taskDefinition\":\n{}}}", fargate(r#""cpu": 256, "memory": "512""#, ""));
        assert!(slips(&outer)[0].starts_with("f:4:2: `cpu`"), "what `describe-task-definition` prints");
    }

    #[test]
    fn sizes_are_those_that_fargate_has() {
        let size = |cpu: &str, memory: &str| slips(&fargate(&format!(r#""cpu": "{cpu}", "memory": "{memory}""#), ""));
        for (cpu, memory) in [
            ("256", "1024"),
            (".25 vCPU", "0.5 GB"),
            ("1 vcpu", "8GB"),
            ("4096", "9216"),
            ("8192", "61440"),
            ("16384", "122880"),
        ] {
            assert_eq!(size(cpu, memory), <[String; 0]>::default(), "{cpu}, {memory}");
        }
        for (cpu, memory) in
            [("256", "8192"), ("256", "1536"), ("512", "512"), ("8192", "17408"), ("300", "512"), ("256", "lots")]
        {
            assert_eq!(size(cpu, memory).len(), 1, "{cpu}, {memory}");
        }
        assert_eq!(
            size("256", "8192"),
            [
                "f:2:16: Fargate has no task of 256 CPU units with 8192 MiB: with these `memory` is from 512 to 2048, in steps \
              of 512"
            ]
        );
        assert_eq!(size("32768", "245760"), <[String; 0]>::default(), "a greater one may be new");
        assert_eq!(slips(&fargate(r#""tags": []"#, "")).len(), 2, "both are needed");
    }

    #[test]
    fn what_editors_and_newer_versions_put_there_passes() {
        let text = fargate(&format!(r#""$schema": "https://example.com/s.json", {SIZE}"#), "");
        let document = ReleaseDocument::from_file(&format!("\u{feff}{text}")).unwrap();
        assert!(!document.fields().contains_key("$schema") && document.news().is_empty());
        let newer = fargate(&format!(r#"{SIZE}, "quantumEntanglement": {{ "qubits": 4 }}"#), "");
        let document = ReleaseDocument::from_file(&newer).unwrap();
        let told: Vec<String> = document.news().iter().map(|slip| slip.of("f")).collect();
        assert_eq!(
            told,
            ["f:2:33: field `quantumEntanglement` is unknown to this version; it is sent to ECS as it stands"]
        );
        assert!(document.fields().contains_key("quantumEntanglement"));
        assert_eq!(slips(&fargate(&format!(r#"{SIZE}, "NetwrkMode": "awsvpc""#), "")).len(), 1, "a slip is no news");
    }

    #[test]
    fn a_load_balancer_must_find_its_container_and_port() {
        let text = fargate(SIZE, r#", "portMappings": [{"containerPort": 80}, {"containerPortRange": "3000-3010"}]"#);
        let document = ReleaseDocument::from_file(&text).unwrap();
        assert_eq!((document.misfit(("app", 80)), document.misfit(("app", 3010))), (None, None));
        let told = |container, port| document.misfit((container, port)).unwrap().of("f");
        assert_eq!(
            told("app", 8080),
            "f:3:62: the service's load balancer leads to port 8080 of container `app`, which does not map it"
        );
        assert_eq!(
            told("web", 80),
            "f:3:2: the service's load balancer leads to container `web`, and there is only app"
        );
    }

    #[test]
    fn fields_of_every_depth_are_known() {
        let text = json!({
            "family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "pidMode": "task",
            "requiresCompatibilities": ["FARGATE"], "ephemeralStorage": { "sizeInGiB": 30 },
            "proxyConfiguration": { "type": "APPMESH", "containerName": "e", "properties": [{ "name": "a", "value": "b" }] },
            "volumes": [{ "name": "v", "efsVolumeConfiguration": { "fileSystemId": "fs-1",
                "authorizationConfig": { "iam": "ENABLED" } } }],
            "containerDefinitions": [{
                "name": "app", "image": "x", "essential": true, "stopTimeout": 30, "user": "1000",
                "portMappings": [{ "containerPort": 80, "protocol": "tcp" }], "ulimits": [{ "name": "nofile", "softLimit": 1, "hardLimit": 2 }],
                "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "g" }, "secretOptions": [{ "name": "n", "valueFrom": "v" }] },
                "linuxParameters": { "capabilities": { "drop": ["ALL"] }, "tmpfs": [{ "containerPath": "/t", "size": 1 }] },
                "dockerLabels": { "any.thing": "x" }, "dependsOn": [{ "containerName": "e", "condition": "HEALTHY" }],
                "healthCheck": { "command": ["CMD", "true"], "retries": 3 }, "secrets": [{ "name": "S", "valueFrom": "arn" }],
            }],
        });
        assert!(ReleaseDocument::from_file(&text.to_string()).is_ok());
    }

    #[test]
    fn a_document_does_not_show_what_it_holds() {
        let document = ReleaseDocument::from_images(&described(), &[]).unwrap();
        assert!(!format!("{document:?}").contains("environment"));
    }
}

//! The release's task definition as a JSON document: from a file, or from what is registered with
//! other images. It is sent to ECS as it stands, so nothing in it can be lost on the way.

use std::fmt;

use serde_json::{Map, Value, json};

use super::json::{canonical, hex};
use super::known::{READ_ONLY, nearest, problems};

/// The tag by which a registration of ours is known again: its value is the document's fingerprint.
pub const RELEASE_TAG: &str = "tidegate:release";

/// A task definition to register. It may hold secrets, so it shows nothing but its family and fingerprint.
#[derive(Clone, PartialEq)]
pub struct ReleaseDocument {
    body: Map<String, Value>,
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
    /// Says all that is wrong, one line each: no JSON, a field that does not exist, no family, no containers.
    pub fn from_file(json_text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(json_text).map_err(|error| format!("not JSON: {error}"))?;
        let document = Self::of(value)?;
        let unknown = problems(&document.body);
        if unknown.is_empty() { Ok(document) } else { Err(unknown.join("\n")) }
    }

    /// Takes a registered task definition, as DescribeTaskDefinition answers, and gives its
    /// containers other images.
    ///
    /// # Errors
    /// Says all that is wrong, one line each: a container that does not exist, or is named twice.
    pub fn from_images(current: &Value, images: &[(String, String)]) -> Result<Self, String> {
        let mut document = Self::of(current.clone())?;
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

    fn of(value: Value) -> Result<Self, String> {
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
        body.retain(|field, _| !READ_ONLY.contains(&field.as_str()));
        keep_own_tags(&mut body)?;
        if body.get("family").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err("it has no `family`".to_owned());
        }
        match body.get("containerDefinitions").and_then(Value::as_array) {
            Some(containers) if !containers.is_empty() => Ok(Self { body }),
            _ => Err("it has no `containerDefinitions`".to_owned()),
        }
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
        hex(canonical(&Value::Object(self.body.clone())).to_string().as_bytes())
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
            let wrong = ReleaseDocument::from_file(text).unwrap_err();
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

//! ECS: services, their tasks, and task definitions, which pass through as the JSON they are.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::ConfigBag;
use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{Intercept, RuntimeComponents};
use aws_sdk_ecs::error::{BoxError, ProvideErrorMetadata};
use aws_sdk_ecs::types::{
    Cluster, ContainerDefinition, DesiredStatus, Failure, Service, SortOrder, Task, TaskDefinitionField,
    TaskDefinitionStatus,
};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

use super::{PAGES_LIMIT, fault, whole};
use crate::domain::fault::{Fault, FaultKind};

/// What a lookup found, and what AWS says is missing.
pub(in crate::cloud) type Found<T> = (Vec<T>, Vec<Failure>);

/// Reads a cluster.
pub(in crate::cloud) async fn clusters(ecs: &Client, name: &str) -> Result<Found<Cluster>, Fault> {
    let call = ecs.describe_clusters().clusters(name).send().await;
    let answer = call.map_err(|error| fault::read("DescribeClusters", &error))?;
    Ok((answer.clusters.unwrap_or_default(), answer.failures.unwrap_or_default()))
}

/// Lists the ARNs of all clusters.
pub(in crate::cloud) async fn list_clusters(ecs: &Client) -> Result<Vec<String>, Fault> {
    let mut pages = ecs.list_clusters().into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(|error| fault::read("ListClusters", &error))?);
    }
    Ok(arns)
}

/// Reads up to ten services of a cluster, each once.
pub(in crate::cloud) async fn services(ecs: &Client, cluster: &str, names: &[&str]) -> Result<Found<Service>, Fault> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.dedup();
    let call = ecs.describe_services().cluster(cluster).set_services(Some(names)).send().await;
    let answer = call.map_err(|error| fault::read("DescribeServices", &error))?;
    Ok((answer.services.unwrap_or_default(), answer.failures.unwrap_or_default()))
}

/// Reads a service as the JSON that ECS sent, or `None` when there is none. The SDK's own types would drop what they do not
/// know.
pub(in crate::cloud) async fn service(ecs: &Client, (cluster, name): (&str, &str)) -> Result<Option<Value>, Fault> {
    let body = Body::default();
    let call = ecs.describe_services().cluster(cluster).services(name).customize().interceptor(body.clone());
    call.send().await.map_err(|error| fault::read("DescribeServices", &error))?;
    let told = body.json("DescribeServices")?;
    let found = told["services"].as_array().and_then(|all| all.first());
    Ok(found.filter(|found| found["status"] != "INACTIVE").cloned())
}

/// Lists the ARNs of a cluster's services.
pub(in crate::cloud) async fn list_services(ecs: &Client, cluster: &str) -> Result<Vec<String>, Fault> {
    let mut pages = ecs.list_services().cluster(cluster).max_results(100).into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        whole("ListServices", arns.len() >= PAGES_LIMIT * 100)?;
        arns.push(arn.map_err(|error| fault::read("ListServices", &error))?);
    }
    Ok(arns)
}

/// Reads the tasks of a service that stopped within the last hour: at most a hundred of them.
pub(in crate::cloud) async fn stopped_tasks(ecs: &Client, cluster: &str, service: &str) -> Result<Vec<Task>, Fault> {
    let list = ecs.list_tasks().cluster(cluster).service_name(service);
    let call = list.desired_status(DesiredStatus::Stopped).max_results(100).send().await;
    let arns = call.map_err(|error| fault::read("ListTasks", &error))?.task_arns.unwrap_or_default();
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let call = ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns)).send().await;
    Ok(call.map_err(|error| fault::read("DescribeTasks", &error))?.tasks.unwrap_or_default())
}

/// Reads the running tasks of a service.
pub(in crate::cloud) async fn running_tasks(ecs: &Client, cluster: &str, service: &str) -> Result<Vec<Task>, Fault> {
    let list = ecs.list_tasks().cluster(cluster).service_name(service).desired_status(DesiredStatus::Running);
    let mut pages = list.into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        whole("ListTasks", arns.len() >= PAGES_LIMIT * 100)?;
        arns.push(arn.map_err(|error| fault::read("ListTasks", &error))?);
    }
    let mut tasks = Vec::new();
    for arns in arns.chunks(100) {
        let call = ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await;
        tasks.extend(call.map_err(|error| fault::read("DescribeTasks", &error))?.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

/// What a write of a service asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Update<'a> {
    /// How many tasks.
    pub count: u32,
    /// Of which task definition, when it changes.
    pub task_definition: Option<&'a str>,
    /// Whether a deployment begins even when nothing changes.
    pub anew: bool,
}

/// Writes a service's count, and its task definition if one is named.
pub(in crate::cloud) async fn update(
    ecs: &Client,
    cluster: &str,
    service: &str,
    update: Update<'_>,
) -> Result<(), Fault> {
    let count = i32::try_from(update.count).unwrap_or(i32::MAX);
    let mut call = ecs.update_service().cluster(cluster).service(service).desired_count(count);
    call = call.set_task_definition(update.task_definition.map(ToOwned::to_owned));
    if update.anew {
        call = call.force_new_deployment(true);
    }
    call.send().await.map(drop).map_err(|error| fault::write("UpdateService", &error))
}

/// Reads a task definition and its tags as the JSON that ECS sent, or `None` when there is none.
pub(in crate::cloud) async fn task_definition(ecs: &Client, name: &str) -> Result<Option<Value>, Fault> {
    let body = Body::default();
    let call = ecs.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    match call.customize().interceptor(body.clone()).send().await {
        Ok(_) => body.json("DescribeTaskDefinition").map(Some),
        Err(error) => {
            let message = error.message().unwrap_or_default();
            let none = error.code() == Some("ClientException") && message.contains("Unable to describe");
            if none { Ok(None) } else { Err(fault::read("DescribeTaskDefinition", &error)) }
        }
    }
}

/// The ARN of the newest deregistered revision of a family.
pub(in crate::cloud) async fn newest_deregistered(ecs: &Client, family: &str) -> Result<Option<String>, Fault> {
    let list = ecs.list_task_definitions().family_prefix(family).status(TaskDefinitionStatus::Inactive);
    let call = list.sort(SortOrder::Desc).max_results(1).send().await;
    let arns = call.map_err(|error| fault::read("ListTaskDefinitions", &error))?.task_definition_arns;
    Ok(arns.unwrap_or_default().into_iter().next())
}

/// Registers a task definition given as the JSON that ECS takes, and returns its ARN. The SDK's own
/// types would drop what they do not know; so the document replaces the body that they made.
pub(in crate::cloud) async fn register(ecs: &Client, document: &Value) -> Result<String, Fault> {
    let json = document.to_string();
    let family = document["family"].as_str().unwrap_or_default();
    let placeholder = ContainerDefinition::builder().build();
    let call = ecs.register_task_definition().family(family).container_definitions(placeholder);
    let sent = call.customize().mutate_request(move |request| {
        request.headers_mut().insert("content-length", json.len().to_string());
        *request.body_mut() = SdkBody::from(json.clone());
    });
    let answer = sent.send().await.map_err(|error| fault::write("RegisterTaskDefinition", &error))?;
    let arn = answer.task_definition.and_then(|definition| definition.task_definition_arn);
    arn.ok_or_else(|| Fault::new(FaultKind::Unknown, "RegisterTaskDefinition", "the answer names no task definition"))
}

/// Keeps the body of the last answer.
#[derive(Clone, Debug, Default)]
struct Body(Arc<Mutex<Vec<u8>>>);

impl Body {
    fn json(&self, operation: &str) -> Result<Value, Fault> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::from_slice(&bytes)
            .map_err(|error| Fault::new(FaultKind::Transient, operation, format!("the answer is no JSON: {error}")))
    }
}

impl Intercept for Body {
    fn name(&self) -> &'static str {
        "Body"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::BodyExt as _;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::super::Aws;
    use super::super::fake::{Fake, Reply};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_document_is_sent_as_it_stands() {
        let fake = Fake::new(|_| Reply::json(&json!({ "taskDefinition": { "taskDefinitionArn": "arn:web:8" } })));
        let document = json!({ "family": "web", "containerDefinitions": [{ "name": "app", "newField": [1, null] }] });
        let arn = register(&fake.aws().writing.ecs, &document).await;
        assert_eq!(arn, Ok("arn:web:8".to_owned()));
        let seen = fake.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(serde_json::from_slice::<Value>(&seen[0].body).unwrap(), document);
        assert_eq!(seen[0].header("content-length"), Some(document.to_string().len().to_string()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_definition_is_read_as_it_was_sent() {
        let answer = json!({ "taskDefinition": { "family": "web", "somethingNew": { "a": 1 } }, "tags": [] });
        let sent = answer.clone();
        let fake = Fake::new(move |_| Reply::json(&sent));
        assert_eq!(task_definition(&fake.aws().polling.ecs, "web").await, Ok(Some(answer)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_that_does_not_exist_is_no_fault() {
        let refusal = json!({ "__type": "ClientException", "message": "Unable to describe task definition." });
        let fake = Fake::new(move |_| Reply::status(400, &refusal));
        assert_eq!(task_definition(&fake.aws().polling.ecs, "web").await, Ok(None));
    }

    /// A server that answers one request, and tells its body.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (bodies, mut asked) = tokio::sync::mpsc::unbounded_channel();
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let bodies = bodies.clone();
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
                    bodies.send(body).unwrap();
                    Ok::<_, Infallible>(hyper::Response::new(answer.to_owned()))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                body = asked.recv() => { let _ = connection.await; body.unwrap() }
                _ = &mut connection => asked.recv().await.unwrap(),
            }
        });
        (endpoint, asked)
    }

    #[tokio::test]
    async fn a_document_arrives_over_a_socket_as_it_stands() {
        let (endpoint, asked) = server(r#"{"taskDefinition":{"taskDefinitionArn":"arn:web:9"}}"#).await;
        let document =
            json!({ "family": "web", "containerDefinitions": [{ "name": "app", "text": "ü".repeat(9000) }] });
        let aws = Aws::lab(&endpoint, "eu-west-1");
        assert_eq!(register(&aws.writing.ecs, &document).await, Ok("arn:web:9".to_owned()));
        drop(aws);
        assert_eq!(serde_json::from_slice::<Value>(&asked.await.unwrap()).unwrap(), document);
    }

    #[tokio::test]
    async fn a_write_that_found_no_connection_was_not_sent() {
        let aws = Aws::lab("http://127.0.0.1:9", "eu-west-1");
        let fault = register(&aws.writing.ecs, &json!({ "family": "web" })).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Transient, "{fault}");
    }

    #[tokio::test]
    async fn no_credentials_is_denied() {
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let fault = clusters(&Aws::from_config(&config).polling.ecs, "prod").await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    }
}

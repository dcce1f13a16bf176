//! A request, in the same form for every protocol.

use hyper::body::Bytes;
use serde_json::Value;

/// A service the lab knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Amazon ECS.
    Ecs,
    /// Elastic Load Balancing v2.
    Elbv2,
    /// Amazon CloudWatch.
    CloudWatch,
    /// AWS STS.
    Sts,
    /// AWS IAM.
    Iam,
    /// Amazon S3.
    S3,
    /// Amazon EventBridge Scheduler.
    Scheduler,
    /// Application Auto Scaling.
    AutoScaling,
    /// AWS CodeDeploy.
    CodeDeploy,
    /// Amazon SNS.
    Sns,
    /// AWS Systems Manager.
    Ssm,
}

impl Service {
    /// The word in fault specifications.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Service::Ecs => "ecs",
            Service::Elbv2 => "elbv2",
            Service::CloudWatch => "cloudwatch",
            Service::Sts => "sts",
            Service::Iam => "iam",
            Service::S3 => "s3",
            Service::Scheduler => "scheduler",
            Service::AutoScaling => "application-autoscaling",
            Service::CodeDeploy => "codedeploy",
            Service::Sns => "sns",
            Service::Ssm => "ssm",
        }
    }
}

/// A protocol the lab speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// awsJson1.1.
    Json11,
    /// awsJson1.0.
    Json10,
    /// awsQuery.
    Query,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// restXml.
    RestXml,
    /// restJson1.
    RestJson,
}

/// A request that was understood.
pub(super) struct ApiRequest {
    /// Whom it asks.
    pub service: Service,
    /// How.
    pub protocol: Protocol,
    /// What.
    pub operation: String,
    /// With what.
    pub input: Value,
    /// The content of an object that is put; empty with everything else.
    pub body: Bytes,
    /// The id of the key it is signed with, if it is; the signature itself is not verified.
    pub signer: Option<String>,
}

impl ApiRequest {
    /// An operation with its input.
    pub(crate) fn new(service: Service, protocol: Protocol, operation: &str, input: Value) -> ApiRequest {
        ApiRequest { service, protocol, operation: operation.to_owned(), input, body: Bytes::new(), signer: None }
    }
}

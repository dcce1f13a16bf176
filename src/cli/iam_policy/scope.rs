//! The resources that a spec's rollouts use, as IAM policies name them.

use crate::domain::safeguard::DeadMan;

/// Where policies reach.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// `aws`, or that of another part of the world.
    pub(super) partition: String,
    pub(super) region: String,
    pub(super) account: String,
    /// The spec's name, with which the ids of its rollouts begin.
    pub(super) name: String,
    /// The cluster's name.
    pub(super) cluster: String,
    /// The services' names.
    pub(super) services: [String; 2],
    /// Whether ECS deploys them by itself.
    pub(super) by_ecs: bool,
    /// Whether tidegate makes their task sets.
    pub(super) by_task_sets: bool,
    /// The application and the deployment group of CodeDeploy that deploys them.
    pub(super) by_codedeploy: Option<(String, String)>,
    /// The rule's ARN.
    pub(super) rule: String,
    /// Names of the alarms that gates ask about.
    pub(super) alarms: Vec<String>,
    /// The task definition family that a revision is registered in, when one is.
    pub(super) family: Option<String>,
    /// ARNs of the roles that it hands to its tasks.
    pub(super) task_roles: Vec<String>,
    /// Whether a service has a scalable target.
    pub(super) scales: bool,
    pub(super) dead_man: Option<DeadMan>,
    pub(super) writer_role: Option<String>,
    /// ARNs of the change calendars that must be open.
    pub(super) calendars: Vec<String>,
    /// ARNs of the SNS topics that are told how it goes.
    pub(super) topics: Vec<String>,
    pub(super) store: Option<Store>,
}

/// A store that is shared.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) bucket: String,
    /// What all of its keys begin with, without the last `/`.
    pub(super) root: String,
}

impl Scope {
    /// The ARN of a resource in the scope's region and account.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Scope { partition, region, account, .. } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    pub(super) fn cluster_arn(&self) -> String {
        self.arn("ecs", &format!("cluster/{}", self.cluster))
    }

    pub(super) fn bucket_arn(&self, store: &Store) -> String {
        format!("arn:{}:s3:::{}", self.partition, store.bucket)
    }

    /// A role that a task definition names: by ARN, or by its name alone.
    pub(super) fn role_arn(&self, role: &str) -> String {
        if role.starts_with("arn:") {
            return role.to_owned();
        }
        format!("arn:{}:iam::{}:role/{role}", self.partition, self.account)
    }
}

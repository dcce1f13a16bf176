//! The start: one deployment a rollout, whatever answers are lost.

use aws_sdk_ecs::types::Service;

use super::{Begun, appspec, config, mark, under_way};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::{codedeploy, ecs};
use crate::domain::fault::{Fault, FaultKind};

/// The longest description, in characters, that is taken everywhere.
const DESCRIPTION_LIMIT: usize = 256;

impl AlbDriver {
    /// Makes the deployment of a task definition, unless the rollout has one.
    pub(super) async fn start(&self, begun: &Begun, definition: &str) -> Result<(), Fault> {
        let deploy = &self.aws.reading.deploy;
        if self.unless_way("ListDeployments", self.find_deployment(deploy, begun)).await?.is_some() {
            return Ok(());
        }
        if let Some(other) = self.unless_way("ListDeployments", under_way(deploy, begun.group())).await? {
            let id = other.deployment_id().unwrap_or_default();
            let words = format!("deployment {id}, which is not this rollout's, is on its way in {}", begun.asked.group);
            return Err(Fault::new(FaultKind::Transient, "CreateDeployment", words));
        }
        let service = self.unless_way("DescribeServices", self.one_service(&self.aws.reading)).await?;
        let spec = self.unless_way("GetApplicationRevision", self.app_spec(begun, &service, definition)).await?;
        let config = self.config(begun).await?;
        let id = self.rollout_id();
        let id =
            id.ok_or_else(|| Fault::new(FaultKind::Permanent, "CreateDeployment", "this driver serves no rollout"))?;
        let release = definition.rsplit('/').next().unwrap_or(definition);
        let description: String = format!("{}: {release}", mark(id)).chars().take(DESCRIPTION_LIMIT).collect();
        let new = codedeploy::New { app_spec: &spec, config: &config, description: &description };
        self.fence.decide(true);
        let made = codedeploy::create(&self.aws.writing.deploy, begun.group(), new).await?;
        begun.is(&made);
        Ok(())
    }

    /// The name of the deployment configuration, which is made where it is not there.
    async fn config(&self, begun: &Begun) -> Result<String, Fault> {
        let timetable = begun.asked.timetable;
        if let Some(name) = config::predefined(timetable) {
            return Ok(name.to_owned());
        }
        let (name, routing) = (config::name(timetable), config::routing(timetable));
        let found = codedeploy::config(&self.aws.reading.deploy, &name);
        match self.unless_way("GetDeploymentConfig", found).await? {
            Some(found) if found.traffic_routing_config() == Some(&routing) => {}
            Some(_) => {
                let words = format!("{name} is not what its name says: delete it");
                return Err(Fault::new(FaultKind::Permanent, "GetDeploymentConfig", words));
            }
            None => {
                self.fence.decide(true);
                codedeploy::create_config(&self.aws.writing.deploy, &name, routing).await?;
            }
        }
        Ok(name)
    }

    /// The AppSpec of a task definition, with the hooks of the group's last deployment.
    async fn app_spec(&self, begun: &Begun, service: &Service, definition: &str) -> Result<String, Fault> {
        let deploy = &self.aws.reading.deploy;
        let group = codedeploy::group(deploy, begun.group()).await?;
        let refuse = |words: String| Fault::new(FaultKind::Permanent, "CreateDeployment", words);
        let hooks = match group.target_revision() {
            None => None,
            Some(last) if last.app_spec_content().is_none() => {
                return Err(refuse("the AppSpec of the last deployment is not in CodeDeploy any more".to_owned()));
            }
            Some(last) => {
                let text = codedeploy::app_spec(deploy, &begun.asked.application, last).await?;
                appspec::hooks(text.as_deref().unwrap_or_default()).map_err(refuse)?
            }
        };
        appspec::write(service, definition, hooks).map_err(refuse)
    }

    /// The service's desired count: all that may be written of a service that CodeDeploy deploys.
    pub(super) async fn set_desired(&self, count: u32) -> Result<(), Fault> {
        self.fence.decide(false);
        let update = ecs::Update { count, task_definition: None, anew: false };
        ecs::update(&self.aws.writing.ecs, &self.target.cluster, &self.target.stable.service, update).await
    }
}

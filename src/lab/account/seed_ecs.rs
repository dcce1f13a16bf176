//! The service of a world in which ECS itself shifts the traffic between the two target groups.

use serde_json::{Map, Value, json};

use super::{ALL, Account, Advanced, DeploymentStatus, RevisionSummary, ServiceDeployment, Settings};

impl Account {
    /// Makes the service that was just seeded one that ECS deploys by shifting traffic, with the deployment behind
    /// it that brought it; `free` is the target group it does not use.
    pub(crate) fn seed_shifts(&mut self, free: &str, now: u64) {
        let production = self.rules.iter().find(|rule| rule.priority.is_some());
        let production_rule = production.map(|rule| rule.arn.clone()).unwrap_or_default();
        let test = self.listeners.get(1).map(|listener| listener.arn.clone());
        let test_rule = self.rules.iter().find(|rule| Some(&rule.listener) == test.as_ref());
        let test_rule = test_rule.map(|rule| rule.arn.clone());
        let role = format!("arn:aws:iam::{}:role/ecsInfrastructureRole", self.names.account);
        let advanced = Advanced { alternate: free.to_owned(), production_rule, test_rule, role };
        let Some(mut service) = self.services.pop() else { return };
        for place in &mut service.attachments {
            place.advanced = Some(advanced.clone());
        }
        service.limits.raw = configuration();
        let id = service.deployments[0].id.clone();
        service.deployments[0].places = Some(service.attachments.clone());
        let definition = service.definition.clone();
        let revision = self.add_revision(&service, &id, &definition, now);
        let tasks = (service.desired as usize, service.desired as usize, 0);
        let target = RevisionSummary { revision, deployment: id, production: ALL, test: 0, tasks };
        if let Ok(settings) = Settings::read(&service.limits.raw) {
            let mut brought = ServiceDeployment::new(&self.names, &service, (Vec::new(), target), settings, now);
            brought.started_at = Some(now);
            brought.end(DeploymentStatus::Successful, now);
            self.service_deployments.push(brought);
        }
        self.services.push(service);
    }
}

/// What the service says of its deployments until somebody says otherwise.
fn configuration() -> Map<String, Value> {
    let given = json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5});
    given.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LabConfig, ServiceSeed};

    #[test]
    fn one_service_serves_on_one_group_and_knows_the_other() {
        let mut config = LabConfig::default();
        config.world.services = ServiceSeed::Ecs;
        config.world.test_listener_port = Some(8080);
        let account = Account::seeded(&config, 7);
        let [service] = &account.services[..] else { panic!("there is one service") };
        assert_eq!((service.name.as_str(), service.desired, service.shifts_traffic()), ("web-blue", 2, true));
        let place = &service.attachments[0];
        let advanced = place.advanced.as_ref().expect("it shifts traffic");
        assert_eq!((&place.group, &advanced.alternate), (&account.groups[0].arn, &account.groups[1].arn));
        let listens = |rule: &str| account.rules.iter().find(|one| one.arn == rule).map(|one| one.listener.clone());
        assert_eq!(listens(&advanced.production_rule).as_ref(), Some(&account.listeners[0].arn));
        let test_rule = advanced.test_rule.as_deref().expect("there is a test listener");
        assert_eq!(listens(test_rule).as_ref(), Some(&account.listeners[1].arn));
        let current = account.current_deployment(&service.arn).expect("something brought it");
        assert_eq!(current.status, DeploymentStatus::Successful);
    }
}
